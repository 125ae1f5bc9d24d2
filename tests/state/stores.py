"""The stores that the tests of durable state run against."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken

from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Blobs, Documents, Queues


@dataclass(frozen=True, slots=True)
class Store:
    documents: Documents
    queues: Queues
    blobs: Blobs
    advance: Callable[[timedelta], Awaitable[None]]
    """Lets the store's own clock pass by at least this much."""


async def wait(time: timedelta) -> None:
    # Visibility is the service's business and counted in whole seconds of its clock: there is nothing else to wait for.
    await asyncio.sleep(time.total_seconds() + 1)


def in_memory() -> Store:
    now = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)

    async def advance(time: timedelta) -> None:
        nonlocal now
        now += time

    memory = MemoryStorage(lambda: now)
    return Store(memory.documents, memory.queues, memory.blobs, advance)


def write_ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"write-{next(numbers)}"


class NoIdentity:
    """Satisfies azure-core's AsyncTokenCredential, and fails the test that asks it for a token."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        raise AssertionError(f"nobody should want a token for {scopes}")

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
