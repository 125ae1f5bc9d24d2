"""Wherever an instance dies in a sweep, the sweep comes to the same end, and says the same of it."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from homeostat.store import SWEEP_QUEUE
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import VISIBILITY, Stand
from tests.loop.swept import break_rule, break_settings, forget, rule_access, seen, settings

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


async def lives_through(dying: Stand, world: Stand) -> None:
    """The doomed instance has the sweep's messages, another does the repairs."""
    await dying.service.sweeps.start("nightly")
    for _ in range(6):
        while await dying.deliver(SWEEP_QUEUE):
            pass
        while await world.deliver():
            pass
        world.pass_time(minutes=1)


async def goes_on(world: Stand, fate: Fate) -> None:
    """The host's lock of a message ends, and where there is none the timer is past due."""
    if fate.names == ["queues.send"]:
        await world.service.sweeps.start("nightly")
    world.pass_time(seconds=VISIBILITY.total_seconds())
    await world.work_for(2 * HOUR)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_death_at_any_call_of_a_sweep_leads_to_the_same_summary(*, after: bool) -> None:
    for call in count(1):
        world = await seen(4, 1)
        break_settings(world, [2])
        break_rule(world, 1)
        forget(world)
        fate = Fate(call, after)
        try:
            await lives_through(mortal(world, fate), world)
        except Crash:
            await goes_on(world, fate)
        try:
            is_ended_once(world)
        except AssertionError as error:
            error.add_note(f"died {'after' if after else 'before'} call {call} of {fate.names}")
            raise
        if len(fate.names) < call:
            break
    assert call > 30


def is_ended_once(world: Stand) -> None:
    assert (rule_access(world, 1), settings(world, 2)["REDIS_PORT"]) == ("Allow", "6380")
    assert len(world.writes()) == 2
    assert (world.failures, world.poisoned, world.waiting()) == ([], [], [])
    assert len({event.id for event in world.inbox.sweeps}) == 1
    summary: Any = world.inbox.swept()[0]
    assert (summary["healed"], summary["checked"], summary["unfinished"]) == (2, summary["roots"] - 2, 0)
