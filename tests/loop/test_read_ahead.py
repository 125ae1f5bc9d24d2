"""What a write without ETag is based on is read beside the storing of its intent, and has to be fresh."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.core.arm_types import SITE_CONFIG
from homeostat.core.gate.caps import CAP_FLEET
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Fact, Read
from homeostat.core.outcome import Outcome, Status
from homeostat.core.uses import HourUse, hour_to_json, minute_of
from homeostat.gate.fleetwide import HOUR, Fleetwide
from homeostat.observing import AS_GOOD_AS_NEW
from homeostat.ports.storage import Change, Documents
from tests.loop.meddling import meddled
from tests.loop.stand import Stand, stand

pytestmark = pytest.mark.wire


@dataclass(frozen=True)
class SlowToIntend:
    """Documents that store no alert, and so no intent, before a word is given."""

    documents: Documents
    word: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.documents, name)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        if any(change.row.startswith("outbox:") for change in changes):
            await asyncio.wait_for(self.word.wait(), 10)  # which fails, rather than waits, without a read ahead
        return await self.documents.apply(partition, changes)


def base_of(world: Stand) -> Read:
    return Read(SITE_CONFIG, world.id("site").child("config", "appsettings"))


async def repaired(world: Stand, *, seconds: float) -> tuple[Outcome, datetime]:
    """Somebody sets a setting after the read of what the write is based on; the intent is stored so many seconds later.

    Also returns when, by ARM's clock, that was.
    """
    documents = SlowToIntend(world.engine.store.documents)
    engine = replace(world.engine, store=replace(world.engine.store, documents=documents))
    reads, moments = [0], list[datetime]()

    async def after(called: Any) -> None:
        if called != base_of(world):
            return
        reads[0] += 1
        if reads[0] == 2:
            moments.append(world.ambient.now())
            world.change_settings(THEIRS="new")
            asyncio.get_running_loop().call_soon(late)

    def late() -> None:
        world.pass_time(seconds=seconds)
        documents.word.set()

    outcome = await meddled(replace(world, engine=engine), after=after).reconcile("site")
    return outcome, moments[0]


async def test_what_had_to_wait_for_its_intent_is_read_again() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    outcome, _ = await repaired(world, seconds=AS_GOOD_AS_NEW + 0.1)
    assert outcome.status is Status.HEALED
    assert (world.settings()["THEIRS"], world.settings()["REDIS_PORT"]) == ("new", "6380")


async def test_what_is_fresh_is_written_upon_and_its_window_begins_with_its_read() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    outcome, moment = await repaired(world, seconds=AS_GOOD_AS_NEW)
    assert outcome.status is Status.HEALED
    assert world.calls("POST").count("POST appsettings/list 200") == 3
    (blind,) = (await world.record("site")).blind_writes
    assert blind.read_at <= moment <= blind.written_at


async def test_where_others_took_the_last_room_nothing_goes_on_reading() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    reads = [0]

    async def before(called: Any) -> None:
        reads[0] += called == base_of(world)
        if reads[0] == 2:
            full = HourUse({minute_of(world.ambient.now()): 1000})
            await Fleetwide(world.engine.store.documents, world.ambient).put(HOUR, hour_to_json(full))
            for _ in range(100):  # until long after the reservation was refused
                await asyncio.sleep(0)

    outcome = await meddled(world, before=before).reconcile("site")
    assert [held.hold.code for held in outcome.plan.held] == [CAP_FLEET]
    await nothing_goes_on(world)


@dataclass(frozen=True)
class Mute:
    """Deployments of which Azure never says anything."""

    async def running_deployments(self, subscription: str, resource_group: str) -> Fact:
        await asyncio.Event().wait()
        raise AssertionError(subscription, resource_group)


async def test_where_the_fleet_is_paused_nothing_waits_for_azure() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    await world.engine.store.pause(Pause(FLEET, world.ambient.now() + timedelta(hours=1), "a freeze", "Anna"))
    outcome = await replace(world, engine=replace(world.engine, deployments=Mute())).reconcile("site")
    assert [held.hold.code for held in outcome.plan.held] == ["paused"]
    await nothing_goes_on(world)


async def nothing_goes_on(world: Stand) -> None:
    for _ in range(5):  # what is cancelled has some more turns
        await asyncio.sleep(0)
    assert (world.writes(), asyncio.all_tasks()) == ([], {asyncio.current_task()})
