"""A re-test of routing ends at its deadline whatever dies: routing is switched off once, held off, and restored."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.marks import LEASE_TIME
from homeostat.core.model import Mode, Read
from homeostat.core.outcome import Status, Trigger
from homeostat.core.plan import Action
from homeostat.core.probes import HttpProbe, Probe, Probed, Result
from homeostat.operations.retest import NoRetest, RetestFailed, RetestRefused
from homeostat.operations.rollback import RollbackRefused
from homeostat.operations.runs import UnknownTarget
from remediators import WITHOUT_PROBES
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, VISIBILITY, WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

TEN = timedelta(minutes=10)
HOUR = timedelta(hours=1)
ROUTED = SPEC + "\nroute_all:\n  application_traffic: true\n"
PROBED = ROUTED + "\ntcp_reachability:\n  health_url: https://app-flask.azurewebsites.net/health/dependencies\n"


def flags(world: Stand) -> dict[str, bool]:
    found: dict[str, bool] = world.operator("GET", world.id("site"), version=WEB_VERSION).body["properties"][
        "outboundVnetRouting"
    ]
    return found


def routed(world: Stand) -> tuple[bool, str]:
    """The flag and the legacy setting."""
    return flags(world)["applicationTraffic"], world.settings()["WEBSITE_VNET_ROUTE_ALL"]


ON, OFF = (True, "1"), (False, "0")


@dataclass
class App:
    """The app's own page, as a prober finds it: it works only the way in which the fault is not."""

    world: Stand
    works: tuple[bool, ...] = (True, False)  # with routing on or off
    asked: list[datetime] = field(default_factory=list)

    async def probe(self, probe: Probe) -> Probed:
        assert isinstance(probe, HttpProbe)
        self.asked.append(self.world.ambient.now())
        return Probed(Result.ANSWERED, status=200 if routed(self.world)[0] in self.works else 503)


def with_app(*works: bool) -> tuple[Stand, App]:
    world = stand(spec=PROBED)
    app = App(world, works)
    engine = replace(world.engine, prober=app)
    return replace(world, engine=engine, service=replace(world.service, engine=engine)), app


async def start(world: Stand, duration: timedelta = TEN, name: str = "app-flask") -> Any:
    return await world.service.retests.start(name, duration, "is it the routing?", "Anna")


async def state(world: Stand) -> Any:
    return await world.service.retests.state("app-flask")


# --- the way it goes ---


async def test_routing_is_off_wherever_it_was_on_until_the_deadline_and_then_as_before() -> None:
    world = stand(spec=ROUTED)
    before = (flags(world), world.settings())
    begun = await start(world)
    assert (begun["state"], begun["deadline"]) == ("running", (world.ambient.now() + TEN).isoformat())
    assert routed(world) == OFF
    assert (len(world.writes()), world.settings()["REDIS_PORT"]) == (2, "6380")
    await world.work_for(TEN - timedelta(seconds=1))
    assert routed(world) == OFF
    await world.work_for(timedelta(seconds=2))
    assert (flags(world), world.settings()) == before
    assert (await state(world))["state"] == "restored"
    assert len(world.writes()) == 4
    await world.work_for(HOUR)
    assert (len(world.writes()), world.waiting(), world.failures) == (4, [], [])


async def test_it_is_told_as_held_by_the_retest_and_entered_with_who_asked_and_why() -> None:
    world = stand(spec=ROUTED)
    await start(world)
    (entry,) = await world.history("site")
    assert (entry["status"], entry["trigger"]["cause"], entry["trigger"]["caller"]) == ("held", "retest", "Anna")
    assert {held["code"] for held in entry["held"]} == {"retest"}
    assert [each["verb"] for each in entry["written"]] == ["PUT", "PATCH"]
    assert sorted(world.inbox.told())[-2:] == [("Held", "app_settings"), ("Held", "route_all")]
    await world.work_for(HOUR)
    told = [event.data["by"] for event in world.inbox.events if "Remediated" in event.type]
    assert told == ["homeostat", "homeostat"]


async def test_everything_else_of_the_web_app_is_healed_meanwhile() -> None:
    world = stand(spec=ROUTED)
    await start(world)
    world.change_settings(REDIS_PORT="1")
    await world.reconcile("site")
    assert (world.settings()["REDIS_PORT"], routed(world)) == ("6380", OFF)


