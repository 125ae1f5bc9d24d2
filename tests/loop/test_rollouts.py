"""A changed spec comes to one target first, then to a few, then to all; and stops where that does harm."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.gate.rollout import ROLLOUT, ROLLOUT_STOPPED
from homeostat.core.outcome import Status, Trigger
from homeostat.core.rollout import State
from homeostat.gate.rollouts import CONTAINER, STALE_FOR
from homeostat.operations.poison import QUEUES
from homeostat.ports.storage import Change, Document, Documents
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.fleet import break_app, codes, fleet_stand, heal, port, site, text
from tests.loop.stand import Stand

pytestmark = pytest.mark.wire

APPS = range(1, 41)
POLICY = "rollout: {stages: [1, 10%, 100%], bake: 10m}\nmass_drift: {at_least: 1000}\ncaps: {roots_at_least: 1000}"
MINUTE = timedelta(minutes=1)
FORBIDDEN = {"error": {"code": "AuthorizationFailed", "message": "no"}}


@dataclass(frozen=True)
class Remote:
    """Documents behind a network: while one is asked for, others go on."""

    inner: Documents

    async def read(self, partition: str, row: str) -> Document | None:
        await asyncio.sleep(0)
        return await self.inner.read(partition, row)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        await asyncio.sleep(0)
        return await self.inner.apply(partition, changes)

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        await asyncio.sleep(0)
        async for found in self.inner.scan(partition, first=first, last=last, limit=limit):
            yield found

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        async for found in self.inner.scan_all(first=first, last=last):
            yield found


async def calm(policy: str = POLICY) -> Stand:
    """A fleet that is as its first version declares it."""
    world = fleet_stand(len(APPS), policy)
    await world.sweep()
    await world.work_for(MINUTE)
    return world


async def change(world: Stand, value: int = 1, policy: str = POLICY) -> None:
    """A new version is there, and noticed by the sweep after it."""
    world.specs.by_name["homeostat.yaml"] = text(dict.fromkeys(APPS, value), policy)
    world.pass_time(minutes=1)
    await world.sweep()


def followed(world: Stand, value: str = "1") -> list[int]:
    return [number for number in APPS if port(world, number) == value]


async def state(world: Stand) -> tuple[State, int, int]:
    found = await world.engine.rollouts.state()
    assert found is not None
    return found.state, found.stage, found.admitted


async def test_a_first_version_is_in_force_at_once() -> None:
    world = await calm()
    assert await state(world) == (State.DONE, 3, 0)


async def test_of_many_who_find_a_new_version_at_once_one_works_out_what_changed() -> None:
    world, fate = fleet_stand(len(APPS), POLICY, documents=Remote), Fate()
    await world.sweep()
    await world.work_for(MINUTE)
    world.specs.by_name["homeostat.yaml"] = text(dict.fromkeys(APPS, 1), POLICY)
    world.pass_time(minutes=1)
    fleet, process = await world.service.desired.fleet(), mortal(world, fate)
    loaded = world.ambient.now()
    await asyncio.gather(*(process.engine.rollouts.follow(fleet, loaded) for _ in range(20)))
    assert fate.names.count("blobs.write") == 1
    assert (await state(world))[0] is State.RUNNING


async def test_a_rollouts_message_that_failed_too_often_says_whether_it_would_go_on() -> None:
    world = await calm()
    for change_first, words in ((False, "is over. Replayed, it does nothing"), (True, "lets its rollout go on")):
        if change_first:
            await change(world)
        version = (await world.service.desired.fleet()).spec_version
        await world.memory.queues.send(QUEUES[0], json.dumps({"rollout": version}))
        told = (await world.service.poison.list())[-1]
        assert (told["kind"], told["names"]) == ("rollout", version)
        explained = await world.service.poison.explain(str(told["id"]))
        assert words in str(explained["explanation"])


async def test_one_target_then_a_tenth_then_all_follow_each_after_its_bake_time() -> None:
    world = await calm()
    await change(world)
    await world.work_for(5 * MINUTE)
    assert (len(followed(world)), await state(world)) == (1, (State.RUNNING, 1, 1))
    await world.work_for(10 * MINUTE)
    assert (len(followed(world)), await state(world)) == (4, (State.RUNNING, 2, 4))
    await world.work_for(15 * MINUTE)
    assert (len(followed(world)), await state(world)) == (40, (State.DONE, 3, 40))
    assert world.waiting() == []


async def test_a_target_that_waits_says_which_stage_there_is_and_is_not_looked_at_again_and_again() -> None:
    world = await calm()
    await change(world)
    await world.work_for(5 * MINUTE)
    waiting = next(number for number in APPS if port(world, number) != "1")
    outcome = await heal(world, waiting)
    assert (outcome.status, codes(outcome), outcome.retry_at) == (Status.HELD, [ROLLOUT], None)
    hold = outcome.plan.held[0].hold
    assert (hold.numbers["stage"], hold.numbers["of"]) == (1, 3)
    assert len(world.waiting()) == 1
    assert ("Held", "app_settings") not in world.inbox.told()


async def test_a_version_comes_into_force_though_the_clock_was_set_back_since_the_last_one() -> None:
    world = fleet_stand(len(APPS), POLICY)
    world.ambient.offset = timedelta(hours=1)
    await world.sweep()
    world.ambient.offset = timedelta()
    await change(world)
    assert await state(world) == (State.RUNNING, 1, 1)


async def test_what_did_not_change_is_healed_on_every_target_as_ever() -> None:
    world = await calm()
    world.specs.by_name["homeostat.yaml"] = text({**dict.fromkeys(APPS, 1), 7: 6380}, POLICY)
    world.pass_time(minutes=1)
    break_app(world, 7, "9")
    await world.sweep()
    await world.work_for(5 * MINUTE)
    assert (port(world, 7), len(followed(world))) == ("6380", 1)


async def test_a_change_of_few_targets_comes_into_force_for_all_of_them_at_once() -> None:
    world = await calm()
    world.specs.by_name["homeostat.yaml"] = text({**dict.fromkeys(APPS, 6380), 1: 1, 2: 1, 3: 1}, POLICY)
    world.pass_time(minutes=1)
    await world.sweep()
    await world.work_for(MINUTE)
    assert followed(world) == [1, 2, 3]


async def test_a_target_of_the_stage_that_fails_stops_it_and_one_alert_tells() -> None:
    world = await calm()
    world.strike(method="PUT", path="/config/appsettings", status=403, body=FORBIDDEN)
    await change(world)
    await world.work_for(30 * MINUTE)
    assert (followed(world), await state(world)) == ([], (State.STOPPED, 1, 1))
    alerts = [event.data for event in world.inbox.events if event.subject == "fleet"]
    health: Any = await world.service.health()
    assert ["release rollout" in why for why in health["why"]].count(True) == 1
    assert [alert["held"][0]["code"] for alert in alerts] == [ROLLOUT_STOPPED]  # type: ignore[index,call-overload]  # JSON
    world.exchanger.faults.clear()
    held = [codes(await heal(world, number)) for number in APPS]
    assert held.count([ROLLOUT_STOPPED]) == len(APPS) - 1


async def test_a_person_lets_a_stopped_one_go_on_for_all() -> None:
    world = await calm()
    fault = world.strike(method="PUT", path="/config/appsettings", status=403, body=FORBIDDEN)
    await change(world)
    await world.work_for(30 * MINUTE)
    world.exchanger.faults.remove(fault)
    told = await world.service.releases.rollout("Anna", "the lock is gone")
    assert told["by"] == "Anna"
    await world.work_for(2 * MINUTE)
    assert (len(followed(world)), (await state(world))[0]) == (40, State.DONE)


async def test_going_back_to_the_version_before_needs_no_stages() -> None:
    world = await calm()
    await change(world)
    await world.work_for(5 * MINUTE)
    assert len(followed(world)) == 1
    await change(world, 6380)
    await world.work_for(MINUTE)
    assert (followed(world), (await state(world))[0]) == ([], State.DONE)


async def test_a_third_version_on_the_way_begins_anew_from_what_is_in_force_everywhere() -> None:
    world = await calm()
    await change(world)
    await world.work_for(15 * MINUTE)
    assert len(followed(world)) == 4
    await change(world, 2)
    await world.work_for(5 * MINUTE)
    assert (len(followed(world, "2")), (await state(world))[1:]) == (1, (1, 1))
    await world.work_for(40 * MINUTE)
    assert len(followed(world, "2")) == 40


async def test_an_instance_that_has_not_noticed_the_change_writes_nothing_and_does_not_turn_it_back() -> None:
    world = await calm()
    before, noticed = await world.fleet(), world.ambient.now()
    await change(world)
    break_app(world, 5, "9")
    outcome = await world.engine.reconcile(before.roots[site(world, 5)], Trigger("manual"))
    assert (codes(outcome), outcome.retry_at) == ([ROLLOUT], world.ambient.now() + MINUTE)
    world.pass_time(seconds=STALE_FOR.seconds - 1)
    await world.engine.rollouts.follow(before, noticed)
    found = await world.engine.rollouts.state()
    assert found is not None
    assert found.version == (await world.fleet()).spec_version != before.spec_version


async def test_what_the_version_before_declared_is_lost_and_all_is_staged() -> None:
    world = await calm()
    world.memory.blobs._containers[CONTAINER].clear()
    world.specs.by_name["homeostat.yaml"] = text({**dict.fromkeys(APPS, 6380), 1: 1}, POLICY)
    world.pass_time(minutes=1)
    await world.sweep()
    await world.work_for(MINUTE)
    assert (await state(world)) == (State.RUNNING, 1, 1)


@pytest.mark.parametrize("step", range(1, 40, 3))
async def test_whatever_dies_while_it_begins_or_goes_on_all_follow_in_the_end(step: int) -> None:
    world = await calm()
    world.specs.by_name["homeostat.yaml"] = text(dict.fromkeys(APPS, 1), POLICY)
    world.pass_time(minutes=1)
    doomed = mortal(world, Fate(step))
    try:
        await doomed.sweep()
        await doomed.work_for(20 * MINUTE)
    except Crash:
        world.pass_time(minutes=11)  # its messages show again, its leases run out
    await world.sweep()
    await world.work_for(timedelta(hours=2))
    assert len(followed(world)) == 40
