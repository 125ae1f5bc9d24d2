"""Storms of events on the virtual clock: what happens in them, and what they cost."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.ids import ResourceId
from simulator.cloud import Exchange
from tests.loop import fleet
from tests.nights.clock import NightLoop, spend
from tests.support.virtual import Place, place

WEB: Final = "2025-05-01"
STORM_SECONDS: Final = 10.0
AFTERWARDS: Final = 60.0
"""Seconds in which marked roots settle and are repaired."""

WHATEVER_DRIFTS: Final = "mass_drift: {at_least: 20000}\ncaps: {roots_at_least: 20000, writes_per_hour: 20000}"
"""A policy without the mass-drift stop, since everything drifts within seconds."""

RULES: Final = """
target: {target}
web_app: {target}
resource_group: rg-flask
nsg_rules:
  nsg-appservice-integration:
    rules:
      allow-sql: {{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}}
"""


@dataclass(frozen=True, slots=True)
class Storm:
    """The results of a storm.

    wrong: roots that are not as declared at the end. reads, stores: reads and batches of documents, by events and
    repairs. slowest: seconds until an event was stored. cpu: of this process, the simulated Azure's part included.
    """

    roots: int
    events: int
    wrong: int
    calls: tuple[Exchange, ...]
    reads: int
    stores: int
    messages: int
    slowest: float
    cpu: float

    @property
    def writes(self) -> int:
        return sum(call.method in {"PUT", "PATCH", "DELETE"} for call in self.calls)

    @property
    def kinds_of_calls(self) -> list[str]:
        """The calls as `PUT allow-sql`, without polls."""
        paths = ((call.method, call.path.partition("?")[0]) for call in self.calls)
        return [f"{method} {path.rpartition('/')[2]}" for method, path in paths if "/operations/" not in path]


def over_fleet(roots: int, events: int) -> Storm:
    """Events on so many web apps. Each has a setting changed at some moment of the storm."""

    async def night(loop: NightLoop) -> Storm:
        specs = {"fleet.yaml": fleet.text(dict.fromkeys(range(1, roots + 1), 6380), WHATEVER_DRIFTS)}
        here = place(loop, f"fleet:{roots}", specs)
        apps = list((await here.service.desired.fleet()).roots)
        return await _storm(here, apps, events, _break_app, lambda app: _settings(here, app)["REDIS_PORT"] == "6380")

    return spend(night)


def over_one_group(apps: int, events: int) -> Storm:
    """Events on one network security group that so many web apps declare. One of its rules is changed once."""

    async def night(loop: NightLoop) -> Storm:
        specs = {f"{name}.yaml": RULES.format(target=name) for name in map(fleet.name, range(1, apps + 1))}
        here = place(loop, "guide", specs)
        roots = (await here.service.desired.fleet()).roots
        (group,) = (root for root in roots.values() if root.id.type == NETWORK_SECURITY_GROUP.name)
        assert len(group.targets) == apps
        return await _storm(here, [group.id], events, _break_rule, lambda nsg: _rule(here, nsg)["access"] == "Allow")

    return spend(night)


async def _storm(
    here: Place,
    roots: list[ResourceId],
    events: int,
    breaks: Callable[[Place, ResourceId], None],
    is_right: Callable[[ResourceId], bool],
) -> Storm:
    """Breaks each root at some moment. Most of the events are about no change."""
    dice, slowest = Random(5), 0.0
    breaking = dict(zip(dice.sample(range(events), len(roots)), roots, strict=True))

    async def happen(number: int, at: float, root: ResourceId) -> None:
        nonlocal slowest
        await asyncio.sleep(at)
        if number in breaking:
            breaks(here, root)
        began = here.loop.time()
        await here.service.on_event(here.event(root))
        slowest = max(slowest, here.loop.time() - began)

    happenings = [(dice.uniform(0, STORM_SECONDS), dice.choice(roots)) for _ in range(events)]
    told = (happen(number, at, breaking.get(number, root)) for number, (at, root) in enumerate(happenings))
    began = time.process_time()
    await asyncio.gather(*told, here.work_off(AFTERWARDS))
    return Storm(
        roots=len(roots),
        events=events,
        wrong=sum(not is_right(root) for root in roots),
        calls=tuple(here.calls()),
        reads=here.toll.calls["documents.read"],
        stores=here.toll.calls["documents.apply"],
        messages=here.toll.calls["queues.send"],
        slowest=slowest,
        cpu=time.process_time() - began,
    )


def _settings(here: Place, app: ResourceId) -> dict[str, str]:
    path = app.child("config", "appsettings").text + "/list"
    found: dict[str, str] = here.operator("POST", path, {}, WEB).body["properties"]
    return found


def _break_app(here: Place, app: ResourceId) -> None:
    values = {**_settings(here, app), "REDIS_PORT": "1"}
    here.operator("PUT", app.child("config", "appsettings"), {"properties": values}, WEB)


def _rule(here: Place, nsg: ResourceId) -> dict[str, str]:
    found: dict[str, str] = here.operator("GET", nsg.child("securityRules", "allow-sql")).body["properties"]
    return found


def _break_rule(here: Place, nsg: ResourceId) -> None:
    body = {"properties": {**_rule(here, nsg), "access": "Deny"}}
    here.operator("PUT", nsg.child("securityRules", "allow-sql"), body)
