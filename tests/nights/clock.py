"""The night's clock: an event loop on which time passes only when nobody has anything left to do at this moment.

There is no I/O and there are no threads: when all that is ready has run, time jumps to the next timer. Callbacks run
in the order in which they became ready, so that two runs of one program are one run.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, override
from uuid import UUID

DUSK: Final = datetime(2026, 3, 1, 20, tzinfo=UTC)
"""When every night begins."""


class Asleep(RuntimeError):
    """Everything waits for something that will never happen: a mistake in the simulation itself."""


class NightLoop(asyncio.BaseEventLoop):
    """Its time is the seconds since dusk. It fills the two places where a loop of asyncio's touches the machine."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        self._selector = self  # asked for what became ready; it is told how long the loop would sleep
        self.set_exception_handler(_say_nothing)

    @override
    def time(self) -> float:
        return self._passed

    def select(self, timeout: float | None) -> list[Any]:
        """The selector's part: nothing is ever ready by itself, and waiting takes no time."""
        if timeout is None:
            raise Asleep("nothing is scheduled any more, and the night is not over")
        self._passed += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Wakes a sleeping selector; this one never sleeps."""


def _say_nothing(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """What a dead instance's tasks left behind is no news. Failures are collected where they happen."""


def spend[T](night: Callable[[NightLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs a night to its end on a loop of its own."""
    loop = NightLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(night(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class OwnAmbient:
    """An instance's clock, dice and names. Its clock may be wrong by `ahead`, and may jump."""

    def __init__(self, loop: NightLoop, name: str, seed: int) -> None:
        self._loop = loop
        self._dice = Random(f"{seed}/{name}")  # text seeds the same on every machine, whatever its hash seed
        self.ahead = timedelta()

    def now(self) -> datetime:
        return DUSK + timedelta(seconds=self._loop.time()) + self.ahead

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def uuid(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128), version=4)

    def random(self) -> float:
        return self._dice.random()

    async def offload[T](self, work: Callable[[], T]) -> T:
        return work()
