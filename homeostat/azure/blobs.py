"""Blobs in the storage account. Each carries the id of the write that made it, to recognise it after a lost answer."""

from collections.abc import AsyncIterator, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError

from homeostat.azure.storage_errors import code, making, settled, translating
from homeostat.core.json import ABSENT, Absent
from homeostat.ports.storage import Blob, BlobInfo

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

WRITE_ID: Final = "homeostatwrite"
"""Name of the metadata that holds the write's id. Such names must be C# identifiers."""


class AzureBlobs:
    """Implements `homeostat.ports.storage.Blobs`.

    client: makes the SDK's client on first need. new_id: makes a write's id.
    """

    def __init__(self, client: Callable[[], "BlobServiceClient"], *, new_id: Callable[[], str]) -> None:
        self._connect = client
        self._new_id = new_id

    @cached_property
    def _service(self) -> "BlobServiceClient":
        return self._connect()

    async def read(self, container: str, name: str) -> Blob | None:
        with translating(_place(container, name)):
            try:
                stream = await self._service.get_blob_client(container, name).download_blob()
                data = await stream.readall()
            except ResourceNotFoundError:
                return None  # of the blob or of the container, which is made with the first blob
        found = stream.properties
        return Blob(name, data, _version(found.etag), found.last_modified)

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        from azure.storage.blob import ContentSettings

        blob = self._service.get_blob_client(container, name)
        write_id = self._new_id()
        options = _condition(expected) | {
            "metadata": {WRITE_ID: write_id},
            "content_settings": ContentSettings(content_type=content_type),
            "retry_total": 0,
        }

        async def send() -> str:
            try:
                stored = await blob.upload_blob(data, **options)
            except ResourceNotFoundError as error:
                if code(error) != "ContainerNotFound":
                    raise
                await self._make(container)
                stored = await blob.upload_blob(data, **options)
            return _version(stored["etag"])

        async def recognise() -> str | None:
            return await _version_if_written_by(blob, write_id)

        return await settled(_place(container, name), send, recognise)

    async def delete(self, container: str, name: str) -> None:
        with translating(_place(container, name)):
            try:
                await self._service.get_blob_client(container, name).delete_blob()
            except ResourceNotFoundError:
                return  # it is gone, perhaps by a request whose answer was lost

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        with translating(f"container {container!r}"):
            try:
                async for found in self._service.get_container_client(container).list_blobs(prefix):
                    yield BlobInfo(found.name, found.size, _version(found.etag), found.last_modified)
            except ResourceNotFoundError:
                return  # the container is made with the first blob

    async def _make(self, container: str) -> None:
        with making(f"container {container!r}"):
            await self._service.create_container(container)


async def _version_if_written_by(blob: "BlobClient", write_id: str) -> str | None:
    with translating(_place(blob.container_name, blob.blob_name)):
        try:
            found = await blob.get_blob_properties()
        except ResourceNotFoundError:
            return None
    return _version(found.etag) if found.metadata.get(WRITE_ID) == write_id else None


def _condition(expected: str | Absent | None) -> dict[str, Any]:
    if expected is ABSENT:
        return {"overwrite": False}
    if expected is None:
        return {"overwrite": True}
    return {"overwrite": True, "etag": expected, "match_condition": MatchConditions.IfNotModified}


def _version(etag: Any) -> str:
    """The ETag with its quotes, which headers have and listings lack."""
    return f'"{cast("str", etag).strip('"')}"'


def _place(container: str, name: str) -> str:
    return f"blob {name!r} of container {container!r}"
