"""Microsoft.Network: what a write replaces, refuses and changes elsewhere, and how long it takes."""

from datetime import timedelta
from typing import Any

import pytest

from simulator import worlds
from simulator.cloud import Timing
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

NETWORK = "/resourceGroups/rg-flask/providers/Microsoft.Network"
NSG = f"{NETWORK}/networkSecurityGroups/nsg-appservice-integration"
VNET = f"{NETWORK}/virtualNetworks/vnet-appservice"
SUBNET = f"{VNET}/subnets/snet-appservice-integration"
ENDPOINTS_SUBNET = f"{VNET}/subnets/snet-private-endpoints"
TABLE = f"{NETWORK}/routeTables/rt-appservice-integration"
ENDPOINT = f"{NETWORK}/privateEndpoints/pe-sql"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.database.windows.net"
DNS = "2024-06-01"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"))


@pytest.fixture
def slow() -> Client:
    """A cloud in which operations take the time that they took in recordings."""
    return Client(worlds.create("guide", timing=Timing(operation_seconds=None)))


def code(refusal: Answer) -> str:
    return str(refusal.body["error"]["code"])


def rule(**changes: Any) -> dict[str, Any]:
    properties = {
        "access": "Allow",
        "direction": "Outbound",
        "priority": 500,
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "8443",
    }
    return {"properties": {name: value for name, value in {**properties, **changes}.items() if value is not None}}


def changed_subnet(client: Client, **changes: Any) -> dict[str, Any]:
    properties = client("GET", SUBNET).body["properties"] | changes
    return {"properties": {name: value for name, value in properties.items() if value is not None}}


class TestRules:
    def test_writing_one_rule_changes_the_etag_of_the_group_and_of_every_rule(self, client: Client) -> None:
        before = client("GET", f"{NSG}/securityRules/allow-sql").headers["etag"]
        client("PUT", f"{NSG}/securityRules/new", rule())
        group = client("GET", NSG)
        etags = {each["etag"] for each in group.body["properties"]["securityRules"]} | {group.headers["etag"]}
        assert len(etags) == 1
        assert before not in etags

    def test_access_and_direction_are_normalised_and_the_protocol_is_not(self, client: Client) -> None:
        sent = rule(access="allow", direction="outbound", protocol="tcp")
        stored = client("PUT", f"{NSG}/securityRules/new", sent).body["properties"]
        assert (stored["access"], stored["direction"], stored["protocol"]) == ("Allow", "Outbound", "tcp")

    def test_of_singular_and_plural_one_is_answered(self, client: Client) -> None:
        sent = rule(destinationPortRange=None, destinationPortRanges=["80", "443-444"])
        stored = client("PUT", f"{NSG}/securityRules/new", sent).body["properties"]
        assert stored["destinationPortRanges"] == ["80", "443-444"]
        assert "destinationPortRange" not in stored
        assert stored["sourcePortRanges"] == []

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"priority": 99}, "SecurityRuleInvalidPriority"),
            ({"priority": 4097}, "SecurityRuleInvalidPriority"),
            ({"priority": 100}, "SecurityRuleConflict"),
            ({"destinationPortRange": "70000"}, "SecurityRuleInvalidPortRange"),
            ({"destinationPortRange": "20-10"}, "SecurityRuleInvalidPortRange"),
            ({"sourceAddressPrefix": "10.0.0.0/33"}, "SecurityRuleInvalidAddressPrefix"),
            ({"access": "Perhaps"}, "SecurityRuleInvalidAccess"),
            ({"direction": None}, "SecurityRuleInvalidDirection"),
            ({"protocol": "carrier pigeon"}, "SecurityRuleInvalidProtocol"),
            ({"description": "x" * 141}, "SecurityRuleInvalidDescription"),
            ({"destinationPortRange": None}, "SecurityRuleParameterNotSpecified"),
        ],
    )
    def test_what_azure_refuses_is_refused(self, client: Client, changes: dict[str, Any], expected: str) -> None:
        refusal = client("PUT", f"{NSG}/securityRules/new", rule(**changes))
        assert (refusal.status, code(refusal)) == (400, expected)
        assert client("GET", f"{NSG}/securityRules/new").status == 404

    def test_one_priority_may_serve_both_directions(self, client: Client) -> None:
        assert client("PUT", f"{NSG}/securityRules/new", rule(priority=100, direction="Inbound")).status == 201

    def test_a_put_of_the_group_replaces_its_rules(self, client: Client) -> None:
        body = {"location": "westeurope", "properties": {"securityRules": [{"name": "only", **rule()}]}}
        stored = client("PUT", NSG, body).body["properties"]["securityRules"]
        assert [each["name"] for each in stored] == ["only"]

    def test_two_priorities_are_swapped_by_one_put_of_the_group_and_by_no_put_of_a_rule(self, client: Client) -> None:
        group = client("GET", NSG).body
        first, second = group["properties"]["securityRules"][:2]
        first["properties"]["priority"], second["properties"]["priority"] = (
            second["properties"]["priority"],
            first["properties"]["priority"],
        )
        assert code(client("PUT", f"{NSG}/securityRules/{first['name']}", first)) == "SecurityRuleConflict"
        assert client("PUT", NSG, group).status == 200

    def test_the_six_default_rules_can_be_read(self, client: Client) -> None:
        listed = client("GET", f"{NSG}/defaultSecurityRules").body["value"]
        assert len(listed) == 6
        assert client("GET", f"{NSG}/defaultSecurityRules/DenyAllOutBound").body["properties"]["priority"] == 65500


