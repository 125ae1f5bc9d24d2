"""The course of a sweep in the model: what `homeostat/sweeps.py` and `sweep_chunk.py` do, without the roots' bodies.

What a sweep is, how it is cut, whose turn it is to be read in full and how far a chunk has come are the core's own;
what is stored of it goes through the real `SweepStore`, reads are shared and rows asked for by the real `Shared` and
`CountedPages`. Restated are the order in which these are called, and a root: a record that is read, some reads, and
time of the processor. All are at rest and as declared.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import batched
from typing import Any, Final

from bench.scaling.arm import Calls, Latency, ModelReader, ModelTable
from bench.scaling.fleet import ModelDesired, Processor, Selected, Work
from bench.scaling.world import World, reads
from homeostat.allowances import SharedAllowance
from homeostat.ambient import Ambient
from homeostat.azure.blocks import Blocks, Pace
from homeostat.azure.governor import Governor
from homeostat.core.arm_errors import ArmError
from homeostat.core.budget import DEFAULT_SHARE_LEFT, Lane
from homeostat.core.ids import ResourceId
from homeostat.core.indexed import Rows
from homeostat.core.model import Fact, Unreadable
from homeostat.core.sweep import Chunk, State, Sweep, begun, ended, is_read_in_full, members
from homeostat.indexed import CountedPages, Shared
from homeostat.store import SWEEP_QUEUE, Store
from homeostat.sweep_chunk import A_WHILE, TOGETHER
from homeostat.sweep_store import SweepStore
from homeostat.sweeps import NO_ROOM, Room
from simulator.throttling import Throttling
from tests.support.virtual import Toll

_TOGETHER: Final = 50  # messages that are sent at once
SCANNED: Final = 1000
"""Entities in one answer of a table, at most."""


@dataclass(slots=True)
class Night:
    """What all instances of the model share. entities: of the table, which its scans go through."""

    world: World
    toll: Toll
    throttling: Throttling
    selected: Selected = field(default_factory=Selected)
    latency: Latency = field(default_factory=Latency)
    work: Work = field(default_factory=Work)
    days: int = 14
    entities: int = 0
    looked_through: float = 0.0  # when the last chunk was done
    ended_at: float = 0.0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class ModelSweeps:
    """One instance."""

    def __init__(self, night: Night, store: Store, ambient: Ambient, share_left: float = DEFAULT_SHARE_LEFT) -> None:
        self._night, self._store, self._ambient = night, store, ambient
        self._stored = SweepStore(store)
        self._room = Room()
        calls = Calls(Governor(ambient, share_left), night.throttling, ambient, night.latency)
        blocks = Blocks(SharedAllowance(store.documents, ambient, share_left), share_left, ambient)
        pace = Pace(Lane.SWEEPING, blocks)
        self._reader = ModelReader(calls, pace)
        self._table = ModelTable(calls, night.world.rows, pace)
        self.processor = Processor(ambient)
        selecting = ModelTable(calls, night.world.rows)
        self._desired = ModelDesired(
            night.world, night.selected, selecting, night.toll, self.processor, night.work, ambient
        )

    async def work(self, message: Any) -> None:
        match message:
            case {"sweep": str(id_), "cause": str(cause)}:
                await self._begin(id_, cause)
            case {"sweep": str(id_), "chunk": int(number)}:
                await self._chunk(id_, number)
            case {"sweep": str(id_)}:
                await self._look(id_)
            case _:
                raise ValueError(f"no message of a sweep: {message}")

    async def _begin(self, id_: str, cause: str) -> None:
        await self._desired.renewed()
        await self._scan_table()  # for what is left in the outboxes
        before = await self._stored.current()
        last = before.sweep if before else None
        now = self._ambient.now()
        sweep = begun(id_, cause, self._night.world.roots, "model", now, last)
        await self._stored.put(sweep, before)
        await self._stored.forget_chunks(sweep)
        await self._stored.chunks(sweep)
        for some in batched(range(len(sweep.beginnings)), _TOGETHER, strict=False):
            await asyncio.gather(*(self._send({"sweep": id_, "chunk": number}) for number in some))
        await self._look_later(sweep)

    async def _scan_table(self) -> None:
        for _ in range(-(-self._night.entities // SCANNED)):
            await self._night.toll.pay("documents.scan_all")

    async def _chunk(self, id_: str, number: int) -> None:
        if self._room.taken >= self._room.at_most:
            await self._send({"sweep": id_, "chunk": number}, NO_ROOM)
            return
        self._room.taken += 1
        try:
            await self._look_through(id_, number)
        finally:
            self._room.taken -= 1

    async def _look_through(self, id_: str, number: int) -> None:
        current = await self._stored.current()
        if current is None or current.sweep.id != id_ or current.sweep.state is not State.RUNNING:
            return
        sweep = current.sweep
        known = await self._stored.chunk(sweep, number) or Chunk()
        if known.is_done:
            return
        await self._desired.fleet()
        ids = members(self._night.world.roots, sweep.beginnings, number)
        work = ModelChunk(self._night, sweep, Shared(self._reader), CountedPages(self._table, self._ambient), self)
        async for found in work.look(known, ids):
            if isinstance(found, timedelta):
                await self._send({"sweep": id_, "chunk": number}, found)
                return
            await self._stored.save_chunk(sweep, number, found)
        self._night.looked_through = self._ambient.monotonic()

    async def _look(self, id_: str) -> None:
        current = await self._stored.current()
        if current is None or current.sweep.id != id_:
            return
        chunks = await self._stored.chunks(current.sweep)
        if sum(chunk.is_done for chunk in chunks.values()) < len(current.sweep.beginnings):
            await self._night.toll.pay("queues.peek")
            await self._look_later(current.sweep)
            return
        for _ in ("json", "md"):
            await self._night.toll.pay("blobs.write")
        await self._stored.put(ended(current.sweep, looked_at_all=True), current)
        self._night.ended_at = self._ambient.monotonic()
        self._night.is_over.set()

    async def _look_later(self, sweep: Sweep) -> None:
        await self._send({"sweep": sweep.id, "look": True}, sweep.next_look(self._ambient.now()))

    async def _send(self, message: Any, delay: timedelta = timedelta()) -> None:
        await self._store.queues.send(SWEEP_QUEUE, json.dumps(message), delay=delay)


@dataclass(slots=True)
class ModelChunk:
    """One chunk in hand, as `ChunkWork` has it."""

    night: Night
    sweep: Sweep
    shared: Shared
    pages: CountedPages
    instance: ModelSweeps
    _rows: asyncio.Future[Rows] | None = None
    _wanted: tuple[ResourceId, ...] = ()

    async def look(self, chunk: Chunk, ids: Sequence[ResourceId]) -> AsyncIterator[Chunk | timedelta]:
        """How far it has come after each handful; or for how long it is put off."""
        before = chunk
        left = [id_ for id_ in ids if id_.key > chunk.upto]
        self._wanted = tuple(id_ for id_ in left if not self._in_full(id_))
        chunk = replace(chunk, of=len(ids))
        for some in batched(left, TOGETHER, strict=False):
            found = await asyncio.gather(*map(self._see, some))
            calls, queries = before.calls + self.shared.calls, before.queries + self.pages.queries
            chunk = replace(chunk, calls=calls, queries=queries)
            if waits := [each for each in found if each is not None]:
                yield chunk
                yield max(waits)
                return
            chunk = replace(
                chunk,
                done=chunk.done + len(some),
                upto=some[-1].key,
                checked=chunk.checked + len(some),
                in_full=chunk.in_full + sum(map(self._in_full, some)),
            )
            yield chunk
        yield replace(chunk, is_done=True)

    def _in_full(self, id_: ResourceId) -> bool:
        return is_read_in_full(id_.key, self.sweep.full_after, self.sweep.full_until, self.night.days)

    async def _see(self, id_: ResourceId) -> timedelta | None:
        """For how long Azure has no room for it; None once it is seen to be as declared."""
        await self.night.toll.pay("documents.read")  # the root's record
        in_full = self._in_full(id_)
        if not in_full:
            try:
                await self._rows_asked()
            except ArmError as error:
                return error.retry_after or A_WHILE
        facts = await asyncio.gather(*map(self.shared.read, reads(id_, in_full=in_full)))
        await self.instance.processor.spend(self.night.work.look)
        return _put_off(facts)

    async def _rows_asked(self) -> None:
        if self._rows is None:
            self._rows = asyncio.ensure_future(self.pages.rows_of(self._wanted))
        await asyncio.shield(self._rows)


def _put_off(facts: Sequence[Fact]) -> timedelta | None:
    waits = [fact.error.retry_after or A_WHILE for fact in facts if isinstance(fact, Unreadable)]
    return max(waits) if waits else None
