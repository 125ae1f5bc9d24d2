"""The night's clock: virtual time that begins at dusk."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from simulator.virtual import LoopAmbient, VirtualLoop, run_on

DUSK: Final = datetime(2026, 3, 1, 20, tzinfo=UTC)
"""The time at which every night begins."""


class NightLoop(VirtualLoop):
    """Its time is the seconds since dusk."""

    def __init__(self) -> None:
        super().__init__()
        self.set_exception_handler(_say_nothing)


def _say_nothing(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Ignores what the tasks of a dead instance leave behind. Failures are collected where they happen."""


def spend[T](night: Callable[[NightLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs a night to its end on a loop of its own."""
    return run_on(NightLoop(), night)


class OwnAmbient(LoopAmbient):
    """An instance's clock, dice and names."""

    def __init__(self, loop: NightLoop, name: str, seed: int) -> None:
        super().__init__(loop, f"{seed}/{name}", DUSK)
