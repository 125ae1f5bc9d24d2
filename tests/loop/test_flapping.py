"""Two writers who want it differently: the breaker trips, waits, stops; a person's word or a calm day lets it go on."""

from datetime import timedelta

import pytest

from homeostat.core import json
from homeostat.core.gate.flapping import FLAPPING
from homeostat.core.outcome import Status
from tests.loop.fleet import codes
from tests.loop.stand import Stand, stand

pytestmark = pytest.mark.wire

RULE_WRITE = "Microsoft.Network/networkSecurityGroups/securityRules/write"


async def undone(world: Stand, by: str = "terraform") -> None:
    """The other writer has it their way again, and an event tells of it."""
    world.change_rule("allow-sql", access="Deny")
    id_ = world.id("nsg").child("securityRules", "allow-sql")
    claims = {"name": by, "appid": "11111111-1111-1111-1111-111111111111"}
    await world.service.on_event(world.event(id_, RULE_WRITE, claims=claims))


async def fight(world: Stand, times: int) -> None:
    for _ in range(times):
        await undone(world)
        await world.work_for(timedelta(minutes=1))


def is_broken(world: Stand) -> bool:
    return bool(world.rule("allow-sql")["properties"]["access"] == "Deny")


async def test_the_fourth_time_it_is_left_alone_and_the_alert_names_the_other_writer() -> None:
    world = stand()
    await fight(world, 4)
    assert is_broken(world)
    held = next(event for event in world.inbox.events if event.type == "Homeostat.Held.v1")
    (entry,) = json.objects_at(held.data, "held")
    told = [json.at(entry, path) for path in (("code",), ("numbers", "healed"), ("numbers", "by"))]
    assert told == [FLAPPING, 3, "terraform"]


async def test_after_the_backoff_it_is_tried_again_by_itself() -> None:
    world = stand()
    await fight(world, 4)
    await world.work_for(timedelta(minutes=15))
    assert not is_broken(world)
    await fight(world, 1)
    assert is_broken(world)
    await world.work_for(timedelta(minutes=15))
    assert is_broken(world)
    await world.work_for(timedelta(minutes=16))
    assert not is_broken(world)


async def until_it_stops() -> Stand:
    world = stand()
    await fight(world, 3)
    for _ in range(4):
        await fight(world, 1)
        await world.work_for(timedelta(hours=4))
    await fight(world, 1)
    assert is_broken(world)
    return world


async def test_at_last_it_stops_until_a_person_resets_it() -> None:
    world = await until_it_stops()
    await world.work_for(timedelta(days=3))
    await world.sweep()
    await world.work_for(timedelta(minutes=1))
    assert is_broken(world)
    (shown,) = json.objects_at(await world.service.target("app-flask"), "flapping")
    assert (shown["what"], shown["trips"]) == ("allow-sql", 5)
    told = await world.service.releases.reset_breaker("app-flask", "Anna", "settled")
    assert told == {"target": "app-flask", "reset": ["allow-sql"]}
    await world.work_for(timedelta(minutes=1))
    assert not is_broken(world)
    assert (await world.service.target("app-flask"))["flapping"] == []


async def test_to_resume_the_target_resets_it_too() -> None:
    world = await until_it_stops()
    await world.service.resume("app-flask", "Anna")
    await world.work_for(timedelta(minutes=1))
    assert not is_broken(world)


async def test_a_calm_day_resets_it() -> None:
    world = await until_it_stops()
    world.change_rule("allow-sql", access="Allow")
    await world.sweep()
    await world.work_for(timedelta(hours=24))
    await fight(world, 1)
    assert not is_broken(world)


async def test_other_drift_of_the_same_root_is_repaired_meanwhile() -> None:
    world = stand()
    await fight(world, 4)
    world.change_rule("allow-redis", access="Deny")
    outcome = await world.reconcile("nsg")
    assert (outcome.status, codes(outcome)) == (Status.HELD, [FLAPPING])
    assert world.rule("allow-redis")["properties"]["access"] == "Allow"


async def test_a_retest_that_switches_routing_off_and_on_is_no_fight() -> None:
    world = stand()
    world.specs.by_name["homeostat.yaml"] += "\nroute_all: {application_traffic: true}\n"
    for _ in range(3):
        await world.service.retests.start("app-flask", timedelta(minutes=1), "why", "Anna")
        await world.work_for(timedelta(minutes=10))
        assert (await world.service.retests.state("app-flask"))["state"] == "restored"
