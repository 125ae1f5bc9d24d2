"""Whenever an instance dies, the message that it worked on comes again and everything ends as if nobody had died."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from homeostat.core.model import Read
from homeostat.core.outcome import Status, Trigger
from homeostat.core.plan import Action
from homeostat.store import Leased, LeaseLost
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, VISIBILITY, Stand, stand

HOUR = timedelta(hours=1)
WRITES_SETTINGS = "Microsoft.Web/sites/config/write"
ASKED_FOR = SPEC.replace("nsg_rules:", "nsg_rules:\n  approval: required")


async def damaged(new_stand: Callable[[], Stand]) -> Stand:
    """A rule is wrong, its event is handled, and its message is due."""
    world = new_stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.pass_time(seconds=16)
    return world


async def dies_at(world: Stand, fate: Fate) -> bool:
    """Delivers what is due to an instance that meets its fate. Whether it died."""
    try:
        await mortal(world, fate).deliver()
    except Crash:
        world.pass_time(seconds=VISIBILITY.total_seconds())  # only then the host's lock of the message ends
        return True
    return False


async def is_healed_and_told(world: Stand) -> None:
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert world.waiting() == []
    assert (world.failures, world.poisoned) == ([], [])
    record = await world.record("nsg")
    assert (record.lease, record.mark, record.working, record.intent, record.episodes) == (None, None, None, None, {})
    assert await world.engine.store.outbox(world.id("nsg").key) == []
    told = dict(zip(world.inbox.ids(), world.inbox.told(), strict=True))
    assert sorted(told.values()) == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.events[-1].data["by"] == "homeostat"
    assert len(world.writes()) == 1
    lines = [line for line in await world.history("nsg") if line["written"] or "unfinished" in line]
    assert len(lines) == 1


@pytest.mark.wire
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_death_at_any_call_of_any_port_changes_nothing_in_the_end(*, after: bool) -> None:
    for call in count(1):
        world = await damaged(stand)
        fate = Fate(call, after)
        died = await dies_at(world, fate)
        await world.work_for(HOUR)
        try:
            await is_healed_and_told(world)
        except AssertionError as error:
            error.add_note(f"died {'after' if after else 'before'} call {call} of {fate.names}")
            raise
        if len(fate.names) < call:
            break
        assert died or fate.names[call - 1].startswith("documents.scan"), "a scan has no after"
    assert call > 10


@pytest.mark.wire
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_run_that_dies_at_any_call_of_a_waiting_request_is_ended_by_its_backup(*, after: bool) -> None:
    """The backup comes while the lease of the dead may still be good: then another look, after it, ends the work."""
    for call in count(1):
        world, fate = stand(), Fate(call, after)
        world.change_rule("allow-sql", access="Deny")
        run_id = await world.service.remediations.start(["app-flask"], Trigger("manual"), backup=True)
        world.pass_time(seconds=20)
        try:
            await mortal(world, fate).service.remediations.execute(run_id)
        except Crash:
            await world.work_for(HOUR)
        run = await world.service.remediations.load(run_id)
        assert run is not None
        assert (run["state"], world.failures) == ("done", []), (call, fate.names)
        record = await world.record("nsg")
        assert (record.intent, record.episodes, record.mark) == (None, {}, None), (call, fate.names)
        assert world.rule("allow-sql")["properties"]["access"] == "Allow"
        if len(fate.names) < call:
            break
    assert call > 10


@pytest.mark.wire
async def test_a_foreign_setting_that_the_dead_may_have_undone_is_told() -> None:
    world = stand()
    settings = world.id("site").child("config", "appsettings")
    world.change_settings(REDIS_PORT="1")
    await world.service.on_event(world.event(settings, WRITES_SETTINGS, correlationId="broken"))
    world.pass_time(seconds=16)

    def theirs() -> None:
        world.change_settings(THEIRS="lost")
        lost.append(world.event(settings, WRITES_SETTINGS, correlationId="theirs", claims={"name": "Eve"}))

    lost: list[dict[str, Any]] = []
    dying = meddled(world, before=once(theirs, Action), after=once(_die, Action))
    with pytest.raises(Crash):
        await dying.deliver()
    assert "THEIRS" not in world.settings()
    world.pass_time(seconds=VISIBILITY.total_seconds())
    await world.work_for(HOUR)
    await world.service.on_event(lost[0])
    await world.work_for(HOUR)
    told = [event for event in world.inbox.events if "PossibleOverwrite" in event.type]
    assert [event.data["actor"] for event in told] == ["Eve"]


def _die() -> None:
    raise Crash


POINTS = {
    "the lease": "documents.apply root",
    "the intent": "documents.apply root, outbox",
    "the write": "arm.write",
    "the last batch": "documents.apply root, outbox, ledger",
    "the alerts": "alerts.publish",
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_death_around_each_durable_step_is_made_good(
    new_stand: Callable[[], Stand], point: str, *, after: bool
) -> None:
    world = await damaged(new_stand)
    assert await dies_at(world, Fate(POINTS[point], after))
    await world.work_for(HOUR)
    await is_healed_and_told(world)


async def test_the_lease_of_the_dead_is_respected_until_it_ends(new_stand: Callable[[], Stand]) -> None:
    world = await damaged(new_stand)
    taken = await world.engine.store.take(world.id("nsg"), "the dead", world.engine.settle)
    assert isinstance(taken, Leased)
    assert (await world.reconcile("nsg")).status is Status.BUSY
    assert world.writes() == []
    world.pass_time(minutes=5)
    assert (await world.reconcile("nsg")).status is Status.HEALED


async def test_an_instance_that_is_overtaken_writes_and_remembers_no_more(new_stand: Callable[[], Stand]) -> None:
    world = await damaged(new_stand)
    store = world.engine.store
    slow = await store.lease(world.id("nsg"), "the slow")
    assert slow is not None
    world.pass_time(minutes=5)
    fast = await store.lease(world.id("nsg"), "the fast")
    assert fast is not None
    before = await store.load(world.id("nsg"))
    with pytest.raises(LeaseLost):
        await slow.ensure()
    await slow.abandon()  # it has nothing to give back, and what it failed with is not hidden by that
    assert await store.load(world.id("nsg")) == before
    await fast.ensure()


LOOK = "GET networkSecurityGroups/nsg-appservice-integration 200"


async def test_a_thousand_events_half_of_them_while_it_is_worked_on_cost_two_reconciles(
    new_stand: Callable[[], Stand],
) -> None:
    """At any time one reconcile runs at most, and one message waits."""
    world = new_stand()

    async def half_a_thousand() -> None:
        for _ in range(500):
            await world.rule_event()
            world.pass_time(seconds=14 / 500)

    await half_a_thousand()
    assert len(world.waiting()) == 1
    world.pass_time(seconds=15)

    async def meanwhile() -> None:
        await half_a_thousand()
        assert len(world.waiting()) == 2, "the one that is being worked on is hidden, the other waits"

    running = meddled(world, before=once(meanwhile, Read))
    await running.deliver()
    assert (world.calls().count(LOOK), len(world.waiting())) == (1, 1)
    await world.work_for(HOUR)
    assert (world.calls().count(LOOK), world.waiting(), world.failures) == (2, [], [])


async def test_two_instances_that_take_one_root_at_one_time_do_its_work_once(new_stand: Callable[[], Stand]) -> None:
    world = await damaged(new_stand)
    root = await world.root("nsg")
    answers = await asyncio.gather(*(world.engine.reconcile_marked(root) for _ in range(4)))
    await world.work_for(HOUR)
    assert len(world.writes()) == 1
    assert len(answers) == 4
    told = [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert sorted(set(world.inbox.told())) == told


# --- whose mark no message repeats ---


async def approves(world: Stand) -> None:
    (asked,) = await world.service.open_approvals()
    await world.service.decide_approval(str(asked["id"]), yes=True, by="Anna")


async def waits_for_a_word() -> Stand:
    world = stand(spec=ASKED_FOR)
    world.change_rule("allow-sql", access="Deny")
    assert (await world.reconcile("nsg")).status is Status.HELD
    return world


async def is_repaired_once(world: Stand) -> None:
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert len(world.writes()) == 1
    assert ((await world.record("nsg")).mark, world.failures, world.poisoned) == (None, [], [])


@pytest.mark.wire
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_word_whose_call_died_anywhere_counts_when_the_person_says_it_again(*, after: bool) -> None:
    for call in count(1):
        world = await waits_for_a_word()
        fate = Fate(call, after)
        with suppress(Crash):
            await approves(mortal(world, fate))
        await approves(world)
        await world.work_for(HOUR)
        await is_repaired_once(world)
        if len(fate.names) < call:
            assert "queues.send" in fate.names
            break


@pytest.mark.wire
async def test_a_word_whose_call_died_before_its_message_and_that_nobody_says_again_waits_for_the_next_sweep() -> None:
    world = await waits_for_a_word()
    with pytest.raises(Crash):
        await approves(mortal(world, Fate("queues.send")))
    await world.work_for(HOUR)
    assert (world.writes(), (await world.record("nsg")).mark is not None) == ([], True)
    await world.service.sweeps.start("nightly")
    await world.work_for(2 * HOUR)
    await is_repaired_once(world)
