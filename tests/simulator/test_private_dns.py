"""Private DNS: writes that are seen only when they are done, preconditions that fail only then, and records at once."""

from datetime import timedelta
from typing import Any

import pytest

from simulator import worlds
from simulator.cloud import Timing
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

NETWORK = "/resourceGroups/rg-flask/providers/Microsoft.Network"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.database.windows.net"
LINK = f"{ZONE}/virtualNetworkLinks/link-vnet-appservice"
RECORD = f"{ZONE}/A/host"
A_RECORD = {"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.0.0.1"}]}}
GLOBAL = {"location": "global"}


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"), api_version="2024-06-01")


@pytest.fixture
def slow() -> Client:
    return Client(worlds.create("guide", timing=Timing(operation_seconds=None)), api_version="2024-06-01")


def poll(client: Client, accepted: Answer) -> Answer:
    return client("GET", accepted.headers["azure-asyncoperation"].removeprefix("https://management.azure.com"))


def failure(client: Client, accepted: Answer) -> str:
    assert (accepted.status, accepted.body) == (202, {})
    ended = poll(client, accepted)
    assert (ended.status, ended.body["status"]) == (200, "Failed")
    return str(ended.body["error"]["code"])


def link_to(client: Client, vnet: str = "vnet-appservice", **properties: Any) -> dict[str, Any]:
    target = f"/subscriptions/{client.cloud.subscription}{NETWORK}/virtualNetworks/{vnet}"
    return {**GLOBAL, "properties": {"virtualNetwork": {"id": target}, "registrationEnabled": False, **properties}}


class TestZonesAndLinks:
    def test_a_write_is_202_and_its_poll_too_until_it_ends(self, slow: Client) -> None:
        accepted = slow("PUT", f"{NETWORK}/privateDnsZones/example.internal", GLOBAL)
        assert (accepted.status, accepted.body) == (202, {})
        assert {"azure-asyncoperation", "location", "retry-after"} <= set(accepted.headers)
        running = poll(slow, accepted)
        assert (running.status, running.body) == (202, {"status": "InProgress"})
        assert slow("GET", f"{NETWORK}/privateDnsZones/example.internal").status == 404
        slow.now += timedelta(minutes=1)
        assert poll(slow, accepted).body == {"status": "Succeeded"}
        zone = slow("GET", f"{NETWORK}/privateDnsZones/example.internal").body
        assert zone["properties"]["numberOfRecordSets"] == 1

    def test_a_failed_precondition_shows_only_in_the_poll_and_changes_nothing(self, client: Client) -> None:
        before = client("GET", LINK)
        body = link_to(client, registrationEnabled=True)
        accepted = client("PUT", LINK, body, headers={"If-Match": '"another"'})
        assert failure(client, accepted) == "PreconditionFailed"
        assert client("GET", LINK).body == before.body
        accepted = client("PUT", ZONE, GLOBAL, headers={"If-None-Match": "*"})
        assert failure(client, accepted) == "PreconditionFailed"

    def test_etags_are_passed_verbatim_quotes_and_all(self, client: Client) -> None:
        zone, link = client("GET", ZONE).headers["etag"], client("GET", LINK).headers["etag"]
        assert not zone.startswith('"')
        assert link.startswith('"')
        accepted = client("PUT", LINK, link_to(client, registrationEnabled=True), headers={"If-Match": link})
        assert poll(client, accepted).body["status"] == "Succeeded"
        assert client("GET", LINK).body["properties"]["registrationEnabled"] is True

    def test_a_zone_with_links_is_not_deleted(self, client: Client) -> None:
        refusal = client("DELETE", ZONE)
        assert (refusal.status, refusal.body["error"]["code"]) == (409, "CannotDeleteResource")
        assert refusal.headers["x-ms-failure-cause"] == "gateway"
        client("DELETE", LINK)
        assert client("DELETE", ZONE).status == 202
        assert client("DELETE", ZONE).status == 204

    def test_a_vnet_cannot_be_linked_to_two_zones_of_one_name(self, client: Client) -> None:
        other = ZONE.replace("rg-flask", "NetworkWatcherRG")
        client("PUT", other, GLOBAL)
        accepted = client("PUT", f"{other}/virtualNetworkLinks/second", link_to(client))
        assert failure(client, accepted) == "BadRequest"
        assert client("GET", f"{other}/virtualNetworkLinks/second").status == 404

    def test_a_vnet_registers_in_one_zone_at_most(self, client: Client) -> None:
        client("PATCH", LINK, {"properties": {"registrationEnabled": True}})
        vault = LINK.replace("privatelink.database.windows.net", "privatelink.vaultcore.azure.net")
        accepted = client("PATCH", vault, {"properties": {"registrationEnabled": True}})
        assert failure(client, accepted) == "BadRequest"

    def test_a_link_to_no_vnet_fails(self, client: Client) -> None:
        accepted = client("PUT", f"{ZONE}/virtualNetworkLinks/x", link_to(client, "absent"))
        assert failure(client, accepted) == "BadRequest"

    def test_the_location_must_be_global(self, client: Client) -> None:
        refusal = client("PUT", ZONE, {"location": "westeurope"})
        assert (refusal.status, refusal.body["error"]["code"]) == (400, "LocationNotAvailableForResourceType")

    def test_the_zone_counts_its_links(self, client: Client) -> None:
        client("PATCH", LINK, {"properties": {"registrationEnabled": True}})
        counted = client("GET", ZONE).body["properties"]
        assert counted["numberOfVirtualNetworkLinks"] == 1
        assert counted["numberOfVirtualNetworkLinksWithRegistration"] == 1

    def test_a_failed_operation_is_recorded_as_a_failure(self, client: Client) -> None:
        start = client.cloud.activities.cursor
        client("PUT", LINK, link_to(client), headers={"If-Match": '"another"'})
        ((record,), _) = client.cloud.activities.since(start)
        assert record.operation_name == "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write"
        assert record.status == "Failure"


class TestRecords:
    def test_a_record_is_written_at_once(self, client: Client) -> None:
        created = client("PUT", RECORD, A_RECORD)
        assert created.status == 201
        assert created.body["properties"]["fqdn"] == "host.privatelink.database.windows.net."
        assert client("PUT", RECORD, A_RECORD).status == 200
        assert client("DELETE", RECORD).status == 200
        assert client("DELETE", RECORD).status == 204

    def test_a_failed_precondition_is_412_without_the_outer_error(self, client: Client) -> None:
        client("PUT", RECORD, A_RECORD)
        refusal = client("PUT", RECORD, A_RECORD, headers={"If-Match": "another"})
        assert (refusal.status, refusal.body["code"]) == (412, "PreconditionFailed")
        refusal = client("PUT", RECORD, A_RECORD, headers={"If-None-Match": "*"})
        assert (refusal.status, refusal.body["code"]) == (412, "PreconditionFailed")

    def test_a_missing_record_is_404_without_the_outer_error(self, client: Client) -> None:
        refusal = client("GET", RECORD)
        assert (refusal.status, refusal.body["code"]) == (404, "NotFound")

    def test_addresses_and_ttls_are_checked(self, client: Client) -> None:
        for properties in ({"ttl": 0}, {"ttl": 60, "aRecords": [{"ipv4Address": "ten"}]}):
            assert client("PUT", RECORD, {"properties": properties}).status == 400

    def test_all_lists_every_type_and_no_link(self, client: Client) -> None:
        listed = client("GET", f"{ZONE}/ALL").body["value"]
        assert sorted(each["type"].rpartition("/")[2] for each in listed) == ["A", "SOA"]
