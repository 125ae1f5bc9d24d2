"""Calls for one key that come while another is under way are merged into one: in a storm each of them costs less.

This is group commit. While a call for a key is made, the items of later callers gather, and the next call takes them
all. A caller waits for the call that has its item and no longer, so that nothing is acknowledged before it is stored,
and no more items wait in memory than the host admits callers. Without a crowd every call is made at once, for one item.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

type Call[T, R] = Callable[[Sequence[T]], Awaitable[Sequence[R]]]
"""A call for several items, which returns an answer for each, in their order."""


@dataclass(slots=True)
class _Batch[T, R]:
    """answers: one for each item, in their order; None until the call has returned. error: what the call raised."""

    items: list[T] = field(default_factory=list)
    answers: Sequence[R] | None = None
    error: Exception | None = None


async def no_wait() -> None:
    """Waits for nothing."""


class Coalescer[T, R]:
    """max_items: of one call. before_call: awaited before each call; items that come meanwhile still join it."""

    def __init__(self, max_items: int = sys.maxsize, before_call: Callable[[], Awaitable[None]] = no_wait) -> None:
        self._max_items = max_items
        self._before_call = before_call
        self._open: dict[str, _Batch[T, R]] = {}  # by key: the batch that later items join
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by key: held during a call

    async def submit(self, key: str, item: T, call: Call[T, R]) -> R:
        """The answer of `call` to this item, which it may get together with others of the same key.

        Raises what `call` raised for the batch. If a caller is cancelled, the next one makes the call for the rest.
        """
        batch = self._open.get(key)
        if batch is None or len(batch.items) >= self._max_items:
            batch = self._open[key] = _Batch()
        place = len(batch.items)
        batch.items.append(item)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if batch.answers is None and batch.error is None:
                await self._make(call, key, batch)
        if batch.error is not None:
            raise batch.error
        assert batch.answers is not None, "a batch without an error has answers"
        return batch.answers[place]

    async def _make(self, call: Call[T, R], key: str, batch: _Batch[T, R]) -> None:
        try:
            await self._before_call()
            self._close(key, batch)
            batch.answers = await call(batch.items)
        except Exception as error:  # noqa: BLE001 - whatever it was, every caller gets it
            self._close(key, batch)
            batch.error = error

    def _close(self, key: str, batch: _Batch[T, R]) -> None:
        """Later items join the next batch."""
        if self._open.get(key) is batch:
            del self._open[key]
