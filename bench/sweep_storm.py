"""A storm of events on the measured fleet, while a sweep is under way and without one."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Final

from bench.rows import Row, at_most
from bench.sweep_drift import DAY, moved_out, site_of
from homeostat.core.attribution import NOBODY
from tests.nights.clock import DUSK
from tests.support.fleets import Night

EVENTS: Final = 500
REPAIRS: Final = 50
STORM_SECONDS: Final = 10.0
AFTERWARDS: Final = 60.0

STORM: Final = 2.0
"""How many times longer an event of a storm may wait to be stored than one alone."""

NAME: Final = 2.0
"""How many seconds longer a repair may take than one alone: as long as it waits for the name of the writer, which many
ask for at once.
"""


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm took: seconds until each event was stored, and from each breakage until its repair was sent.

    blamed: who is reported to have caused what was repaired. refused: calls that were answered with 429.
    """

    stored: tuple[float, ...]
    healed: tuple[float, ...]
    blamed: tuple[str, ...]
    refused: int


def storm_rows(beside: Storm, without: Storm, alone: Storm) -> Iterator[Row]:
    what = f"{EVENTS:,} events in {STORM_SECONDS:.0f} s"
    for when, storm in (("while the sweep runs", beside), ("and no sweep", without)):
        slowest, other = max(storm.stored), max(alone.stored)
        yield Row(
            f"{what} {when}: the longest until one is stored",
            f"{slowest * 1000:.0f} ms",
            f"alone: {other * 1000:.0f} ms",
            slowest / other,
            *at_most(STORM, slowest / other),
        )
        yield _repaired(f"{what} {when}: the longest from drift to repair, of {REPAIRS}", storm, alone)
        yield Row(f"{what} {when}: the median from drift to repair", f"{median(storm.healed) * 1000:.0f} ms")
        named = sum(name != NOBODY for name in storm.blamed)
        yield Row(f"{what} {when}: repairs that name who it was", str(named), f"of {REPAIRS}")
        yield Row(f"{what} {when}: refused with 429", str(storm.refused), "", None, "none", storm.refused == 0)


def _repaired(what: str, storm: Storm, alone: Storm) -> Row:
    slowest, other = max(storm.healed), max(alone.healed)
    against, target = f"alone: {other * 1000:.0f} ms", f"at most {NAME:g} s more"
    return Row(what, f"{slowest * 1000:.0f} ms", against, slowest / other, target, slowest - other <= NAME)


async def storm_of(
    night: Night, apps: int, *, events: int = EVENTS, repairs: int = REPAIRS, sweeps: bool = False
) -> Storm:
    """Sends the events. Most are about no change; some are about an app that was taken out of its network."""
    await asyncio.sleep(DAY)
    dice, stored, broken_at = Random(7), list[float](), dict[str, float]()  # noqa: S311  # the same storm each time
    broken = dict(zip(dice.sample(range(events), repairs), dice.sample(range(1, apps + 1), repairs), strict=True))

    async def happen(event: int) -> None:
        await asyncio.sleep(dice.uniform(0, STORM_SECONDS))
        number = broken.get(event) or dice.choice(range(1, apps + 1))
        site = site_of(night, number)
        if event in broken:
            moved_out(night, number).do()
            broken_at[site.child("networkConfig", "virtualNetwork").key] = night.loop.time()
        began = night.loop.time()
        await night.services[event % len(night.services)].on_event(night.event(site))
        stored.append(night.loop.time() - began)

    async def storm() -> None:
        await asyncio.gather(*map(happen, range(events)))
        await asyncio.sleep(AFTERWARDS)

    night.channel.blamed.clear()
    async with night.at_work():
        if sweeps:
            await night.sweep(storm())
        else:
            night.forget()
            await storm()
    writes = [
        (call.path.partition("?")[0].lower(), call.time) for call in night.cloud.exchanges if call.method == "PUT"
    ]
    healed = [(at - DUSK).total_seconds() - broken_at[path] for path, at in writes if path in broken_at]
    if len(healed) != repairs:
        raise RuntimeError(f"{len(healed)} repairs of {repairs}: there is nothing to measure")
    return Storm(tuple(stored), tuple(healed), tuple(night.channel.blamed), night.cloud.throttling.refused)
