"""Caps hold however many instances write at once, and whatever dies: what is written was reserved before."""

from contextlib import suppress
from datetime import timedelta

import pytest

from homeostat.core import json
from homeostat.core.gate.caps import CAP_FLEET, CAP_RESOURCE
from homeostat.core.outcome import Status, Trigger
from homeostat.gate.fleetwide import FLEET_PARTITION, HOUR
from homeostat.gate.reservations import RUNS, RUNS_KEPT
from homeostat.ports.storage import Upsert
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.fleet import break_app, codes, fleet_stand, heal, heal_all, port
from tests.loop.stand import SPEC, stand

pytestmark = pytest.mark.wire

FEW = "caps: {writes_per_hour: 7}"


async def test_instances_that_write_at_once_write_no_more_together_than_the_cap() -> None:
    world = fleet_stand(20, FEW)
    for number in range(1, 21):
        break_app(world, number)
    outcomes = await heal_all([world, world.second(), world.second()], range(1, 21))
    assert len(world.writes()) == 7
    assert [outcome.status for outcome in outcomes].count(Status.HEALED) == 7
    assert {code for outcome in outcomes for code in codes(outcome)} == {CAP_FLEET}
    held = next(outcome for outcome in outcomes if outcome.status is Status.HELD)
    assert held.retry_at is not None
    assert held.retry_at > world.ambient.now()


async def test_a_plan_whose_room_another_took_at_the_same_moment_leaves_nothing_behind() -> None:
    world = fleet_stand(2, "caps: {writes_per_hour: 1}")
    for number in (1, 2):
        break_app(world, number)
    outcomes = await heal_all([world, world.second()], range(1, 3))
    (held,) = [outcome for outcome in outcomes if outcome.status is Status.HELD]
    assert (len(world.writes()), held.written, held.snapshots) == (1, (), ())
    record = (await world.engine.store.load(held.root)).record
    assert (record.intent, record.lease) == (None, None)
    (entry,) = await world.engine.store.history(held.root, 9)
    assert entry["snapshots"] == []


async def test_what_was_held_is_written_when_the_hour_has_room() -> None:
    world = fleet_stand(10, FEW)
    for number in range(1, 11):
        break_app(world, number)
    await world.sweep()
    await world.work_for(timedelta(minutes=59))
    assert [port(world, number) for number in range(1, 11)].count("6380") == 7
    await world.work_for(timedelta(minutes=5))
    assert [port(world, number) for number in range(1, 11)].count("6380") == 10


async def test_a_run_makes_no_more_writes_than_its_cap_unless_a_person_says_how_many() -> None:
    world = fleet_stand(10, "caps: {writes_per_run: 4}")
    for number in range(1, 11):
        break_app(world, number)
    names = tuple((await world.fleet()).targets)
    run = await world.service.remediations.execute(
        await world.service.remediations.start(names, Trigger("manual", caller="Anna"))
    )
    assert run is not None
    assert run["status"] == "held"
    assert [port(world, number) for number in range(1, 11)].count("6380") == 4
    world.pass_time(minutes=1)
    forced = Trigger("manual", caller="Anna", reason="all of them", max_writes=6)
    run = await world.service.remediations.execute(await world.service.remediations.start(names, forced))
    assert run is not None
    assert (run["status"], run["maxWrites"]) == ("healed", 6)
    entries = [entry for name in names for entry in await world.service.history(name, 1)]
    assert {json.at(entry, ("trigger", "maxWrites")) for entry in entries} == {json.ABSENT, 6}


async def test_a_sweep_is_one_run_whichever_instances_work_on_it_and_an_event_is_none_of_it() -> None:
    world = fleet_stand(10, "caps: {writes_per_run: 4}")
    for number in range(1, 11):
        break_app(world, number)
    await world.sweep()
    other = world.second()
    while await world.deliver() + await other.deliver():
        pass
    broken = [number for number in range(1, 11) if port(world, number) != "6380"]
    assert len(broken) == 6
    outcome = await heal(world, broken[0])
    assert outcome.status is Status.HEALED
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    assert [port(world, number) for number in range(1, 11)].count("6380") == 9


async def test_a_plan_is_never_written_by_half() -> None:
    world = stand(spec=f"{SPEC}---\npolicy: fleet\ncaps: {{writes_per_hour: 1}}\n")
    world.change_settings(REDIS_PORT="1")
    world.leave_network()
    before = len(world.writes())
    outcome = await world.reconcile("site")
    assert (outcome.status, len(world.writes())) == (Status.HELD, before)
    assert codes(outcome) == [CAP_FLEET]
    assert [held.hold.numbers for held in outcome.plan.held] == [{"limit": 1, "used": 0, "wanted": 2}] * 2
    assert outcome.retry_at is None


async def test_a_resource_is_not_written_for_ever_however_often_it_drifts() -> None:
    world = fleet_stand(1, "caps: {writes_per_resource_and_hour: 2}\nflapping: {times: 50}")
    for _ in range(2):
        break_app(world, 1)
        assert (await heal(world, 1)).status is Status.HEALED
    break_app(world, 1)
    assert codes(await heal(world, 1)) == [CAP_RESOURCE]
    world.pass_time(minutes=62)
    assert (await heal(world, 1)).status is Status.HEALED


async def test_a_plan_that_is_only_looked_at_shows_the_hold_and_takes_no_room() -> None:
    world = fleet_stand(2, "caps: {writes_per_hour: 1}")
    break_app(world, 1)
    break_app(world, 2)
    assert (await heal(world, 1, dry_run=True)).status is Status.PLANNED
    assert (await heal(world, 2, dry_run=True)).status is Status.PLANNED
    assert (await heal(world, 1)).status is Status.HEALED
    assert codes(await heal(world, 2, dry_run=True)) == [CAP_FLEET]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(1, 26))
async def test_whatever_dies_between_the_reservation_and_the_write_no_more_is_written_than_was_reserved(
    step: int, *, after: bool
) -> None:
    world = fleet_stand(3, "caps: {writes_per_hour: 2}")
    for number in (1, 2, 3):
        break_app(world, number)
    before = len(world.writes())
    with suppress(Crash):
        await heal(mortal(world, Fate(step, after)), 1)
    world.pass_time(minutes=6)  # a dead owner's lease has run out
    for number in (1, 2, 3):
        await heal(world, number)
    assert len(world.writes()) - before <= 2


async def test_a_use_that_cannot_be_read_is_not_taken_for_room() -> None:
    world = fleet_stand(1)
    break_app(world, 1)
    await world.memory.documents.apply(FLEET_PARTITION, [Upsert(HOUR, {"writes": "many"})])
    before = len(world.writes())
    with pytest.raises(ValueError, match="an hour's use"):
        await heal(world, 1)
    assert len(world.writes()) == before


async def test_what_a_run_used_is_forgotten_a_week_after_it() -> None:
    world = fleet_stand(1)
    break_app(world, 1)
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    assert [row for row in world.rows() if row.startswith(RUNS)] != []
    world.pass_time(days=RUNS_KEPT.days + 1)
    await world.sweep()
    assert [row for row in world.rows() if row.startswith(RUNS)] == []
