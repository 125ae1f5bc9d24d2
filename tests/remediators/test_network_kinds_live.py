"""Subnets, NSGs, route tables and flow logs against the simulated Azure, through the whole loop."""

from typing import Any

import pytest

from homeostat.core.arm_types import FLOW_LOG, NETWORK_WATCHER, ROUTE_TABLE, VIRTUAL_NETWORK
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Status, Trigger
from tests.loop.stand import NSG_VERSION, REMOVALS_UNASKED, Stand, stand

pytestmark = pytest.mark.wire

SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
subnet:
  vnet-appservice/snet-appservice-integration:
    address_prefix: 10.10.1.0/24
    delegation: Microsoft.Web/serverFarms
    nsg: nsg-appservice-integration
    route_table: rt-appservice-integration
    recreate: true
nsg:
  nsg-appservice-integration: {location: westeurope, recreate: true}
nsg_rules:
  nsg-appservice-integration:
    effective: remove
    rules:
      allow-sql: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}
      allow-redis: {priority: 110, direction: Outbound, access: Allow, protocol: Tcp, ports: 6380}
      allow-https: {priority: 120, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}
      deny-all-outbound: {priority: 4096, direction: Outbound, access: Deny, protocol: "*", ports: "*"}
route_table:
  rt-appservice-integration:
    location: westeurope
    recreate: true
    disable_bgp_route_propagation: false
    routes:
      to-vnet: {address_prefix: 10.10.0.0/16, next_hop_type: VnetLocal}
flow_logs:
  flow-vnet-appservice:
    network_watcher: NetworkWatcherRG:NetworkWatcher_westeurope
    target: vnet-appservice
    storage: stflask
    enabled: true
    retention_days: 7
    format_version: 2
    location: westeurope
