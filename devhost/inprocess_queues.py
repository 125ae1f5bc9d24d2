"""The app's own in-memory queues as the dev host's source of messages.

Where the app keeps its state in the process there is no storage account to poll; the host is then the receiving end
of the same object that the app sends to.
"""

from datetime import timedelta
from typing import Protocol

from devhost.queues import LostMessageError, QueueMessage
from homeostat.bootstrap import memory_storage
from homeostat.ports.storage import Conflict, QueuedMessage, Receiver, Sender


class MemoryQueues(Sender, Receiver, Protocol):
    """Both ends of in-memory queues, as homeostat.ports.storage defines them."""


class InProcessQueues:
    """A `QueueSource` over in-memory queues of this process."""

    def __init__(self, queues: MemoryQueues) -> None:
        self._queues = queues
        self._held: dict[str, QueuedMessage] = {}

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueueMessage]:
        return [self._hold(each) for each in await self._queues.receive(queue, limit=limit, visibility=visibility)]

    async def delete(self, message: QueueMessage) -> None:
        try:
            await self._queues.delete(self._release(message))
        except Conflict as error:
            raise LostMessageError(message.queue) from error

    async def update_visibility(self, message: QueueMessage, delay: timedelta) -> QueueMessage:
        try:
            return self._hold(await self._queues.postpone(self._release(message), delay))
        except Conflict as error:
            raise LostMessageError(message.queue) from error

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        await self._queues.send(queue, body, delay=delay)

    async def close(self) -> None:
        self._held.clear()

    def _hold(self, message: QueuedMessage) -> QueueMessage:
        self._held[message.receipt] = message
        return QueueMessage(
            message.queue, message.id, message.body, message.dequeue_count, message.inserted, message.receipt
        )

    def _release(self, message: QueueMessage) -> QueuedMessage:
        return self._held.pop(message.receipt)


def of_homeostat() -> InProcessQueues:
    """The queues of a Homeostat whose HOMEOSTAT_STATE is `memory`."""
    return InProcessQueues(memory_storage().queues)
