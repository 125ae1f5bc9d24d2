"""A sweep on a person's word: one answers them, whatever is under way, comes twice, or holds the repairs."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.sweep import is_read_in_full
from homeostat.gate.fleetwide import FLEET_PARTITION
from homeostat.ports.storage import Change, Documents
from homeostat.store import SWEEP_QUEUE
from homeostat.sweeps.course import POISON, SweepAccess
from homeostat.sweeps.store import REPORTS
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import VISIBILITY, Stand, stand
from tests.loop.swept import HOUR, break_rule, break_settings, fleet_of, forget, nsg, seen, settings

pytestmark = pytest.mark.wire

CAPPED = "\n---\npolicy: fleet\ncaps: {writes_per_run: 1}\n"


async def ask(world: Stand, by: str = "Anna", reason: str = "moved") -> Any:
    return await world.service.sweep_asks.ask(by, reason)


async def show(world: Stand, asked: Any) -> Any:
    return await world.service.sweep_asks.show(asked["id"])


async def lines(world: Stand, status: str) -> list[Any]:
    return [each async for each in world.engine.store.entries(FLEET_PARTITION) if each["status"] == status]


async def messages(world: Stand) -> list[Any]:
    """All that are in the sweeps' queue, due or not; they stay there."""
    return [json.loads(message.body) for message in world.memory.queues._queues[SWEEP_QUEUE]]


def told(asks: Any) -> list[tuple[str, str]]:
    return [(each["by"], each["reason"]) for each in asks]


# --- from the word to the end ---


async def test_a_sweep_that_somebody_asks_for_repairs_what_differs_and_says_who_asked() -> None:
    world = await seen(30)
    break_settings(world, [3])
    asked = await ask(world)
    assert (asked["status"], asked["began"]) == ("queued", None)
    assert (await show(world, asked))["status"] == "queued"
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert settings(world, 3)["REDIS_PORT"] == "6380"
    assert (summary["sweep"], summary["cause"], summary["healed"]) == (asked["id"], "manual", 1)
    assert summary["checked"] == summary["roots"] - 1
    report = await show(world, asked)
    (line, *_) = await lines(world, "swept")
    assert told(summary["asked"]) == told(report["asked"]) == told(line["asked"]) == [("Anna", "moved")]
    blob = await world.memory.blobs.read(REPORTS, f"{asked['id']}.md")
    assert blob is not None
    assert f"Asked for by Anna at {summary['asked'][0]['at']}: moved." in blob.data.decode()


async def test_who_asked_and_why_is_in_the_ledger_before_anything_comes_of_it() -> None:
    world = await seen(25, 1)
    asked = await ask(world, "Ben", "after the move")
    (line,) = await lines(world, "asked")
    assert (line["sweep"], line["by"], line["reason"]) == (asked["id"], "Ben", "after the move")
    assert asked["id"] not in [each["sweep"] for each in await world.service.sweeps.latest(50)]


async def test_what_it_repaired_names_it_in_the_ledgers_of_its_roots() -> None:
    world = await seen(25, 1)
    break_rule(world, 1)
    asked = await ask(world)
    await world.work_for(HOUR)
    (entry, *_) = await world.engine.store.history(nsg(world, 1), 5)
    assert entry["trigger"]["hints"] == [f"manual:{asked['id']}"]  # type: ignore[index, call-overload]  # JSON


async def test_without_selectors_and_without_resource_graph_it_reads_through_arm() -> None:
    world = stand()
    world.service = replace(world.service, sweep_access=SweepAccess())
    await world.sweep()
    await world.work_for(24 * HOUR)
    world.change_rule("allow-sql", access="Deny")
    forget(world)
    asked = await ask(world)
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["healed"], summary["queries"]) == (asked["id"], 1, 0)
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_of_a_fleet_that_was_never_swept_it_is_the_first_sweep() -> None:
    world = fleet_of(25, 1)
    asked = await ask(world)
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["checked"]) == (asked["id"], summary["roots"])


# --- one is under way ---


