"""The watched ports of an instance. They take time and can fail, and the instance can die in them.

A death is not an exception, which code could handle. The ports of a dead instance never return, and nothing of it is
recorded any more. What it had sent by then still arrives.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl  # what azure-core's own transports return

from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.core.json import Absent
from homeostat.memory import MemoryStorage
from homeostat.ports.alerts import AlertError, CloudEventData
from homeostat.ports.storage import (
    Blob,
    BlobInfo,
    Change,
    Document,
    OutcomeUnknown,
    QueuedMessage,
    Remove,
    StorageUnavailable,
    serialised,
)
from simulator.transport import CloudTransport
from tests.nights.azure import WORK, Azure, Line
from tests.nights.clock import NightLoop, OwnAmbient
from tests.nights.declared import Declared
from tests.nights.schedule import StoreFault
from tests.nights.trace import Happened, Looked, Published, Queued, Stored, Trace


class Over(BaseException):
    """The night is over. This ends what the tasks of a dead instance still wait for."""


@dataclass(slots=True)
class Life:
    """Whether an instance is alive, and when it is to die."""

    loop: NightLoop
    trace: Trace
    who: str
    alive: bool = True
    calls_left: int | None = None
    after: bool = False
    over: bool = False
    graves: list[asyncio.Future[None]] = field(default_factory=list)
    on_death: list[Callable[[], None]] = field(default_factory=list)

    async def before(self, port: str) -> None:
        if self.alive and self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left <= 0:
                self._die(port)
                if self.after:
                    return  # this call still gets out
        if not self.alive:
            await self._rest()

    async def past(self) -> None:
        if not self.alive:
            await self._rest()

    def _die(self, port: str) -> None:
        self.alive = False
        for tell in list(self.on_death):
            tell()
        self.on_death.clear()
        self.trace.add(Happened(self.loop.time(), "crash", f"{self.who} {'with' if self.after else 'before'} {port}"))

    async def _rest(self) -> None:
        if self.over:
            raise Over
        grave: asyncio.Future[None] = self.loop.create_future()
        self.graves.append(grave)
        await grave
        raise Over

    def end(self) -> None:
        self.over, self.alive = True, False
        for grave in self.graves:
            if not grave.done():
                grave.set_result(None)


@dataclass(slots=True)
class Ground:
    """What all instances share: the durable state, the alert channel, and what is declared."""

    loop: NightLoop
    azure: Azure
    memory: MemoryStorage
    trace: Trace
    declared: Declared
    share_left: float = DEFAULT_SHARE_LEFT  # of ARM's quotas, to the owner's other tools
    store_faults: list[StoreFault] = field(default_factory=list)
    deaf_until: float = 0.0
    on_sent: Callable[[], None] = lambda: None

    def store_fault(self, port: str) -> str | None:
        now = self.loop.time()
        for fault in self.store_faults:
            if fault.at <= now and fault.port == port:
                self.store_faults.remove(fault)
                key = f"store: {fault.kind}"
                self.azure.struck[key] = self.azure.struck.get(key, 0) + 1
                return fault.kind
        return None


@dataclass(frozen=True, slots=True)
class _Port:
    """The base of every port: a call takes time, and may be the last one of its instance."""

    ground: Ground
    life: Life
    ambient: OwnAmbient

    async def _enter(self, name: str, port: str) -> str | None:
        await self.life.before(name)
        await asyncio.sleep(self.ground.azure.dice.uniform(0.002, 0.02))
        fault = self.ground.store_fault(port)
        if fault == "unavailable":
            await self._leave()
            raise AlertError("struck on purpose") if port == "publish" else StorageUnavailable("struck on purpose")
        return fault

    async def _leave(self) -> None:
        await asyncio.sleep(self.ground.azure.dice.uniform(0.002, 0.02))
        await self.life.past()

    @property
    def _at(self) -> float:
        return self.ground.loop.time()


class Documents(_Port):
    __slots__ = ()

    async def read(self, partition: str, row: str) -> Document | None:
        await self._enter("documents.read", "read")
        self._note(partition)
        found = await self.ground.memory.documents.read(partition, row)
        await self._leave()
        return found

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        names = ", ".join(change.row.partition(":")[0] for change in changes)
        fault = await self._enter(f"documents.apply {names}", "apply")
        try:
            versions = await self.ground.memory.documents.apply(partition, changes)
        except Exception:
            await self._leave()
            raise
        rows = tuple((each.row, None if isinstance(each, Remove) else serialised(each.body)) for each in changes)
        self.ground.trace.add(Stored(self._at, self.life.who, WORK.get(), partition, rows))
        await self._leave()
        if fault:
            raise OutcomeUnknown("struck on purpose")
        return versions

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        await self._enter("documents.scan", "scan")
        self._note(partition)
        scanned = self.ground.memory.documents.scan(partition, first=first, last=last, limit=limit)
        found = [document async for document in scanned]
        await self._leave()
        for document in found:
            yield document

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        await self._enter("documents.scan_all", "scan")
        found = [document async for document in self.ground.memory.documents.scan_all(first=first, last=last)]
        await self._leave()
        for document in found:
            yield document

    def _note(self, partition: str) -> None:
        clock = self.ambient.now().isoformat()
        self.ground.trace.add(Looked(self._at, clock, self.life.who, WORK.get(), partition))


class Queues(_Port):
    __slots__ = ()

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        fault = await self._enter("queues.send", "send")
        await self.ground.memory.queues.send(queue, body, delay=delay)
        self.ground.on_sent()
        self.ground.trace.add(Queued(self._at, self.life.who, WORK.get(), queue, body, round(delay.total_seconds(), 3)))
        await self._leave()
        if fault:
            raise StorageUnavailable("struck on purpose, though it was sent")

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        await self._enter("queues.receive", "receive")
        found = await self.ground.memory.queues.receive(queue, limit=limit, visibility=visibility)
        await self._leave()
        return found

    async def delete(self, message: QueuedMessage) -> None:
        await self._enter("queues.delete", "delete")
        await self.ground.memory.queues.delete(message)
        await self._leave()

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        await self._enter("queues.postpone", "postpone")
        held = await self.ground.memory.queues.postpone(message, delay)
        await self._leave()
        return held

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        await self._enter("queues.peek", "peek")
        found = await self.ground.memory.queues.peek(queue, limit=limit)
        await self._leave()
        return found

    async def count(self, queue: str) -> int:
        await self._enter("queues.count", "count")
        found = await self.ground.memory.queues.count(queue)
        await self._leave()
        return found


class Blobs(_Port):
    __slots__ = ()

    async def read(self, container: str, name: str) -> Blob | None:
        await self._enter("blobs.read", "read")
        found = await self.ground.memory.blobs.read(container, name)
        await self._leave()
        return found

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        fault = await self._enter("blobs.write", "apply")
        blobs = self.ground.memory.blobs
        try:
            version = await blobs.write(container, name, data, expected=expected, content_type=content_type)
        except Exception:
            await self._leave()
            raise
        rows = ((name, data.decode("utf-8", "replace")),)
        self.ground.trace.add(Stored(self._at, self.life.who, WORK.get(), container, rows))
        await self._leave()
        if fault:
            raise OutcomeUnknown("struck on purpose")
        return version

    async def delete(self, container: str, name: str) -> None:
        await self._enter("blobs.delete", "apply")
        await self.ground.memory.blobs.delete(container, name)
        await self._leave()

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        await self._enter("blobs.list", "scan")
        found = [info async for info in self.ground.memory.blobs.list(container, prefix)]
        await self._leave()
        for info in found:
            yield info


class Channel(_Port):
    __slots__ = ()

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        fault = await self._enter("alerts.publish", "publish")
        if self.ground.loop.time() < self.ground.deaf_until:
            await self._leave()
            raise AlertError("the topic is not there")
        for event in events:
            data = json.dumps(event.data, sort_keys=True)
            self.ground.trace.add(
                Published(self._at, self.life.who, event.id, event.type, event.subject, event.time.isoformat(), data)
            )
        await self._leave()
        if fault:
            raise AlertError("struck on purpose, though they were taken")


class Transport(CloudTransport):
    """The transport to ARM. A request that is on its way arrives even if its sender dies."""

    def __init__(self, line: Line, life: Life) -> None:
        super().__init__(line)
        self._life = life

    async def send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponseImpl:
        await self._life.before("arm")
        try:
            return await super().send(request, **options)
        finally:
            await self._life.past()
