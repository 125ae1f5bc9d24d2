"""What a fuzz target is, and what its targets stand on."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.loop.stand import Stand, stand


@dataclass(frozen=True, slots=True)
class Target:
    """run: takes any bytes, and raises for a broken promise. seeds: good inputs, and known bad ones, to begin with."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


@cache
def runner() -> asyncio.Runner:
    """One event loop for all inputs: a new one for each would take longer than most of them."""
    return asyncio.Runner()


def worked[T](work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What an asynchronous piece of work comes to."""
    return runner().run(work())


class Worlds:
    """Stands that inputs share, each for so many of them: what one leaves behind the next must bear, within bounds."""

    def __init__(self, spec: str, inputs: int = 500) -> None:
        self._spec = spec
        self._inputs = inputs
        self._left = 0
        self._stand: Stand | None = None

    def next(self) -> Stand:
        if self._stand is None or self._left == 0:
            self._stand, self._left = stand("guide", spec=self._spec), self._inputs
        self._left -= 1
        return self._stand