class TestPreconditions:
    def test_a_stale_if_match_is_412_and_changes_nothing(self, client: Client) -> None:
        before = client("GET", NSG)
        refusal = client("PUT", f"{NSG}/securityRules/new", rule(), headers={"If-Match": 'W/"another"'})
        assert (refusal.status, code(refusal)) == (412, "PreconditionFailed")
        assert refusal.body["error"]["details"][0]["code"] == "PreconditionFailedEtagMismatch"
        assert client("GET", NSG).body == before.body

    def test_the_etag_that_was_read_is_accepted_once(self, client: Client) -> None:
        headers = {"If-Match": client("GET", NSG).headers["etag"]}
        body = {"location": "westeurope", "properties": {"securityRules": [{"name": "only", **rule()}]}}
        assert client("PUT", NSG, body, headers=headers).status == 200
        assert client("PUT", NSG, body, headers=headers).status == 412

    def test_a_star_needs_something_to_match(self, client: Client) -> None:
        assert client("PUT", f"{NSG}/securityRules/new", rule(), headers={"If-Match": "*"}).status == 412


class TestOperations:
    def test_a_write_is_updating_until_it_is_done(self, slow: Client) -> None:
        accepted = slow("PUT", f"{NSG}/securityRules/new", rule())
        assert accepted.status == 201
        assert "location" not in accepted.headers
        path = accepted.headers["Azure-AsyncOperation"].removeprefix("https://management.azure.com")
        assert slow("GET", path).body == {"status": "InProgress"}
        assert slow("GET", f"{NSG}/securityRules/new").body["properties"]["provisioningState"] == "Updating"
        slow.now += timedelta(seconds=30)
        assert slow("GET", path).body == {"status": "Succeeded"}
        assert slow("GET", f"{NSG}/securityRules/new").body["properties"]["provisioningState"] == "Succeeded"

    def test_a_write_under_a_busy_root_is_refused_as_retryable(self, slow: Client) -> None:
        slow("PUT", f"{NSG}/securityRules/new", rule())
        refusal = slow("PUT", f"{NSG}/securityRules/other", rule(priority=501))
        assert (refusal.status, code(refusal)) == (429, "RetryableError")
        assert code(slow("DELETE", f"{NSG}/securityRules/allow-sql")) == "AnotherOperationInProgress"
        assert slow("PUT", TABLE, {"location": "westeurope", "tags": {"a": "b"}}).status == 200
        slow.now += timedelta(seconds=30)
        assert slow("PUT", f"{NSG}/securityRules/other", rule(priority=501)).status == 201

    def test_the_activity_of_a_long_operation_is_recorded_at_its_end(self, slow: Client) -> None:
        start = slow.cloud.activities.cursor
        slow("PUT", f"{NSG}/securityRules/new", rule())
        assert slow.cloud.activities.since(start)[0] == []
        due = slow.cloud.next_due()
        assert due is not None
        slow.cloud.advance(due)
        (record,) = slow.cloud.activities.since(start)[0]
        assert (record.status, record.at, record.long_running) == ("Success", due, True)

    def test_a_deletion_answers_202_with_both_headers_then_204(self, client: Client) -> None:
        accepted = client("DELETE", f"{NSG}/securityRules/allow-sql")
        assert accepted.status == 202
        assert {"azure-asyncoperation", "location", "retry-after"} <= set(accepted.headers)
        assert client("DELETE", f"{NSG}/securityRules/allow-sql").status == 204

    def test_retry_after_can_be_switched_off(self) -> None:
        quick = Client(worlds.create("guide", timing=Timing(retry_after=0)))
        assert quick("PUT", f"{NSG}/securityRules/new", rule()).headers["retry-after"] == "0"


