"""How the chunks of a sweep get to the instances: shared, few in hand, and about as large as a page of rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, override

import pytest

from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.json import JsonObject
from homeostat.core.sweep import DEFAULT_ROWS_PER_ROOT
from homeostat.ports.azure import ResourceTable
from homeostat.ports.storage import Document, StorageUnavailable
from homeostat.store import SWEEP_QUEUE
from homeostat.sweeps.slots import ChunkSlots
from homeostat.sweeps.store import SweepStore
from simulator.virtual import VirtualLoop, run_on
from tests.loop.stand import VISIBILITY, Stand
from tests.loop.swept import HOUR, break_settings, forget, seen, sweeps, swept
from tests.support.virtual import DistantDocuments, Toll

pytestmark = pytest.mark.wire


async def test_two_instances_share_the_chunks_of_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.core.sweep.cut", lambda keys, size: tuple(keys[::10]))
    world = await seen(60)
    break_settings(world, (1, 31, 60))
    forget(world)
    other = world.second()
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    while await world.deliver(SWEEP_QUEUE) + await other.deliver(SWEEP_QUEUE):
        pass
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["healed"], summary["checked"]) == (3, summary["roots"] - 3)
    assert len(world.writes()) == 3


async def test_one_chunk_at_two_instances_at_once_is_counted_once() -> None:
    world = await seen(60)
    break_settings(world, (1, 60))
    forget(world)
    id_ = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    other = replace(world.service, sweep_access=replace(world.service.sweep_access, slots=ChunkSlots()))
    message: JsonObject = {"sweep": id_, "chunk": 0}
    await asyncio.gather(world.service.sweeps.work(message), other.sweeps.work(message))
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["healed"], summary["checked"]) == (2, summary["roots"] - 2)
    assert len(world.writes()) == 2


async def test_a_process_has_few_chunks_in_hand_and_puts_the_others_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.core.sweep.cut", lambda keys, size: tuple(keys[::10]))
    world = await seen(60)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    world.pass_time(seconds=10)  # until all are handed out
    received = await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=VISIBILITY)
    await asyncio.gather(*(world.service.sweeps.work(json.loads(message.body)) for message in received))
    (running, *_) = await sweeps(world)
    assert len(received) > running["chunksDone"] == ChunkSlots().count
    for message in received:
        await world.memory.queues.delete(message)
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert summary["checked"] == summary["roots"]


async def bodies(world: Stand) -> list[Any]:
    """The messages that can be had now, which are taken out."""
    found = await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=VISIBILITY)
    for message in found:
        await world.memory.queues.delete(message)
    return [json.loads(message.body) for message in found]


def test_what_a_process_has_no_room_for_the_others_have_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.core.sweep.cut", lambda keys, size: tuple(keys[::10]))

    async def program(loop: VirtualLoop) -> None:
        world = await seen(60)
        await world.service.sweeps.start("nightly")
        await world.deliver(SWEEP_QUEUE)
        handed_out = await bodies(world)
        await asyncio.gather(*map(world.service.sweeps.work, handed_out))
        passed_on = await bodies(world)
        assert [each["passed"] for each in passed_on] == [1] * (len(handed_out) - ChunkSlots().count)
        assert loop.time() == 0.0
        other = replace(world.service, sweep_access=replace(world.service.sweep_access, slots=ChunkSlots()))
        await asyncio.gather(*map(other.sweeps.work, passed_on))
        (ended, *_) = await sweeps(world)
        assert ended["checked"] == ended["roots"]

    run_on(VirtualLoop(), program)


def test_where_nobody_has_room_a_message_is_passed_on_a_few_times_and_one_for_each_place_waits() -> None:
    async def program(loop: VirtualLoop) -> list[tuple[float, int]]:
        world = await seen(25)
        work, slots = world.service.sweeps.work, world.service.sweep_access.slots
        for _ in range(slots.count):
            assert await slots.acquire(0)
        course: list[tuple[float, int]] = []
        message: Any = {"sweep": "a-sweep", "chunk": 0}
        for _ in range(4):
            await work(message)
            (message,) = await bodies(world)
            course.append((round(loop.time(), 1), message["passed"]))
        waiting = [asyncio.create_task(work(message)) for _ in range(slots.count)]
        await asyncio.sleep(0)  # until both wait
        await work(message)
        course.append((round(loop.time(), 1), len(await bodies(world))))
        assert not any(each.done() for each in waiting)
        for _ in waiting:
            slots.release(1.0)
        await asyncio.gather(*waiting)
        assert await world.memory.queues.count(SWEEP_QUEUE) == 1  # the one that was put off, and none of these
        return course

    assert run_on(VirtualLoop(), program) == [(0.0, 1), (0.2, 2), (0.6, 3), (1.4, 4), (2.4, 0)]


@pytest.mark.parametrize("passed", [-1, 99, "often", None])
async def test_a_message_that_was_passed_on_oddly_often_is_worked_like_any_other(passed: Any) -> None:
    world = await seen(25)
    id_ = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    await world.service.sweeps.work({"sweep": id_, "chunk": 0, "passed": passed})
    (ended, *_) = await sweeps(world)
    assert ended["sweep"] == id_
    assert ended["checked"] == ended["roots"]


async def test_the_chunks_of_a_night_are_as_large_as_the_rows_of_the_last_one_let_them_be() -> None:
    world = await seen(60)
    expected = await begun_with(world)
    assert expected == DEFAULT_ROWS_PER_ROOT
    await swept(world)
    roots, links = 60 + 3 * 3, 3
    assert await begun_with(world) == pytest.approx((roots + links) / roots)


async def begun_with(world: Stand) -> float:
    """How many rows of a root the last sweep was cut for, or the next will be."""
    current = await SweepStore(world.service.engine.store).current()
    assert current is not None
    return current.sweep.rows_of_a_root


@dataclass(frozen=True, slots=True)
class Unscanned(DistantDocuments):
    """A table that does not answer who asks for all of it."""

    @override
    def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        raise StorageUnavailable("no answer")


async def test_a_sweep_begins_though_what_is_to_be_tidied_cannot_be() -> None:
    world = await seen(25)
    store = world.service.engine.store
    engine = replace(world.service.engine, store=replace(store, documents=Unscanned(store.documents, Toll(0))))
    world.service = replace(world.service, engine=engine)
    id_ = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    assert [type(failure) for failure in world.failures] == [StorageUnavailable]
    assert {"sweep": id_, "chunk": 0} in await bodies(world)


@dataclass(slots=True)
class Watched:
    """The table, and how many asked it at once at most."""

    table: ResourceTable
    asking: int = 0
    at_once: int = 0

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        self.asking += 1
        self.at_once = max(self.at_once, self.asking)
        await asyncio.sleep(0)  # another that may ask now would
        page = await self.table.page(query, top=top, token=token)
        self.asking -= 1
        return page

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return self.table.apart(query)


async def test_the_chunks_in_hand_ask_for_their_rows_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.core.sweep.cut", lambda keys, size: tuple(keys[::40]))
    world = await seen(60)
    access = world.service.sweep_access
    assert access.table is not None
    table = Watched(access.table)
    service = replace(world.service, sweep_access=replace(access, table=table))
    id_ = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    messages: list[JsonObject] = [{"sweep": id_, "chunk": number} for number in range(ChunkSlots().count)]
    await asyncio.gather(*map(service.sweeps.work, messages))
    (summary,) = world.inbox.swept()
    assert (summary["checked"], summary["queries"]) == (summary["roots"], 2)
    assert table.at_once == 1
