"""No write of a repair cuts a flow that worked before it and works after it all."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Status, Trigger
from homeostat.core.plan import Action
from homeostat.operations import runs
from homeostat.ports.azure import ArmWriter, Written
from tests.loop.stand import DNS_VERSION, WEB_VERSION, ZONES, Stand, stand
from tests.reachability.reach import Flow, bodies_of, reach

pytestmark = pytest.mark.wire

SPEC = (Path(__file__).parents[2] / "examples" / "flask-app" / "homeostat.yaml").read_text(encoding="utf-8")
"""Whatever kinds there are, the example declares them all."""

SQL, VAULT, REDIS, BLOBS = (
    Flow("sites/app-flask", host, port)
    for host, port in (
        ("sql-flask.database.windows.net", 1433),
        ("kv-flask.vault.azure.net", 443),
        ("redis-flask.redis.cache.windows.net", 6380),
        ("stflask.blob.core.windows.net", 443),
    )
)


@dataclass(slots=True)
class Watched:
    """The real writer, with a look at the world after each of its writes."""

    writer: ArmWriter
    world: Stand
    seen: list[tuple[str, frozenset[Flow]]] = field(default_factory=list)

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        written = await self.writer.write(action, correlation_id=correlation_id, send_by=send_by)
        self.seen.append((str(action), reach(bodies_of(self.world.cloud))))
        return written


async def remediated(world: Stand) -> tuple[tuple[Outcome, ...], list[tuple[str, frozenset[Flow]]]]:
    """One forced remediation of everything, and who reached whom after each of its writes."""
    watched = Watched(world.engine.writer, world)
    engine = replace(world.engine, writer=watched)
    fleet = await world.fleet()
    outcomes = await runs.reconcile(engine, runs.roots_of(fleet, list(fleet.targets)), Trigger("manual", create=True))
    return outcomes, watched.seen


def cut(before: frozenset[Flow], seen: Iterable[tuple[str, frozenset[Flow]]]) -> list[str]:
    """The flows that worked at first and at last and not in between, with the write after which they did not."""
    steps = list(seen)
    after = steps[-1][1] if steps else before
    return [f"{flow} after {action}" for action, now in steps for flow in sorted((before & after) - now)]


# --- the function itself ---------------------------------------------------------------------------------------------


def test_the_guide_s_app_reaches_its_backends_and_by_the_open_port_what_is_public() -> None:
    assert reach(bodies_of(stand("guide").cloud)) == {SQL, VAULT, REDIS, BLOBS}


def test_before_the_guide_it_reaches_only_what_is_public() -> None:
    assert reach(bodies_of(stand("prerequisites").cloud)) == {BLOBS}


# --- ways to break a world -------------------------------------------------------------------------------------------


def scope(world: Stand) -> str:
    return f"/subscriptions/{world.cloud.subscription}/resourceGroups/rg-flask/providers"


def subnet(world: Stand) -> ResourceId:
    return ResourceId.parse(
        f"{scope(world)}/Microsoft.Network/virtualNetworks/vnet-appservice/subnets/snet-appservice-integration"
    )


def without(world: Stand, member: str) -> None:
    properties = world.operator("GET", subnet(world)).body["properties"]
    world.operator("PUT", subnet(world), {"properties": {k: v for k, v in properties.items() if k != member}})


def no_rule(name: str) -> Callable[[Stand], object]:
    return lambda world: world.operator("DELETE", world.id("nsg").child("securityRules", name))


def no_rules(world: Stand) -> None:
    body = world.operator("GET", world.id("nsg")).body
    world.operator("PUT", world.id("nsg"), {"location": body["location"], "properties": {"securityRules": []}})


def no_link(world: Stand) -> None:
    world.operator("DELETE", world.link(), version=DNS_VERSION)


def no_zone(world: Stand) -> None:
    for link in world.links():
        world.operator("DELETE", world.id(ZONES[0]).child("virtualNetworkLinks", link), version=DNS_VERSION)
    world.operator("DELETE", world.id(ZONES[0]), version=DNS_VERSION)


def no_endpoint(world: Stand) -> None:
    world.operator("DELETE", f"{scope(world)}/Microsoft.Network/privateEndpoints/pe-sql")


def no_zone_group(world: Stand) -> None:
    world.operator("DELETE", f"{scope(world)}/Microsoft.Network/privateEndpoints/pe-sql/privateDnsZoneGroups/default")


def no_subnet(world: Stand) -> None:
    world.leave_network()
    world.operator("DELETE", subnet(world))


def no_nsg(world: Stand) -> None:
    without(world, "networkSecurityGroup")
    world.operator("DELETE", world.id("nsg"))


def no_routes(world: Stand) -> None:
    without(world, "routeTable")
    world.operator("DELETE", f"{scope(world)}/Microsoft.Network/routeTables/rt-appservice-integration")


def into_the_void(world: Stand) -> None:
    route = f"{scope(world)}/Microsoft.Network/routeTables/rt-appservice-integration/routes/to-vnet"
    world.operator("PUT", route, {"properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "None"}})


def no_routing(world: Stand) -> None:
    flags = {"properties": {"outboundVnetRouting": {"applicationTraffic": False}}}
    world.operator("PATCH", world.id("site"), flags, WEB_VERSION)
    world.change_settings(WEBSITE_VNET_ROUTE_ALL=None)


def open_door(world: Stand) -> None:
    sql = f"{scope(world)}/Microsoft.Sql/servers/sql-flask"
    world.operator("PATCH", sql, {"properties": {"publicNetworkAccess": "Enabled"}}, "2021-11-01")


def swap(world: Stand) -> None:
    """A deny before the allow, by exchanged priorities."""
    world.change_rule("allow-sql", priority=200)
    world.change_rule("deny-all-outbound", priority=100)


DOOR = "SQL's public door open"

BREAKAGES: Mapping[str, Callable[[Stand], object]] = {
    "the allow rule for SQL deleted": no_rule("allow-sql"),
    "the allow rule for Redis deleted": no_rule("allow-redis"),
    "the deny rule deleted": no_rule("deny-all-outbound"),
    "all rules deleted": no_rules,
    "denied before allowed": swap,
    "SQL's rule weakened": lambda world: world.change_rule("allow-sql", destinationPortRange="*", protocol="*"),
    "NSG taken off": lambda world: without(world, "networkSecurityGroup"),
    "NSG deleted": no_nsg,
    "route table taken off": lambda world: without(world, "routeTable"),
    "route table deleted": no_routes,
    "route into the void": into_the_void,
    "integration removed": lambda world: world.leave_network(),
    "subnet deleted": no_subnet,
    "link deleted": no_link,
    "zone deleted": no_zone,
    "endpoint deleted": no_endpoint,
    "zone group deleted": no_zone_group,
    "routing switched off": no_routing,
    DOOR: open_door,
}


def broken(names: Iterable[str]) -> Stand:
    """The guide's world with these breakages, as far as they can follow one another."""
    world = stand("guide", spec=SPEC)
    for name in names:
        try:
            BREAKAGES[name](world)
        except (AssertionError, KeyError):
            continue  # what it was to break is gone already
    return world


