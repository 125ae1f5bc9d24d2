"""A swap is recognised: what has travelled with the code and is declared is put back, what is sticky has stayed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from homeostat.core.arm_types import ARM_TYPES, SWAPS
from homeostat.core.model import Mode, Unmanaged, Verdict
from homeostat.core.outcome import Status
from homeostat.core.record import BlindWrite, RootRecord
from homeostat.core.written import possible_overwrites
from tests.loop.stand import REMOVALS_UNASKED, WEB_VERSION, Stand
from tests.slots.staging import (
    STICKY,
    act,
    body,
    both,
    endings_in_readme,
    reconcile,
    set_settings,
    settings,
    settings_of,
    slot,
    slotted,
    sticky_names,
    swap_event,
    whole_example,
)
from tests.support.writes import foreign

pytestmark = pytest.mark.wire

DIFFERENT = both(
    settings(STAGE="production", DATABASE="flaskdb"), settings(STAGE="staging", DATABASE="flaskdb-staging")
)
EQUAL = both(settings(STAGE="production", DATABASE="flaskdb"), settings(STAGE="staging", DATABASE="flaskdb"))
AWAITED = timedelta(minutes=5)


async def beside(spec: str = DIFFERENT) -> Stand:
    """An app and its slot as declared, each with a release of its own that nobody declares."""
    world = slotted(spec, STAGE="staging", RELEASE="new")
    values = {**settings_of(world, world.id("site")), "STAGE": "production", "RELEASE": "old"}
    set_settings(world, world.id("site"), values)
    for site in (world.id("site"), slot(world)):
        assert (await reconcile(world, site)).status in {Status.HEALED, Status.IN_SYNC}
    world.cloud.exchanges.clear()
    world.inbox.events.clear()
    return world


def found(world: Stand, *names: str) -> tuple[dict[str, str], dict[str, str]]:
    """These settings of the app, and of its slot."""
    app, staging = (settings_of(world, site) for site in (world.id("site"), slot(world)))
    return {name: app[name] for name in names}, {name: staging[name] for name in names}


async def swapped(world: Stand) -> None:
    """The swap, through to its end, and its event."""
    act(world, "slotsswap")
    world.pass_time(minutes=1)
    await world.service.on_event(swap_event(world, slot(world)))


async def test_the_event_of_a_swap_marks_the_app_and_its_slot_and_both_are_put_right() -> None:
    world = await beside()
    await swapped(world)
    assert found(world, "DATABASE") == ({"DATABASE": "flaskdb-staging"}, {"DATABASE": "flaskdb"})
    await world.work_for(AWAITED)
    assert found(world, "DATABASE") == ({"DATABASE": "flaskdb"}, {"DATABASE": "flaskdb-staging"})
    assert world.calls("PUT") == ["PUT config/appsettings 200"] * 2
    assert world.failures == []


async def test_what_nobody_declares_travels_with_the_code_and_is_left_where_it_came_to() -> None:
    world = await beside()
    await swapped(world)
    await world.work_for(AWAITED)
    assert found(world, "RELEASE") == ({"RELEASE": "new"}, {"RELEASE": "old"})


async def test_sticky_settings_have_stayed_and_are_neither_written_nor_unmarked() -> None:
    world = await beside(EQUAL)
    await swapped(world)
    await world.work_for(AWAITED)
    assert found(world, STICKY) == ({STICKY: "production"}, {STICKY: "staging"})
    assert world.writes() == []
    assert sticky_names(world) == [STICKY]


async def test_a_repair_of_a_sticky_setting_leaves_its_marking_alone() -> None:
    world = await beside()
    set_settings(world, slot(world), {"RELEASE": "new"})
    assert (await reconcile(world, slot(world))).status is Status.HEALED
    assert settings_of(world, slot(world)) == {"RELEASE": "new", "STAGE": "staging", "DATABASE": "flaskdb-staging"}
    assert sticky_names(world) == [STICKY]


async def test_equal_declarations_survive_a_swap_without_a_restart() -> None:
    world = slotted(whole_example())
    await reconcile(world, slot(world), create=True)
    world.cloud.exchanges.clear()
    await swapped(world)
    await world.work_for(AWAITED)
    assert world.writes() == []


async def test_an_integration_that_was_swapped_too_is_joined_again_where_it_belongs() -> None:
    subnet = "vnet_integration: {subnet: vnet-appservice/snet-appservice-integration}"
    world = await beside(both(subnet, settings(STAGE="staging")))
    before = body(world, world.id("site"))["properties"]["virtualNetworkSubnetId"]
    act(world, "slotsswap", preserveVnet=False)
    world.pass_time(minutes=1)
    await world.service.on_event(swap_event(world, world.id("site")))
    assert body(world, world.id("site"))["properties"]["virtualNetworkSubnetId"] is None
    assert body(world, slot(world))["properties"]["virtualNetworkSubnetId"] == before
    await world.work_for(AWAITED)
    assert body(world, world.id("site"))["properties"]["virtualNetworkSubnetId"] == before


# --- while it lasts ---


async def test_a_previewed_slot_keeps_the_other_side_s_sticky_settings_until_the_swap_is_completed() -> None:
    world = await beside()
    act(world, "applySlotConfig")
    await world.service.on_event(swap_event(world, slot(world), "applySlotConfig"))
    await world.work_for(AWAITED)
    assert found(world, STICKY)[1] == {STICKY: "production"}
    assert world.writes() == []
    await swapped(world)
    await world.work_for(AWAITED)
    assert found(world, STICKY) == ({STICKY: "production"}, {STICKY: "staging"})
    assert found(world, "DATABASE") == ({"DATABASE": "flaskdb"}, {"DATABASE": "flaskdb-staging"})


async def test_a_preview_that_is_taken_back_leaves_nothing_to_repair() -> None:
    world = await beside()
    act(world, "applySlotConfig")
    act(world, "resetSlotConfig")
    await world.service.on_event(swap_event(world, slot(world), "resetSlotConfig"))
    await world.work_for(AWAITED)
    assert found(world, STICKY)[1] == {STICKY: "staging"}
    assert world.writes() == []


async def test_drift_of_a_slot_that_is_being_swapped_settles_and_says_with_what() -> None:
    world = await beside()
    act(world, "applySlotConfig")
    outcome = await reconcile(world, slot(world))
    assert outcome.status is Status.SETTLING
    assert [(drift.item, drift.verdict, drift.note) for drift in outcome.plan.drifts] == [
        (STICKY, Verdict.SETTLING, "the site is being swapped with production")
    ]


async def test_an_app_that_is_swapped_into_its_slot_settles_as_a_slot_does() -> None:
    """Azure's API lets a swap begin at the app, too."""
    world = await beside()
    app = world.id("site")
    world.operator("POST", f"{app.text}/applySlotConfig", {"targetSlot": "staging", "preserveVnet": True}, WEB_VERSION)
    assert found(world, STICKY)[0] == {STICKY: "staging"}
    outcome = await reconcile(world, app)
    assert outcome.status is Status.SETTLING
    assert [drift.note for drift in outcome.plan.drifts] == ["the site is being swapped with staging"]
    world.operator("POST", f"{app.text}/resetSlotConfig", {}, WEB_VERSION)
    set_settings(world, app, {**settings_of(world, app), "DATABASE": "another"})
    assert (await reconcile(world, app)).status is Status.HEALED


