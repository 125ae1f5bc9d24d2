"""Deliberate mistakes that promises have to catch. Each is put into every engine of a night through its ports."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from homeostat.core.arm_errors import ArmError
from homeostat.core.gate.situation import Pause
from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.engine import Engine
from homeostat.ports.azure import ArmReader, ArmWriter, NoIdentity, Written
from homeostat.ports.storage import Change, Document, Documents, Queues, Replace
from homeostat.store import Store
from tests.nights.azure import WORK
from tests.nights.instance import Make


@dataclass(frozen=True)
class WithoutEtag:
    """Writes without regard to what is there."""

    writer: ArmWriter

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        blind = replace(action, etag=None, creates=False)
        return await self.writer.write(blind, correlation_id=correlation_id, send_by=send_by)


@dataclass(frozen=True)
class Acknowledging:
    """Treats a refusal as a success."""

    writer: ArmWriter

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        try:
            return await self.writer.write(action, correlation_id=correlation_id, send_by=send_by)
        except ArmError:
            return Written(correlation_id, correlation_id)


@dataclass(frozen=True)
class ReadsOnce:
    """Answers repeated reads of one piece of work with the first answer."""

    reader: ArmReader
    known: dict[tuple[str, Read], Fact] = field(default_factory=dict)

    async def read(self, read: Read) -> Fact:
        key = (WORK.get(), read)
        if key not in self.known:
            self.known[key] = await self.reader.read(read)
        return self.known[key]


class HearsNoPause(Store):
    async def pauses(self) -> tuple[Pause, ...]:
        return ()


@dataclass(frozen=True)
class Losing:
    """Documents that lose a member of the roots' records, on reading or on writing."""

    inner: Documents
    member: str
    reading: bool = False

    async def read(self, partition: str, row: str) -> Document | None:
        found = await self.inner.read(partition, row)
        if found is None or not self.reading or row != "root":
            return found
        return replace(found, body={key: value for key, value in found.body.items() if key != self.member})

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        return await self.inner.apply(partition, changes if self.reading else [self._less(each) for each in changes])

    def _less(self, change: Change) -> Change:
        if change.row != "root" or not hasattr(change, "body"):
            return change
        body: Mapping[str, Any] = {key: value for key, value in change.body.items() if key != self.member}
        return replace(change, body=json.loads(json.dumps(body)))

    def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        return self.inner.scan(partition, first=first, last=last, limit=limit)

    def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        return self.inner.scan_all(first=first, last=last)


@dataclass(frozen=True)
class NoConflicts(Losing):
    """Documents that overwrite rows without a conflict."""

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        known = await self.inner.read(partition, "root")
        return await self.inner.apply(partition, [self._forced(each, known) for each in changes])

    def _forced(self, change: Change, known: Document | None) -> Change:
        return replace(change, version=known.version) if isinstance(change, Replace) and known else change


@dataclass(frozen=True)
class Mute:
    """A sender that drops delayed messages."""

    queues: Queues

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        if delay < timedelta(seconds=30):
            await self.queues.send(queue, body, delay=delay)


def _documents(around: Callable[[Documents], Documents]) -> Make:
    return _engine(lambda engine: _store(engine, documents=around(engine.store.documents)))


def _engine(change: Callable[[Engine], Engine]) -> Make:
    return lambda service: replace(service, engine=change(service.engine))


def _store(engine: Engine, **changes: Any) -> Engine:
    return replace(engine, store=replace(engine.store, **changes))


MISTAKES: Final[Mapping[str, Make]] = {
    "no ETag": _engine(lambda engine: replace(engine, writer=WithoutEtag(engine.writer))),
    "no second read": _engine(lambda engine: replace(engine, reader=ReadsOnce(engine.reader))),
    "a refusal acknowledged": _engine(lambda engine: replace(engine, writer=Acknowledging(engine.writer))),
    "pauses not heard": _engine(
        lambda engine: replace(
            engine,
            store=HearsNoPause(engine.store.documents, engine.store.queues, engine.store.blobs, engine.store.ambient),
        )
    ),
    "no intent": _documents(lambda documents: Losing(documents, "intent")),
    "leases not seen": _documents(lambda documents: Losing(documents, "lease", reading=True)),
    "blind writes forgotten": _documents(lambda documents: Losing(documents, "blind_writes")),
    "episodes forgotten": _documents(lambda documents: Losing(documents, "episodes")),
    "no compare-and-swap": _documents(lambda documents: NoConflicts(documents, "")),
    "own events not known": lambda service: replace(service, identity=NoIdentity()),
    "no retries": _engine(lambda engine: _store(engine, queues=Mute(engine.store.queues))),
}
