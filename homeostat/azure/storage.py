"""The function app's own storage account: its endpoints, our credential, and one HTTP session for its three services.

`AzureWebJobsStorage` is read as the Functions host reads it, so that state lives where the host keeps its own
(learn.microsoft.com/azure/azure-functions/functions-reference, "Connections"). The SDKs are imported on first need.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from homeostat.azure.blobs import AzureBlobs
from homeostat.azure.queues import AzureQueues
from homeostat.azure.tables import AzureDocuments
from homeostat.ports.storage import StorageError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.data.tables.aio import TableClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

type StorageCredential = "AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential"

SETTING: Final = "AzureWebJobsStorage"
TABLE: Final = "homeostat"

CONNECT_TIMEOUT: Final = 5
READ_TIMEOUT: Final = 20
"""Seconds without a byte until a request counts as lost. The SDKs' 60 to 300 would outlast a lease."""

_DEVELOPMENT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published with the emulator (learn.microsoft.com/azure/storage/common/storage-connect-azurite): it guards nothing."""

_DEVELOPMENT: Final = (
    f"AccountName=devstoreaccount1;AccountKey={_DEVELOPMENT_KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"
)


_RETRIES: Final[Mapping[str, Any]] = {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
"""Seconds between the queue and blob SDKs' own attempts, which would wait 15 before the first."""


class StorageMisconfigured(StorageError):
    """`AzureWebJobsStorage` does not say which storage account to use."""


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account's endpoints, and the credential for them."""

    table: str
    queue: str
    blob: str
    credential: StorageCredential


def account_from(
    settings: Mapping[str, str], *, identity: "AsyncTokenCredential", suffix: str = "core.windows.net"
) -> Account:
    """The account that the app's settings name, by a connection string or by the identity form.

    `identity` is used when there is no connection string. `suffix` is the cloud's, for settings with only the account's
    name. Raises StorageMisconfigured, which never quotes a connection string.
    """
    if text := settings.get(SETTING, ""):
        return _from_connection_string(text)
    name = settings.get(f"{SETTING}__accountName", "")
    uris = {
        service: settings.get(f"{SETTING}__{service}ServiceUri")
        or (f"https://{name}.{service}.{suffix}" if name else "")
        for service in ("table", "queue", "blob")
    }
    missing = [f"{SETTING}__{service}ServiceUri" for service, uri in uris.items() if not uri]
    if missing:
        raise StorageMisconfigured(
            f"no storage account: set {SETTING} to a connection string, or {SETTING}__accountName, "
            f"or each of {', '.join(missing)}"
        )
    return Account(**uris, credential=identity)


def _from_connection_string(text: str) -> Account:
    parts = _parts(text)
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        parts = _parts(_DEVELOPMENT)
    name, key, signature = (parts.get(part, "") for part in ("accountname", "accountkey", "sharedaccesssignature"))
    scheme = parts.get("defaultendpointsprotocol", "https")
    suffix = parts.get("endpointsuffix", "core.windows.net")
    endpoints = {
        service: parts.get(f"{service}endpoint") or (f"{scheme}://{name}.{service}.{suffix}" if name else "")
        for service in ("table", "queue", "blob")
    }
    if not all(endpoints.values()) or not (signature or (name and _is_key(key))):
        raise StorageMisconfigured(
            f"{SETTING} is not a whole connection string: it needs AccountName and AccountKey, "
            "or a SharedAccessSignature with the three endpoints"
        )
    if signature:
        return Account(**endpoints, credential=AzureSasCredential(signature))
    return Account(**endpoints, credential=AzureNamedKeyCredential(name, key))


def _is_key(text: str) -> bool:
    """Whether it is base64, so that a key that was copied only in part is noticed here, not in every request."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:  # binascii.Error is one
        return False


def _parts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


class AzureStorage:
    """The three ports on one account. Clients are made on first need and share one session, which `aclose` closes.

    new_id: makes the id of a write. transport: if given, the caller closes it.
    """

    def __init__(
        self, account: Account, *, new_id: Callable[[], str], transport: "AsyncHttpTransport[Any, Any] | None" = None
    ) -> None:
        self._account = account
        self._borrowed = transport
        self._owned: AsyncHttpTransport[Any, Any] | None = None
        self.documents = AzureDocuments(self._tables, new_id=new_id)
        self.queues = AzureQueues(self._queues)
        self.blobs = AzureBlobs(self._blobs, new_id=new_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._owned is not None:
            await self._owned.close()

    @cached_property
    def _transport(self) -> "AsyncHttpTransport[Any, Any]":
        if self._borrowed is not None:
            return self._borrowed
        from azure.core.pipeline.transport import AioHttpTransport

        self._owned = AioHttpTransport(connection_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
        return self._owned

    def _tables(self) -> "TableClient":
        from azure.data.tables.aio import TableClient

        return TableClient(
            self._account.table,
            TABLE,
            credential=self._account.credential,
            transport=self._transport,
            retry_total=4,
            retry_backoff_factor=0.4,
            retry_backoff_max=4,
        )

    def _queues(self) -> "QueueServiceClient":
        from azure.storage.queue.aio import QueueServiceClient

        return QueueServiceClient(
            self._account.queue,
            credential=self._account.credential,
            transport=self._transport,
            **_RETRIES,
        )

    def _blobs(self) -> "BlobServiceClient":
        from azure.storage.blob.aio import BlobServiceClient

        return BlobServiceClient(
            self._account.blob,
            credential=self._account.credential,
            transport=self._transport,
            **_RETRIES,
        )