"""


def vnet(world: Stand) -> ResourceId:
    return ResourceId.of(world.cloud.subscription, "rg-flask", VIRTUAL_NETWORK.name, "vnet-appservice")


def subnet(world: Stand) -> ResourceId:
    return vnet(world).child("subnets", "snet-appservice-integration")


def table(world: Stand) -> ResourceId:
    return ResourceId.of(world.cloud.subscription, "rg-flask", ROUTE_TABLE.name, "rt-appservice-integration")


def watcher(world: Stand) -> ResourceId:
    name = "NetworkWatcher_westeurope"
    return ResourceId.of(world.cloud.subscription, "NetworkWatcherRG", NETWORK_WATCHER.name, name)


def log(world: Stand) -> ResourceId:
    return watcher(world).child("flowLogs", "flow-vnet-appservice")


def properties(world: Stand, of: ResourceId) -> Any:
    return world.operator("GET", of).body["properties"]


def change(world: Stand, of: ResourceId, **changes: Any) -> None:
    """A person writes a resource anew, with some properties changed; None takes one away."""
    body = world.operator("GET", of).body
    members = {name: value for name, value in {**body["properties"], **changes}.items() if value is not None}
    envelope = {"location": body["location"]} if "location" in body else {}
    world.operator("PUT", of, {**envelope, "properties": members})


async def healed(world: Stand, root: ResourceId) -> Outcome:
    """Reconciles; a container counts as gone only after its second 404."""
    of = await world.root(root)
    outcome = await world.engine.reconcile(of, Trigger("manual"))
    if outcome.status is Status.MISSING:
        world.pass_time(minutes=1)
        outcome = await world.engine.reconcile(of, Trigger("manual"))
    return outcome


def guide(spec: str = SPEC) -> Stand:
    world = stand("guide", spec=spec)
    world.cloud.exchanges.clear()
    return world


async def test_the_guide_s_world_is_in_sync_and_nothing_is_written() -> None:
    world = guide()
    for root in (await world.fleet()).roots:
        assert (await healed(world, root)).status is Status.IN_SYNC
    assert world.writes() == []


@pytest.mark.parametrize("member", ["networkSecurityGroup", "routeTable"])
async def test_an_association_that_was_taken_away_comes_back_and_the_rest_of_the_subnet_stays(member: str) -> None:
    world = guide()
    endpoints = [{"service": "Microsoft.Storage", "locations": ["westeurope"]}]
    change(world, subnet(world), serviceEndpoints=endpoints, **{member: None})
    world.cloud.exchanges.clear()
    assert (await healed(world, vnet(world))).status is Status.HEALED
    now = properties(world, subnet(world))
    assert now[member]
    assert [each["service"] for each in now["serviceEndpoints"]] == ["Microsoft.Storage"]
    assert [write.split()[1] for write in world.writes()] == ["subnets/snet-appservice-integration"]


async def test_the_address_of_a_subnet_in_use_is_held_and_nothing_is_written() -> None:
    world = guide(SPEC.replace("10.10.1.0/24", "10.10.9.0/24"))
    outcome = await healed(world, vnet(world))
    assert outcome.status is Status.HELD
    assert [held.hold.code for held in outcome.plan.held] == ["subnet-in-use"]
    assert world.writes() == []


async def test_a_subnet_that_was_deleted_is_made_again_where_the_spec_lets_it() -> None:
    world = guide()
    world.leave_network()
    world.operator("DELETE", subnet(world))
    assert (await healed(world, vnet(world))).status is Status.HEALED
    now = properties(world, subnet(world))
    assert (now["addressPrefix"], now["delegations"][0]["properties"]["serviceName"]) == (
        "10.10.1.0/24",
        "Microsoft.Web/serverFarms",
    )
    assert now["networkSecurityGroup"]["id"] == world.id("nsg").text
    assert now["routeTable"]["id"] == table(world).text


async def test_a_deleted_subnet_waits_for_a_person_where_the_spec_does_not_let_it() -> None:
    world = guide(SPEC.replace("    recreate: true\nnsg:", "nsg:"))
    world.leave_network()
    world.operator("DELETE", subnet(world))
    world.cloud.exchanges.clear()
    outcome = await healed(world, vnet(world))
    assert [held.hold.code for held in outcome.plan.held] == ["approval-needed"]
    assert world.writes() == []


async def test_a_subnet_for_which_somebody_took_the_addresses_is_held() -> None:
    world = guide()
    world.leave_network()
    world.operator("DELETE", subnet(world))
    world.operator(
        "PUT", vnet(world).child("subnets", "snet-theirs"), {"properties": {"addressPrefix": "10.10.1.0/25"}}
    )
    world.cloud.exchanges.clear()
    outcome = await healed(world, vnet(world))
    assert [held.hold.code for held in outcome.plan.held] == ["address-overlap"]
    assert world.writes() == []


async def test_an_nsg_that_was_deleted_is_made_again_and_then_its_rules() -> None:
    world = guide()
    change(world, subnet(world), networkSecurityGroup=None)
    world.operator("DELETE", world.id("nsg"))
    world.cloud.exchanges.clear()
    assert (await healed(world, world.id("nsg"))).status is Status.HEALED
    assert (await healed(world, vnet(world))).status is Status.HEALED
    assert len(properties(world, world.id("nsg"))["securityRules"]) == 4
    assert [write.split()[1] for write in world.writes()] == [
        "networkSecurityGroups/nsg-appservice-integration",
        "networkSecurityGroups/nsg-appservice-integration",
        "subnets/snet-appservice-integration",
    ]


@pytest.mark.parametrize(
    "theirs",
    [
        {"priority": 300, "access": "Allow", "destinationPortRange": "22"},
        {"priority": 3000, "access": "Allow", "protocol": "*", "destinationAddressPrefix": "AzureCloud"},
        {"priority": 105, "access": "Deny", "destinationAddressPrefix": "10.10.2.0/24", "destinationPortRange": "443"},
    ],
)
async def test_a_rule_that_undoes_a_promise_is_removed_by_its_own_delete(theirs: dict[str, Any]) -> None:
    world = guide(SPEC + REMOVALS_UNASKED)
    id_ = world.id("nsg").child("securityRules", "theirs")
    harmless = {**world.rule("allow-sql")["properties"], "priority": 500}
    world.operator("PUT", world.id("nsg").child("securityRules", "harmless"), {"properties": harmless})
    world.operator("PUT", id_, {"properties": {**world.rule("allow-https")["properties"], **theirs}})
    world.cloud.exchanges.clear()
    assert (await healed(world, world.id("nsg"))).status is Status.HEALED
    assert [write.rpartition(" ")[0] for write in world.writes()] == ["DELETE securityRules/theirs"]


async def test_a_rule_that_undoes_a_promise_is_reported_by_default() -> None:
    world = guide(SPEC.replace("    effective: remove\n", ""))
    opened = {**world.rule("allow-sql")["properties"], "priority": 300, "destinationPortRange": "22"}
    world.operator("PUT", world.id("nsg").child("securityRules", "theirs"), {"properties": opened})
    world.cloud.exchanges.clear()
    outcome = await healed(world, world.id("nsg"))
    assert outcome.status is Status.DRIFTED
    assert ["deny-all-outbound denies" in drift.note for drift in outcome.plan.drifts] == [True]
    assert world.writes() == []


async def test_routes_are_healed_and_those_of_others_stay() -> None:
    world = guide()
    ours, theirs = (table(world).child("routes", name) for name in ("to-vnet", "theirs"))
    world.operator("PUT", theirs, {"properties": {"addressPrefix": "192.168.0.0/16", "nextHopType": "None"}})
    appliance = {"nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.66.0.4"}
    world.operator("PUT", ours, {"properties": {"addressPrefix": "10.10.0.0/16", **appliance}})
    world.cloud.exchanges.clear()
    assert (await healed(world, table(world))).status is Status.HEALED
    assert properties(world, ours)["nextHopType"] == "VnetLocal"
    assert properties(world, theirs)["nextHopType"] == "None"
    assert [write.split()[1] for write in world.writes()] == ["routes/to-vnet"]


async def test_a_route_and_the_propagation_that_drifted_together_are_one_write_of_the_table() -> None:
    world = guide()
    change(world, table(world), disableBgpRoutePropagation=True, routes=[])
    world.cloud.exchanges.clear()
    assert (await healed(world, table(world))).status is Status.HEALED
    assert [write.split()[1] for write in world.writes()] == ["routeTables/rt-appservice-integration"]
    assert [each["name"] for each in properties(world, table(world))["routes"]] == ["to-vnet"]


async def test_a_table_that_was_deleted_is_made_again_with_its_routes_in_one_write() -> None:
    world = guide()
    change(world, subnet(world), routeTable=None)
    world.operator("DELETE", table(world))
    world.cloud.exchanges.clear()
    assert (await healed(world, table(world))).status is Status.HEALED
    assert [each["name"] for each in properties(world, table(world))["routes"]] == ["to-vnet"]
    assert len(world.writes()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"retentionPolicy": {"days": 1, "enabled": True}},
        {"retentionPolicy": {"days": 7, "enabled": False}},
        {"format": {"type": "JSON", "version": 1}},
    ],
)
async def test_a_flow_log_is_healed_and_its_analytics_stay(changes: dict[str, Any]) -> None:
    world = guide()
    analytics = {"networkWatcherFlowAnalyticsConfiguration": {"enabled": True, "trafficAnalyticsInterval": 60}}
    change(world, log(world), flowAnalyticsConfiguration=analytics, **changes)
    world.cloud.exchanges.clear()
    assert (await healed(world, watcher(world))).status is Status.HEALED
    now = properties(world, log(world))
    assert (now["enabled"], now["retentionPolicy"], now["format"]["version"]) == (True, {"days": 7, "enabled": True}, 2)
    assert now["flowAnalyticsConfiguration"] == analytics


async def test_a_flow_log_that_was_deleted_comes_back_and_one_in_its_place_is_told_of() -> None:
    world = guide()
    world.operator("DELETE", log(world))
    assert (await healed(world, watcher(world))).status is Status.HEALED
    body = world.operator("GET", log(world)).body
    world.operator("DELETE", log(world))
    other = watcher(world).child(FLOW_LOG.collection, "flow-theirs")
    world.operator("PUT", other, {"location": body["location"], "properties": body["properties"]}, NSG_VERSION)
    outcome = await healed(world, watcher(world))
    assert [held.hold.code for held in outcome.plan.held] == ["target-has-flow-log"]


async def test_a_write_that_somebody_overtakes_is_made_again_over_what_they_wrote() -> None:
    world = guide()
    change(world, subnet(world), networkSecurityGroup=None)
    world.cloud.exchanges.clear()
    body = {"error": {"code": "PreconditionFailed", "message": "somebody was faster"}}
    world.strike(path="/subnets/", method="PUT", status=412, body=body, times=1)
    assert (await healed(world, vnet(world))).status is Status.HEALED
    assert [write.rpartition(" ")[2] for write in world.writes()] == ["412", "200"]
