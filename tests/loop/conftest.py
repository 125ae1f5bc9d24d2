"""Tests of crashes and leases depend on the store, so they run on both: in memory, and on Azurite."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest

from homeostat.azure.storage import AzureStorage, account_from
from homeostat.ports.storage import Change, Document, Documents
from tests.loop.stand import Stand, stand
from tests.state.stores import NoIdentity, write_ids
from tests.support.azurite import azurite as azurite  # noqa: PLC0414  the fixture, under the name that pytest looks for

_numbers = itertools.count(1)

type Make = Callable[[], Stand]


@dataclass(frozen=True)
class Apart:
    """A separate part of the store that the session's tests share, by a prefix of every partition."""

    inner: Documents
    prefix: str

    async def read(self, partition: str, row: str) -> Document | None:
        return await self.inner.read(self.prefix + partition, row)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        return await self.inner.apply(self.prefix + partition, changes)

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        async for document in self.inner.scan(self.prefix + partition, first=first, last=last, limit=limit):
            yield document

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        async for document in self.inner.scan_all(first=first, last=last):
            if document.partition.startswith(self.prefix):
                partition = document.partition.removeprefix(self.prefix)
                yield Document(partition, document.row, document.body, document.version)


@pytest.fixture(
    params=[pytest.param("memory", marks=pytest.mark.wire), pytest.param("azure", marks=pytest.mark.storage)]
)
async def new_stand(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes stands with an empty store each."""
    if request.param == "memory":
        yield stand
        return
    connection_string: str = request.getfixturevalue("azurite")
    account = account_from({"AzureWebJobsStorage": connection_string}, identity=NoIdentity())
    async with AzureStorage(account, new_id=write_ids()) as azure:
        yield lambda: stand(documents=lambda _: Apart(azure.documents, f"stand-{next(_numbers)}-"))
