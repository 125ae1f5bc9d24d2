"""The one door through which time, chance and identifiers enter.

Whatever needs them is handed an `Ambient`; the linter bans the standard library's own everywhere else. So a test, or a
simulated night, can own the clock and the dice, and the same seed gives the same night.
"""

import asyncio
import random  # noqa: TID251  # this is the module that the ban points to
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4  # noqa: TID251  # as above


class Ambient(Protocol):
    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an unknown origin; never runs backwards."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def uuid(self) -> UUID: ...

    def random(self) -> float:
        """At least 0 and below 1."""
        ...

    async def offload[T](self, work: Callable[[], T]) -> T:
        """Runs blocking work beside the event loop. A virtual ambient runs it in place: threads cannot be replayed."""
        ...


@dataclass(frozen=True, slots=True)
class SystemAmbient:
    """The machine's own clock and randomness."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  # as above

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251  # as above

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def uuid(self) -> UUID:
        return uuid4()

    def random(self) -> float:
        return random.random()  # noqa: S311  # spreads retries, guards nothing

    async def offload[T](self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)  # noqa: TID251  # as above