async def test_flags_that_nobody_declares_are_left_alone() -> None:
    world = stand(spec=ROUTED)
    on = {"properties": {"outboundVnetRouting": {**flags(world), "contentShareTraffic": True}}}
    world.operator("PATCH", world.id("site"), on, WEB_VERSION)
    await start(world)
    assert (flags(world)["contentShareTraffic"], flags(world)["applicationTraffic"]) == (True, False)
    await world.work_for(HOUR)
    assert (flags(world)["contentShareTraffic"], routed(world)) == (True, ON)


async def test_what_is_held_up_until_it_is_over_is_not_switched_off_any_more() -> None:
    world = stand(spec=ROUTED)
    meddling = meddled(world, after=once(lambda: world.pass_time(seconds=70), Action))
    with pytest.raises(RetestFailed, match="could not be switched off, and is restored: the web app is healed"):
        await start(meddling, timedelta(minutes=1))
    assert routed(world) == ON
    assert [call.partition(" ")[0] for call in world.writes()] == ["PUT", "PUT"], "the flag was left on"


async def test_one_that_is_ended_early_is_restored_at_once() -> None:
    world = stand(spec=ROUTED)
    await start(world, HOUR)
    assert (await world.service.retests.end("app-flask", "Anna"))["state"] == "ending"
    await world.deliver()
    assert (routed(world), (await state(world))["state"]) == (ON, "restored")
    assert (await world.service.retests.end("app-flask", "Anna"))["state"] == "restored"


async def test_what_its_end_wrote_is_not_the_write_that_a_rollback_takes_back() -> None:
    """Taken back it would switch the routing off again, for hours."""
    world = stand(spec=ROUTED)
    await start(world)
    await world.work_for(HOUR)
    assert routed(world) == ON
    with pytest.raises(RollbackRefused, match="there is nothing to restore"):
        await world.service.rollbacks.start("app-flask", "", HOUR, "", "Anna")
    assert routed(world) == ON


async def test_a_sweep_after_the_deadline_restores_where_every_message_was_lost() -> None:
    world = stand(spec=ROUTED)
    await start(world)
    world.memory.queues._queues.clear()
    world.pass_time(minutes=11)
    await world.sweep()
    await world.deliver()
    assert routed(world) == ON


# --- the comparison ---


async def test_an_app_that_works_only_past_its_network_has_its_fault_in_the_routing() -> None:
    world, _ = with_app(False)
    await start(world)
    await world.work_for(HOUR)
    told = await state(world)
    assert [told[name][0]["reached"] for name in ("before", "during", "after")] == ["fails", "reached", "fails"]
    (words,) = told["comparison"]
    assert words.startswith("health_url: with route-all off it is reached, so the fault is in the routing")


async def test_an_app_that_fails_either_way_has_its_fault_elsewhere() -> None:
    world, _ = with_app()
    await start(world)
    await world.work_for(HOUR)
    assert "the fault is not in the routing" in (await state(world))["comparison"][0]


async def test_the_probes_are_asked_again_shortly_before_the_end_when_the_app_has_restarted() -> None:
    world, app = with_app(True)
    began = world.ambient.now()
    await start(world)
    await world.work_for(TEN - timedelta(seconds=1))
    assert app.asked[-1] == began + TEN - timedelta(seconds=30)


async def test_an_app_that_restarts_after_the_end_is_waited_for() -> None:
    world, app = with_app(True)
    await start(world)
    app.works = ()
    await world.work_for(TEN + timedelta(seconds=10))
    assert (routed(world), (await state(world))["state"]) == (ON, "ending")
    app.works = (True,)
    await world.work_for(timedelta(seconds=30))
    assert (await state(world))["state"] == "restored"


async def test_an_app_that_does_not_come_back_is_waited_for_no_longer_than_a_while() -> None:
    world, app = with_app(True)
    await start(world)
    app.works = ()
    await world.work_for(TEN + timedelta(minutes=3))
    told = await state(world)
    assert told["state"] == "restored"
    assert "afterwards it fails" in told["comparison"][0]


