"""What triggers and people ask for: routing of events, the work queue, runs, pauses, and what can be looked up."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.attribution import UNKNOWN, actor_json
from homeostat.core.events import MalformedEvent
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.outcome import Trigger
from homeostat.core.record import Settle
from homeostat.operations.remediations import NotConfirmed
from homeostat.operations.runs import UnknownTarget
from homeostat.store import WORK_QUEUE
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import SPEC, ZONES, Stand, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)
MANUAL = Trigger("manual", caller="Anna", reason="a test")
SETTINGS_WRITE = "Microsoft.Web/sites/config/write"


def messages(world: Stand) -> list[Any]:
    return [json.loads(message.body) for message in world.memory.queues._queues[WORK_QUEUE]]


# --- events ---


async def test_an_event_only_marks_and_enqueues() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    assert world.calls() == []
    assert messages(world) == [{"root": world.id("nsg").text}]


async def test_an_event_that_concerns_nothing_declared_costs_nothing() -> None:
    world = stand()
    other = world.id(ZONES[0]).child("A", "www")
    assert await world.service.on_event(world.event(other, "Microsoft.Network/privateDnsZones/A/write")) == ()
    assert (messages(world), world.rows()) == ([], [])


async def test_a_malformed_event_is_refused_and_leaves_nothing_behind() -> None:
    world = stand()
    with pytest.raises(MalformedEvent):
        await world.service.on_event({"subject": world.id("nsg").text})
    assert (messages(world), world.rows()) == ([], [])


async def test_a_forged_event_causes_a_read_at_most() -> None:
    world = stand()
    await world.service.on_event(world.event(world.id("nsg"), "Microsoft.Network/networkSecurityGroups/delete"))
    await world.work_for(HOUR)
    assert world.calls() == ["GET networkSecurityGroups/nsg-appservice-integration 200"]
    assert world.inbox.events == []
    assert await world.history("nsg") == []


async def test_a_kinds_own_settle_time_delays_the_roots_that_it_is_on_and_no_others() -> None:
    world = stand()
    world.service.settle_by_kind["app_settings"] = Settle(timedelta(seconds=60), timedelta(minutes=5))  # type: ignore[index]  # the stand gives a dict
    settings = world.id("site").child("config", "appsettings")
    await world.service.on_event(world.event(settings, SETTINGS_WRITE))
    await world.rule_event()
    assert [due - world.ambient.now() for due in world.waiting()] == [timedelta(seconds=15), timedelta(seconds=60)]


# --- the work queue ---


@pytest.mark.parametrize("message", [None, 7, "text", [], {}, {"root": "nonsense"}, {"root": 7}, {"run": "unknown"}])
async def test_a_message_that_makes_no_sense_is_dropped(message: Any) -> None:
    world = stand()
    await world.service.work(message)
    assert world.calls() == []


async def test_a_root_that_is_no_longer_declared_is_left_alone() -> None:
    world = stand()
    await world.rule_event()
    world.specs.by_name["homeostat.yaml"] = SPEC[: SPEC.index("nsg_rules:")]
    world.pass_time(minutes=1)
    await world.work_for(HOUR)
    assert world.calls() == []
    assert world.waiting() == []


# --- runs ---


async def test_a_run_is_queued_then_done_and_tells_every_root() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    run_id = await world.service.remediations.start(["app-flask"], MANUAL)
    queued = await world.service.remediations.load(run_id)
    assert queued is not None
    assert (queued["state"], queued["caller"], queued["reason"]) == ("queued", "Anna", "a test")
    await world.deliver()
    done = await world.service.remediations.load(run_id)
    assert done is not None
    assert (done["state"], done["status"]) == ("done", "healed")
    roots = {root["root"]: root["status"] for root in done["roots"]}  # type: ignore[index, union-attr, call-overload]  # JSON
    assert len(roots) == len((await world.fleet()).roots)
    assert roots[world.id("site").text] == "healed"
    (entry,) = await world.history("site")
    assert entry["trigger"] == {"cause": "manual", "hints": [run_id], "caller": "Anna", "reason": "a test"}


async def test_a_run_that_is_done_is_not_done_again() -> None:
    world = stand()
    run_id = await world.service.remediations.start(["app-flask"], MANUAL)
    await world.deliver()
    calls = len(world.calls())
    await world.service.work({"run": run_id})
    assert len(world.calls()) == calls


async def test_a_run_whose_instance_dies_is_taken_up_again_by_the_queue() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    run_id = await world.service.remediations.start(["app-flask"], MANUAL)
    with pytest.raises(Crash):
        await mortal(world, Fate(at=12)).deliver()
    await world.work_for(HOUR)
    done = await world.service.remediations.load(run_id)
    assert done is not None
    assert (done["state"], world.settings()["REDIS_PORT"]) == ("done", "6380")


async def test_a_run_gives_up_after_a_while_on_a_root_that_another_instance_works_on() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    held = await world.engine.store.lease(world.id("nsg"), "somebody")
    assert held is not None
    run_id = await world.service.remediations.start(["app-flask"], MANUAL)
    await world.deliver()
    done = await world.service.remediations.load(run_id)
    assert done is not None
    assert done["status"] == "busy"
    assert world.writes() == []


async def test_a_dry_run_is_stored_and_touches_nothing_else() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    run_id = await world.service.remediations.start(["app-flask"], Trigger("manual", dry_run=True))
    await world.deliver()
    done = await world.service.remediations.load(run_id)
    assert done is not None
    assert (done["status"], done["dryRun"]) == ("planned", True)
    assert world.writes() == []
    assert world.rows() == [f"runs/{run_id}"]


async def test_a_run_of_an_unknown_target_is_refused_with_the_known_ones() -> None:
    world = stand()
    with pytest.raises(UnknownTarget, match=r"'nobody'.*app-flask"):
        await world.service.remediations.start(["app-flask", "nobody"], MANUAL)
    assert messages(world) == []


async def test_a_run_whose_target_is_no_longer_declared_ends_and_says_why() -> None:
    world = stand()
    run_id = await world.service.remediations.start(["app-flask"], MANUAL)
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("target: app-flask", "target: app-renamed")
    world.pass_time(minutes=1)
    await world.deliver()
    assert world.failures == []
    done = await world.service.remediations.load(run_id)
    assert done is not None
    assert (done["state"], done["status"]) == ("done", "failed")
    assert "app-flask" in str(done["error"])


async def test_roots_on_which_others_depend_have_their_turn_first() -> None:
    world = stand()
    world.leave_network()
    world.change_rule("allow-sql", access="Deny")
    await world.service.remediations.start(["app-flask"], MANUAL)
    await world.deliver()
    assert [write.split()[1].split("/")[0] for write in world.writes()] == ["securityRules", "networkConfig"]


async def test_whoever_means_all_targets_says_how_many_there_are() -> None:
    world = stand()
    assert await world.service.remediations.all_targets(1) == ("app-flask",)
    for wrong in (0, 2, -1):
        with pytest.raises(NotConfirmed, match='"confirm": 1'):
            await world.service.remediations.all_targets(wrong)


async def test_a_pause_that_is_longer_than_a_message_can_wait_holds_to_its_end() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.service.pause(Pause(FLEET, world.ambient.now() + timedelta(days=30), "freeze", "Anna"))
    await world.rule_event()
    await world.work_for(timedelta(days=30) - HOUR)
    assert (world.writes(), world.failures, world.poisoned) == ([], [], [])
    await world.work_for(2 * HOUR)
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


# --- what can be looked up ---


async def test_what_targets_share_is_read_once_for_all_of_them() -> None:
    world = stand(spec="---\n".join(SPEC.replace("app-flask", name) for name in ("app-flask", "app-other")))
    fate = Fate()
    shown = await mortal(world, fate).service.targets()
    assert [each["name"] for each in shown] == ["app-flask", "app-other"]
    assert (
        fate.names.count("documents.read")
        == len((await world.fleet()).roots)
        < sum(len(target.roots) for target in (await world.fleet()).targets.values())
    )


async def test_a_target_shows_its_episodes_and_pauses() -> None:
    world = stand(spec=SPEC.replace("mode: enforce", "mode: alert"))
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    until = world.ambient.now() + HOUR
    await world.service.pause(Pause(FLEET, until, "freeze", "Anna"))
    shown = await world.service.target("app-flask")
    assert shown["episodes"] == [
        {
            "root": world.id("nsg").text,
            "kind": "nsg_rules",
            "state": "Homeostat.DriftDetected.v1",
            "since": world.ambient.now().isoformat(),
            "changedBy": actor_json(UNKNOWN),
        }
    ]
    assert shown["pauses"] == [
        {"target": None, "until": until.isoformat(), "reason": "freeze", "by": "Anna", "cause": ""}
    ]
    world.pass_time(hours=2)
    assert (await world.service.target("app-flask"))["pauses"] == []


async def test_history_joins_a_targets_roots_newest_first_up_to_the_limit() -> None:
    world = stand()
    for number in range(3):
        world.change_rule("allow-sql", access="Deny")
        await world.reconcile("nsg")
        world.pass_time(minutes=1)
        world.change_settings(REDIS_PORT=str(number))
        await world.reconcile("site")
        world.pass_time(minutes=1)
    entries = await world.service.history("app-flask", 4)
    assert [json.dumps(entry["root"]).count("sites") for entry in entries] == [1, 0, 1, 0]
    times = [str(entry["at"]) for entry in entries]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("ask", ["target", "history", "pause", "resume"])
async def test_a_name_that_nobody_declares_is_said_to_be_unknown(ask: str) -> None:
    world = stand()
    arguments: dict[str, tuple[Any, ...]] = {
        "history": ("nobody", 1),
        "pause": (Pause("nobody", world.ambient.now(), "", ""),),
        "resume": ("nobody", "Anna"),
    }
    with pytest.raises(UnknownTarget, match="nobody"):
        await getattr(world.service, ask)(*arguments.get(ask, ("nobody",)))


async def test_a_place_without_specs_is_no_healthy_one_since_nothing_is_kept() -> None:
    world = stand(spec="policy: fleet\n")
    health = await world.service.health()
    assert (health["status"], health["targets"]) == ("degraded", 0)
    assert "see HOMEOSTAT_SPEC_CONTAINER" in str(health["problem"])


async def test_health_tells_of_specs_that_are_not_in_force() -> None:
    world = stand()
    assert (await world.service.health())["status"] == "ok"
    world.specs.by_name["homeostat.yaml"] = "target: ["
    world.pass_time(minutes=1)
    state = await world.service.health()
    assert (state["status"], state["targets"]) == ("degraded", 1)
    assert "homeostat.yaml" in str(state["problem"])
