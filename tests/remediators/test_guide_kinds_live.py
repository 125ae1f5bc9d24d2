"""Zones, endpoints, identity, routing and public doors against the simulated Azure, through the whole loop."""

from typing import Any

import pytest

from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Status, Trigger
from tests.loop.stand import DNS_VERSION, NSG_VERSION, WEB_VERSION, ZONES, Stand, stand
from tests.support.role import CLOSE_DOORS, ROLE

pytestmark = pytest.mark.wire

SQL_VERSION = "2021-11-01"
API_KEY = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api-key)"
SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
identity: {system_assigned: true, recreate: true}
route_all: {application_traffic: true, legacy_setting: remove}
zones:
  privatelink.database.windows.net: {recreate: true, records: {api: [10.10.2.50]}}
dns_links:
  privatelink.database.windows.net: {links: {link-vnet-appservice: {vnet: vnet-appservice}}}
private_endpoints:
  pe-sql:
    location: westeurope
    subnet: vnet-appservice/snet-private-endpoints
    backend: sql-flask
    kind: sql
    recreate: true
    zone_group: default
backend_access:
  mode: enforce
  sql-flask: {kind: sql}
"""


def scope(world: Stand) -> str:
    return f"/subscriptions/{world.cloud.subscription}/resourceGroups/rg-flask/providers"


def endpoint(world: Stand) -> ResourceId:
    return ResourceId.parse(f"{scope(world)}/Microsoft.Network/privateEndpoints/pe-sql")


def sql(world: Stand) -> ResourceId:
    return ResourceId.parse(f"{scope(world)}/Microsoft.Sql/servers/sql-flask")


def site(world: Stand) -> Any:
    return world.operator("GET", world.id("site"), version=WEB_VERSION).body


async def healed(world: Stand, root: ResourceId | str, **trigger: Any) -> Outcome:
    """Reconciles; a container counts as gone only after its second 404."""
    of = await world.root(root)
    outcome = await world.engine.reconcile(of, Trigger("manual", **trigger))
    if outcome.status is Status.MISSING:
        world.pass_time(minutes=1)
        outcome = await world.engine.reconcile(of, Trigger("manual", **trigger))
    return outcome


async def settled() -> Stand:
    """The guide's world, brought into this declared state."""
    world = stand("guide", spec=SPEC, role=ROLE.with_(*CLOSE_DOORS))
    for root in (await world.fleet()).roots:
        assert (await healed(world, root)).status in {Status.HEALED, Status.IN_SYNC}
    for root in (await world.fleet()).roots:
        assert (await healed(world, root)).status is Status.IN_SYNC
    world.cloud.exchanges.clear()
    return world


async def test_the_legacy_setting_goes_once_the_flag_routes_and_all_else_of_the_site_stays() -> None:
    world = stand("guide", spec=SPEC, role=ROLE.with_(*CLOSE_DOORS))
    world.operator("PATCH", world.id("site"), _routing(applicationTraffic=False, imagePullTraffic=True), WEB_VERSION)
    world.cloud.exchanges.clear()
    assert (await healed(world, "site")).status is Status.HEALED
    assert world.writes() == ["PATCH sites/app-flask 200", "PUT config/appsettings 200"]
    assert "WEBSITE_VNET_ROUTE_ALL" not in world.settings()
    assert world.settings()["EXTRA_SETTING"] == "keep"
    routing = site(world)["properties"]["outboundVnetRouting"]
    assert (routing["applicationTraffic"], routing["imagePullTraffic"]) == (True, True)


async def test_identity_and_routing_are_brought_back_by_one_write() -> None:
    world = await settled()
    world.operator("PATCH", world.id("site"), {"identity": {"type": "None"}, **_routing()}, WEB_VERSION)
    assert "identity" not in site(world)
    world.cloud.exchanges.clear()
    assert (await healed(world, "site")).status is Status.HEALED
    assert world.writes() == ["PATCH sites/app-flask 200"]
    assert site(world)["identity"]["type"] == "SystemAssigned"
    assert site(world)["properties"]["outboundVnetRouting"]["applicationTraffic"] is True


async def test_a_deleted_zone_group_comes_back_and_its_record_with_it() -> None:
    world = await settled()
    group = endpoint(world).child("privateDnsZoneGroups", "default")
    world.operator("DELETE", group, version=NSG_VERSION)
    world.cloud.exchanges.clear()
    assert (await healed(world, endpoint(world))).status is Status.HEALED
    assert world.writes() == ["PUT privateDnsZoneGroups/default 201"]
    assert record(world, "sql-flask")["ttl"] == 10