async def test_without_probes_the_comparison_says_so() -> None:
    world = stand(spec=PROBED)
    engine = replace(world.engine, registry=WITHOUT_PROBES)
    world = replace(world, engine=engine, service=replace(world.service, engine=engine))
    await start(world)
    assert (await state(world))["comparison"] == ["health_url: unknown: HOMEOSTAT_PROBES is off: nothing was asked"]


# --- refusals ---


async def refused(world: Stand, words: str) -> None:
    with pytest.raises(RetestRefused, match=words):
        await start(world)
    record = await world.record("site")
    assert (world.writes(), world.waiting(), record.lease, record.mark) == ([], [], None, None)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ROUTED.replace("mode: enforce", "mode: alert"), "neither route_all nor WEBSITE_VNET_ROUTE_ALL is declared"),
        (SPEC.replace("    WEBSITE_VNET_ROUTE_ALL: 1\n", ""), "neither route_all nor WEBSITE_VNET_ROUTE_ALL"),
        (SPEC, "application_traffic is on, and not declared"),
        (ROUTED.replace("    WEBSITE_VNET_ROUTE_ALL: 1\n", ""), "WEBSITE_VNET_ROUTE_ALL is on, and not declared"),
    ],
    ids=["mode alert", "nothing declared", "a flag not declared", "the setting not declared"],
)
async def test_what_would_not_be_restored_is_not_switched_off(spec: str, words: str) -> None:
    await refused(stand(spec=spec), words)


@pytest.mark.parametrize("whom", [FLEET, "app-flask"])
async def test_a_pause_refuses_it_until_it_is_over(whom: str) -> None:
    world = stand(spec=ROUTED)
    await world.service.pause(Pause(whom, world.ambient.now() + timedelta(minutes=5), "", "Ben"))
    await refused(world, "is paused until")
    world.pass_time(minutes=6)
    assert (await start(world))["state"] == "running"


async def test_what_the_gate_holds_by_the_time_of_the_write_is_not_switched_off() -> None:
    """A re-test passes the same gate as any repair, and its refusal is in the ledger."""
    world = stand(spec=ROUTED)
    pause = Pause(FLEET, world.ambient.now() + HOUR, "a freeze", "Ben")
    meddling = meddled(world, after=once(lambda: world.service.pause(pause), Read))
    with pytest.raises(RetestRefused, match=r"paused until .* by Ben: a freeze"):
        await start(meddling)
    assert (world.writes(), routed(world)) == ([], ON)
    (entry,) = await world.history("site")
    assert (entry["status"], entry["trigger"]["cause"]) == ("held", "retest")
    assert {each["code"] for each in entry["held"]} == {"paused"}


@pytest.mark.parametrize("cap", [Mode.ALERT, Mode.IGNORE])
async def test_the_kill_switch_refuses_a_retest(cap: Mode) -> None:
    await refused(stand(spec=ROUTED).capped(cap), f"HOMEOSTAT_MODE is {cap}")


async def test_a_web_app_that_is_gone_is_not_tested() -> None:
    world = stand(spec=ROUTED)
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    with pytest.raises(RetestRefused):
        await start(world)


async def test_a_slot_is_tested_like_its_app() -> None:
    spec = ROUTED.replace("target: app-flask", "target: app-flask--staging")
    world = stand(spec=spec.replace("web_app: app-flask", "web_app: app-flask/staging"))
    slot = world.id("site").child("slots", "staging")
    site = world.operator("GET", world.id("site"), version=WEB_VERSION).body
    body = {"location": site["location"], "properties": {"serverFarmId": site["properties"]["serverFarmId"]}}
    world.operator("PUT", slot, body, WEB_VERSION)
    (root,) = [root for root in (await world.fleet()).roots.values() if root.id == slot]
    assert (await world.engine.reconcile(root, Trigger("manual"))).status is Status.HEALED
    begun = await start(world, name="app-flask--staging")
    assert begun["state"] == "running"
    assert routed(world) == ON
    await world.work_for(HOUR)
    assert (await world.service.retests.state("app-flask--staging"))["state"] == "restored"
    assert len([call for call in world.writes() if "appsettings" in call]) == 3