class TestSubnets:
    def test_a_put_that_leaves_out_the_nsg_detaches_it(self, client: Client) -> None:
        stored = client("PUT", SUBNET, changed_subnet(client, networkSecurityGroup=None)).body
        assert "networkSecurityGroup" not in stored["properties"]
        assert "subnets" not in client("GET", NSG).body["properties"]

    def test_a_change_rewrites_the_siblings_etag(self, client: Client) -> None:
        before = client("GET", ENDPOINTS_SUBNET).headers["etag"]
        client("PUT", SUBNET, changed_subnet(client, routeTable=None))
        assert client("GET", ENDPOINTS_SUBNET).headers["etag"] == client("GET", VNET).headers["etag"] != before

    def test_one_prefix_comes_back_in_the_singular(self, client: Client) -> None:
        body = {"properties": {"addressPrefixes": ["10.10.3.0/24"]}}
        stored = client("PUT", f"{VNET}/subnets/new", body).body["properties"]
        assert stored["addressPrefix"] == "10.10.3.0/24"
        assert "addressPrefixes" not in stored

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("10.11.0.0/24", "NetcfgInvalidSubnet"),
            ("10.10.1.128/25", "NetcfgSubnetRangesOverlap"),
            ("10.10.3.1/24", "InvalidCIDRNotation"),
            ("ten", "InvalidAddressPrefixFormat"),
        ],
    )
    def test_addresses_must_fit(self, client: Client, prefix: str, expected: str) -> None:
        refusal = client("PUT", f"{VNET}/subnets/new", {"properties": {"addressPrefix": prefix}})
        assert (refusal.status, code(refusal)) == (400, expected)

    def test_a_reference_to_nothing_is_refused(self, client: Client) -> None:
        body = changed_subnet(client, networkSecurityGroup={"id": f"{NSG}-absent"})
        assert code(client("PUT", SUBNET, body)) == "InvalidResourceReference"

    def test_an_app_on_the_subnet_holds_its_addresses_its_delegation_and_itself(self, client: Client) -> None:
        links = client("GET", SUBNET).body["properties"]["serviceAssociationLinks"]
        assert links[0]["properties"]["linkedResourceType"] == "Microsoft.Web/serverfarms"
        assert code(client("PUT", SUBNET, changed_subnet(client, addressPrefix="10.10.4.0/24"))) == (
            "InUsePrefixCannotBeDeleted"
        )
        assert code(client("PUT", SUBNET, changed_subnet(client, delegations=[]))) == "SubnetMissingRequiredDelegation"
        assert code(client("DELETE", SUBNET)) == "InUseSubnetCannotBeDeleted"
        assert code(client("DELETE", VNET)) == "InUseSubnetCannotBeDeleted"

    def test_what_a_subnet_uses_cannot_be_deleted(self, client: Client) -> None:
        assert code(client("DELETE", NSG)) == "InUseNetworkSecurityGroupCannotBeDeleted"
        assert code(client("DELETE", TABLE)) == "InUseRouteTableCannotBeDeleted"


class TestVirtualNetworks:
    def test_a_put_without_subnets_keeps_them_since_2023_09_01(self, client: Client) -> None:
        body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]}}}
        assert len(client("PUT", VNET, body, "2023-09-01").body["properties"]["subnets"]) == 2
        assert code(client("PUT", VNET, body, "2023-06-01")) == "InUseSubnetCannotBeDeleted"

    def test_listed_subnets_are_the_full_set(self, client: Client) -> None:
        client("PUT", f"{VNET}/subnets/spare", {"properties": {"addressPrefix": "10.10.9.0/24"}})
        vnet = client("GET", VNET).body
        vnet["properties"]["subnets"] = [each for each in vnet["properties"]["subnets"] if each["name"] != "spare"]
        client("PUT", VNET, vnet)
        assert client("GET", f"{VNET}/subnets/spare").status == 404
        assert client("GET", SUBNET).body["properties"]["serviceAssociationLinks"]

    def test_tags_are_patched_at_once_and_nothing_else(self, client: Client) -> None:
        patched = client("PATCH", VNET, {"tags": {"a": "b"}})
        assert (patched.status, patched.body["tags"]) == (200, {"a": "b"})
        assert len(patched.body["properties"]["subnets"]) == 2


