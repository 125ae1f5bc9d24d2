"""The adapters against the simulator: over TLS with azure-identity's own search, and in process."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from homeostat.ambient import SystemAmbient
from homeostat.azure.arm import Arm, arm_over, open_arm
from homeostat.azure.clouds import cloud_of
from homeostat.core import json
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    SECURITY_RULE,
    SITE,
    SITE_CONFIG,
    SITE_NETWORK_CONFIG,
    VIRTUAL_NETWORK_LINK,
    ArmType,
)
from homeostat.core.ids import ResourceId
from homeostat.core.model import Found, Gone, Read
from homeostat.core.plan import Action, Verb, writable
from homeostat.core.secret_value import Secret
from simulator import worlds
from simulator.clock import Clock
from simulator.cloud import Timing
from simulator.exchange import Exchanger
from simulator.transport import CloudCredential, CloudTransport
from tests.azure.scripted import VirtualAmbient
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

RULE = "allow-sql"
LINK = ("privatelink.database.windows.net", "link-vnet-appservice")


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    # Every row of the write table is tried here, those too that no kind has a use for yet.
    with running_simulator("guide", role=None) as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        running.forget_requests()
        yield running


def within(simulation: Simulation, row: ArmType, *names: str) -> ResourceId:
    return ResourceId.of(simulation.subscription, "rg-flask", row.name, *names)


async def found(arm: Arm, read: Read) -> Found:
    fact = await arm.reader.read(read)
    assert isinstance(fact, Found), fact
    return fact


def put(target: ResourceId, row: ArmType, base: Found, path: json.Path, value: json.Value) -> Action:
    return Action(target, row, Verb.PUT, (), writable(json.with_value(base.body, path, value), row), base.etag)


async def nsg_of(arm: Arm, simulation: Simulation) -> ResourceId:
    return within(simulation, NETWORK_SECURITY_GROUP, "nsg-appservice-integration")


async def test_a_rule_is_written_and_a_second_writer_with_the_old_etag_is_too_late(simulation: Simulation) -> None:
    async with open_arm(os.environ, SystemAmbient()) as arm:
        nsg = await nsg_of(arm, simulation)
        group = await found(arm, Read(NETWORK_SECURITY_GROUP, nsg))
        rule = ResourceId.parse(json.text_at(json.objects_at(group.body, "properties", "securityRules")[0], "id"))
        read = Read(SECURITY_RULE, rule)
        before = await found(arm, read)
        await arm.writer.write(put(rule, SECURITY_RULE, before, ("properties", "description"), "first"))
        assert json.text_at((await found(arm, read)).body, "properties", "description") == "first"
        with pytest.raises(ArmError) as raised:
            await arm.writer.write(put(rule, SECURITY_RULE, before, ("properties", "description"), "second"))
    assert raised.value.error_class is ErrorClass.STALE


async def test_a_deleted_rule_is_gone_and_lacks_in_its_parents_listing(simulation: Simulation) -> None:
    async with open_arm(os.environ, SystemAmbient()) as arm:
        nsg = await nsg_of(arm, simulation)
        listing = Read(SECURITY_RULE, nsg, every=True)
        rules = json.objects_at((await found(arm, listing)).body, "value")
        rule = ResourceId.parse(json.text_at(rules[0], "id"))
        await arm.writer.write(Action(rule, SECURITY_RULE, Verb.DELETE, (), etag=None))
        assert await arm.reader.read(Read(SECURITY_RULE, rule)) == Gone()
        assert len(json.objects_at((await found(arm, listing)).body, "value")) == len(rules) - 1


async def test_a_link_with_an_old_etag_fails_in_its_operation(simulation: Simulation) -> None:
    async with open_arm(os.environ, SystemAmbient()) as arm:
        link = within(simulation, VIRTUAL_NETWORK_LINK, *LINK)
        before = await found(arm, Read(VIRTUAL_NETWORK_LINK, link))
        change = put(link, VIRTUAL_NETWORK_LINK, before, ("properties", "registrationEnabled"), value=True)
        await arm.writer.write(change)
        with pytest.raises(ArmError) as raised:
            await arm.writer.write(change)
        await arm.writer.write(Action(link, VIRTUAL_NETWORK_LINK, Verb.DELETE, ()))
        assert await arm.reader.read(Read(VIRTUAL_NETWORK_LINK, link)) == Gone()
    assert (raised.value.error_class, raised.value.status) == (ErrorClass.STALE, 200)


async def test_settings_and_integration_are_written(simulation: Simulation) -> None:
    async with open_arm(os.environ, SystemAmbient()) as arm:
        settings = within(simulation, SITE_CONFIG, "app-flask", "appsettings")
        read = Read(SITE_CONFIG, settings)
        before = await found(arm, read)
        await arm.writer.write(put(settings, SITE_CONFIG, before, ("properties", "REDIS_PORT"), "1"))
        assert json.secrets_at((await found(arm, read)).body, "properties")["REDIS_PORT"] == Secret("1")

        integration = within(simulation, SITE_NETWORK_CONFIG, "app-flask", "virtualNetwork")
        site = Read(SITE, within(simulation, SITE, "app-flask"))
        subnet = json.text_at((await found(arm, site)).body, "properties", "virtualNetworkSubnetId")
        assert subnet
        await arm.writer.write(Action(integration, SITE_NETWORK_CONFIG, Verb.DELETE, ()))
        assert not json.text_at((await found(arm, site)).body, "properties", "virtualNetworkSubnetId")
        body: json.Json = {"properties": {"subnetResourceId": subnet, "swiftSupported": True}}
        await arm.writer.write(Action(integration, SITE_NETWORK_CONFIG, Verb.PUT, (), body))
        assert json.text_at((await found(arm, site)).body, "properties", "virtualNetworkSubnetId") == subnet


async def test_a_write_is_found_again_by_its_names(simulation: Simulation) -> None:
    async with open_arm(os.environ, SystemAmbient()) as arm:
        settings = within(simulation, SITE_CONFIG, "app-flask", "appsettings")
        before = await found(arm, Read(SITE_CONFIG, settings))
        change = put(settings, SITE_CONFIG, before, ("properties", "REDIS_PORT"), "1")
        written = await arm.writer.write(change, correlation_id="6f1f9b0e-1111-4222-8333-444444444444")
    (logged,) = [entry for entry in simulation.requests() if entry["method"] == "PUT"]
    assert _values(logged) >= {written.request_id, written.correlation_id}


async def test_a_slow_operation_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_simulator("guide", timing=Timing(operation_seconds=0.5, retry_after=1)) as simulation:
        for name, value in simulation.env.items():
            monkeypatch.setenv(name, value)
        async with open_arm(os.environ, SystemAmbient()) as arm:
            nsg = await nsg_of(arm, simulation)
            group = await found(arm, Read(NETWORK_SECURITY_GROUP, nsg))
            await arm.writer.write(put(nsg, NETWORK_SECURITY_GROUP, group, ("tags",), {"healed": "yes"}))
            after = await found(arm, Read(NETWORK_SECURITY_GROUP, nsg))
    assert json.text_at(after.body, "tags", "healed") == "yes"
    assert json.text_at(after.body, "properties", "provisioningState") == "Succeeded"


async def test_minutes_of_operations_pass_in_no_time_in_process() -> None:
    ambient = VirtualAmbient()
    clock = Clock(ambient.now, ambient.sleep)
    cloud = worlds.create("guide", timing=Timing(operation_seconds=25), now=ambient.now())
    transport = CloudTransport(Exchanger(cloud, clock))
    arm = arm_over(transport, CloudCredential(cloud, clock), cloud_of({}), ambient)
    nsg = ResourceId.of(cloud.subscription, "rg-flask", NETWORK_SECURITY_GROUP.name, "nsg-appservice-integration")
    read = Read(NETWORK_SECURITY_GROUP, nsg)
    for number in range(10):
        before = await found(arm, read)
        await arm.writer.write(put(nsg, NETWORK_SECURITY_GROUP, before, ("tags",), {"number": str(number)}))
    assert json.text_at((await found(arm, read)).body, "tags", "number") == "9"
    assert ambient.slept == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8] * 10


def _values(entry: dict[str, Any]) -> set[str]:
    return {value for value in entry.values() if isinstance(value, str)}
