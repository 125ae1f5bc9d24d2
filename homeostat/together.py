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


@dataclass(slots=True)
class _Group[T, R]:
    """answers: one for each of `brought`, in their order; None before they are stored. error: why they are not."""

    brought: list[T] = field(default_factory=list)
    answers: Sequence[R] | None = None
    error: Exception | None = None


async def at_once() -> None:
    """Waits for nothing."""


class Together[T, R]:
    """most: of what one call is given. turn: what a call waits for first; what comes meanwhile is still its own."""

    def __init__(self, most: int = sys.maxsize, turn: Callable[[], Awaitable[None]] = at_once) -> None:
        self._most = most
        self._turn = turn
        self._gathering: dict[str, _Group[T, R]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def store(self, key: str, what: T, store: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> R:
        """The answer of `store` to `what`, which may be one of several that it is given.

        Raises what `store` raised for any of them. A caller that is cancelled leaves the others to the next of them.
        """
        group = self._gathering.get(key)
        if group is None or len(group.brought) >= self._most:
            group = self._gathering[key] = _Group()
        place = len(group.brought)
        group.brought.append(what)
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if group.answers is None and group.error is None:
                await self._store(key, group, store)
        if group.error is not None:
            raise group.error
        assert group.answers is not None, "a group without an error was stored"
        return group.answers[place]

    async def _store(
        self, key: str, group: _Group[T, R], store: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> None:
        try:
            await self._turn()
            self._close(key, group)
            group.answers = await store(group.brought)
        except Exception as error:  # noqa: BLE001 - whatever it was, each of them is told
            self._close(key, group)
            group.error = error

    def _close(self, key: str, group: _Group[T, R]) -> None:
        """Who comes from now on waits for the next call."""
        if self._gathering.get(key) is group:
            del self._gathering[key]
