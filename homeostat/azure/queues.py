"""Messages in the storage account's queues, in base64, as the Functions host's queue trigger reads them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from homeostat.azure.storage_errors import code, making, translating
from homeostat.ports.storage import Conflict, QueuedMessage, check_message, whole_seconds

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

NEVER_EXPIRES: Final = -1
MAX_PEEKED: Final = 32
"""https://learn.microsoft.com/rest/api/storageservices/peek-messages"""

_NOT_HELD: Final = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})


class AzureQueues:
    """Implements `homeostat.ports.storage.Queues`; its `Receiver` part is for programs without the Functions host.

    The SDK's retries may send a message twice, which readers of a queue must expect anyway.
    """

    def __init__(self, client: Callable[[], "QueueServiceClient"]) -> None:
        self._connect = client

    @cached_property
    def _service(self) -> "QueueServiceClient":
        return self._connect()

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        check_message(queue, body)
        hidden = whole_seconds(delay)
        client = self._client(queue)
        with translating(f"queue {queue!r}"):
            try:
                await client.send_message(body, visibility_timeout=hidden, time_to_live=NEVER_EXPIRES)
            except ResourceNotFoundError:
                with making(f"queue {queue!r}"):
                    await client.create_queue()
                await client.send_message(body, visibility_timeout=hidden, time_to_live=NEVER_EXPIRES)

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        hidden = whole_seconds(visibility)
        pages = self._client(queue).receive_messages(messages_per_page=limit, visibility_timeout=hidden).by_page()
        with translating(f"queue {queue!r}"):
            try:
                async for page in pages:
                    return [_received(queue, message) async for message in page]
            except ResourceNotFoundError:
                pass  # the queue is made with the first message
        return []

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        with translating(f"queue {queue!r}"):
            try:
                found = await self._client(queue).peek_messages(max_messages=min(limit, MAX_PEEKED))
            except ResourceNotFoundError:
                return []
        return [_received(queue, message) for message in found]

    async def count(self, queue: str) -> int:
        with translating(f"queue {queue!r}"):
            try:
                return (await self._client(queue).get_queue_properties()).approximate_message_count or 0
            except ResourceNotFoundError:
                return 0

    async def delete(self, message: QueuedMessage) -> None:
        with translating(f"queue {message.queue!r}"), _held(message):
            await self._client(message.queue).delete_message(message.id, message.receipt)

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        hidden = whole_seconds(delay)
        with translating(f"queue {message.queue!r}"), _held(message):
            updated = await self._client(message.queue).update_message(
                message.id, message.receipt, visibility_timeout=hidden
            )
        return replace(message, receipt=cast("str", updated.pop_receipt))

    def _client(self, queue: str) -> "QueueClient":
        from azure.storage.queue import TextBase64EncodePolicy

        from homeostat.azure.message_text import LenientDecodePolicy

        return self._service.get_queue_client(
            queue, message_encode_policy=TextBase64EncodePolicy(), message_decode_policy=LenientDecodePolicy()
        )


@contextmanager
def _held(message: QueuedMessage) -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if code(error) not in _NOT_HELD:
            raise
        raise Conflict(f"queue {message.queue!r}: message {message.id} is no longer held ({code(error)})") from error


def _received(queue: str, message: "QueueMessage") -> QueuedMessage:
    assert message.inserted_on is not None
    return QueuedMessage(
        queue=queue,
        id=message.id,
        body=message.content,
        dequeue_count=message.dequeue_count or 0,
        inserted=message.inserted_on,
        receipt=message.pop_receipt or "",
    )
