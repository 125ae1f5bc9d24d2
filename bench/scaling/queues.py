"""A storage queue that stays fast with many messages. `homeostat.memory` searches all of them for each delete."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from homeostat.ports.storage import Conflict, QueuedMessage


@dataclass(slots=True)
class _Message:
    id: str
    body: str
    inserted: datetime
    dequeued: int = 0
    receipt: int = 0


@dataclass(slots=True)
class _Queue:
    """One queue. `due` may hold outdated entries of messages that were hidden again or deleted, with old receipts."""

    held: dict[str, _Message] = field(default_factory=dict)
    due: list[tuple[datetime, int, str]] = field(default_factory=list)  # when it shows, receipt, id


class QuickQueues:
    """Implements `homeostat.ports.storage.Queues`. Messages are received in the order in which they become visible."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._queues: dict[str, _Queue] = defaultdict(_Queue)
        self._numbers = itertools.count(1)

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        message = _Message(str(next(self._numbers)), body, self._clock())
        self._queues[queue].held[message.id] = message
        self._hide(self._queues[queue], message, delay)

    def _hide(self, queue: _Queue, message: _Message, delay: timedelta) -> None:
        message.receipt = next(self._numbers)
        heapq.heappush(queue.due, (self._clock() + delay, message.receipt, message.id))

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        of, now, found = self._queues[queue], self._clock(), list[QueuedMessage]()
        while len(found) < limit and of.due and of.due[0][0] <= now:
            _, receipt, id_ = heapq.heappop(of.due)
            message = of.held.get(id_)
            if message is not None and message.receipt == receipt:
                message.dequeued += 1
                self._hide(of, message, visibility)
                found.append(_shown(queue, message))
        return found

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        of, now = self._queues[queue], self._clock()
        due = [of.held[id_] for at, receipt, id_ in sorted(of.due) if at <= now and self._is(of, id_, receipt)]
        return [_shown(queue, message) for message in due[:limit]]

    def _is(self, queue: _Queue, id_: str, receipt: int) -> bool:
        return id_ in queue.held and queue.held[id_].receipt == receipt

    async def count(self, queue: str) -> int:
        return len(self._queues[queue].held)

    async def delete(self, message: QueuedMessage) -> None:
        self._mine(message)
        del self._queues[message.queue].held[message.id]

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        held = self._mine(message)
        self._hide(self._queues[message.queue], held, delay)
        return _shown(message.queue, held)

    def _mine(self, message: QueuedMessage) -> _Message:
        held = self._queues[message.queue].held.get(message.id)
        if held is None or str(held.receipt) != message.receipt:
            raise Conflict(f"queue {message.queue!r}: message {message.id} is no longer held")
        return held

    def next_visible(self, queue: str) -> datetime | None:
        due = self._queues[queue].due
        return due[0][0] if due else None


def _shown(queue: str, message: _Message) -> QueuedMessage:
    return QueuedMessage(queue, message.id, message.body, message.dequeued, message.inserted, str(message.receipt))
