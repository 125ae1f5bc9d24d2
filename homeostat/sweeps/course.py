"""The course of a sweep: started by the timer or a person, carried out by messages of its own queue, ended once.

Three kinds of message drive it. `{"sweep", "cause"}` begins a sweep or resumes it (with `"ask"` where a person asked),
`{"sweep", "chunk"}` checks some of its roots, and `{"sweep", "look"}` checks whether all chunks are done, at growing
intervals. Each may come twice, or again after a crash: the stored state says how far the sweep is. Events have their
own queue, and never wait behind a sweep.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import Final

from homeostat.core import json
from homeostat.core.alerts import sweep_completed
from homeostat.core.asks import Ask, ask_in, ask_json
from homeostat.core.json import Json, JsonObject
from homeostat.core.spec import Fleet
from homeostat.core.sweep import DEADLINE, DEFAULT_FULL_READ_DAYS, Chunk, State, Sweep, begun, ended, members
from homeostat.core.sweep_summary import summary_json, summed_up
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.specs import DesiredState
from homeostat.ports.alerts import AlertError
from homeostat.ports.azure import ArmReader, ResourceTable
from homeostat.ports.storage import Conflict, StorageError
from homeostat.rows import ledger_row, outbox_rows
from homeostat.store import SWEEP_QUEUE
from homeostat.sweeps.chunk import ChunkWork, PutOff
from homeostat.sweeps.ends import ends_of, report
from homeostat.sweeps.slots import MAX_PASSES, ChunkSlots
from homeostat.sweeps.store import REPORTS, SWEPT, Current, SweepStore

log = logging.getLogger(__name__)

_ID: Final = re.compile(r"[0-9a-f-]{36}")

INITIAL_CHUNKS: Final = 8
"""Chunks that can be received at once when a sweep begins: the quota of Resource Graph has queries for one more."""

CHUNKS_PER_SECOND: Final = 2
"""The rate of the others, about that of a sweep's queries (nine in five seconds): more would be passed on in vain."""

POISON: Final = f"{SWEEP_QUEUE}-poison"
_PEEK_LIMIT: Final = 32  # poison messages that can be seen without receiving them

_BATCH_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class SweepAccess:
    """How a sweep reads Azure. Without a table everything is read through ARM; without a reader, through the loop's.

    full_read_days: within this many nights every root is read through ARM alone, whatever Resource Graph says of it.
    """

    reader: ArmReader | None = None
    table: ResourceTable | None = None
    full_read_days: int = DEFAULT_FULL_READ_DAYS
    slots: ChunkSlots = field(default_factory=ChunkSlots)  # of the whole process