async def test_what_is_to_be_removed_from_a_slot_is_not_while_it_is_being_swapped() -> None:
    strict = DIFFERENT.replace("\n  settings:", "\n  unmanaged: remove\n  settings:") + REMOVALS_UNASKED
    world = slotted(strict, STAGE="staging", DATABASE="flaskdb-staging")
    assert (await world.root(slot(world))).wants["app_settings"].unmanaged is Unmanaged.REMOVE
    act(world, "applySlotConfig")
    set_settings(world, slot(world), {**settings_of(world, slot(world)), "STRANGER": "x"})
    world.cloud.exchanges.clear()
    await reconcile(world, slot(world))
    assert world.writes() == []
    act(world, "resetSlotConfig")
    await reconcile(world, slot(world))
    assert "STRANGER" not in settings_of(world, slot(world))


async def test_a_secret_of_the_other_side_is_neither_drift_nor_accepted_while_the_slot_is_being_swapped() -> None:
    """The sticky setting is production's for the time being."""
    secret = both(settings(), settings(**{STICKY: {"secret": "true"}}))
    world = slotted(secret, STAGE="staging")
    world.change_settings(**{STICKY: "production"})
    await reconcile(world, slot(world))
    known = (await world.engine.store.load(slot(world))).record.secrets
    act(world, "applySlotConfig")
    assert (await reconcile(world, slot(world))).status is Status.IN_SYNC
    assert (await world.engine.store.load(slot(world))).record.secrets == known != {}


