"""A deployment slot is a target like its app: every kind whose root is a site works on it, and on it alone."""

from typing import Any

import pytest

from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Status, Trigger
from homeostat.operations import runs
from tests.loop.stand import WEB_VERSION, Stand
from tests.slots.staging import APP, STAGING, body, reconcile, set_settings, settings_of, slot, slotted, whole_example

pytestmark = pytest.mark.wire

SUBNET = "virtualNetworks/vnet-appservice/subnets/snet-appservice-integration"


async def declared() -> Stand:
    """The slot, after everything that is declared for it was forced on it."""
    world = slotted(whole_example(), EXTRA="keep")
    outcome = await reconcile(world, slot(world), create=True)
    assert outcome.status is Status.HEALED
    return world


async def test_everything_that_is_declared_for_a_slot_is_done_by_the_slot_s_own_operations() -> None:
    world = await declared()
    assert sorted(world.writes()) == [
        "PATCH slots/staging 200",
        "PUT config/appsettings 200",
        "PUT networkConfig/virtualNetwork 200",
    ]
    staging = body(world, slot(world))
    assert staging["properties"]["virtualNetworkSubnetId"].endswith(SUBNET)
    assert staging["identity"]["type"] == "SystemAssigned"
    assert settings_of(world, slot(world))["REDIS_PORT"] == "6380"
    assert settings_of(world, slot(world))["EXTRA"] == "keep"


async def test_what_was_done_to_a_slot_leaves_nothing_to_do_for_it_nor_for_its_app() -> None:
    world = await declared()
    world.cloud.exchanges.clear()
    roots = runs.roots_of(await world.fleet(), [APP, STAGING])
    outcomes = await runs.reconcile(world.engine, roots, Trigger("manual"))
    assert {outcome.status for outcome in outcomes} == {Status.IN_SYNC}
    assert world.writes() == []


def leave_network(world: Stand) -> None:
    world.operator("DELETE", slot(world).child("networkConfig", "virtualNetwork"), version=WEB_VERSION)


def lose_identity(world: Stand) -> None:
    world.operator("PATCH", slot(world), {"identity": {"type": "None"}}, WEB_VERSION)


def route_directly(world: Stand) -> None:
    routing = {"properties": {"outboundVnetRouting": {"applicationTraffic": False}}}
    world.operator("PATCH", slot(world), routing, WEB_VERSION)
    remaining = {name: value for name, value in settings_of(world, slot(world)).items() if "ROUTE_ALL" not in name}
    set_settings(world, slot(world), remaining)


def change_setting(world: Stand) -> None:
    set_settings(world, slot(world), {**settings_of(world, slot(world)), "REDIS_PORT": "6379"})


@pytest.mark.parametrize("damage", [leave_network, lose_identity, route_directly, change_setting])
async def test_each_kind_s_damage_to_a_slot_is_seen_and_healed_on_the_slot_alone(damage: Any) -> None:
    world = await declared()
    production = settings_of(world, world.id("site")), body(world, world.id("site"))
    damage(world)
    world.cloud.exchanges.clear()
    outcome = await reconcile(world, slot(world), create=True)
    assert (outcome.status, bool(world.writes())) == (Status.HEALED, True)
    assert (settings_of(world, world.id("site")), body(world, world.id("site"))) == production
    assert (await reconcile(world, slot(world))).status is Status.IN_SYNC


async def test_a_slot_s_identity_is_not_made_again_unless_a_person_says_so() -> None:
    world = await declared()
    lose_identity(world)
    assert (await reconcile(world, slot(world))).status is not Status.HEALED
    assert "identity" not in body(world, slot(world))


async def test_what_a_slot_and_its_app_share_is_one_root_of_both() -> None:
    fleet = await slotted(whole_example()).fleet()
    shared = {root.id.name for root in fleet.roots.values() if root.targets == (APP, STAGING)}
    alone = {root.id.short: root.targets for root in fleet.roots.values() if len(root.targets) == 1}
    assert {"nsg-appservice-integration", "rt-appservice-integration", "vnet-appservice", "pe-sql"} <= shared
    assert alone == {"sites/app-flask": (APP,), "sites/app-flask/slots/staging": (STAGING,)}


async def test_a_deleted_slot_retires_its_target_and_not_its_app() -> None:
    world = await declared()
    world.operator("DELETE", slot(world), version=WEB_VERSION)
    assert (await reconcile(world, slot(world))).status is Status.MISSING
    world.pass_time(minutes=1)
    assert (await reconcile(world, slot(world))).status is Status.RETIRED
    assert (await reconcile(world, world.id("site"))).status is Status.IN_SYNC
    assert ("TargetRetired", STAGING) in world.inbox.told()
    assert ("TargetRetired", APP) not in world.inbox.told()


async def test_with_its_app_deleted_a_slot_is_looked_at_too() -> None:
    world = await declared()
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    marked = await world.service.on_event(world.event(world.id("site"), "Microsoft.Web/sites/delete"))
    assert {root.id for root in marked} == {world.id("site"), slot(world)}


async def test_a_change_of_a_slot_that_nobody_declares_is_none_of_its_app_s() -> None:
    world = await declared()
    other = world.id("site").child("slots", "other")
    for changed, operation in (
        (other, "Microsoft.Web/sites/slots/write"),
        (other.child("config", "appsettings"), "Microsoft.Web/sites/slots/config/write"),
    ):
        assert await world.service.on_event(world.event(changed, operation)) == ()


@pytest.mark.parametrize(
    ("child", "operation"),
    [
        (None, "Microsoft.Web/sites/slots/write"),
        (("config", "appsettings"), "Microsoft.Web/sites/slots/config/Write"),
        (("networkConfig", "virtualNetwork"), "Microsoft.Web/sites/slots/networkConfig/delete"),
    ],
)
async def test_a_change_of_a_slot_is_its_own_and_not_its_app_s(child: tuple[str, str] | None, operation: str) -> None:
    world = await declared()
    changed: ResourceId = slot(world) if child is None else slot(world).child(*child)
    assert [root.id for root in await world.service.on_event(world.event(changed, operation))] == [slot(world)]
