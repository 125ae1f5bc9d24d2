"""The past is forgotten after a while, a part each night, but never what an open episode is explained by."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.outcome import Trigger
from homeostat.operations.retention import Retention
from homeostat.operations.run_store import RUN_BLOBS
from homeostat.snapshots import CONTAINER
from homeostat.sweeps.store import REPORTS
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import SPEC, Stand, stand
from tests.support.patience import POLICY

pytestmark = pytest.mark.wire

KEPT = timedelta(days=90)


async def repair(world: Stand) -> None:
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    world.pass_time(minutes=1)


async def past(world: Stand) -> tuple[int, int, int]:
    """How many ledger entries of the group, snapshots and runs there are."""
    snapshots = [info async for info in world.engine.store.blobs.list(CONTAINER)]
    runs = [row for row in world.rows() if row.startswith("runs/")]
    return len(await world.history("nsg")), len(snapshots), len(runs)


async def test_what_is_older_than_the_set_time_goes_and_what_is_newer_stays() -> None:
    world = stand()
    await repair(world)
    await world.service.remediations.start(["app-flask"], Trigger("manual"))
    await world.deliver()
    world.pass_time(days=89)
    await repair(world)
    assert str(await world.service.retention.run()).startswith("0 ledger entries, 0 runs, 0 snapshots and 0 reports")
    world.pass_time(days=2)
    forgotten = await world.service.retention.run()
    assert (forgotten.entries, forgotten.snapshots, forgotten.runs, forgotten.is_all) == (1, 1, 1, True)
    assert await past(world) == (1, 1, 0)


async def test_of_a_run_that_is_forgotten_nothing_is_left() -> None:
    world = stand()
    run_id = await world.service.remediations.start(["app-flask"], Trigger("manual"))
    await world.deliver()
    assert await world.memory.blobs.read(RUN_BLOBS, f"{run_id}.json") is not None
    world.pass_time(days=91)
    assert (await world.service.retention.run()).runs == 1
    assert await world.service.remediations.load(run_id) is None
    assert await world.memory.blobs.read(RUN_BLOBS, f"{run_id}.json") is None


async def test_a_run_that_has_not_ended_is_kept() -> None:
    world = stand()
    await world.service.remediations.start(["app-flask"], Trigger("manual"))
    world.pass_time(days=400)
    assert (await world.service.retention.run()).runs == 0


async def test_the_entries_of_an_open_episode_are_kept_however_old() -> None:
    alerting = SPEC.replace("mode: enforce", "mode: alert")
    world = stand()
    await repair(world)
    world.specs.by_name["homeostat.yaml"] = alerting
    world.pass_time(minutes=1)
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    world.pass_time(days=400)
    assert (await world.service.retention.run()).entries == 1
    (entry,) = await world.history("nsg")
    assert entry["status"] == "drifted"


async def test_a_night_forgets_so_much_and_the_next_goes_on() -> None:
    world = stand(spec=f"{SPEC}---\n{POLICY}")
    for _ in range(5):
        await repair(world)
    world.pass_time(days=91)
    retention = replace(world.service.retention, at_most=2)
    assert not (await retention.run()).is_all
    assert await past(world) == (3, 3, 0)
    await retention.run()
    assert (await retention.run()).is_all
    assert await past(world) == (0, 0, 0)


async def test_entries_of_roots_that_nobody_declares_any_more_go_as_well() -> None:
    world = stand()
    await repair(world)
    world.specs.by_name["homeostat.yaml"] = SPEC[: SPEC.index("nsg_rules:")]
    world.pass_time(days=91)
    assert (await world.service.retention.run()).entries == 1


async def test_a_night_that_dies_half_way_is_made_good_by_the_next() -> None:
    rehearsal = Fate()
    await forget(mortal(await aged(), rehearsal))
    for call in range(1, len(rehearsal.names) + 1):
        world = await aged()
        with pytest.raises(Crash):
            await forget(mortal(world, Fate(call)))
        await forget(world)
        assert await past(world) == (0, 0, 0)


async def aged() -> Stand:
    world = stand()
    for _ in range(3):
        await repair(world)
    world.pass_time(days=91)
    return world


async def forget(world: Stand) -> Any:
    return await Retention(world.engine.store, KEPT).run()


# --- the ledger itself ---


async def test_every_entry_has_an_id_and_the_next_page_begins_after_the_last_one() -> None:
    world = stand()
    for number in range(7):
        await repair(world)
        world.change_settings(REDIS_PORT=str(number))
        await world.reconcile("site")
    whole = await world.service.history("app-flask", 100)
    pages: list[Any] = []
    before = ""
    while page := await world.service.history("app-flask", 3, before):
        pages.extend(page)
        before = str(page[-1]["id"])
    assert pages == whole
    assert len({entry["id"] for entry in whole}) == 14
    times = [str(entry["at"]) for entry in whole]
    assert times == sorted(times, reverse=True)


async def test_what_is_in_the_ledger_is_never_changed() -> None:
    world = stand()
    await repair(world)
    before = json.dumps(await world.history("nsg"))
    await repair(world)
    assert json.dumps((await world.history("nsg"))[1:]) == before


async def test_the_reports_of_sweeps_are_forgotten_with_the_rest() -> None:
    world = stand()
    await world.sweep()
    await world.work_for(timedelta(hours=1))
    assert (await world.service.retention.run()).reports == 0
    world.pass_time(days=91)
    assert (await world.service.retention.run()).reports == 2
    assert [info async for info in world.engine.store.blobs.list(REPORTS)] == []
