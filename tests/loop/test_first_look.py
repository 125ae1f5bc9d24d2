"""The first look goes on beside the write of the lease, and counts only if nothing came between."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.model import Mode, Read
from homeostat.ports.storage import Change, Documents
from tests.loop.meddling import meddled, once
from tests.loop.stand import Stand, stand

pytestmark = pytest.mark.wire

LOOK = "GET networkSecurityGroups/nsg-appservice-integration 200"


@dataclass(frozen=True)
class Held:
    """Documents whose changes of one partition wait for a word."""

    documents: Documents
    partition: str
    word: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.documents, name)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        if partition == self.partition:
            await self.word.wait()
        return await self.documents.apply(partition, changes)


def with_slow_lease(world: Stand, meanwhile: Callable[[], Any]) -> Stand:
    """An instance whose first look is over before its lease is stored; between the two something happens."""
    documents = Held(world.engine.store.documents, world.id("nsg").key)

    async def then() -> None:
        await meanwhile()
        documents.word.set()

    engine = replace(world.engine, store=replace(world.engine.store, documents=documents))
    slow = replace(world, engine=engine, service=replace(world.service, engine=engine))
    return meddled(slow, after=once(then, Read))


async def is_due(world: Stand) -> None:
    await world.rule_event()
    world.pass_time(seconds=15)


async def test_the_lease_is_taken_while_the_root_is_looked_at() -> None:
    world = stand()
    await is_due(world)

    async def nothing() -> None: ...

    await with_slow_lease(world, nothing).deliver()
    assert (world.calls().count(LOOK), world.failures) == (1, [])
    record = await world.record("nsg")
    assert (record.lease, record.mark) == (None, None)


async def test_a_change_that_is_told_of_between_the_look_and_the_lease_is_seen() -> None:
    world = stand()
    await is_due(world)

    async def drift() -> None:
        world.change_rule("allow-sql", access="Deny")
        await is_due(world)

    await with_slow_lease(world, drift).deliver()
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert len(world.writes()) == 1


async def test_an_owner_that_came_and_went_between_the_look_and_the_lease_is_not_written_after() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await is_due(world)

    async def another() -> None:
        await world.engine.reconcile_marked(await world.root("nsg"))

    await with_slow_lease(world, another).deliver()
    await world.work_for(timedelta(hours=1))
    assert (len(world.writes()), world.failures) == (1, [])


async def test_where_everything_is_ignored_nothing_is_looked_at() -> None:
    world = stand()
    await is_due(world)
    engine = replace(world.engine, cap=Mode.IGNORE)
    await replace(world, engine=engine, service=replace(world.service, engine=engine)).deliver()
    for _ in range(100):
        await asyncio.sleep(0)  # what was begun and is not waited for goes on
    assert world.calls() == []


async def test_a_root_that_has_not_settled_is_not_looked_at() -> None:
    world = stand()
    await world.rule_event()
    await world.engine.reconcile_marked(await world.root("nsg"))
    assert world.calls() == []
