"""The same work for many items, in batches: enough at a time to hide the store's latency, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import batched
from typing import Final

BATCH_SIZE: Final = 50


async def in_batches[T, R](items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """The results in the order of the items. Raises the first error of a batch; no further batch begins then."""
    found: list[R] = []
    for some in batched(items, BATCH_SIZE, strict=False):
        found.extend(await asyncio.gather(*map(work, some)))
    return found