class TestRoutes:
    def test_a_put_of_the_table_without_routes_deletes_them(self, client: Client) -> None:
        assert client("PUT", TABLE, {"location": "westeurope", "properties": {}}).body["properties"]["routes"] == []

    def test_an_appliance_needs_its_address_and_others_may_have_none(self, client: Client) -> None:
        route = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance"}
        assert code(client("PUT", f"{TABLE}/routes/r", {"properties": route})) == "InvalidNextHopIpAddress"
        route["nextHopIpAddress"] = "10.10.5.4"
        assert client("PUT", f"{TABLE}/routes/r", {"properties": route}).status == 201


class TestPrivateEndpoints:
    def test_an_endpoint_takes_an_address_and_shows_in_its_subnet(self, client: Client) -> None:
        nic = client("GET", ENDPOINT).body["properties"]["networkInterfaces"][0]["id"]
        config = client("GET", nic).body["properties"]["ipConfigurations"][0]["properties"]
        assert config["privateIPAddress"] == "10.10.2.4"
        shown = [each["id"] for each in client("GET", ENDPOINTS_SUBNET).body["properties"]["privateEndpoints"]]
        assert any(each.lower().endswith("/privateendpoints/pe-sql") for each in shown)

    def test_the_zone_group_keeps_the_record_and_takes_it_along(self, client: Client) -> None:
        record = f"{ZONE}/A/sql-flask"
        found = client("GET", record, api_version=DNS).body["properties"]
        assert (found["ttl"], found["aRecords"]) == (10, [{"ipv4Address": "10.10.2.4"}])
        client("DELETE", f"{ENDPOINT}/privateDnsZoneGroups/default")
        assert client("GET", record, api_version=DNS).status == 404
        assert client("GET", ENDPOINT).body["properties"]["customDnsConfigs"][0]["ipAddresses"] == ["10.10.2.4"]

    def test_a_deleted_endpoint_leaves_nothing_behind(self, client: Client) -> None:
        nic = client("GET", ENDPOINT).body["properties"]["networkInterfaces"][0]["id"]
        client("DELETE", ENDPOINT)
        assert client("GET", nic).status == 404
        assert client("GET", f"{ZONE}/A/sql-flask", api_version=DNS).status == 404
        backend = "/resourceGroups/rg-flask/providers/Microsoft.Sql/servers/sql-flask/privateEndpointConnections"
        assert client("GET", backend, api_version="2021-11-01").body["value"] == []

    def test_the_address_of_a_deleted_endpoint_is_given_again(self, client: Client) -> None:
        body = client("GET", ENDPOINT).body
        client("DELETE", ENDPOINT)
        created = client("PUT", ENDPOINT, body)
        assert created.status == 201
        assert client("GET", ENDPOINT).body["properties"]["customDnsConfigs"][0]["ipAddresses"] == ["10.10.2.4"]

    def test_an_unknown_group_id_or_target_is_refused_and_leaves_nothing(self, client: Client) -> None:
        body = client("GET", ENDPOINT).body
        connection = body["properties"]["privateLinkServiceConnections"][0]["properties"]
        connection["groupIds"] = ["toaster"]
        assert client("PUT", f"{ENDPOINT}-2", body).status == 400
        connection["privateLinkServiceId"] += "-absent"
        assert code(client("PUT", f"{ENDPOINT}-2", body)) == "InvalidResourceReference"
        assert client("GET", f"{ENDPOINT}-2").status == 404


class TestFlowLogs:
    WATCHER = "/resourceGroups/NetworkWatcherRG/providers/Microsoft.Network/networkWatchers/NetworkWatcher_westeurope"

    def test_the_target_shows_its_flow_log(self, client: Client) -> None:
        assert client("GET", VNET).body["properties"]["flowLogs"][0]["id"].endswith("/flow-vnet-appservice")

    def test_a_target_has_one_flow_log_at_most_and_must_exist(self, client: Client) -> None:
        log = client("GET", f"{self.WATCHER}/flowLogs/flow-vnet-appservice").body
        refusal = client("PUT", f"{self.WATCHER}/flowLogs/second", log)
        assert code(refusal) == "FlowLogAlreadyExistsForTargetResource"
        log["properties"]["targetResourceId"] = f"{NSG}-absent"
        assert code(client("PUT", f"{self.WATCHER}/flowLogs/second", log)) == "NetworkSecurityGroupNotFoundForFlowLog"

    def test_a_region_has_one_watcher(self, client: Client) -> None:
        refusal = client("PUT", f"{self.WATCHER}-2", {"location": "westeurope"})
        assert code(refusal) == "NetworkWatcherCountLimitReached"