async def test_one_that_is_under_way_goes_on_instead_and_the_answer_says_since_when() -> None:
    world = await seen(30)
    running = await world.service.sweeps.start("nightly")
    began = world.ambient.now().isoformat()
    await world.deliver(SWEEP_QUEUE)
    asked = await ask(world)
    assert asked == {"id": running, "status": "running", "began": began}
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["cause"], told(summary["asked"])) == (running, "nightly", [("Anna", "moved")])
    assert len(await lines(world, "asked")) == 1


async def test_one_whose_messages_are_lost_goes_on_when_somebody_asks() -> None:
    world = await seen(30)
    running = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    assert await world.memory.queues.receive(SWEEP_QUEUE, limit=32, visibility=timedelta(days=1))
    world.pass_time(hours=2)
    assert (await ask(world))["id"] == running
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["checked"]) == (running, summary["roots"])


async def test_many_who_ask_while_it_is_under_way_do_not_multiply_its_messages() -> None:
    world = await seen(30)
    await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    before = await messages(world)
    for number in range(5):
        world.pass_time(seconds=1)
        await ask(world, f"person {number}")
    assert await messages(world) == before
    (running, *_) = await world.service.sweeps.latest(1)
    assert [by for by, _ in told(running["asked"])] == [f"person {number}" for number in range(5)]


@dataclass
class BeforeTheFirstWrite:
    """Documents on which something happens just before anything is written."""

    inner: Documents
    act: Callable[[], Awaitable[object]] | None

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        act, self.act = self.act, None
        if act is not None:
            await act()
        return await self.inner.apply(partition, changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_one_that_ends_in_the_moment_when_somebody_asks_is_not_said_to_go_on() -> None:
    world = await seen(30)
    running = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    world.pass_time(seconds=1)
    documents: Any = BeforeTheFirstWrite(world.engine.store.documents, lambda: world.work_for(HOUR))
    engine = replace(world.engine, store=replace(world.engine.store, documents=documents))
    asked = await ask(replace(world, service=replace(world.service, engine=engine)))
    assert (asked["status"], asked["began"]) == ("queued", None)
    await world.work_for(HOUR)
    first, second = world.inbox.swept()
    assert (first["sweep"], first["asked"]) == (running, [])
    assert (second["sweep"], told(second["asked"])) == (asked["id"], [("Anna", "moved")])


async def test_several_who_ask_at_once_get_one_sweep_and_all_are_named() -> None:
    world = await seen(30)
    asks = [await ask(world, by) for by in ("Anna", "Ben", "Eve")]
    assert [each["status"] for each in asks] == ["queued"] * 3
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert sorted(by for by, _ in told(summary["asked"])) == ["Anna", "Ben", "Eve"]
    assert [(await show(world, each))["sweep"] for each in asks] == [summary["sweep"]] * 3


async def test_whoever_asked_before_another_sweep_began_is_shown_that_one_even_when_it_is_over() -> None:
    world = await seen(25, 1)
    asked = await ask(world)
    (message,) = await world.memory.queues.receive(SWEEP_QUEUE, limit=1, visibility=VISIBILITY)
    nightly = await world.service.sweeps.start("nightly")
    await world.work_for(timedelta(minutes=5))
    await world.service.sweeps.work(json.loads(message.body))
    await world.memory.queues.delete(message)
    world.pass_time(hours=23)
    later = await world.service.sweeps.start("nightly")
    await world.work_for(HOUR)
    assert [each["sweep"] for each in world.inbox.swept()] == [nightly, later]
    assert (await show(world, asked))["sweep"] == nightly


async def test_one_that_only_waits_for_repairs_is_ended_and_a_new_one_begins() -> None:
    world = await seen(30)
    running = await world.service.sweeps.start("nightly")
    break_settings(world, [3])
    await world.deliver(SWEEP_QUEUE)
    await world.deliver(SWEEP_QUEUE)
    world.pass_time(seconds=1)
    asked = await ask(world)
    assert (asked["status"], asked["id"] != running) == ("queued", True)
    await world.work_for(HOUR)
    assert [each["sweep"] for each in world.inbox.swept()] == [running, asked["id"]]


async def test_the_timer_lets_go_on_what_somebody_asked_for() -> None:
    world = await seen(30)
    asked = await ask(world)
    await world.deliver(SWEEP_QUEUE)
    await world.service.sweeps.work({"sweep": "another", "cause": "nightly"})
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["cause"]) == (asked["id"], "manual")


