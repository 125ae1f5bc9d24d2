"""Microsoft's own clients, unmodified, against the simulator: in process, and over TLS with azure-identity."""

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
from azure.mgmt.network.aio import NetworkManagementClient
from azure.mgmt.privatedns.aio import PrivateDnsManagementClient

from simulator import worlds
from simulator.clock import Clock, wall_clock
from simulator.cloud import EPOCH, SUBSCRIPTION, Cloud, Timing
from simulator.exchange import Exchanger
from simulator.transport import CloudCredential, CloudTransport
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

GROUP, NSG = "rg-flask", "nsg-appservice-integration"
RG = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask/providers/Microsoft.Network"
ZONE, LINK = "privatelink.database.windows.net", "link-vnet-appservice"


@pytest.fixture
def cloud() -> Cloud:
    return worlds.create("guide", timing=Timing(retry_after=0))


def arguments(cloud: Cloud, clock: Clock) -> dict[str, Any]:
    return {
        "credential": CloudCredential(cloud, clock),
        "subscription_id": cloud.subscription,
        "transport": CloudTransport(Exchanger(cloud, clock)),
        "polling_interval": 0,
    }


@pytest.fixture
async def network(cloud: Cloud) -> AsyncIterator[NetworkManagementClient]:
    async with NetworkManagementClient(**arguments(cloud, wall_clock())) as client:
        yield client


@pytest.fixture
async def dns(cloud: Cloud) -> AsyncIterator[PrivateDnsManagementClient]:
    async with PrivateDnsManagementClient(**arguments(cloud, wall_clock())) as client:
        yield client


async def test_a_rule_is_read_changed_and_deleted(network: NetworkManagementClient) -> None:
    rule = await network.security_rules.get(GROUP, NSG, "allow-https")
    rule.priority = 130
    poller = await network.security_rules.begin_create_or_update(GROUP, NSG, "allow-https", rule)
    assert (await poller.result()).priority == 130
    await (await network.security_rules.begin_delete(GROUP, NSG, "allow-https")).result()
    with pytest.raises(ResourceNotFoundError):
        await network.security_rules.get(GROUP, NSG, "allow-https")


async def test_a_stale_if_match_fails_at_once_on_a_network_resource(network: NetworkManagementClient) -> None:
    group = await network.network_security_groups.get(GROUP, NSG)
    rule = await network.security_rules.get(GROUP, NSG, "allow-sql")
    rule.description = "changed by somebody else"
    await (await network.security_rules.begin_create_or_update(GROUP, NSG, "allow-sql", rule)).result()
    with pytest.raises(HttpResponseError) as caught:
        await network.network_security_groups.begin_create_or_update(
            GROUP, NSG, group, headers={"If-Match": group.etag}
        )
    assert caught.value.status_code == 412
    assert caught.value.error is not None
    assert caught.value.error.code == "PreconditionFailed"


async def test_a_stale_if_match_on_a_link_fails_only_in_the_poll(dns: PrivateDnsManagementClient) -> None:
    link = await dns.virtual_network_links.get(GROUP, ZONE, LINK)
    link.registration_enabled = True
    poller = await dns.virtual_network_links.begin_create_or_update(
        GROUP, ZONE, LINK, link, headers={"If-Match": '"somebody-elses"'}
    )
    with pytest.raises(HttpResponseError) as caught:
        await poller.result()
    assert caught.value.status_code == 200
    assert caught.value.error is not None
    assert caught.value.error.code == "PreconditionFailed"


async def test_a_link_is_made_again_after_its_deletion(dns: PrivateDnsManagementClient) -> None:
    link = await dns.virtual_network_links.get(GROUP, ZONE, LINK)
    await (await dns.virtual_network_links.begin_delete(GROUP, ZONE, LINK)).result()
    poller = await dns.virtual_network_links.begin_create_or_update(GROUP, ZONE, LINK, link)
    assert (await poller.result()).virtual_network_link_state == "Completed"


class VirtualTime:
    """A clock whose sleeps take no time at all and are remembered."""

    def __init__(self) -> None:
        self.now = EPOCH
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


async def test_pollers_wait_as_they_are_told_on_virtual_time() -> None:
    cloud, time = worlds.create("guide", timing=Timing(operation_seconds=None)), VirtualTime()
    clock = Clock(lambda: time.now, time.sleep)
    async with PrivateDnsManagementClient(**arguments(cloud, clock)) as client:
        poller = await client.virtual_network_links.begin_delete(GROUP, ZONE, LINK)
        await poller.result()
    assert time.slept == [30]
    assert cloud.get(f"{RG}/privateDnsZones/{ZONE}/virtualNetworkLinks/{LINK}") is None


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    for name in list(os.environ):
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")):
            monkeypatch.delenv(name)
    with running_simulator("guide") as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def wire(simulation: Simulation) -> AsyncIterator[AioHttpTransport]:
    """One session that trusts the simulator; aiohttp reads SSL_CERT_FILE once, when it is imported."""
    trust = ssl.create_default_context(cafile=simulation.env["SSL_CERT_FILE"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        yield AioHttpTransport(session=session, session_owner=False)


def over_tls(simulation: Simulation, credential: Any, wire: AioHttpTransport) -> NetworkManagementClient:
    return NetworkManagementClient(
        credential,
        simulation.subscription,
        base_url=simulation.endpoint,
        credential_scopes=["https://management.azure.com/.default"],
        polling_interval=0,
        transport=wire,
    )


async def test_the_service_signs_in_by_its_managed_identity_over_tls(
    simulation: Simulation, wire: AioHttpTransport
) -> None:
    async with DefaultAzureCredential(transport=wire) as credential:
        client = over_tls(simulation, credential, wire)
        subnet = await client.subnets.get(GROUP, "vnet-appservice", "snet-appservice-integration")
        assert subnet.delegations is not None
        assert subnet.delegations[0].service_name == "Microsoft.Web/serverFarms"
        subnet.route_table = None
        poller = await client.subnets.begin_create_or_update(GROUP, "vnet-appservice", str(subnet.name), subnet)
        assert (await poller.result()).route_table is None
    assert {each["caller"] for each in simulation.requests()} == {"id-homeostat"}


async def test_without_a_client_id_the_identity_is_the_operator(simulation: Simulation, wire: AioHttpTransport) -> None:
    async with ManagedIdentityCredential(transport=wire) as credential:
        await over_tls(simulation, credential, wire).virtual_networks.get(GROUP, "vnet-appservice")
    assert [each["caller"] for each in simulation.requests()] == ["operator@contoso.example"]
