"""App settings have no ETag. What a write of theirs may have undone is told, whatever became of who wrote it.

Simulated nights found each of these (docs/simulation.md).
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.core.arm_types import SITE
from homeostat.core.model import Read
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from simulator.faults import Fault
from simulator.messages import Response
from tests.azure.scripted import VirtualAmbient
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, VISIBILITY, WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


@dataclass
class Eve:
    """Somebody who sets a setting at the worst moment. Her write's event is kept until `told` hands it out."""

    world: Stand
    event: dict[str, Any] | None = None

    def writes(self) -> None:
        self.world.change_settings(THEIRS="hers")
        settings = self.world.id("site").child("config", "appsettings")
        claims = {"name": "Eve"}
        self.event = self.world.event(
            settings, "Microsoft.Web/sites/config/write", correlationId="theirs", claims=claims
        )

    async def told(self, times: int = 1) -> None:
        assert self.event is not None, "she has written"
        for _ in range(times):
            await self.world.service.on_event(self.event)

    @property
    def races(self) -> Callable[[Any], Awaitable[None]]:
        """Her write reaches ARM just before Homeostat's."""
        return once(self.writes, Action)


def overwrites(world: Stand) -> list[Any]:
    return [event.data["actor"] for event in world.inbox.events if "PossibleOverwrite" in event.type]


@pytest.mark.parametrize("status", [0, 500, 504])
async def test_a_write_that_took_effect_and_was_never_acknowledged_has_a_window_too(status: int) -> None:
    world = stand()
    eve = Eve(world)
    world.change_settings(REDIS_PORT="1")
    answer = {"status": status, "body": {}} if status else {"drop": True}
    world.strike(method="PUT", path="/config/appsettings$", when="after", times=1, **answer)
    outcome = await meddled(world, before=eve.races).reconcile("site")
    assert outcome.status is Status.FAILED
    assert "THEIRS" not in world.settings()
    await eve.told()
    await world.work_for(HOUR)
    assert overwrites(world) == ["Eve"]


async def test_an_instance_that_dies_after_its_write_leaves_a_window_for_the_next_one_to_tell_of() -> None:
    world = stand()
    eve = Eve(world)
    world.change_settings(REDIS_PORT="1")
    settings = world.id("site").child("config", "appsettings")
    await world.service.on_event(world.event(settings, "Microsoft.Web/sites/config/write"))
    world.pass_time(seconds=16)
    fate = Fate()
    dying = meddled(mortal(world, fate), before=eve.races, after=lambda called: _die(fate, called))
    with pytest.raises(Crash):
        await dying.deliver()
    assert "THEIRS" not in world.settings()
    await eve.told()
    world.pass_time(seconds=VISIBILITY.total_seconds())
    await world.work_for(HOUR)
    assert overwrites(world) == ["Eve"]


async def _die(fate: Fate, called: Any) -> None:
    if isinstance(called, Action):
        raise Crash(str(len(fate.names)))


async def test_an_event_that_comes_twice_is_told_once_and_stops_nothing() -> None:
    world = stand()
    eve = Eve(world)
    world.change_settings(REDIS_PORT="1")
    await meddled(world, before=eve.races).reconcile("site")
    await eve.told(times=3)
    await world.work_for(HOUR)
    assert (world.failures, world.poisoned) == ([], [])
    assert overwrites(world) == ["Eve"]


@dataclass
class Meanwhile(Fault):
    """A refusal, after which somebody writes before the next try."""

    act: Callable[[], None] = print

    def response(self) -> Response | None:
        self.act()
        return super().response()


@pytest.mark.parametrize("status", [409, 429])
async def test_what_somebody_writes_while_a_write_waits_for_its_next_try_is_kept(status: int) -> None:
    """Azure puts the write off for ten seconds: too long for what was read before it."""
    world = stand()
    eve = Eve(world)
    world.change_settings(REDIS_PORT="1")
    busy = {"error": {"code": "AnotherOperationInProgress", "message": "wait"}}
    path = re.compile("/config/appsettings$")
    refusal = Meanwhile(path, "PUT", 1, 0, status, busy, {"retry-after": "10"}, act=eve.writes)
    world.exchanger.faults.append(refusal)
    assert (await world.reconcile("site")).status is Status.HEALED
    assert (world.settings()["REDIS_PORT"], world.settings()["THEIRS"]) == ("6380", "hers")
    await eve.told()
    await world.work_for(HOUR)
    assert overwrites(world) == []