# --- messages that come twice, or not at all ---


async def test_a_word_whose_message_comes_again_begins_nothing_more() -> None:
    world = await seen(30)
    asked = await ask(world)
    (message,) = await messages(world)
    await world.service.sweeps.work(message)
    await world.service.sweeps.work(message)
    await world.work_for(HOUR)
    await world.service.sweeps.work(message)
    nightly = await world.service.sweeps.start("nightly")
    await world.deliver(SWEEP_QUEUE)
    await world.service.sweeps.work(message)
    await world.work_for(HOUR)
    first, second = world.inbox.swept()
    assert (first["sweep"], second["sweep"]) == (asked["id"], nightly)
    assert (len(first["asked"]), first["checked"]) == (1, first["roots"])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 9))
async def test_an_instance_that_dies_while_it_has_the_word_loses_it_not(call: int, *, after: bool) -> None:
    world = await seen(4, 1)
    break_settings(world, [2])
    forget(world)
    asked = await ask(world)
    (message,) = await messages(world)
    dying = mortal(world, Fate(call, after))
    with suppress(Crash):
        await dying.service.sweeps.work(message)
    await world.work_for(2 * HOUR)
    (summary,) = world.inbox.swept()
    assert (summary["sweep"], summary["healed"], len(summary["asked"])) == (asked["id"], 1, 1)
    assert settings(world, 2)["REDIS_PORT"] == "6380"


async def test_a_word_whose_message_failed_too_often_is_explained_by_what_began_since() -> None:
    world = await seen(25, 1)
    asked = await ask(world)
    (message,) = await messages(world)
    (received,) = await world.memory.queues.receive(SWEEP_QUEUE, limit=1, visibility=VISIBILITY)
    await world.memory.queues.delete(received)
    await world.memory.queues.send(POISON, json.dumps(message))
    (listed,) = await world.service.poison.list()
    explained: Any = await world.service.poison.explain(str(listed["id"]))
    assert "it begins sweep" in explained["explanation"][0]
    nightly = await world.service.sweeps.start("nightly")
    await world.work_for(HOUR)
    explained = await world.service.poison.explain(str(listed["id"]))
    assert explained["explanation"] == [f"Sweep {nightly} began after it was asked for. Replayed, it does nothing."]
    assert (await show(world, asked))["sweep"] == nightly


# --- what holds as in any night ---


async def test_the_caps_count_its_writes_as_those_of_one_run() -> None:
    world = await seen(25, 1)
    world.specs.by_name["policy.yaml"] = CAPPED
    break_settings(world, [1, 2, 3])
    forget(world)
    await ask(world)
    await world.work_for(timedelta(minutes=30))
    assert len(world.writes()) == 1
    (summary,) = world.inbox.swept()
    assert (summary["healed"], summary["held"]) == (1, 2)


async def test_it_reads_the_share_of_the_day_in_full_once_however_often_it_is_asked_for() -> None:
    world = await seen(60, days=3)
    today = world.ambient.now().date().toordinal()
    share = [root for root in (await world.fleet()).roots if is_read_in_full(root.key, today - 1, today, 3)]
    for _ in range(2):
        await ask(world)
        await world.work_for(HOUR)
    await world.service.sweeps.start("nightly")
    await world.work_for(HOUR)
    assert [each["readInFull"] for each in world.inbox.swept()] == [len(share), 0, 0]
    assert share


async def test_every_root_is_read_in_full_within_the_declared_days_by_whomever_sweeps_are_asked_for() -> None:
    world = await seen(30, days=3)
    read = 0
    for day in range(3):
        await (ask(world) if day % 2 else world.service.sweeps.start("nightly"))
        await world.work_for(24 * HOUR)
        read += world.inbox.swept()[-1]["readInFull"]
    assert read == len((await world.fleet()).roots)
