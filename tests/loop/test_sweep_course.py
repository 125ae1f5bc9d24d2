"""A sweep ends once and says what became of it, whatever fails, comes twice or overlaps with another."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.json import JsonObject
from homeostat.core.sweep import DEADLINE, STALE_AFTER
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE
from homeostat.sweeps.course import POISON
from homeostat.sweeps.store import REPORTS
from tests.loop.stand import VISIBILITY, stand
from tests.loop.swept import (
    GRAPH,
    HOUR,
    asked,
    break_rule,
    break_settings,
    forget,
    nsg,
    rule_access,
    seen,
    site,
    sweeps,
    swept,
)

pytestmark = pytest.mark.wire


# --- what goes wrong ---


async def test_without_resource_graph_everything_is_read_through_arm() -> None:
    world = await seen(30)
    break_rule(world, 1)
    forget(world)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    world.strike(path=GRAPH, status=403, body={"error": {"code": "AuthorizationFailed", "message": "no"}})
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert rule_access(world, 1) == "Allow"
    assert (summary["healed"], summary["checked"]) == (1, summary["roots"] - 1)
    assert summary["calls"] == 2 * 30 + summary["roots"] - 30
    report = await world.service.sweeps.show(summary["sweep"])
    assert report is not None
    assert "AuthorizationFailed" in str(report["unindexed"])


async def test_where_azure_throttles_for_long_the_chunk_goes_on_where_it_stopped() -> None:
    world = await seen(60)
    throttled = {"error": {"code": "TooManyRequests", "message": "later"}}
    world.strike(path="app-00058/config", status=429, body=throttled, headers={"Retry-After": "900"}, times=1)
    started = world.ambient.now()
    await world.sweep()
    assert world.ambient.now() - started < timedelta(minutes=5)
    looked_at = len(asked(world, "appsettings/list 200"))
    assert 25 <= looked_at < 60
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["checked"], summary["unfinished"]) == (summary["roots"], 0)
    before = 25 + 7  # by key: the first group, and those of the third that come before app-00058
    assert len(asked(world, "appsettings/list")) == summary["calls"] <= 60 + (60 - before)


async def test_a_chunk_whose_message_is_given_up_leaves_its_roots_unfinished_and_is_named() -> None:
    world = await seen(25, 1)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    (message,) = await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=VISIBILITY)
    await world.memory.queues.delete(message)
    await world.memory.queues.send(POISON, message.body)
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["lostChunks"], summary["unfinished"], summary["checked"]) == ([0], summary["roots"], 0)


async def test_a_sweep_waits_for_its_last_repair_and_not_for_ever() -> None:
    world = await seen(25, 1)
    break_settings(world, [1])
    await world.sweep()
    while messages := await world.memory.queues.receive(WORK_QUEUE, limit=32, visibility=VISIBILITY):
        for message in messages:
            await world.memory.queues.delete(message)
    await world.work_for(DEADLINE - timedelta(minutes=20))
    assert world.inbox.swept() == []
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["unfinished"], summary["lostChunks"]) == (1, [])


# --- messages that come twice, and sweeps that overlap ---


async def test_messages_that_come_twice_change_nothing() -> None:
    world = await seen(30)
    break_settings(world, [3])
    forget(world)
    queues = world.memory.queues
    id_ = await world.service.sweeps.start("nightly")
    for _ in range(6):
        for message in await queues.receive(SWEEP_QUEUE, limit=32, visibility=VISIBILITY):
            for _ in range(2):
                await world.service.sweeps.work(json.loads(message.body))
            await queues.delete(message)
        await world.work_for(timedelta(minutes=1))
    await world.service.sweeps.work({"sweep": id_, "cause": "nightly"})
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["healed"], summary["checked"]) == (1, summary["roots"] - 1)
    assert len(world.writes()) == 1
    assert next(each["sweep"] for each in await sweeps(world)) == id_


async def test_a_begin_that_comes_again_after_its_sweep_begins_nothing_though_another_is_about_to_end() -> None:
    world = await seen(30)
    first = await world.service.sweeps.start("nightly")
    await world.work_for(HOUR)
    break_settings(world, [3])
    second = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    await world.deliver(SWEEP_QUEUE)  # all is looked at, and a repair waited for
    await world.service.sweeps.work({"sweep": first, "cause": "nightly"})
    await world.work_for(HOUR)
    assert [each["sweep"] for each in world.inbox.swept()] == [first, second]


async def test_a_sweep_that_is_under_way_when_the_timer_fires_goes_on_and_no_other_begins() -> None:
    world = await seen(30)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    lost = await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=timedelta(days=1))
    assert lost
    world.pass_time(hours=2)
    summary = await swept(world)
    assert summary["checked"] == summary["roots"]
    assert summary["tookSeconds"] >= 7200
    assert len(await sweeps(world)) == 2  # with the first of all


async def test_one_that_is_too_old_is_ended_unfinished_and_a_new_one_begins() -> None:
    world = await seen(30)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    while messages := await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=VISIBILITY):
        for message in messages:
            await world.memory.queues.delete(message)
    world.pass_time(seconds=STALE_AFTER.total_seconds())
    await world.sweep()
    await world.work_for(HOUR)
    old, new = world.inbox.swept()
    assert (old["unfinished"], old["lostChunks"]) == (old["roots"], [0])
    assert (new["unfinished"], new["checked"]) == (0, new["roots"])


@pytest.mark.parametrize(
    "message", [None, [], {}, "x", {"sweep": 7}, {"sweep": "x"}, {"chunk": 1}, {"sweep": "x", "chunk": "1"}]
)
async def test_a_message_that_makes_no_sense_is_dropped(message: Any) -> None:
    world = stand()
    await world.service.sweeps.work(message)
    assert world.rows() == []


async def test_a_message_of_a_sweep_that_is_not_known_is_dropped() -> None:
    world = await seen(25)
    messages: tuple[JsonObject, ...] = ({"sweep": "other", "chunk": 0}, {"sweep": "other", "look": True})
    for message in messages:
        await world.service.sweeps.work(message)
    assert world.calls() == []


# --- what it tells ---


async def test_a_sweep_ends_with_one_line_one_alert_and_a_report() -> None:
    world = await seen(30)
    break_settings(world, [3])
    forget(world)
    world.inbox.down = True
    await world.sweep()
    await world.work_for(timedelta(minutes=2))
    world.inbox.down = False
    await world.work_for(HOUR)
    (event,) = world.inbox.sweeps
    assert (event.type, event.subject) == ("Homeostat.SweepCompleted.v1", "fleet")
    summary: Any = event.data
    newest, *_ = await sweeps(world)
    assert {name: newest[name] for name in summary} == summary
    report = await world.service.sweeps.show(summary["sweep"])
    assert report is not None
    assert report["marked"] == {site(world, 3).key: "healed"}
    blob = await world.memory.blobs.read(REPORTS, f"{summary['sweep']}.md")
    assert blob is not None
    assert f"- `{site(world, 3).key}`" in blob.data.decode()


async def test_while_it_is_under_way_it_says_how_far_it_is() -> None:
    world = await seen(30)
    break_rule(world, 1)
    id_ = await world.sweep()
    (running, *_) = await sweeps(world)
    assert running == await world.service.sweeps.show(id_)
    assert (running["status"], running["chunks"], running["chunksDone"], running["marked"]) == ("running", 1, 1, 1)
    assert running["done"] == running["roots"]
    assert await world.service.sweeps.show("no such sweep") is None


async def test_the_marks_name_the_sweep_and_so_do_the_ledgers_of_what_it_healed() -> None:
    world = await seen(25, 1)
    break_rule(world, 1)
    id_ = await world.sweep()
    await world.work_for(HOUR)
    (entry, *_) = await world.engine.store.history(nsg(world, 1), 5)
    assert entry["trigger"]["hints"] == [f"nightly:{id_}"]  # type: ignore[index, call-overload]  # JSON