async def test_a_retest_is_refused_while_routing_is_not_as_declared() -> None:
    world = stand(spec=ROUTED)
    world.change_settings(WEBSITE_VNET_ROUTE_ALL="0")
    await refused(world, "not as declared")


async def test_a_second_one_is_refused_until_the_first_has_ended() -> None:
    world = stand(spec=ROUTED)
    await start(world)
    with pytest.raises(RetestRefused, match="a retest by Anna is running until"):
        await start(world)
    await world.work_for(HOUR)
    assert (await start(world))["state"] == "running"


async def test_a_busy_web_app_is_left_alone() -> None:
    world = stand(spec=ROUTED)
    assert await world.engine.store.lease(world.id("site"), "another") is not None
    with pytest.raises(RetestRefused, match="another instance"):
        await start(world)
    assert world.writes() == []


async def test_a_target_that_nobody_declares_or_has_re_tested_is_told() -> None:
    world = stand(spec=ROUTED)
    with pytest.raises(UnknownTarget):
        await start(world, name="nobody")
    with pytest.raises(NoRetest):
        await state(world)


async def test_where_azure_refuses_half_of_it_the_other_half_is_restored_at_once() -> None:
    world = stand(spec=ROUTED)
    body = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    fault = world.strike(method="PATCH", path="/sites/app-flask$", status=403, body=body)
    with pytest.raises(RetestFailed, match="AuthorizationFailed"):
        await start(world)
    assert routed(world) == (True, "0")
    world.exchanger.faults.remove(fault)
    await world.work_for(timedelta(seconds=1))
    assert routed(world) == ON


# --- crashes ---


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_whichever_call_it_dies_at_routing_is_as_declared_after_the_deadline_and_not_touched_before(
    *, after: bool
) -> None:
    rehearsal = Fate()
    assert not await dies(stand(spec=ROUTED), rehearsal)
    assert rehearsal.names.count("arm.write") == 2
    for call in range(1, len(rehearsal.names) + 1):
        world, fate = stand(spec=ROUTED), Fate(call, after)
        died = await dies(world, fate)
        assert died or rehearsal.names[call - 1].startswith("documents.scan"), "a scan has no after"
        await is_made_good(world, f"died {'after' if after else 'before'} call {call}, {rehearsal.names[call - 1]}")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_worker_that_dies_at_any_call_while_it_restores_is_made_good_by_the_next(*, after: bool) -> None:
    for call in range(1, 100):
        world, fate = stand(spec=ROUTED), Fate(call, after)
        await start(world)
        world.pass_time(seconds=TEN.total_seconds())
        try:
            await mortal(world, fate).deliver()
        except Crash:
            world.pass_time(seconds=VISIBILITY.total_seconds())
        await world.work_for(HOUR)
        assert routed(world) == ON, (call, fate.names)
        if len(fate.names) < call:
            break
    assert call > 10


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_an_early_end_that_dies_half_way_ends_at_the_deadline_at_the_latest(*, after: bool) -> None:
    for call in range(1, 20):
        world, fate = stand(spec=ROUTED), Fate(call, after)
        await start(world)
        try:
            await mortal(world, fate).service.retests.end("app-flask", "Anna")
        except Crash:
            await world.work_for(TEN + LEASE_TIME)
        await world.work_for(timedelta(seconds=1))
        assert (routed(world), world.failures) == (ON, []), (call, fate.names)
        if len(fate.names) < call:
            break
    assert call > 3


async def dies(world: Stand, fate: Fate) -> bool:
    try:
        await start(mortal(world, fate))
    except Crash:
        return True
    return False


async def is_made_good(world: Stand, when: str) -> None:
    """Events tell of what was written; nothing is restored before the deadline, everything soon after it."""
    left, writes = routed(world), len(world.writes())
    settings = world.id("site").child("config", "appsettings")
    await world.service.on_event(world.event(settings, "Microsoft.Web/sites/config/write"))
    await world.work_for(TEN - timedelta(seconds=1))
    assert (routed(world), len(world.writes())) == (left, writes), when
    await world.work_for(LEASE_TIME + VISIBILITY)
    assert routed(world) == ON, when
    assert (world.failures, world.poisoned) == ([], []), when
    assert (await world.record("site")).lease is None, when
