"""Queues of an Azure Storage account (or Azurite) as the dev host's source of messages.

Bodies are base64 on the wire where host.json says so, which is its default; one that is not valid base64 goes to the
poison queue as it is, because no attempt can make it readable.
"""

import base64
import binascii
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceExistsError, ResourceNotFoundError
from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue import QueueMessage as StoredMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from devhost.errors import DevHostError
from devhost.queues import LostMessageError, QueueMessage, SourceError

_log = logging.getLogger("devhost.queues")
_AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey="
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


class StorageQueues:
    """A `QueueSource` over one storage account."""

    def __init__(
        self, service: QueueServiceClient, *, base64: bool = True, credential: DefaultAzureCredential | None = None
    ) -> None:
        self._service = service
        self._base64 = base64
        self._credential = credential
        self._clients: dict[str, QueueClient] = {}

    @classmethod
    def from_settings(cls, settings: Mapping[str, str], connection: str, *, base64: bool) -> Self:
        """The account of setting `connection`, or of `<connection>__queueServiceUri` with the default credential.

        Raises DevHostError where neither is set or the connection string cannot be read.
        """
        if text := settings.get(connection):
            text = _AZURITE if text.strip() == "UseDevelopmentStorage=true" else text
            try:
                return cls(QueueServiceClient.from_connection_string(text), base64=base64)
            except ValueError as error:
                raise DevHostError(f"{connection}: {error}") from error
        if uri := settings.get(f"{connection}__queueServiceUri"):
            credential = DefaultAzureCredential()
            return cls(QueueServiceClient(uri, credential=credential), base64=base64, credential=credential)
        raise DevHostError(
            f"queue functions need the setting {connection} (a storage connection string) or "
            f"{connection}__queueServiceUri"
        )

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueueMessage]:
        found: list[QueueMessage] = []
        async with _translated(queue):
            pages = self._client(queue).receive_messages(
                messages_per_page=limit, max_messages=limit, visibility_timeout=int(visibility.total_seconds())
            )
            try:
                stored = [message async for message in pages]
            except ResourceNotFoundError:
                return []
            for message in stored:
                if (body := self._decoded(message.content)) is None:
                    await self._reject(queue, message)
                else:
                    found.append(_message(queue, message, body))
        return found

    async def delete(self, message: QueueMessage) -> None:
        async with _translated(message.queue, owned=True):
            await self._client(message.queue).delete_message(message.id, message.receipt)

    async def update_visibility(self, message: QueueMessage, delay: timedelta) -> QueueMessage:
        async with _translated(message.queue, owned=True):
            updated = await self._client(message.queue).update_message(
                message.id, message.receipt, visibility_timeout=int(delay.total_seconds())
            )
        return QueueMessage(
            message.queue,
            message.id,
            message.body,
            message.dequeue_count,
            message.inserted,
            str(updated.pop_receipt),
            message.expires,
        )

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        content = base64.b64encode(body.encode()).decode() if self._base64 else body
        async with _translated(queue):
            await self._put(queue, content, delay)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        await self._service.close()
        if self._credential is not None:
            await self._credential.close()

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue)
        return self._clients[queue]

    async def _put(self, queue: str, content: str, delay: timedelta = timedelta()) -> None:
        client = self._client(queue)
        try:
            await client.send_message(content, visibility_timeout=int(delay.total_seconds()), time_to_live=-1)
        except ResourceNotFoundError:
            try:
                await client.create_queue()
            except ResourceExistsError:
                _log.debug("queue '%s' was made by somebody else meanwhile", queue)
            await client.send_message(content, visibility_timeout=int(delay.total_seconds()), time_to_live=-1)

    def _decoded(self, content: str) -> str | None:
        if not self._base64:
            return content
        try:
            return base64.b64decode(content, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    async def _reject(self, queue: str, message: StoredMessage) -> None:
        _log.error("Message %s of queue '%s' is not base64 text: moved to '%s-poison'", message.id, queue, queue)
        await self._put(f"{queue}-poison", message.content)
        await self._client(queue).delete_message(message.id, message.pop_receipt)


def _message(queue: str, message: StoredMessage, body: str) -> QueueMessage:
    assert message.inserted_on is not None
    assert message.expires_on is not None
    return QueueMessage(
        queue,
        str(message.id),
        body,
        message.dequeue_count or 0,
        message.inserted_on,
        str(message.pop_receipt),
        message.expires_on,
    )


@asynccontextmanager
async def _translated(queue: str, *, owned: bool = False) -> AsyncIterator[None]:
    """Storage's errors as the source's. `owned`: a 404 or a stale receipt means that the message was lost."""
    try:
        yield
    except ClientAuthenticationError as error:
        raise SourceError(f"the storage account refused the credential for queue '{queue}'") from error
    except AzureError as error:
        lost = isinstance(error, ResourceNotFoundError) or getattr(error, "error_code", "") == "PopReceiptMismatch"
        if owned and lost:
            raise LostMessageError(queue) from error
        raise SourceError(f"queue '{queue}': {error.message.splitlines()[0]}") from error
