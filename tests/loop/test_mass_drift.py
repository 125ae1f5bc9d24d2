"""When much of the fleet needs repair at once nothing is written, one alert tells of it, and a person may let go."""

from datetime import timedelta

import pytest

from homeostat.core import json
from homeostat.core.gate.mass_drift import MASS_DRIFT
from homeostat.core.outcome import Status
from tests.loop.fleet import break_app, codes, fleet_stand, heal, heal_all, port, text
from tests.loop.stand import Stand

pytestmark = pytest.mark.wire

APPS = range(1, 41)
MANY = "mass_drift: {at_least: 5, share: 10%}\nrollout: {from_targets: 1000}\ncaps: {roots_at_least: 1000}"


def broken(world: Stand) -> int:
    return sum(port(world, number) != "6380" for number in APPS)


def fleet_alerts(world: Stand) -> list[str]:
    return [event.type.split(".")[1] for event in world.inbox.events if event.subject == "fleet"]


async def struck() -> Stand:
    world = fleet_stand(len(APPS), MANY)
    for number in APPS:
        break_app(world, number)
    return world


async def test_a_sweep_that_finds_a_mass_of_drift_stops_after_few_writes_and_tells_it_once() -> None:
    world = await struck()
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    assert len(APPS) - broken(world) == 5
    assert fleet_alerts(world) == ["Held"]
    assert ("Held", "app_settings") not in world.inbox.told()
    assert world.inbox.told().count(("DriftDetected", "app_settings")) == len(APPS)
    (held,) = [event.data for event in world.inbox.events if event.subject == "fleet"]
    assert held["held"][0]["code"] == MASS_DRIFT  # type: ignore[index,call-overload]  # an alert's data is JSON
    state = await world.service.releases.state()
    assert state["massDrift"] is not None
    (why,) = json.texts_at(await world.service.health(), "why")
    assert why.startswith("a mass drift: at least ")
    assert "`release mass-drift`" in why


async def test_two_instances_tell_of_it_once() -> None:
    world = await struck()
    other = world.second()
    await heal_all([world, other], APPS)
    await world.engine.outbox.send_all()
    assert fleet_alerts(world) == ["Held"]


async def test_a_person_lets_go_for_a_time_and_what_was_held_goes_on_at_once() -> None:
    world = await struck()
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    until = world.ambient.now() + timedelta(hours=2)
    await world.service.releases.mass_drift(until, "Anna", "we moved the cache")
    await world.work_for(timedelta(minutes=1))
    assert broken(world) == 0
    assert (await world.service.health())["status"] == "ok"
    assert fleet_alerts(world) == ["Held"]
    for number in APPS:
        break_app(world, number)
    world.ambient.time = until
    assert {code for outcome in await heal_all([world], APPS) for code in codes(outcome)} == {MASS_DRIFT}


async def test_it_ends_by_itself_when_the_world_is_put_right() -> None:
    world = await struck()
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    for number in APPS[1:]:
        break_app(world, number, "6380")
    await world.sweep()
    await world.work_for(timedelta(minutes=30))
    world.pass_time(hours=1)  # until what was repaired before the stop no longer counts
    break_app(world, 1)
    assert (await heal(world, 1)).status is Status.HEALED
    assert (await world.service.releases.state())["massDrift"] is None


async def test_as_long_as_it_lasts_it_stays_known() -> None:
    world = await struck()
    await world.sweep()
    await world.work_for(timedelta(hours=6))
    assert len(APPS) - broken(world) == 5
    assert fleet_alerts(world) == ["Held"]


async def test_a_dry_run_sees_it_and_counts_nothing() -> None:
    world = await struck()
    looks = [await heal(world, number, dry_run=True) for number in APPS]
    assert {look.status for look in looks} == {Status.PLANNED}
    await heal_all([world], APPS)
    assert codes(await heal(world, APPS[-1], dry_run=True)) == [MASS_DRIFT]


async def test_when_the_spec_changed_or_what_drifts_is_declared_anew_the_spec_is_the_suspect() -> None:
    world = fleet_stand(len(APPS), MANY)
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    world.specs.by_name["homeostat.yaml"] = text(dict.fromkeys(APPS, 1), MANY)
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    version = (await world.fleet()).spec_version
    held = [outcome.plan.held[0].hold for outcome in await heal_all([world], APPS) if outcome.plan.held]
    assert {f"suspect the spec: version {version} in force since" in hold.message for hold in held} == {True}
    world.pass_time(days=2)  # what drifts is still declared otherwise than when it was last accepted
    held = [outcome.plan.held[0].hold for outcome in await heal_all([world], APPS) if outcome.plan.held]
    assert {"suspect the spec" in hold.message for hold in held} == {True}


async def test_where_the_spec_has_not_changed_for_long_the_world_is_the_suspect() -> None:
    world = fleet_stand(len(APPS), MANY)
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    world.specs.by_name["homeostat.yaml"] += "\n"
    await world.sweep()
    await world.work_for(timedelta(days=2))
    for number in APPS:
        break_app(world, number)
    held = [outcome.plan.held[0].hold for outcome in await heal_all([world], APPS) if outcome.plan.held]
    assert {"suspect the world" in hold.message for hold in held} == {True}


async def test_a_small_fleet_may_drift_as_a_whole() -> None:
    world = fleet_stand(20)
    for number in range(1, 21):
        break_app(world, number)
    assert {outcome.status for outcome in await heal_all([world], range(1, 21))} == {Status.HEALED}
