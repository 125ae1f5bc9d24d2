"""One writer for a root at a time, however many instances there are and however their clocks go."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.errors import HomeostatError
from homeostat.core.model import Read
from homeostat.core.outcome import Status, Trigger
from homeostat.core.plan import Action
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, error, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


async def test_a_root_that_another_instance_works_on_is_busy_and_neither_written_nor_remembered() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    root = world.id("nsg")
    held = await world.engine.store.lease(root, "somebody")
    assert held is not None
    before = await world.record("nsg")
    assert (await world.reconcile("nsg")).status is Status.BUSY
    assert world.writes() == []
    assert await world.record("nsg") == before
    assert await world.history("nsg") == []


async def test_an_owner_that_is_overtaken_between_two_writes_writes_no_more() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")

    async def stall() -> None:
        world.pass_time(minutes=6)
        assert await world.engine.store.lease(world.id("site"), "the next") is not None

    outcome = await meddled(world, after=once(stall, Action)).reconcile("site")
    assert outcome.status is Status.BUSY
    assert len(world.writes()) == 1
    lease = (await world.record("site")).lease
    assert lease is not None
    assert lease.owner == "the next"


async def test_no_write_begins_with_less_lease_left_than_it_may_take() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")

    async def begins(called: Any) -> None:
        if isinstance(called, Action):
            lease = (await world.record("site")).lease
            assert lease is not None
            assert lease.expires - world.ambient.now() >= timedelta(seconds=150)

    async def lasts(called: Any) -> None:
        if isinstance(called, Action):
            world.pass_time(seconds=200)

    assert (await meddled(world, before=begins, after=lasts).reconcile("site")).status is Status.HEALED
    assert len(world.writes()) == 2


async def test_a_write_that_is_held_up_on_its_way_is_not_sent_but_decided_upon_again() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")

    def meanwhile() -> None:
        world.pass_time(seconds=200)
        world.change_settings(NEW_SETTING="theirs")

    outcome = await meddled(world, before=once(meanwhile, Action)).reconcile("site")
    assert (outcome.status, len(world.writes())) == (Status.HEALED, 1)
    assert (world.settings()["REDIS_PORT"], world.settings()["NEW_SETTING"]) == ("6380", "theirs")


async def test_a_clock_that_is_set_back_while_the_lease_runs_prolongs_nothing() -> None:
    world = stand()
    leased = await world.engine.store.lease(world.id("nsg"), "the owner")
    assert leased is not None
    until = leased.send_by
    assert until - world.ambient.monotonic() == 190
    world.ambient.offset = timedelta(hours=-1)
    assert leased.send_by == until
    world.ambient.offset = timedelta(minutes=1)
    assert leased.send_by == until - 60


async def test_work_whose_lease_was_lost_to_somebody_who_then_dies_is_done_all_the_same() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.pass_time(seconds=15)

    async def overtaken(_: Any) -> None:
        world.pass_time(minutes=6)
        assert await world.engine.store.lease(world.id("nsg"), "somebody whom nobody asks again")

    await meddled(world, before=once(lambda: overtaken(None), Read)).deliver()
    assert world.writes() == []
    await world.work_for(timedelta(minutes=10))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_many_instances_with_one_root_write_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    root = await world.root("nsg")
    outcomes = await asyncio.gather(*(world.engine.reconcile(root, Trigger("manual")) for _ in range(8)))
    assert len(world.writes()) == 1
    assert {outcome.status for outcome in outcomes} <= {Status.HEALED, Status.BUSY, Status.IN_SYNC}
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_what_another_instance_healed_since_the_look_is_not_written_again() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    other = world.second()
    world = meddled(world, after=once(lambda: other.reconcile("site"), Read))
    assert (await world.reconcile("site")).status is Status.IN_SYNC
    assert len(world.writes()) == 1
    assert world.inbox.told() == [("DriftDetected", "app_settings"), ("Remediated", "app_settings")]


async def test_a_look_that_another_reconcile_overtook_concludes_nothing() -> None:
    world = stand(spec=SPEC.replace("mode: enforce", "mode: alert"))
    fault = world.strike(path="/networkSecurityGroups/", status=503, body=error("ServiceUnavailable"))
    assert (await world.reconcile("nsg")).status is Status.UNKNOWN  # which the next look has to take back
    world.exchanger.faults.remove(fault)
    other = world.second()

    async def meanwhile() -> None:
        world.change_rule("allow-sql", access="Deny")
        assert (await other.reconcile("nsg")).status is Status.DRIFTED

    assert (await meddled(world, after=once(meanwhile, Read)).reconcile("nsg")).status is Status.IN_SYNC
    assert list((await world.record("nsg")).episodes) == ["nsg_rules"]
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]


async def test_a_mistake_of_ours_on_one_root_is_told_and_keeps_no_other_from_its_turn() -> None:
    class Mistaken(HomeostatError):
        """As an action that no row of the write table covers."""

    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.change_settings(REDIS_PORT="1")

    async def mistake(called: Any) -> None:
        if isinstance(called, Action) and called.resource.is_type(
            "Microsoft.Network/networkSecurityGroups/securityRules"
        ):
            raise Mistaken("there is no row for it")

    world = meddled(world, before=mistake)
    run_id = await world.service.remediations.start(["app-flask"], Trigger("manual"))
    await world.deliver()
    run = await world.service.remediations.load(run_id)
    assert run is not None
    assert (run["status"], world.settings()["REDIS_PORT"]) == ("failed", "6380")
    assert "there is no row for it" in (await world.history("nsg"))[0]["error"]
    assert "nsg_rules" in (await world.record("nsg")).episodes
    await world.work_for(HOUR)
    assert ("Failed", "*") in world.inbox.told()
    assert ("Remediated", "nsg_rules") not in world.inbox.told()
