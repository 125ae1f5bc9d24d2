"""A storm of events costs one reconcile a root, whatever comes at once, and loses nothing."""

import asyncio
from random import Random
from typing import Final

import pytest

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.ids import ResourceId
from tests.loop import fleet
from tests.nights.clock import NightLoop, spend
from tests.support.virtual import Place, place

pytestmark = pytest.mark.wire

WEB: Final = "2025-05-01"
ROOTS: Final = 20
EVENTS: Final = 2_000
STORM_SECONDS: Final = 10.0


def settings(here: Place, app: ResourceId) -> dict[str, str]:
    path = app.child("config", "appsettings").text + "/list"
    found: dict[str, str] = here.operator("POST", path, {}, WEB).body["properties"]
    return found


def break_app(here: Place, app: ResourceId) -> None:
    values = {**settings(here, app), "REDIS_PORT": "1"}
    here.operator("PUT", app.child("config", "appsettings"), {"properties": values}, WEB)


async def storm(here: Place, apps: list[ResourceId]) -> None:
    """Each app is broken at some moment of the storm; most of the events tell of nothing."""
    dice = Random(5)
    breaks = {dice.randrange(EVENTS): app for app in apps}

    async def happen(number: int) -> None:
        await asyncio.sleep(dice.uniform(0, STORM_SECONDS))
        app = breaks.get(number) or dice.choice(apps)
        if number in breaks:
            break_app(here, app)
        await here.service.on_event(here.event(app.child("config", "appsettings")))

    await asyncio.gather(*map(happen, range(EVENTS)))


def test_a_storm_of_events_costs_each_root_one_reconcile_and_leaves_it_as_declared() -> None:
    async def night(loop: NightLoop) -> None:
        specs = {"fleet.yaml": fleet.text(dict.fromkeys(range(1, ROOTS + 1), 6380))}
        here = place(loop, f"fleet:{ROOTS}", specs)
        apps = [app for app in (await here.service.desired.fleet()).roots if app.type == SITE.name]
        await asyncio.gather(storm(here, apps), here.work_off(60))
        print(here.reconciles, len(here.calls()), here.toll.calls, loop.time())
        assert [settings(here, app)["REDIS_PORT"] for app in apps] == ["6380"] * ROOTS

    spend(night)
