"""Runs many nights, on as many processes as requested, and gathers their results."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, Self

from tests.nights.draw import draw
from tests.nights.night import Dawn, play
from tests.nights.promises import Breach, breaches
from tests.nights.trace import Call, Happened

PART: Final = 50
"""How many nights a process is given at a time."""


@dataclass(slots=True)
class Tally:
    """The results of some nights. failed: the broken promises, by seed. seconds: of CPU."""

    nights: int = 0
    calls: int = 0
    writes: int = 0
    crashes: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    failed: dict[int, tuple[Breach, ...]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, dawn: Dawn, broken: tuple[Breach, ...]) -> None:
        calls = [each for each in dawn.trace.seen if isinstance(each, Call)]
        self.nights += 1
        self.calls += len(calls)
        self.writes += sum(call.verb == "write" for call in calls)
        self.struck.update(dawn.struck)
        for each in dawn.trace.seen:
            if isinstance(each, Happened) and each.what in _TOLD:
                self.struck[each.what] += 1
                self.crashes += each.what == "crash"
        if broken:
            self.failed[dawn.schedule.seed] = broken

    def join(self, other: Self) -> None:
        self.nights += other.nights
        self.calls += other.calls
        self.writes += other.writes
        self.crashes += other.crashes
        self.struck.update(other.struck)
        self.failed.update(other.failed)
        self.seconds += other.seconds


_TOLD: Final = frozenset(
    {"crash", "poison", "stale read", "event lost", "event twice", "event late", "event given up", "delivered again"}
)


def live_through(seeds: Sequence[int]) -> Tally:
    began, tally = time.process_time(), Tally()
    for seed in seeds:
        dawn = play(draw(seed))
        tally.add(dawn, breaches(dawn))
    tally.seconds = time.process_time() - began
    return tally


def many(first: int, nights: int, processes: int) -> Iterator[Tally]:
    """The tallies of all parts, in the order of their seeds."""
    seeds = range(first, first + nights)
    parts = [seeds[start : start + PART] for start in range(0, nights, PART)]
    if processes == 1:
        yield from map(live_through, parts)
        return
    # Started afresh rather than forked: what one process has imported or drawn is no part of another's nights.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(live_through, parts)
