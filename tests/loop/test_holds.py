"""What holds a repair back holds to its end, and what depends on it with it."""

from datetime import timedelta

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Read
from homeostat.core.outcome import Outcome, Status
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


async def test_a_pause_that_comes_between_look_and_write_still_holds() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    until = world.ambient.now() + HOUR
    pause = Pause("app-flask", until, "maintenance", "Anna")
    outcome = await meddled(world, after=once(lambda: world.service.pause(pause), Read)).reconcile("nsg")
    assert (outcome.status, outcome.retry_at) == (Status.HELD, until)
    assert world.writes() == []
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Held", "nsg_rules")]


@pytest.mark.parametrize("target", ["app-flask", FLEET])
async def test_what_is_paused_is_healed_when_the_pause_ends_by_itself(target: str) -> None:
    world = stand()
    await world.service.pause(Pause(target, world.ambient.now() + HOUR, "", "Anna"))
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(timedelta(minutes=59))
    assert world.writes() == []
    await world.work_for(timedelta(minutes=3))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    told = [("DriftDetected", "nsg_rules"), ("Held", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.told() == told


@pytest.mark.parametrize("target", ["app-flask", FLEET])
async def test_what_is_paused_is_healed_at_once_when_a_person_resumes_it(target: str) -> None:
    world = stand()
    await world.service.pause(Pause(target, world.ambient.now() + 24 * HOUR, "", "Anna"))
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(HOUR)
    await world.service.resume(target, "Anna")
    assert await world.deliver() > 0
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_the_sweep_begins_at_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.sweep()
    await world.deliver()
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert world.waiting() == []


def held_codes(outcome: Outcome) -> set[str]:
    return {held.hold.code for held in outcome.plan.held}


async def test_what_waits_for_a_held_repair_is_held_with_it() -> None:
    """Joining the network waits for nothing here: the two kinds are of different roots, and each has its own hold."""
    world = stand(spec=SPEC.replace("vnet_integration:\n", "vnet_integration:\n  mode: alert\n"))
    world.leave_network()
    world.change_settings(REDIS_PORT="1")
    outcome = await world.reconcile("site")
    assert held_codes(outcome) == {"mode-alert"}
    assert world.subnet_of_site() is None
    assert world.settings()["REDIS_PORT"] == "6380"