async def test_a_slot_of_which_it_cannot_be_told_whether_it_is_being_swapped_is_not_written_to() -> None:
    world = await beside()
    set_settings(world, slot(world), {"RELEASE": "new"})
    denied = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    world.strike(method="GET", path="/sites/app-flask/slots/staging?", status=403, body=denied)
    world.cloud.exchanges.clear()
    outcome = await reconcile(world, slot(world))
    assert {drift.verdict for drift in outcome.plan.drifts} == {Verdict.UNKNOWN}
    assert world.writes() == []


async def test_mode_alert_tells_what_a_swap_has_exchanged_and_writes_nothing() -> None:
    world = await beside()
    cautious = world.capped(Mode.ALERT)
    await swapped(cautious)
    await cautious.work_for(AWAITED)
    assert cautious.writes() == []
    assert cautious.inbox.told().count(("DriftDetected", "app_settings")) == 2


# --- its event ---


def test_the_subscriptions_in_readme_let_through_all_that_concerns_us_and_not_our_own_reads() -> None:
    webhook, queue = endings_in_readme()
    assert webhook == queue
    endings = tuple(ending.lower() for ending in webhook)
    ours = {operation for row in ARM_TYPES.values() for operation in row.operations} | SWAPS
    assert [operation for operation in ours if not operation.endswith(endings)] == []
    assert not "microsoft.web/sites/config/list/action".endswith(endings)


@pytest.mark.parametrize("named", ["app", "slot"])
@pytest.mark.parametrize("action", ["slotsswap", "applySlotConfig", "resetSlotConfig"])
async def test_every_form_of_a_swap_marks_both_whichever_its_event_names(named: str, action: str) -> None:
    world = slotted(DIFFERENT)
    site = world.id("site") if named == "app" else slot(world)
    marked = await world.service.on_event(swap_event(world, site, action))
    assert {root.id for root in marked} == {world.id("site"), slot(world)}


# --- between our read and our write ---


@pytest.mark.parametrize("named", ["app", "slot"])
async def test_a_swap_that_a_write_may_have_undone_is_told_whichever_it_names(named: str) -> None:
    world = await beside()
    at = world.ambient.now()
    event = swap_event(world, world.id("site") if named == "app" else slot(world))
    theirs = foreign(event["subject"].lower(), event["data"]["operationName"].lower(), "anna", at)
    for site in (world.id("site"), slot(world)):
        for written in (site.child("config", "appsettings"), site):  # a swap exchanges how sites route, too
            ours = BlindWrite(written.key, at, at + timedelta(seconds=1), "ours")
            record = RootRecord(foreign_writes=(theirs,), blind_writes=(ours,))
            assert possible_overwrites(record) == (theirs,)
            later = replace(ours, read_at=at + timedelta(seconds=1))
            assert possible_overwrites(replace(record, blind_writes=(later,))) == ()
