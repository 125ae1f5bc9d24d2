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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor
from random import Random
from statistics import median
from typing import Any, Final, Self

from bench.rows import Row, at_most
from homeostat.core.attribution import NOBODY
from homeostat.core.ids import ResourceId
from simulator.cloud import Cloud
from tests.nights.clock import DUSK, NightLoop, spend
from tests.support.fleets import DAYS, WEB_VERSION, Night, Swept, night_of
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
DRIFTED: Final = 0.01

DAY: Final = 86_400.0
GROUP: Final = 25
"""How many apps a resource group of the simulated fleet has."""

EVENTS, REPAIRS, STORM_SECONDS, AFTERWARDS = 500, 50, 10.0, 60.0
STORM, NAME = 2.0, 2.0
"""How many times longer an event of a storm may wait to be stored than one alone, and how many seconds longer a repair
may take than one alone. The seconds are what it waits for the name of the writer, which many ask for at once.
"""

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
    drifted: "Healed"
    storms: tuple["Storm", "Storm", "Storm"]


def rows() -> Iterator[Row]:
    found = nights(APPS)
    what = f"sweep of {APPS:,} apps in {SUBSCRIPTIONS} subscriptions, {INSTANCES} instances"
    yield from _still(f"{what}, nothing drifted", found.still, found.floor)
    yield from _healed(f"the same with {DRIFTED:.0%} drifted", found.drifted)
    yield from _stormy(*found.storms)


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
        breakages = tuple(_breakages(night, apps))
        for breakage in breakages:
            breakage.do()
        async with night.at_work():
            swept = await night.sweep()
        healed = Healed(
            swept, Counter(each.write for each in breakages), sum(not each.is_right() for each in breakages)
        )
        beside, without = await _storm(night, apps, sweeps=True), await _storm(night, apps)
        alone = await _storm(night, apps, events=1, repairs=1)
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


# --- one in a hundred drifted ---


@dataclass(frozen=True, slots=True)
class Breakage:
    """One drift. write: what repairs it, as the request log shows it."""

    write: str
    do: Callable[[], Any]
    is_right: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Healed:
    """A night's repairs. planned: the writes that they take. wrong: how many are not as declared afterwards."""

    swept: Swept
    planned: Counter[str]
    wrong: int

    @property
    def made(self) -> Counter[str]:
        writes = (call for call in self.swept.calls if call.method in {"PUT", "PATCH", "DELETE"})
        return Counter(f"{call.method} {'/'.join(call.path.partition('?')[0].split('/')[-2:])}" for call in writes)


def _healed(what: str, healed: Healed) -> Iterator[Row]:
    planned, made, swept = healed.planned.total(), healed.made, healed.swept
    right = planned - healed.wrong
    yield Row(f"{what}: drifts that end as declared", str(right), f"of {planned}", None, "all", healed.wrong == 0)
    yield Row(
        f"{what}: writes", str(made.total()), f"planned: {planned}", None, "exactly these", made == healed.planned
    )
    yield Row(f"{what}: refused with 429", str(swept.refused), "", None, "none", swept.refused == 0)
    yield Row(f"{what}: until all is healed and told", f"{swept.seconds:.0f} s")


def _breakages(night: Night, apps: int) -> Iterator[Breakage]:
    """Breaks one in a hundred apps: three in four get a wrong setting, the others leave their network. One in a hundred
    network security groups denies what it must allow.
    """
    every = round(1 / DRIFTED)
    for index, number in enumerate(range(every, apps + 1, every)):
        yield _moved_out(night, number) if index % 4 == 3 else _set_wrong(night, number)
    for number in range(1, apps + 1, every * GROUP):
        yield _denied(night, number)


def _id(night: Night, number: int, rest: str) -> ResourceId:
    group = (number - 1) // GROUP
    subscription = night.cloud.subscriptions[group % SUBSCRIPTIONS]
    return ResourceId.parse(f"/subscriptions/{subscription}/resourceGroups/rg-fleet-{group + 1:04}/providers/{rest}")


def _site(night: Night, number: int) -> ResourceId:
    return _id(night, number, f"Microsoft.Web/sites/app-{number:05}")


def _set_wrong(night: Night, number: int) -> Breakage:
    settings = _site(night, number).child("config", "appsettings")

    def now() -> dict[str, str]:
        shown: dict[str, str] = night.operator("POST", f"{settings.text}/list", {}, WEB_VERSION).body["properties"]
        return shown

    def do() -> None:
        night.operator("PUT", settings.text, {"properties": {**now(), "REDIS_PORT": "1"}}, WEB_VERSION)

    return Breakage("PUT config/appsettings", do, lambda: now()["REDIS_PORT"] == "6380")


def _moved_out(night: Night, number: int) -> Breakage:
    site = _site(night, number)
    network = site.child("networkConfig", "virtualNetwork")

    def is_right() -> bool:
        shown = night.operator("GET", site.text, version=WEB_VERSION).body["properties"]
        return bool(shown["virtualNetworkSubnetId"])

    return Breakage(
        "PUT networkConfig/virtualNetwork",
        lambda: night.operator("DELETE", network.text, version=WEB_VERSION),
        is_right,
    )


def _denied(night: Night, number: int) -> Breakage:
    group = _id(night, number, "Microsoft.Network/networkSecurityGroups/nsg-appservice-integration")
    rule = group.child("securityRules", "allow-sql")

    def now() -> dict[str, Any]:
        shown: dict[str, Any] = night.operator("GET", rule.text).body["properties"]
        return shown

    return Breakage(
        "PUT securityRules/allow-sql",
        lambda: night.operator("PUT", rule.text, {"properties": {**now(), "access": "Deny"}}),
        lambda: now()["access"] == "Allow",
    )


# --- a storm while a sweep is under way ---


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm took: seconds until each event was stored, and from each breakage until its repair was sent.

    blamed: who is reported to have caused what was repaired. refused: calls that were answered with 429.
    """

    stored: tuple[float, ...]
    healed: tuple[float, ...]
    blamed: tuple[str, ...]
    refused: int


def _stormy(beside: Storm, without: Storm, alone: Storm) -> Iterator[Row]:
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


async def _storm(
    night: Night, apps: int, *, events: int = EVENTS, repairs: int = REPAIRS, sweeps: bool = False
) -> Storm:
    """Sends the events. Most are about no change; some are about an app that was taken out of its network."""
    await asyncio.sleep(DAY)
    dice, stored, broken_at = Random(7), list[float](), dict[str, float]()  # noqa: S311  # the same storm each time
    broken = dict(zip(dice.sample(range(events), repairs), dice.sample(range(1, apps + 1), repairs), strict=True))

    async def happen(event: int) -> None:
        await asyncio.sleep(dice.uniform(0, STORM_SECONDS))
        number = broken.get(event) or dice.choice(range(1, apps + 1))
        site = _site(night, number)
        if event in broken:
            _moved_out(night, number).do()
            broken_at[site.child("networkConfig", "virtualNetwork").key] = night.loop.time()
        began = night.loop.time()
        await night.services[event % INSTANCES].on_event(night.event(site))
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
