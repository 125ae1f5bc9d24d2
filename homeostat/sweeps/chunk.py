"""One chunk of a sweep: finds which of its roots are in sync and at rest, and marks each of the others.

Nothing is written to Azure from here, and no write is decided. A root that may differ is marked as an event would mark
it; the loop then reads it afresh and applies all its rules.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto
from itertools import batched, takewhile
from typing import Final, TypedDict

from homeostat.core import known_secrets
from homeostat.core.arm_errors import ArmError, ErrorClass, denied_action
from homeostat.core.decision import judge, judged_kinds, root_is_missing
from homeostat.core.ids import ResourceId
from homeostat.core.indexed import Rows
from homeostat.core.marks import Notice
from homeostat.core.model import Facts, Mode, Unreadable
from homeostat.core.record import IMMEDIATE, RootRecord
from homeostat.core.spec import Fleet, Root
from homeostat.core.sweep import MAX_REFUSED, Chunk, Sweep, is_at_rest, is_read_in_full
from homeostat.engine import Engine
from homeostat.observing import Observer
from homeostat.ports.azure import ArmReader, ResourceTable
from homeostat.store import Stored
from homeostat.sweeps.reads import CountedPages, RowsFirst, SharedReads

log = logging.getLogger(__name__)

BATCH_SIZE: Final = 240
"""Roots that are checked concurrently. After each such batch the chunk's progress is stored."""

DEFAULT_PUT_OFF: Final = timedelta(minutes=1)
"""How long a chunk is put off when Azure throttles it without a Retry-After."""


class Seen(Enum):
    AT_REST = auto()
    SKIPPED = auto()


@dataclass(frozen=True, slots=True)
class PutOff:
    """Azure throttles the sweep: the chunk is to go on after `delay`."""

    delay: timedelta


class Spent(TypedDict):
    calls: int
    queries: int
    rows: int
    asked: int
    seconds: float


