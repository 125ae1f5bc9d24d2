"""A night's sweep of 10,000 web apps in ten subscriptions, over a simulated Azure with the documented quotas.

The real service, sweep, governor and pipeline in one process (`tests/support/fleets.py`), on a clock of their own: a
call to ARM takes 50 ms, one to storage 5 ms, the processor no time. So calls and times are exact, on any machine.

Two limits are computed here from the world and the documented quotas, and from nothing that is measured. The floor of
calls counts the listings of app settings (a POST each, since no row shows them), a GET for each root that is read in
full, and full pages for the selector and the rows. The bound of time is the soonest that the tightest quota lets a
sweep make these calls, if a quarter of each quota is left to others and a fifth of the rest to repairs
(docs/throttling.md). It contains no latency, and nothing that has to wait for anything else.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from typing import Final, Self

from bench.rows import Row, at_most
from bench.sweep_drift import DAY, DRIFTED, Healed, breakages_of, healed_rows
from bench.sweep_storm import Storm, storm_of, storm_rows
from simulator.cloud import Cloud
from tests.nights.clock import NightLoop, spend
from tests.support.fleets import DAYS, Swept, night_of
from tests.support.resting import rest
from tests.support.virtual import ARM_SECONDS

APPS: Final = 10_000
SUBSCRIPTIONS: Final = 10
INSTANCES: Final = 2
"""Two, so that the measurement includes what instances share. The platform starts one for each
`batchSize` messages of a queue.

https://learn.microsoft.com/azure/azure-functions/functions-target-based-scaling
"""

CALLS, TIME = 1.05, 1.1

PAGE: Final = 1000
TYPES: Final = (
    "Microsoft.Web/sites",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/privateDnsZones",
)
"""The types of the roots that the fleet declares."""

DECLARED_ZONE: Final = "privatelink.database.windows.net"
PART: Final = 0.75 * 0.8
"""The part of a quota that a sweep may use at once."""

REFILL: Final = 0.75


@dataclass(frozen=True, slots=True)
class Floor:
    """The calls that a night cannot do without. reads: GETs of the share that is read in full."""

    apps: int
    roots: int
    reads: int
    queries: int

    @classmethod
    def of(cls, cloud: Cloud) -> Self:
        """Computes the floor from what is in the cloud, and what the fleet's spec declares of it."""
        found = [resource.id for type_ in TYPES for resource in cloud.of_type(type_)]
        roots = [id_ for id_ in found if "/privateDnsZones/" not in id_ or id_.endswith(DECLARED_ZONE)]
        apps = len(cloud.of_type(TYPES[0]))
        links = sum("/privateDnsZones/" in id_ for id_ in roots)
        return cls(apps, len(roots), round(len(roots) / DAYS), ceil(apps / PAGE) + ceil((len(roots) + links) / PAGE))

    @property
    def calls(self) -> int:
        return self.apps + self.reads + self.queries

    @property
    def seconds(self) -> float:
        """The bound of time, by each subscription's quotas of settings and reads, and the tenant's quota of queries."""
        settings, reads = self.apps / SUBSCRIPTIONS, self.reads / SUBSCRIPTIONS
        queries = floor(15 * 0.75) - floor(floor(15 * 0.75) * 0.2)
        return max(
            (settings - PART * 12_000) / (REFILL * 12_000 / 3600),
            (reads - PART * 250) / (REFILL * 25),
            (ceil(self.queries / queries) - 1) * 5.0,
            0.0,
        )


@dataclass(frozen=True, slots=True)
class Nights:
    """The measured nights.

    still: nothing has drifted since the sweep of the night before. drifted: one app in a hundred has, and one group.
    storms: with a sweep, without one, and a storm of one event alone.
    """

    floor: Floor
    still: Swept
    drifted: Healed
    storms: tuple[Storm, Storm, Storm]


def rows() -> Iterator[Row]:
    found = nights(APPS)
    what = f"sweep of {APPS:,} apps in {SUBSCRIPTIONS} subscriptions, {INSTANCES} instances"
    yield from _still(f"{what}, nothing drifted", found.still, found.floor)
    yield from healed_rows(f"the same with {DRIFTED:.0%} drifted", found.drifted)
    yield from storm_rows(*found.storms)


def nights(apps: int) -> Nights:
    """Runs the nights one after the other in one fleet."""

    async def program(loop: NightLoop) -> Nights:
        night = night_of(loop, apps, subscriptions=SUBSCRIPTIONS, instances=INSTANCES)
        await rest(night.service)
        async with night.at_work():
            await night.sweep()
        await asyncio.sleep(DAY)
        async with night.at_work():
            still = await night.sweep()
        await asyncio.sleep(DAY)
        breakages = tuple(breakages_of(night, apps))
        for breakage in breakages:
            breakage.do()
        async with night.at_work():
            swept = await night.sweep()
        healed = Healed(
            swept, Counter(each.write for each in breakages), sum(not each.is_right() for each in breakages)
        )
        beside, without = await storm_of(night, apps, sweeps=True), await storm_of(night, apps)
        alone = await storm_of(night, apps, events=1, repairs=1)
        return Nights(Floor.of(night.cloud), still, healed, (beside, without, alone))

    return spend(program)


def _still(what: str, swept: Swept, floor_: Floor) -> Iterator[Row]:
    calls, ratio = len(swept.calls), len(swept.calls) / floor_.calls
    yield Row(f"{what}: ARM calls", f"{calls:,}", f"the floor: {floor_.calls:,}", ratio, *at_most(CALLS, ratio))
    ratio = swept.seconds / floor_.seconds
    against = f"the quotas' bound: {floor_.seconds:.1f} s"
    yield Row(
        f"{what}: time at {ARM_SECONDS * 1000:.0f} ms a call",
        f"{swept.seconds:.1f} s",
        against,
        ratio,
        *at_most(TIME, ratio),
    )
    yield Row(f"{what}: refused with 429", str(swept.refused), "", None, "none", swept.refused == 0)
    yield Row(f"{what}: CPU, an app, the simulator's in it", f"{swept.cpu / floor_.apps * 1000:.2f} ms")
