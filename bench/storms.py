"""Storms: 10,000 events in ten seconds, and one changed resource that many share, exact on a virtual clock.

The real loop over the simulated Azure in one process (`tests/support/virtual.py`): a call to ARM takes 50 ms and one to
storage 5 ms, everything else no time, and one instance works as host.json has it. Roots settle as they do by default.
Calls are counted; the processor's time is this machine's, the simulated Azure's own part of it included.
"""

from collections.abc import Iterator
from typing import Final

from bench.rows import Row, at_most
from tests.support.storms import STORM_SECONDS, Storm, over_fleet, over_one_group

ROOTS: Final = 100
EVENTS: Final = 10_000
APPS: Final = 1_000
TARGET: Final = 0.1
"""The ARM calls for each event that are allowed beyond one reconcile of each root."""


def rows() -> Iterator[Row]:
    alone = over_fleet(1, 1)
    many = over_fleet(ROOTS, EVENTS)
    yield from _of_many(many, f"{EVENTS:,} events on {ROOTS} roots in {STORM_SECONDS:.0f} s", len(alone.calls))
    one = over_one_group(1, EVENTS)
    yield from _of_many(one, f"{EVENTS:,} events on one root in {STORM_SECONDS:.0f} s", len(over_one_group(1, 1).calls))
    shared = over_one_group(APPS, 1)
    alone = over_one_group(1, 1)
    yield Row(
        f"one NSG changed, {APPS:,} apps behind it: ARM calls",
        str(len(shared.calls)),
        f"one app behind it: {len(alone.calls)}",
        len(shared.calls) / len(alone.calls),
        *at_most(1, len(shared.calls) / len(alone.calls)),
    )


def _of_many(storm: Storm, what: str, of_a_repair: int) -> Iterator[Row]:
    yield Row(f"{what}: roots that end as declared", str(storm.roots - storm.wrong), *_all(storm))
    needed = storm.roots * of_a_repair
    beyond = (len(storm.calls) - needed) / storm.events
    yield Row(
        f"{what}: ARM calls",
        str(len(storm.calls)),
        f"one repair a root: {needed}",
        len(storm.calls) / needed,
        f"at most {TARGET:g} an event beyond",
        beyond <= TARGET,
    )
    stores = (storm.reads + storm.stores) / storm.events
    yield Row(f"{what}: calls to storage, an event", f"{stores:.2f}")
    yield Row(f"{what}: the longest that an event waits to be stored", f"{storm.slowest * 1000:.0f} ms")
    yield Row(f"{what}: CPU, an event", f"{storm.cpu / storm.events * 1000:.2f} ms")


def _all(storm: Storm) -> tuple[str, None, str, bool]:
    return f"of {storm.roots}", None, "all", storm.wrong == 0
