"""A sweep finds every drift, writes nothing that no fresh read confirms, and ends once, whatever happens to it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.json import JsonObject
from homeostat.core.model import Mode
from homeostat.core.sweep import PATIENCE, STALE_AFTER, is_read_in_full
from homeostat.fleetwide import FLEET_PARTITION
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE
from homeostat.sweep_store import REPORTS
from homeostat.sweeps import POISON
from simulator.cloud import Timing
from tests.loop.stand import SPEC, VISIBILITY, Stand, stand
from tests.loop.swept import (
    break_rule,
    break_settings,
    fleet_of,
    forget,
    leave_network,
    nsg,
    rule_access,
    seen,
    settings,
    site,
    swept,
)

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)
GRAPH = "Microsoft.ResourceGraph/resources"


def asked(world: Stand, word: str) -> list[str]:
    return [call for call in world.calls() if word in call]


def marks(world: Stand) -> int:
    return len(world.waiting())


async def sweeps(world: Stand) -> list[Any]:
    return list(await world.service.sweeps.latest(50))


# --- what it costs ---


async def test_a_fleet_at_rest_costs_its_settings_and_its_pages_and_nothing_else() -> None:
    world = await seen(60)
    before = set(world.rows())
    await world.sweep()
    assert marks(world) == 0
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert len(asked(world, "appsettings/list")) == summary["calls"] == 60
    assert summary["queries"] == 1
    assert len(asked(world, GRAPH)) == summary["queries"] + 1  # the selector's
    assert len(world.calls()) == 60 + 2
    assert (summary["checked"], summary["roots"], summary["drifted"], summary["unfinished"]) == (69, 69, 0, 0)
    written = set(world.rows()) - before
    assert not [
        row for row in written if not row.startswith((f"{FLEET_PARTITION}/", "sweep-chunks/", "arm-allowance/"))
    ]


async def test_its_share_is_read_in_full_besides_each_root_with_one_more_call() -> None:
    world = await seen(60, days=3)
    summary = await swept(world)
    today = world.ambient.now().date().toordinal()
    share = [root for root in (await world.fleet()).roots if is_read_in_full(root.key, today - 1, today, 3)]
    assert 0 < len(share) < 69
    assert summary["readInFull"] == len(share)
    assert summary["calls"] == 60 + len(share)
    assert len(asked(world, "GET ")) == len(share)


async def test_the_first_sweep_reads_every_root_once_and_asks_for_no_row() -> None:
    world = fleet_of(25, 1)
    await world.sweep()
    assert marks(world) == len((await world.fleet()).roots)
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["calls"], summary["queries"], summary["checked"]) == (0, 0, 28)
    assert len(asked(world, "GET sites/")) == len(asked(world, "appsettings/list")) == 25


# --- what it finds ---


async def test_every_drift_is_healed_with_exactly_the_writes_that_it_takes() -> None:
    world = await seen(100)
    break_settings(world, (7, 42))
    leave_network(world, 99)
    break_rule(world, 60)
    forget(world)
    summary = await swept(world)
    assert {settings(world, number)["REDIS_PORT"] for number in (7, 42)} == {"6380"}
    assert rule_access(world, 60) == "Allow"
    assert sorted(call.partition(" 20")[0] for call in world.writes()) == [
        "PUT config/appsettings",
        "PUT config/appsettings",
        "PUT networkConfig/virtualNetwork",
        "PUT securityRules/allow-sql",
    ]
    assert (summary["drifted"], summary["healed"], summary["checked"]) == (4, 4, summary["roots"] - 4)
    assert summary["held"] == summary["failed"] == summary["unfinished"] == 0


async def test_a_shared_root_is_looked_at_once_however_many_apps_are_behind_it() -> None:
    world = await seen(25, 1)
    break_rule(world, 1)
    forget(world)
    await world.sweep()
    assert marks(world) == 1
    await world.work_for(HOUR)
    assert len(asked(world, "GET networkSecurityGroups/")) == 2  # before the write, and after it


async def test_what_is_held_or_cannot_be_read_is_counted_as_that() -> None:
    world = await seen(50)
    await world.service.pause(Pause(FLEET, world.ambient.now() + 10 * HOUR, "a freeze", "Eve"))
    break_settings(world, [1])
    refusal = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    world.strike(path="app-00030/config/appsettings/list", status=403, body=refusal)
    forget(world)
    summary = await swept(world)
    assert (summary["held"], summary["failed"], summary["drifted"]) == (1, 1, 1)
    assert summary["checked"] == summary["roots"] - 2


async def test_a_secret_that_only_its_digest_guards_is_found_changed_and_held() -> None:
    world = stand(spec=SPEC.replace("    REDIS_PORT: 6380", "    REDIS_PORT: 6380\n    DB_PASSWORD: {secret: true}"))
    await world.sweep()
    await world.work_for(24 * HOUR)
    world.change_settings(DB_PASSWORD="planted-other-9Jq2")
    forget(world)
    summary = await swept(world)
    assert (summary["held"], summary["checked"]) == (1, summary["roots"] - 1)
    (entry, *_) = await world.history("site")
    assert [held["code"] for held in entry["held"]] == ["no-secret-value"]


async def test_an_app_that_appears_between_two_sweeps_is_covered_by_the_next() -> None:
    world = await seen(30)
    new = site(world, 30).text.replace("app-00030", "app-00031")
    body = world.operator("GET", site(world, 30), version="2025-05-01").body
    plan = body["properties"]["serverFarmId"]
    shape = {"location": "westeurope", "tags": {"homeostat": "prod"}, "properties": {"serverFarmId": plan}}
    world.operator("PUT", new, shape, "2025-05-01")
    forget(world)
    summary = await swept(world)
    assert (summary["healed"], summary["roots"]) == (1, len((await world.fleet()).roots))
    path = f"{new}/config/appsettings/list"
    assert world.operator("POST", path, {}, "2025-05-01").body["properties"]["REDIS_PORT"] == "6380"


async def test_a_fleet_that_is_capped_at_ignore_is_skipped() -> None:
    world = (await seen(25)).capped(Mode.IGNORE)
    summary = await swept(world)
    assert (summary["skipped"], summary["calls"]) == (summary["roots"], 0)


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
    await world.work_for(PATIENCE - timedelta(minutes=20))
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


# --- rows that are old ---

OLD = Timing(row_seconds=100 * 24 * 3600.0)


async def test_an_old_row_with_a_drift_that_is_no_more_leads_to_a_look_and_to_no_write() -> None:
    world = await seen(25, 1)
    world.cloud.timing = OLD
    break_rule(world, 1)
    assert (await swept(world))["healed"] == 1  # the index has seen the drift by now, and keeps to it
    forget(world)
    summary = await swept(world)
    assert world.writes() == []
    assert (summary["checked"], summary["drifted"]) == (summary["roots"], 0)
    assert len(asked(world, "GET networkSecurityGroups/")) == 1


async def test_a_drift_that_an_old_row_hides_is_found_within_the_declared_days() -> None:
    days = 5
    world = await seen(25, 1, days=days)
    world.cloud.timing = OLD
    await swept(world)
    break_rule(world, 1)
    nights = 0
    while rule_access(world, 1) == "Deny":
        nights += 1
        world.pass_time(hours=23)
        forget(world)
        await swept(world)
    assert nights <= days


async def test_an_old_row_of_an_app_that_is_gone_hides_it_no_longer_than_that() -> None:
    world = await seen(25, 1, days=3)
    world.cloud.timing = OLD
    await swept(world)
    world.operator("DELETE", site(world, 4), version="2025-05-01")
    for _ in range(3):
        world.pass_time(hours=23)
        forget(world)
        await swept(world)
    assert ("TargetRetired", "app-00004") in world.inbox.told()