@dataclass(frozen=True, slots=True)
class Sweeps:
    engine: Engine
    desired: DesiredState
    managed: Managed | None
    access: SweepAccess

    @property
    def _stored(self) -> SweepStore:
        return SweepStore(self.engine.store)

    async def start(self, cause: str) -> str:
        """Asks for a sweep and returns its id; if one is under way, that goes on instead. Raises StorageError."""
        id_ = str(self.engine.ambient.uuid())
        await self.begin(id_, cause)
        return id_

    async def begin(self, id_: str, cause: str, ask: Ask | None = None) -> None:
        """Asks for a sweep with this id, or for the messages that a running one may have lost. Raises StorageError."""
        await self._send({"sweep": id_, "cause": cause, **({"ask": ask_json(ask)} if ask else {})})

    async def under_way(self) -> Sweep | None:
        """The running sweep that would go on if one were asked for now. Raises StorageError."""
        current = await self._stored.current()
        if current is None or current.sweep.state is not State.RUNNING or not await self._goes_on(current.sweep):
            return None
        return current.sweep

    async def work(self, message: Json) -> None:
        """Handles one message of the sweeps' queue. One that makes no sense is logged and dropped."""
        id_, cause, number = (
            json.text_at(message, "sweep"),
            json.text_at(message, "cause"),
            json.at(message, ("chunk",)),
        )
        if id_ and cause:
            ask = ask_in(message)
            if ask is None or not await self._is_answered(id_, ask):
                await self._begin(id_, cause, ask)
        elif id_ and isinstance(number, int):
            await self._chunk(id_, number, _passed(message))
        elif id_ and json.at(message, ("look",)) is True:
            await self._look(id_)
        else:
            log.warning("a message of the sweeps' queue names no sweep, or nothing of it; it is dropped")

    # --- begin ---

    async def renewed(self) -> Fleet:
        """The fleet for a sweep: selectors are resolved anew, and targets that are no longer managed are reported."""
        fleet = await self.desired.renewed()
        if self.managed is not None:
            try:
                await self.managed.follow(fleet)
            except StorageError as error:
                log.warning("what is no longer managed is told at the next sweep: %s", error)
        return await self._followed(fleet)

    async def _followed(self, fleet: Fleet) -> Fleet:
        await self.engine.rollouts.follow(fleet, self.desired.loaded or self.engine.ambient.now())
        return fleet

    async def _is_answered(self, id_: str, ask: Ask) -> bool:
        """Whether a person's request is answered: another sweep began since, or the one it started has ended."""
        current = await self._stored.current()
        if current is None or current.sweep.began < ask.at:
            return False
        await self._stored.keep(ask, current.sweep.id)
        return current.sweep.id != id_ or current.sweep.state is State.ENDED

    async def _begin(self, id_: str, cause: str, ask: Ask | None) -> None:
        await self._begin_or_go_on(id_, cause, await self.renewed(), ask)
        await self._tidy()

    async def _tidy(self) -> None:
        """Housekeeping, once a night. It scans all that is stored, so the chunks are enqueued before it."""
        engine = self.engine
        await engine.reservations.forget_runs(engine.ambient.now())
        await engine.rollouts.ensure()
        await engine.outbox.send_all()
        if current := await self._stored.current():
            await self._stored.forget_chunks(current.sweep)

    async def _begin_or_go_on(self, id_: str, cause: str, fleet: Fleet, ask: Ask | None) -> None:
        before = await self._stored.current()
        if before and (id_ in before.sweep.earlier or (before.sweep.id == id_ and before.sweep.state is State.ENDED)):
            return
        if before and before.sweep.state is State.RUNNING:
            if before.sweep.id == id_ or await self._goes_on(before.sweep):
                await self._enqueue(before.sweep)
                return
            await self._end(before, await self._stored.chunks(before.sweep), force=True)
            before = await self._stored.current()
        last = before.sweep if before else None
        sweep = begun(id_, cause, tuple(fleet.roots), fleet.spec_version, self.engine.ambient.now(), last)
        sweep = sweep.asked_for(ask) if ask else sweep
        await self._stored.put(sweep, before)
        log.info("sweep %s of %d roots in %d chunks began", id_, sweep.roots, len(sweep.beginnings))
        await self._enqueue(sweep)

    async def _goes_on(self, sweep: Sweep) -> bool:
        """Whether the running sweep has roots left to check and is not too old to be finished."""
        chunks = await self._stored.chunks(sweep)
        return not sweep.is_stale(self.engine.ambient.now()) and not _all_done(sweep, chunks)

    async def _enqueue(self, sweep: Sweep) -> None:
        """Sends a message for every chunk that is not done (be it under way or not), and the first look."""
        known = await self._stored.chunks(sweep)
        lacking = [number for number in range(len(sweep.beginnings)) if not _is_done(known, number)]
        for some in batched(enumerate(lacking), _BATCH_SIZE, strict=False):
            await asyncio.gather(*(self._send_chunk(sweep.id, number, _turn(place)) for place, number in some))
        await self._look_later(sweep)

    # --- a chunk ---

    async def _chunk(self, id_: str, number: int, passed: int) -> None:
        """Works on a chunk if there is a free slot; otherwise passes it on, or puts it off."""
        slots = self.access.slots
        if not await slots.acquire(passed):
            passes = passed < MAX_PASSES
            onward: JsonObject = {"sweep": id_, "chunk": number, "passed": passed + passes}
            await self._send(onward, timedelta() if passes else slots.put_off)
            return
        began = self.engine.ambient.monotonic()
        try:
            await self._look_through(id_, number)
        finally:
            slots.release(self.engine.ambient.monotonic() - began)

    async def _look_through(self, id_: str, number: int) -> None:
        sweep = await self._running(id_)
        if sweep is None or not 0 <= number < len(sweep.beginnings):
            return
        known = await self._stored.chunk(sweep, number) or Chunk()
        if known.is_done:
            return
        fleet = await self._followed(await self.desired.fleet())
        ids = members(tuple(fleet.roots), sweep.beginnings, number)
        async for found in self.chunk_work(fleet, sweep).look(known, ids):
            if isinstance(found, PutOff):
                log.info("sweep %s: chunk %d goes on in %s", id_, number, found.delay)
                await self._send_chunk(id_, number, found.delay)
                return
            stored = await self._stored.save_chunk(sweep, number, found)
            if stored.is_done:  # by this instance, or by another that had the same message
                await self._end_with_last(id_)
                return

    async def _end_with_last(self, id_: str) -> None:
        """Ends the sweep if this was its last chunk and nothing is waited for; otherwise the next look ends it."""
        current = await self._stored.current()
        if current is None or current.sweep.id != id_ or current.sweep.state is not State.RUNNING:
            return
        chunks = await self._stored.chunks(current.sweep)
        if _all_done(current.sweep, chunks):
            with suppress(Conflict):  # another ended it, or added a person's request: then the next look ends it
                await self._end(current, chunks, force=False)

    def chunk_work(self, fleet: Fleet, sweep: Sweep) -> ChunkWork:
        access = self.access
        reader, lock = access.reader or self.engine.reader, access.slots.query_lock
        return ChunkWork(self.engine, fleet, sweep, access.full_read_days, reader, access.table, lock)

    async def _running(self, id_: str) -> Sweep | None:
        current = await self._stored.current()
        if current is None or current.sweep.id != id_ or current.sweep.state is not State.RUNNING:
            log.info("sweep %s is over: its message is dropped", id_)
            return None
        return current.sweep

    # --- the end ---

    async def _look(self, id_: str) -> None:
        current = await self._stored.current()
        if current is None or current.sweep.id != id_:
            return
        sweep = current.sweep
        if sweep.state is State.ENDED:
            await self._tell(sweep)  # whoever ended it may have died before, or the channel failed
            return
        chunks = await self._stored.chunks(sweep)
        is_overdue = self.engine.ambient.now() - sweep.began >= DEADLINE
        lacking = [number for number in range(len(sweep.beginnings)) if not _is_done(chunks, number)]
        waits = bool(lacking) and not is_overdue and bool(set(lacking) - await self._poisoned(id_))
        if waits or not await self._end(current, chunks, force=is_overdue):
            await self._look_later(sweep)

    async def _poisoned(self, id_: str) -> set[int]:
        """The chunks whose messages are in the poison queue, as far as these can be seen."""
        found = await self.engine.store.queues.peek(POISON, limit=_PEEK_LIMIT)
        bodies = [body for message in found if json.text_at(body := _parsed(message.body), "sweep") == id_]
        return {number for body in bodies if isinstance(number := json.at(body, ("chunk",)), int)}

    async def _end(self, current: Current, chunks: Mapping[int, Chunk], *, force: bool) -> bool:
        """Ends the sweep unless a root that it marked is still being worked on. Raises Conflict if another ended it."""
        sweep, engine = current.sweep, self.engine
        ends = await ends_of(sweep, chunks.values(), engine.store, force=force)
        if ends is None:
            return False
        now = engine.ambient.now()
        summary = summed_up(sweep, chunks, ends.of, len(sweep.beginnings), now, ends.refused)
        told = summary_json(summary)
        await report(summary, engine.store)
        entry: JsonObject = {"at": now.isoformat(), "status": SWEPT, **told}
        rows = [ledger_row(entry, now, engine.ambient.uuid()), *outbox_rows([sweep_completed(sweep.id, told, now)])]
        await self._stored.put(ended(sweep, chunks.values(), looked_at_all=not summary.lost_chunks), current, rows)
        log.info("sweep %s ended: %s", sweep.id, json.render(told))
        await self._tell(sweep)
        return True

    async def _tell(self, sweep: Sweep) -> None:
        """Sends the alert of the sweep's end. If the channel fails, another look is scheduled that sends it."""
        try:
            await self.engine.outbox.send_of_fleet()
        except AlertError as error:
            log.warning("sweep %s: its alert waits in the outbox: %s", sweep.id, error)
            await self._look_later(sweep)

    # --- what is told ---

    async def latest(self, limit: int) -> list[JsonObject]:
        """The sweep that is under way, if one is, and the last that ended, newest first. Raises StorageError."""
        current = await self._stored.current()
        running = [await self._course(current.sweep)] if current and current.sweep.state is State.RUNNING else []
        return [*running, *await self._stored.summaries(limit)]

    async def refused(self) -> tuple[str, ...]:
        """The actions that the role lacked in the last sweep that ended. Raises StorageError."""
        summaries = await self._stored.summaries(1)
        return tuple(action for told in summaries for action in json.texts_at(told, "refused"))

    async def show(self, id_: str) -> JsonObject | None:
        """How far a running sweep is, or the report of one that ended. None for an unknown id. Raises StorageError."""
        current = await self._stored.current()
        if current and current.sweep.id == id_ and current.sweep.state is State.RUNNING:
            return await self._course(current.sweep)
        blob = await self.engine.store.blobs.read(REPORTS, f"{id_}.json") if _ID.fullmatch(id_) else None
        found = _parsed(blob.data) if blob else None
        return found if isinstance(found, Mapping) else None

    async def _course(self, sweep: Sweep) -> JsonObject:
        chunks = (await self._stored.chunks(sweep)).values()
        return {
            "sweep": sweep.id,
            "cause": sweep.cause,
            "asked": [ask_json(ask) for ask in sweep.asks],
            "status": sweep.state.value,
            "began": sweep.began.isoformat(),
            "specVersion": sweep.spec_version,
            "subscriptions": sweep.subscriptions,
            "roots": sweep.roots,
            "done": sum(chunk.done for chunk in chunks),
            "marked": sum(len(chunk.marked) for chunk in chunks),
            "chunks": len(sweep.beginnings),
            "chunksDone": sum(chunk.is_done for chunk in chunks),
        }

    async def _send_chunk(self, id_: str, number: int, delay: timedelta) -> None:
        await self._send({"sweep": id_, "chunk": number}, delay)

    async def _look_later(self, sweep: Sweep) -> None:
        await self._send({"sweep": sweep.id, "look": True}, sweep.next_look(self.engine.ambient.now()))

    async def _send(self, message: JsonObject, delay: timedelta = timedelta()) -> None:
        await self.engine.store.queues.send(SWEEP_QUEUE, json.render(message), delay=delay)


def _passed(message: Json) -> int:
    """How often the message was passed on."""
    found = json.at(message, ("passed",))
    return min(max(found, 0), MAX_PASSES) if isinstance(found, int) else 0


def _turn(place: int) -> timedelta:
    """How long after the first chunk this one can be received. place: its position among those to be done."""
    return timedelta(seconds=max(0, place - INITIAL_CHUNKS) // CHUNKS_PER_SECOND)


def _all_done(sweep: Sweep, chunks: Mapping[int, Chunk]) -> bool:
    return all(_is_done(chunks, number) for number in range(len(sweep.beginnings)))


def _is_done(chunks: Mapping[int, Chunk], number: int) -> bool:
    return number in chunks and chunks[number].is_done


def _parsed(text: str | bytes) -> Json:
    try:
        return json.parse(text)
    except (ValueError, RecursionError):
        return None
