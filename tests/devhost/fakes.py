"""In-memory queues as small as the dev host's tests need them, in the shape of homeostat.ports.storage."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from homeostat.ports.storage import Conflict, QueuedMessage

INSERTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _in(delay: timedelta) -> float:
    return asyncio.get_running_loop().time() + delay.total_seconds()


@dataclass(slots=True)
class _Stored:
    message: QueuedMessage
    visible: float


class FakeQueues:
    """Both ends of the queues. `postponed` counts the visibility updates of a message's id."""

    def __init__(self) -> None:
        self._stored: list[_Stored] = []
        self._numbers = count(1)
        self.postponed: dict[str, int] = {}

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        message = QueuedMessage(queue, f"m{next(self._numbers)}", body, 0, INSERTED, receipt="")
        self._stored.append(_Stored(message, _in(delay)))

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        due = [each for each in self._stored if each.message.queue == queue and each.visible <= _in(timedelta())][
            :limit
        ]
        for each in due:
            each.message = replace(each.message, dequeue_count=each.message.dequeue_count + 1, receipt=self._receipt())
            each.visible = _in(visibility)
        return [each.message for each in due]

    async def delete(self, message: QueuedMessage) -> None:
        self._stored.remove(self._held(message))

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        held = self._held(message)
        self.postponed[message.id] = self.postponed.get(message.id, 0) + 1
        held.message = replace(held.message, receipt=self._receipt())
        held.visible = _in(delay)
        return held.message

    def bodies(self, queue: str) -> list[str]:
        return [each.message.body for each in self._stored if each.message.queue == queue]

    def held(self) -> list[str]:
        """The ids of the messages that some receiver holds now."""
        return [each.message.id for each in self._stored if each.visible > _in(timedelta())]

    def steal(self) -> None:
        """Give every message to another receiver, so that receipts held by now are worthless."""
        for each in self._stored:
            each.message = replace(each.message, receipt=self._receipt())

    def _held(self, message: QueuedMessage) -> _Stored:
        for each in self._stored:
            if each.message.id == message.id and each.message.receipt == message.receipt:
                return each
        raise Conflict(f"{message.id} is no longer held")

    def _receipt(self) -> str:
        return f"r{next(self._numbers)}"