async def test_a_deleted_endpoint_is_made_again_and_its_zone_group_follows() -> None:
    world = await settled()
    world.operator("DELETE", endpoint(world), version=NSG_VERSION)
    world.cloud.exchanges.clear()
    assert (await healed(world, endpoint(world))).status is Status.HEALED
    assert world.writes() == ["PUT privateEndpoints/pe-sql 201", "PUT privateDnsZoneGroups/default 201"]
    assert record(world, "sql-flask")["aRecords"]


async def test_a_rejected_connection_is_held_and_nothing_is_written() -> None:
    world = await settled()
    reject(world)
    outcome = await healed(world, endpoint(world))
    assert [held.hold.code for held in outcome.plan.held] == ["connection-rejected"]
    assert outcome.written == ()


async def test_a_public_door_is_closed_again() -> None:
    world = await settled()
    open_door(world)
    assert (await healed(world, sql(world))).status is Status.HEALED
    assert door(world) == "Disabled"


async def test_a_public_door_stays_open_while_the_endpoint_behind_it_is_rejected() -> None:
    world = await settled()
    reject(world)
    open_door(world)
    outcome = await healed(world, sql(world))
    assert [held.hold.code for held in outcome.plan.held] == ["private-path-unproven"]
    assert door(world) == "Enabled"


async def test_a_record_changed_or_deleted_is_restored_and_the_zone_group_s_own_left_alone() -> None:
    world = await settled()
    api = world.id(ZONES[0]).child("A", "api")
    for damage in ("PUT", "DELETE"):
        body = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.1.1.1"}]}} if damage == "PUT" else None
        world.operator(damage, api, body, DNS_VERSION)
        assert (await healed(world, ZONES[0])).status is Status.HEALED
        assert record(world, "api")["aRecords"] == [{"ipv4Address": "10.10.2.50"}]


async def test_a_deleted_zone_is_made_again_with_its_links_and_records() -> None:
    world = await settled()
    world.operator("DELETE", world.link(), version=DNS_VERSION)
    world.operator("DELETE", world.id(ZONES[0]), version=DNS_VERSION)
    assert (await healed(world, ZONES[0])).status is Status.HEALED
    assert world.links() == ["link-vnet-appservice"]
    assert record(world, "api")["aRecords"] == [{"ipv4Address": "10.10.2.50"}]
    assert (await healed(world, endpoint(world))).status is Status.HEALED
    assert record(world, "sql-flask")["aRecords"]


async def test_without_the_spec_s_word_a_container_waits_for_a_person_s() -> None:
    world = stand("guide", spec=SPEC.replace("recreate: true", "recreate: false"))
    world.operator("DELETE", endpoint(world), version=NSG_VERSION)
    outcome = await healed(world, endpoint(world))
    assert [held.hold.code for held in outcome.plan.held] == ["approval-needed"]
    assert (await healed(world, endpoint(world), create=True)).status is Status.HEALED


async def test_a_key_vault_reference_heals_when_it_resolves_and_is_told_while_it_does_not() -> None:
    spec = f"{SPEC}\napp_settings: {{settings: {{API_KEY: '{API_KEY}'}}}}\n"
    world = stand("guide", spec=spec)
    outcome = await healed(world, "site")
    assert outcome.status is Status.DRIFTED
    (drift,) = outcome.plan.drifts
    assert (drift.want, drift.have) == ("Resolved", "SecretNotFound")
    vault = f"{scope(world)}/Microsoft.KeyVault/vaults/kv-flask/secrets/api-key"
    world.operator("PUT", vault, {"properties": {"value": "x"}}, "2023-07-01")
    assert (await healed(world, "site")).status is Status.IN_SYNC


# --- what a person does and sees


def _routing(**flags: bool) -> dict[str, Any]:
    return {"properties": {"outboundVnetRouting": {"applicationTraffic": False, **flags}}}


def record(world: Stand, name: str) -> Any:
    return world.operator("GET", world.id(ZONES[0]).child("A", name), version=DNS_VERSION).body["properties"]


def connection(world: Stand) -> str:
    found = world.operator("GET", sql(world), version=SQL_VERSION).body["properties"]["privateEndpointConnections"]
    path: str = found[0]["id"]
    return path


def reject(world: Stand) -> None:
    state = {"privateLinkServiceConnectionState": {"status": "Rejected", "description": "no"}}
    world.operator("PUT", connection(world), {"properties": state}, SQL_VERSION)
    world.pass_time(minutes=1)


def open_door(world: Stand) -> None:
    world.operator("PATCH", sql(world), {"properties": {"publicNetworkAccess": "Enabled"}}, SQL_VERSION)
    world.pass_time(minutes=1)
    assert door(world) == "Enabled"


def door(world: Stand) -> str:
    found: str = world.operator("GET", sql(world), version=SQL_VERSION).body["properties"]["publicNetworkAccess"]
    return found
