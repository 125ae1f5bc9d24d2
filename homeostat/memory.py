"""Storage in the process's memory, for the demo and for simulated nights: what a storage account does, without one.

Nothing here reads a clock or draws a random number: time is passed in, versions and receipts are counted. So two runs
with the same calls and the same clock give the same versions.
"""

import itertools
import json
from bisect import insort
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, cast

from homeostat.core.json import ABSENT, Absent, JsonObject
from homeostat.ports.storage import (
    Blob,
    BlobInfo,
    Change,
    Conflict,
    Document,
    Insert,
    QueuedMessage,
    Remove,
    Replace,
    bodies,
    check_message,
    whole_seconds,
)

type Clock = Callable[[], datetime]

MAX_RECEIVED: Final = 32
"""Messages in one answer, the service's limit."""


class MemoryStorage:
    """The three ports in one process. `clock` gives the time with its zone."""

    def __init__(self, clock: Clock) -> None:
        self.documents = MemoryDocuments()
        self.queues = MemoryQueues(clock)
        self.blobs = MemoryBlobs(clock)


@dataclass(frozen=True, slots=True)
class _Stored:
    text: str
    version: str


class MemoryDocuments:
    """Implements `homeostat.ports.storage.Documents`. Bodies are stored as text, so that readers share no object."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, _Stored]] = defaultdict(dict)
        self._versions = itertools.count(1)

    async def read(self, partition: str, row: str) -> Document | None:
        found = self._partitions[partition].get(row)
        return None if found is None else _document(partition, row, found)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        written = bodies(partition, changes)
        rows = self._partitions[partition]
        for change in changes:
            _check(partition, change, rows.get(change.row))
        version = f'W/"{next(self._versions)}"'
        for change in changes:
            if isinstance(change, Remove):
                rows.pop(change.row, None)
            else:
                rows[change.row] = _Stored(written[change.row], version)
        return dict.fromkeys(written, version)

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        rows = self._partitions[partition]
        within = sorted(row for row in rows if first <= row and (not last or row < last))
        for row in within[:limit]:
            if row in rows:  # it may have been removed since the scan began
                yield _document(partition, row, rows[row])

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        for partition in sorted(self._partitions):
            async for document in self.scan(partition, first=first, last=last):
                yield document


def _document(partition: str, row: str, stored: _Stored) -> Document:
    return Document(partition, row, cast("JsonObject", json.loads(stored.text)), stored.version)


def _check(partition: str, change: Change, stored: _Stored | None) -> None:
    place = f"partition {partition!r}, row {change.row!r}"
    match change:
        case Insert() if stored is not None:
            raise Conflict(f"{place}: it exists already: read it again")
        case Replace(_, _, version) | Remove(_, str(version)) if stored is None or stored.version != version:
            raise Conflict(f"{place}: it changed or is gone: read it again")
        case _:
            pass


@dataclass(slots=True, order=True)
class _Message:
    visible: datetime
    number: int
    body: str = field(compare=False)
    inserted: datetime = field(compare=False)
    dequeue_count: int = field(compare=False, default=0)
    receipt: str = field(compare=False, default="")


class MemoryQueues:
    """Implements `homeostat.ports.storage.Queues`: messages are received in the order in which they become visible."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, list[_Message]] = defaultdict(list)
        self._numbers = itertools.count(1)
        self._receipts = itertools.count(1)

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        check_message(queue, body)
        now = self._clock()
        visible = now + timedelta(seconds=whole_seconds(delay))
        insort(self._queues[queue], _Message(visible, next(self._numbers), body, now.replace(microsecond=0)))

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        now = self._clock()
        waiting = self._queues[queue]
        shown = [message for message in waiting if message.visible <= now][: min(limit, MAX_RECEIVED)]
        for message in shown:
            message.dequeue_count += 1
            self._hide(message, visibility)
        waiting.sort()
        return [_received(queue, message) for message in shown]

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        now = self._clock()
        shown = [message for message in self._queues[queue] if message.visible <= now][: min(limit, MAX_RECEIVED)]
        return [replace(_received(queue, message), receipt="") for message in shown]

    async def count(self, queue: str) -> int:
        return len(self._queues[queue])

    async def delete(self, message: QueuedMessage) -> None:
        self._queues[message.queue].remove(self._held(message))

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        held = self._held(message)
        self._hide(held, delay)
        self._queues[message.queue].sort()
        return _received(message.queue, held)

    def next_visible(self, queue: str) -> datetime | None:
        """When the next message becomes or became visible, so that a receiver can sleep; None for an empty queue."""
        waiting = self._queues[queue]
        return waiting[0].visible if waiting else None

    def _hide(self, message: _Message, delay: timedelta) -> None:
        message.visible = self._clock() + timedelta(seconds=whole_seconds(delay))
        message.receipt = str(next(self._receipts))

    def _held(self, message: QueuedMessage) -> _Message:
        for candidate in self._queues[message.queue]:
            if str(candidate.number) == message.id and candidate.receipt == message.receipt:
                return candidate
        raise Conflict(f"queue {message.queue!r}: message {message.id} is no longer held")


def _received(queue: str, message: _Message) -> QueuedMessage:
    return QueuedMessage(
        queue, str(message.number), message.body, message.dequeue_count, message.inserted, message.receipt
    )


class MemoryBlobs:
    """Implements `homeostat.ports.storage.Blobs`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._containers: dict[str, dict[str, Blob]] = defaultdict(dict)
        self._versions = itertools.count(1)

    async def read(self, container: str, name: str) -> Blob | None:
        return self._containers[container].get(name)

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        del content_type  # nobody downloads from here with a browser
        blobs = self._containers[container]
        there: str | Absent = blobs[name].version if name in blobs else ABSENT
        if expected is not None and expected != there:
            raise Conflict(f"blob {name!r} of container {container!r}: it exists, changed or is gone: read it again")
        version = f'"{next(self._versions)}"'
        blobs[name] = Blob(name, data, version, self._clock().replace(microsecond=0))
        return version

    async def delete(self, container: str, name: str) -> None:
        self._containers[container].pop(name, None)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        blobs = self._containers[container]
        for name in sorted(blobs):
            if name.startswith(prefix):
                blob = blobs[name]
                yield BlobInfo(name, len(blob.data), blob.version, blob.modified)
