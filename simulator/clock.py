"""The only place where the simulator's shells meet time: injectable, so that a night can pass in milliseconds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now()` is aware and in UTC; `sleep(seconds)` is awaited."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


def wall_clock() -> Clock:
    return Clock(lambda: datetime.now(UTC), asyncio.sleep)
