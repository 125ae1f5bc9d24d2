"""Every contract test runs twice: in memory (marked unit) and on Azurite, the real API (marked storage)."""

import itertools
from collections.abc import AsyncIterator

import pytest

from homeostat.azure.storage import AzureStorage, account_from
from tests.state.stores import NoIdentity, Store, in_memory, wait, write_ids
from tests.support.azurite import azurite as azurite  # noqa: PLC0414  the fixture, under the name that pytest looks for

_numbers = itertools.count(1)


@pytest.fixture
def unique() -> str:
    """A name that no other test uses; fit for a partition, a row, a queue and a container."""
    return f"test-{next(_numbers)}"


@pytest.fixture(
    params=[pytest.param("memory", marks=pytest.mark.unit), pytest.param("azure", marks=pytest.mark.storage)]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield in_memory()
        return
    connection_string: str = request.getfixturevalue("azurite")
    account = account_from({"AzureWebJobsStorage": connection_string}, identity=NoIdentity())
    async with AzureStorage(account, new_id=write_ids()) as azure:
        yield Store(azure.documents, azure.queues, azure.blobs, wait)