@dataclass(slots=True)
class ChunkWork:
    """reader, table: the sweep's own access to Azure; without a table everything is read through ARM.

    query_lock: held while rows are queried. The chunks of a process query one after the other, so that one is worked
    through while the rows of the next arrive.
    """

    engine: Engine
    fleet: Fleet
    sweep: Sweep
    days: int
    reader: ArmReader
    table: ResourceTable | None
    query_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    shared: SharedReads = field(init=False)
    pages: CountedPages | None = field(init=False)
    unindexed: str = ""
    _rows: asyncio.Future[Rows] | None = None
    _left: Sequence[ResourceId] = ()

    def __post_init__(self) -> None:
        self.shared = SharedReads(self.reader)
        self.pages = CountedPages(self.table, self.engine.ambient) if self.table else None

    async def look(self, chunk: Chunk, ids: Sequence[ResourceId]) -> AsyncIterator[Chunk | PutOff]:
        """Checks those of the roots that are left, and yields the chunk's progress after each batch of them.

        Each result is to be stored before the next is asked for: the roots to be marked are yielded before they are
        marked, so that a root that was healed before a crash is not counted afterwards as one that never differed. Ends
        early with a PutOff. Raises StorageError.
        """
        began, before = self.engine.ambient.monotonic(), chunk
        left = [id_ for id_ in ids if id_.key > chunk.upto]
        self._left = left
        chunk = replace(chunk, of=len(ids))
        for some in batched(left, BATCH_SIZE, strict=False):
            seen = await asyncio.gather(*map(self._see, some))
            waits = [each.delay for each in seen if isinstance(each, PutOff)]
            found = dict(zip(some, takewhile(lambda each: not isinstance(each, PutOff), seen), strict=False))
            chunk = replace(chunk, **self._spent(before, began), unindexed=self.unindexed or chunk.unindexed)
            chunk = replace(chunk, refused=tuple(sorted({*chunk.refused, *self.shared.refused}))[:MAX_REFUSED])
            restless = {id_: each for id_, each in found.items() if isinstance(each, Stored)}
            if restless:
                chunk = replace(chunk, marked=tuple(dict.fromkeys((*chunk.marked, *(id_.key for id_ in restless)))))
                yield chunk
                await asyncio.gather(*(self._mark(id_, stored) for id_, stored in restless.items()))
            chunk = self._further(chunk, found)
            yield chunk
            if waits:
                yield PutOff(max(waits))
                return
        yield replace(chunk, is_done=True)

    def _further(self, chunk: Chunk, found: Mapping[ResourceId, Seen | PutOff | Stored]) -> Chunk:
        """The progress after a batch. A root marked before a crash counts by its reconcile, however it looks by now."""
        marked = set(chunk.marked)
        rests = sum(seen is Seen.AT_REST and id_.key not in marked for id_, seen in found.items())
        skipped = sum(seen is Seen.SKIPPED for seen in found.values())
        return replace(
            chunk,
            done=chunk.done + len(found),
            upto=max((id_.key for id_ in found), default=chunk.upto),
            checked=chunk.checked + rests,
            skipped=chunk.skipped + skipped,
            in_full=chunk.in_full + sum(map(self._in_full, found)),
        )

    async def _mark(self, id_: ResourceId, stored: Stored) -> None:
        told = [Notice(self.sweep.hint)]
        await self.engine.store.mark_for(id_, told, IMMEDIATE, comes_again=False, known=stored)

    def _spent(self, before: Chunk, began: float) -> Spent:
        queries, rows = (self.pages.queries, self.pages.rows) if self.pages else (0, 0)
        return {
            "calls": before.calls + self.shared.calls,
            "queries": before.queries + queries,
            "rows": rows or before.rows,
            "asked": len(self._left) if rows else before.asked,
            "seconds": round(before.seconds + self.engine.ambient.monotonic() - began, 3),
        }

    def _in_full(self, id_: ResourceId) -> bool:
        return is_read_in_full(id_.key, self.sweep.full_after, self.sweep.full_until, self.days)

    async def _see(self, id_: ResourceId) -> Seen | PutOff | Stored:
        """Stored where the root is to be marked. A root that is not at rest is not read here: the loop will read it."""
        engine = self.engine
        if engine.cap is Mode.IGNORE:
            return Seen.SKIPPED
        root, stored = self.fleet.roots[id_], await engine.store.load(id_)
        if not is_at_rest(root, stored.record, judged_kinds(root, engine.registry), engine.ambient.now()):
            return stored
        facts = await self._facts(root)
        if isinstance(facts, PutOff):
            return facts
        in_sync = self._is_in_sync(root, facts) and await self._keeps_its_secrets(root, facts, stored.record)
        return Seen.AT_REST if in_sync else stored

    async def _facts(self, root: Root) -> Facts | PutOff:
        engine = self.engine
        try:
            reader = self.shared if self._in_full(root.id) else await self._rows_first()
        except ArmError as error:
            return PutOff(error.retry_after or DEFAULT_PUT_OFF)
        facts = await Observer(engine.registry, reader, engine.prober, engine.ambient).observe(root)
        return _put_off(facts.values()) or facts

    def _is_in_sync(self, root: Root, facts: Facts) -> bool:
        return not root_is_missing(root.id, facts) and judge(root, facts, self.engine.registry).is_clean

    async def _keeps_its_secrets(self, root: Root, facts: Facts, record: RootRecord) -> bool:
        guarded = known_secrets.guarded_in(root, facts, self.engine.registry)
        key = await self.engine.store.digest_key() if guarded else b""
        found = known_secrets.compare(root.id, guarded, record.secrets, key)
        return not found.changed and found.known == record.secrets

    async def _rows_first(self) -> ArmReader:
        """Queries the chunk's rows when the first root needs them. Raises ArmError when throttled."""
        if self.pages is None:
            return self.shared
        if self._rows is None:
            self._rows = asyncio.ensure_future(self._asked(self.pages))
        return RowsFirst(await asyncio.shield(self._rows), self.shared)

    async def _asked(self, pages: CountedPages) -> Rows:
        try:
            async with self.query_lock:
                return await pages.rows_of(id_ for id_ in self._left if not self._in_full(id_))
        except ArmError as error:
            if error.error_class is ErrorClass.THROTTLED:
                raise
            log.warning("sweep %s: Resource Graph does not answer, so ARM is asked: %s", self.sweep.id, error)
            self.unindexed = str(error)
            if error.error_class is ErrorClass.DENIED:
                self.shared.refused.add(denied_action(error))
            return Rows()


def _put_off(facts: Iterable[object]) -> PutOff | None:
    """The longest wait that Azure asks for; None where every read was answered, be it with an error."""
    throttled = [
        fact.error for fact in facts if isinstance(fact, Unreadable) and fact.error.error_class is ErrorClass.THROTTLED
    ]
    return PutOff(max(error.retry_after or DEFAULT_PUT_OFF for error in throttled)) if throttled else None