async def test_a_write_that_is_put_off_again_and_again_is_sent_in_the_end() -> None:
    """Were it only sent soon after a read, nothing would be written while a quota is spent."""
    world = stand()
    world.change_settings(REDIS_PORT="1")
    body = {"error": {"code": "TooManyRequests", "message": "wait"}}
    world.strike(
        method="PUT", path="/config/appsettings$", status=429, body=body, headers={"retry-after": "8"}, times=3
    )
    outcome = await world.reconcile("site")
    assert (outcome.status, world.settings()["REDIS_PORT"]) == (Status.HEALED, "6380")
    assert len(world.calls("PUT")) == 4


class Router(Eve):
    """Somebody who switches a routing flag that nobody declares, at the worst moment."""

    def writes(self) -> None:
        switch(self.world, contentShareTraffic=True)
        site, claims = self.world.id("site"), {"name": "Eve"}
        self.event = self.world.event(site, "Microsoft.Web/sites/write", correlationId="theirs", claims=claims)


def switch(world: Stand, **flags: bool) -> None:
    world.operator("PATCH", world.id("site"), {"properties": {"outboundVnetRouting": flags}}, WEB_VERSION)


def routing(world: Stand) -> tuple[bool, bool]:
    """The flag that the spec declares, and Eve's."""
    site = world.operator("GET", world.id("site"), version=WEB_VERSION).body
    flags = site["properties"]["outboundVnetRouting"]
    return flags["applicationTraffic"], flags["contentShareTraffic"]


def unrouted() -> Stand:
    world = stand(
        spec=f"{SPEC}\nroute_all: {{application_traffic: true}}\n".replace("    WEBSITE_VNET_ROUTE_ALL: 1\n", "")
    )
    world.change_settings(WEBSITE_VNET_ROUTE_ALL="0")
    switch(world, applicationTraffic=False)
    return world


async def test_a_routing_flag_that_was_switched_beside_ours_since_the_look_is_kept() -> None:
    """ARM may replace the object that the flags are in, so that all of them are sent."""
    world = unrouted()
    eve = Router(world)
    looked = once(eve.writes, Read)

    async def after(called: Any) -> None:
        if called == Read(SITE, world.id("site")):
            await looked(called)
            world.pass_time(seconds=2)

    assert (await meddled(world, after=after).reconcile("site")).status is Status.HEALED
    assert routing(world) == (True, True)
    await eve.told()
    await world.work_for(HOUR)
    assert overwrites(world) == []


async def test_one_that_was_switched_in_the_very_moment_of_our_write_is_told() -> None:
    world = unrouted()
    eve = Router(world)
    await meddled(world, before=eve.races).reconcile("site")
    assert routing(world) == (True, False)
    await eve.told()
    await world.work_for(HOUR)
    assert overwrites(world) == ["Eve"]


@dataclass
class WrongClock:
    """Everything of the stand's ambient but the time of day."""

    right: VirtualAmbient
    ahead: timedelta

    def now(self) -> datetime:
        return self.right.now() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self.right, name)


@pytest.mark.parametrize("minutes", [-90, -1, 1, 90])
async def test_a_clock_that_is_wrong_hides_no_overwrite(minutes: int) -> None:
    world = stand()
    eve = Eve(world)
    world.change_settings(REDIS_PORT="1")
    wrong = replace(world.engine, ambient=WrongClock(world.ambient, timedelta(minutes=minutes)))
    await meddled(replace(world, engine=wrong), before=eve.races).reconcile("site")
    await eve.told()
    await world.work_for(4 * HOUR)
    assert overwrites(world) == ["Eve"]