@pytest.mark.parametrize("name", BREAKAGES)
def test_each_breakage_breaks_the_guide_s_world(name: str) -> None:
    assert bodies_of(broken([name]).cloud) != bodies_of(stand("guide", spec=SPEC).cloud)


# --- the promise -----------------------------------------------------------------------------------------------------


async def test_from_nothing_to_the_guide_no_write_cuts_what_works_before_and_after() -> None:
    world = stand("prerequisites", spec=SPEC)
    before = reach(bodies_of(world.cloud))
    outcomes, seen = await remediated(world)
    assert not {outcome.status for outcome in outcomes} & {Status.FAILED, Status.HELD, Status.MISSING}
    assert seen[-1][1] == {SQL, VAULT, REDIS, BLOBS}
    assert cut(before, seen) == []
    assert (await remediated(world))[1] == [], "the next remediation writes nothing"


async def test_with_public_doors_open_before_the_guide_they_serve_until_the_private_way_is_there() -> None:
    world = stand("prerequisites", spec=SPEC)
    open_door(world)
    before = reach(bodies_of(world.cloud))
    assert SQL in before
    _, seen = await remediated(world)
    assert cut(before, seen) == []


@given(names=st.lists(st.sampled_from(sorted(BREAKAGES)), min_size=1, max_size=4, unique=True))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_broken_no_write_of_its_repair_cuts_what_works_before_and_after(names: list[str]) -> None:
    world = broken(names)
    before = reach(bodies_of(world.cloud))
    _, seen = asyncio.run(remediated(world))
    assert cut(before, seen) == []


TOO_EARLY = (
    ("zone deleted",),  # its records go with it
    ("endpoint deleted", "link deleted"),
    ("zone group deleted", "link deleted"),
    ("route into the void", "link deleted"),
)
"""What is broken where names could come to resolve privately before the private way is there."""


@pytest.mark.parametrize("names", TOO_EARLY, ids=" and ".join)
async def test_an_app_that_uses_the_open_door_is_not_cut_by_a_link_that_comes_too_early(
    names: tuple[str, ...],
) -> None:
    world = broken([*names, DOOR])
    before = reach(bodies_of(world.cloud))
    assert SQL in before
    _, seen = await remediated(world)
    assert cut(before, seen) == []
