"""Queue triggers: poll, invoke, then delete, retry or poison, as the host's storage extension does.

The rules are host.json's (`extensions.queues`): up to batchSize messages at once, a new batch when newBatchThreshold or
fewer are running, polling that backs off while a queue is empty, a lock of ten minutes renewed half-way, and after
maxDequeueCount failed attempts a copy in `<queue>-poison`. Where messages come from is a `QueueSource`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from devhost.errors import DeliveryError, DevHostError
from devhost.protos import TypedData
from devhost.settings import QueueOptions
from devhost.worker import Function, Invocation, Worker

_log = logging.getLogger("devhost.queues")
LOCK: Final = timedelta(minutes=10)
_FIRST_POLL: Final = timedelta(milliseconds=100)
_NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class LostMessageError(Exception):
    """The message is no longer this receiver's: its lock ran out, or somebody deleted it."""


class SourceError(DeliveryError):
    """The queues cannot be reached just now. The listener goes on trying."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A received message. `receipt` is good until the lock runs out or is renewed; without `expires` it never does."""

    queue: str
    id: str
    body: str
    dequeue_count: int
    inserted: datetime
    receipt: str
    expires: datetime = _NEVER


class QueueSource(Protocol):
    """Named queues of text messages, delivered at least once. Every method may raise SourceError."""

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> Sequence[QueueMessage]:
        """Up to `limit` messages, hidden from others for `visibility`. A queue that does not exist has none."""
        ...

    async def delete(self, message: QueueMessage) -> None:
        """Raises LostMessageError."""
        ...

    async def update_visibility(self, message: QueueMessage, delay: timedelta) -> QueueMessage:
        """Hide the message for `delay` from now, under a new receipt. Raises LostMessageError."""
        ...

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Add a message that shows after `delay`, creating the queue where it is missing."""
        ...

    async def close(self) -> None: ...


class QueueListener:
    """Feeds one function from its queue until stopped."""

    def __init__(
        self,
        worker: Worker,
        function: Function,
        queue: str,
        source: QueueSource,
        options: QueueOptions,
        *,
        lock: timedelta = LOCK,
    ) -> None:
        self.queue = queue
        self._worker = worker
        self._function = function
        self._source = source
        self._options = options
        self._lock = lock
        self._running: set[asyncio.Task[None]] = set()
        self._polling: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    @property
    def function_name(self) -> str:
        return self._function.name

    def start(self) -> None:
        self._polling = asyncio.create_task(self._poll(), name=f"poll {self.queue}")

    async def stop_polling(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def drain(self) -> None:
        """Wait until every message that was received is deleted, hidden again or poisoned."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _poll(self) -> None:
        pause = _FIRST_POLL
        while True:
            if await self._take_batch():
                pause = _FIRST_POLL
                await self._until_there_is_room()
            else:
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, max(self._options.max_polling_interval, _FIRST_POLL))

    async def _take_batch(self) -> int:
        try:
            messages = await self._source.receive(self.queue, limit=self._options.batch_size, visibility=self._lock)
        except SourceError as error:
            _log.error("Cannot read queue '%s': %s", self.queue, error)
            return 0
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._running.add(task)
            task.add_done_callback(self._done)
        return len(messages)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("Message of queue '%s' could not be settled", self.queue, exc_info=error)

    async def _until_there_is_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            self._room.clear()
            await self._room.wait()

    async def _process(self, message: QueueMessage) -> None:
        if message.dequeue_count > self._options.max_dequeue_count:
            await self._settle(message, self._poison)
            return
        lock = _Lock(self._source, message, self._lock)
        async with lock:
            outcome = await invoke_with(self._worker, self._function, message, lock=self._lock)
        if outcome.failure is None:
            await self._settle(lock.message, self._source.delete)
        elif message.dequeue_count >= self._options.max_dequeue_count:
            await self._settle(lock.message, self._poison)
        else:
            await self._settle(lock.message, self._release)

    async def _settle(self, message: QueueMessage, how: Any) -> None:
        try:
            await how(message)
        except LostMessageError:
            _log.warning("Message %s of queue '%s' was no longer ours: it may run again", message.id, self.queue)

    async def _poison(self, message: QueueMessage) -> None:
        poison = f"{self.queue}-poison"
        _log.error("Message %s failed %d times: moved to queue '%s'", message.id, message.dequeue_count, poison)
        await self._source.send(poison, message.body)
        await self._source.delete(message)

    async def _release(self, message: QueueMessage) -> None:
        await self._source.update_visibility(message, self._options.visibility_timeout)


class _Lock:
    """Renews a message's lock half-way for as long as the context is open; `message` carries the newest receipt."""

    def __init__(self, source: QueueSource, message: QueueMessage, duration: timedelta) -> None:
        self._source = source
        self.message = message
        self._duration = duration
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._renew())

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._duration.total_seconds() / 2)
            try:
                # Shielded: a renewal that was cut off could have changed the receipt without telling.
                self.message = await asyncio.shield(self._source.update_visibility(self.message, self._duration))
            except LostMessageError:
                _log.warning("The lock of message %s was lost while its function ran", self.message.id)
                return


async def invoke_with(
    worker: Worker, function: Function, message: QueueMessage, *, lock: timedelta = LOCK
) -> Invocation:
    """Run a queue function with one message, however it came."""
    reason = f"New queue message detected on '{message.queue}'."
    return await worker.invoke(function, TypedData(string=message.body), _metadata(message, lock), reason=reason)


def _metadata(message: QueueMessage, lock: timedelta) -> dict[str, TypedData]:
    values: dict[str, Any] = {
        "QueueTrigger": message.body,
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertionTime": _utc(message.inserted),
        "ExpirationTime": _utc(message.expires),
        "NextVisibleTime": _utc(datetime.now(UTC) + lock),
        "PopReceipt": message.receipt,
    }
    return {name: TypedData(json=json.dumps(value)) for name, value in _overridden(values, message.body).items()}


def _overridden(values: Mapping[str, Any], body: str) -> dict[str, Any]:
    """A JSON body's top-level properties replace metadata of the same name, whatever its case, as in the host."""
    by_name = {name.casefold(): name for name in values}
    with contextlib.suppress(ValueError):
        if isinstance(document := json.loads(body), dict):
            return {
                **values,
                **{by_name.get(str(name).casefold(), str(name)): value for name, value in document.items()},
            }
    return dict(values)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def check_queue_name(name: str, function: Function) -> str:
    """`name` where Azure Storage would take it ("Naming queues and metadata"); raises DevHostError otherwise."""
    plain = all(each.isascii() and (each.isdigit() or each.islower() or each == "-") for each in name)
    if not (3 <= len(name) <= 63 and plain and "--" not in name and name[0] != "-" and name[-1] != "-"):
        raise DevHostError(f"function '{function.name}': '{name}' is not a queue name")
    return name
