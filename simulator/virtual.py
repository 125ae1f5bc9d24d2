"""Virtual time: an event loop on which time passes only when nobody has anything left to do at this moment.

There is no I/O and there are no threads: when all that is ready has run, time jumps to the next timer. Callbacks run
in the order in which they became ready, so that two runs of one program are identical. Concurrency is real, and an hour
takes only as long as its work.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from random import Random
from typing import Any, override
from uuid import UUID

from simulator.clock import Clock
from simulator.cloud import EPOCH


class Asleep(RuntimeError):
    """Everything waits for something that will never happen. That is a mistake in the simulation itself."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Its time is the seconds since it began. It replaces the two places where asyncio's loop touches the machine."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        self._selector = self  # asked for what became ready; it is told how long the loop would sleep

    @override
    def time(self) -> float:
        return self._passed

    def select(self, timeout: float | None) -> list[Any]:
        """The selector's part: nothing is ever ready by itself, and waiting takes no time."""
        if timeout is None:
            raise Asleep("nothing is scheduled any more, and what was to be run is not over")
        self._passed += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Does nothing, since there are no events."""

    def _write_to_self(self) -> None:
        """Does nothing: it would wake a sleeping selector, and this one never sleeps."""


def run_on[L: VirtualLoop, T](loop: L, program: Callable[[L], Coroutine[Any, Any, T]]) -> T:
    """Runs a program to its end on this loop, and closes the loop."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(program(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class LoopAmbient:
    """A clock, dice and names on a virtual loop. The clock on the wall may be wrong by `ahead`, and may jump."""

    def __init__(self, loop: VirtualLoop, seed: str = "", start: datetime = EPOCH) -> None:
        self._loop = loop
        self._start = start
        self._dice = Random(seed)  # noqa: S311  # text seeds the same on every machine, whatever its hash seed
        self.ahead = timedelta()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time()) + self.ahead

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

    def clock(self) -> Clock:
        """The same time for a simulated Azure."""
        return Clock(self.now, self.sleep)
