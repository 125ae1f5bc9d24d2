"""The same for many, some at a time: so many that the way to the store is not waited for each time, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import batched
from typing import Final

AT_ONCE: Final = 50


async def in_batches[T, R](items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """What came of each, in their order. Raises what the first of a batch raised; no further batch is begun then."""
    found: list[R] = []
    for some in batched(items, AT_ONCE, strict=False):
        found.extend(await asyncio.gather(*map(work, some)))
    return found
