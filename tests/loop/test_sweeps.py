"""A sweep finds every drift at the cost of its calls, and writes nothing that no fresh read confirms."""

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Mode
from homeostat.core.sweep import is_read_in_full
from homeostat.gate.fleetwide import FLEET_PARTITION
from simulator.cloud import Timing
from tests.loop.stand import SPEC, stand
from tests.loop.swept import (
    GRAPH,
    HOUR,
    asked,
    break_rule,
    break_settings,
    fleet_of,
    forget,
    leave_network,
    marks,
    rule_access,
    seen,
    settings,
    site,
    swept,
)

pytestmark = pytest.mark.wire


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
