"""Ports that die: at one chosen call the process is gone, before or after the call took effect.

Code cannot handle a crash: `Crash` passes every `except Exception`, and nothing of the instance runs afterwards.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.json import Absent
from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.ports.alerts import AlertChannel, CloudEventData
from homeostat.ports.azure import ArmReader, ArmWriter, ResourceTable, Written
from homeostat.ports.storage import Blob, BlobInfo, Blobs, Change, Document, Documents, QueuedMessage, Queues
from tests.loop.stand import Stand


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Counts the calls of all ports, and strikes at one of them: by its number, or at the first of a name.

    `names` has their names. Whatever runs beside the struck call ends with it.
    """

    at: int | str | None = None
    after: bool = False
    names: list[str] = field(default_factory=list)
    struck: str = ""  # the name of the call

    def before_call(self, name: str) -> int:
        """The call's number."""
        self.names.append(name)
        if not self.after and self._is_at(len(self.names)):
            self.struck = name
        self._die_if_struck()
        return len(self.names)

    def after_call(self, number: int) -> None:
        if self.after and self._is_at(number):
            self.struck = self.names[number - 1]
        self._die_if_struck()

    def _is_at(self, number: int) -> bool:
        return self.at in {number, self.names[number - 1]} and not self.struck

    def _die_if_struck(self) -> None:
        if self.struck:
            raise Crash(self.struck)


@dataclass(frozen=True)
class MortalDocuments:
    inner: Documents
    fate: Fate

    async def read(self, partition: str, row: str) -> Document | None:
        number = self.fate.before_call("documents.read")
        found = await self.inner.read(partition, row)
        self.fate.after_call(number)
        return found

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        number = self.fate.before_call(
            f"documents.apply {', '.join(change.row.partition(':')[0] for change in changes)}"
        )
        versions = await self.inner.apply(partition, changes)
        self.fate.after_call(number)
        return versions

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        self.fate.before_call("documents.scan")
        async for document in self.inner.scan(partition, first=first, last=last, limit=limit):
            yield document

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        self.fate.before_call("documents.scan_all")
        async for document in self.inner.scan_all(first=first, last=last):
            yield document


@dataclass(frozen=True)
class MortalQueues:
    inner: Queues
    fate: Fate

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        number = self.fate.before_call("queues.send")
        await self.inner.send(queue, body, delay=delay)
        self.fate.after_call(number)

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        self.fate.before_call("queues.peek")
        return await self.inner.peek(queue, limit=limit)

    async def count(self, queue: str) -> int:
        self.fate.before_call("queues.count")
        return await self.inner.count(queue)

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        number = self.fate.before_call("queues.receive")
        messages = await self.inner.receive(queue, limit=limit, visibility=visibility)
        self.fate.after_call(number)
        return messages

    async def delete(self, message: QueuedMessage) -> None:
        number = self.fate.before_call("queues.delete")
        await self.inner.delete(message)
        self.fate.after_call(number)

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        number = self.fate.before_call("queues.postpone")
        postponed = await self.inner.postpone(message, delay)
        self.fate.after_call(number)
        return postponed


@dataclass(frozen=True)
class MortalBlobs:
    inner: Blobs
    fate: Fate

    async def read(self, container: str, name: str) -> Blob | None:
        self.fate.before_call("blobs.read")
        return await self.inner.read(container, name)

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        number = self.fate.before_call("blobs.write")
        version = await self.inner.write(container, name, data, expected=expected, content_type=content_type)
        self.fate.after_call(number)
        return version

    async def delete(self, container: str, name: str) -> None:
        number = self.fate.before_call("blobs.delete")
        await self.inner.delete(container, name)
        self.fate.after_call(number)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        self.fate.before_call("blobs.list")
        async for info in self.inner.list(container, prefix):
            yield info


@dataclass(frozen=True)
class MortalArm:
    reader: ArmReader
    writer: ArmWriter
    fate: Fate

    async def read(self, read: Read) -> Fact:
        number = self.fate.before_call("arm.read")
        fact = await self.reader.read(read)
        self.fate.after_call(number)
        return fact

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        number = self.fate.before_call("arm.write")
        written = await self.writer.write(action, correlation_id=correlation_id, send_by=send_by)
        self.fate.after_call(number)
        return written


@dataclass(frozen=True)
class MortalTable:
    inner: ResourceTable
    fate: Fate

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        number = self.fate.before_call("table.page")
        page = await self.inner.page(query, top=top, token=token)
        self.fate.after_call(number)
        return page

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return self.inner.apart(query)


@dataclass(frozen=True)
class MortalChannel:
    inner: AlertChannel
    fate: Fate

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        number = self.fate.before_call("alerts.publish")
        await self.inner.publish(events)
        self.fate.after_call(number)


def mortal(stand: Stand, fate: Fate) -> Stand:
    """The same stand as an instance that dies at the call that `fate` strikes."""
    store = stand.engine.store
    arm = MortalArm(stand.engine.reader, stand.engine.writer, fate)
    engine = replace(
        stand.engine,
        reader=arm,
        writer=arm,
        channel=MortalChannel(stand.inbox, fate),
        store=replace(
            store,
            documents=MortalDocuments(store.documents, fate),
            queues=MortalQueues(store.queues, fate),
            blobs=MortalBlobs(store.blobs, fate),
        ),
    )
    access = stand.service.sweep_access
    assert access.table is not None, "a stand has one"
    mortal = replace(access, reader=arm, table=MortalTable(access.table, fate))
    return replace(stand, engine=engine, service=replace(stand.service, engine=engine, sweep_access=mortal))
