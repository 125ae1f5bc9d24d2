"""Storage queues and blobs that Event Grid delivers to, through Microsoft's own SDKs.

A destination names a storage account of the simulated subscription. Where that account really is, the environment says:
`SIMULATOR_STORAGE` (a connection string) or, for one account, `SIMULATOR_STORAGE_<ACCOUNT>`. With Azurite both the
simulator and the function app then see the same queues.
"""

import base64
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from azure.core.exceptions import AzureError, ResourceExistsError

from simulator.delivery import UndeliverableError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient


class AzureStorage:
    """The accounts that `connections` knows, by lower-case name; "" stands for all others. SDKs load on first use."""

    def __init__(self, connections: Mapping[str, str]) -> None:
        self.connections = connections
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: dict[str, BlobServiceClient] = {}

    @classmethod
    def from_environment(cls) -> Self:
        prefix = "SIMULATOR_STORAGE"
        found = {name: value for name, value in os.environ.items() if name.startswith(prefix) and value}
        return cls({name.removeprefix(prefix).removeprefix("_").lower(): value for name, value in found.items()})

    async def send(self, account: str, queue: str, text: str) -> None:
        """Base64, as Event Grid writes it; the queue has to exist."""
        from azure.storage.queue.aio import QueueServiceClient

        connection = self._connection(account)
        if connection not in self._queues:
            self._queues[connection] = QueueServiceClient.from_connection_string(connection)
        content = base64.b64encode(text.encode()).decode()
        try:
            async with self._queues[connection].get_queue_client(queue) as client:
                await client.send_message(content)
        except AzureError as error:
            raise UndeliverableError(error.message.splitlines()[0]) from error

    async def keep(self, account: str, container: str, name: str, data: bytes) -> None:
        """The container has to exist."""
        from azure.storage.blob.aio import BlobServiceClient

        connection = self._connection(account)
        if connection not in self._blobs:
            self._blobs[connection] = BlobServiceClient.from_connection_string(connection)
        try:
            async with self._blobs[connection].get_blob_client(container, name) as client:
                await client.upload_blob(data)
        except ResourceExistsError:
            return  # an earlier attempt's, whose answer was lost
        except AzureError as error:
            raise UndeliverableError(error.message.splitlines()[0]) from error

    async def close(self) -> None:
        for queues in self._queues.values():
            await queues.close()
        for blobs in self._blobs.values():
            await blobs.close()

    def _connection(self, account: str) -> str:
        found = self.connections.get(account.lower()) or self.connections.get("")
        if found is None:
            raise UndeliverableError(f"storage account '{account}' is nowhere: set SIMULATOR_STORAGE", final=True)
        return found
