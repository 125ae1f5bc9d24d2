"""A permission that the role lacks is named where operators look, also where everything else is as it would be."""

from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.arm_types import NETWORK_WATCHER
from homeostat.core.ids import ResourceId
from homeostat.core.sweep import MAX_REFUSED
from homeostat.render import history
from homeostat.render import sweep as rendered
from homeostat.sweeps.store import REPORTS
from tests.loop import swept
from tests.loop.stand import NSG_VERSION, SPEC, Stand, stand
from tests.loop.test_attribution import blamed, by_sweep, seen
from tests.loop.test_explain import words
from tests.loop.test_healing import break_rule
from tests.support.role import ROLE

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)
ASK_GRAPH = "Microsoft.ResourceGraph/resources/read"
READ_WATCHER = "Microsoft.Network/networkWatchers/read"
FLOW_LOGS = """
flow_logs:
  flow-vnet-appservice:
    network_watcher: NetworkWatcherRG:NetworkWatcher_westeurope
    target: vnet-appservice
    storage: stflask
    location: westeurope
"""


async def report(world: Stand, summary: Any) -> str:
    blob = await world.memory.blobs.read(REPORTS, f"{summary['sweep']}.md")
    assert blob is not None
    return blob.data.decode()


def watcher(world: Stand) -> ResourceId:
    return ResourceId.of(
        world.cloud.subscription, "NetworkWatcherRG", NETWORK_WATCHER.name, "NetworkWatcher_westeurope"
    )


# --- in a sweep ---


async def test_a_sweep_that_may_not_ask_resource_graph_ends_well_and_names_the_permission() -> None:
    world = await swept.seen(30)
    world.cloud.role = ROLE.without(ASK_GRAPH)
    summary = await swept.swept(world)
    assert (summary["checked"], summary["refused"]) == (summary["roots"], [ASK_GRAPH])
    (told,) = await world.service.sweeps.latest(1)
    assert rendered.line(told).endswith(f"roots as declared. The role lacks {ASK_GRAPH}.")
    assert f"The role lacks `{ASK_GRAPH}`: assign infra/role.json" in await report(world, summary)


async def test_an_action_that_a_write_was_refused_for_is_named_too() -> None:
    world = stand()
    world.cloud.role = ROLE.without("Microsoft.Network/networkSecurityGroups/securityRules/write")
    break_rule(world)
    outcome = await world.reconcile("nsg")
    assert outcome.refused == ("Microsoft.Network/networkSecurityGroups/securityRules/write",)
    (entry,) = await world.history("nsg")
    assert (entry["status"], entry["refused"]) == ("held", list(outcome.refused))


async def test_health_tells_of_a_permission_that_is_missing_until_a_sweep_ends_without_missing_it() -> None:
    world = await swept.seen(30)
    told = f"the last sweep was refused {ASK_GRAPH}: assign infra/role.json, or leave out what needs it"
    for role, is_well in ((ROLE.without(ASK_GRAPH), False), (ROLE, True)):
        world.cloud.role = role
        await swept.swept(world)
        swept.forget(world)
        health: Any = await world.service.health()
        assert (health["status"] == "ok", told in health["why"]) == (is_well, not is_well), health


async def test_a_sweep_that_lacks_nothing_says_nothing_of_it() -> None:
    world = await swept.seen(30)
    summary = await swept.swept(world)
    assert summary["refused"] == []
    assert "role" not in rendered.line(summary) + await report(world, summary)


async def test_one_missing_permission_is_named_once_however_many_roots_it_concerns() -> None:
    world = await swept.seen(30)
    lists = "Microsoft.Web/sites/config/list/action"
    world.cloud.role = ROLE.without(lists, ASK_GRAPH)
    summary = await swept.swept(world)
    assert (summary["failed"], summary["refused"]) == (30, [ASK_GRAPH, lists])
    assert rendered.line(summary).endswith(f"The role lacks {ASK_GRAPH} and 1 more.")


async def test_a_refusal_that_names_no_permission_is_named_by_its_request_and_a_few_such_are_enough() -> None:
    world = await swept.seen(30)
    world.strike(path="/config/", status=403, body={"error": {"code": "AuthorizationFailed", "message": "no"}})
    summary = await swept.swept(world)
    assert len(summary["refused"]) == MAX_REFUSED
    assert all(each.endswith("/config/appsettings/list: 403 AuthorizationFailed") for each in summary["refused"])


async def test_a_flow_log_that_is_gone_shows_that_its_watcher_may_not_be_read() -> None:
    world = stand(spec=f"{SPEC}{FLOW_LOGS}")
    await world.sweep()
    await world.work_for(24 * HOUR)
    world.operator("DELETE", watcher(world).child("flowLogs", "flow-vnet-appservice"), version=NSG_VERSION)
    world.cloud.role = ROLE.without(READ_WATCHER)
    swept.forget(world)
    summary = await swept.swept(world)
    assert (summary["held"], summary["refused"]) == (1, [READ_WATCHER])
    (entry, *_) = await world.engine.store.history(watcher(world), 5)
    held: Any = entry["held"]
    assert ([each["code"] for each in held], entry["refused"]) == (["unreadable"], [READ_WATCHER])


# --- in the history of a root ---


@pytest.mark.parametrize("mode", ["enforce", "alert"])
async def test_that_nobody_may_be_asked_who_changed_it_is_in_its_history_and_holds_up_nothing(mode: str) -> None:
    world, happenings = await seen(SPEC.replace("mode: enforce", f"mode: {mode}"))
    break_rule(world)
    world.cloud.role = ROLE.without(ASK_GRAPH)
    await by_sweep(world, happenings)
    (entry, *_) = await world.history("nsg")
    assert blamed(world)["DriftDetected"]["name"] == "unknown"
    assert (entry["status"], entry["refused"]) == ("healed" if mode == "enforce" else "drifted", [ASK_GRAPH])
    assert f"    the role lacks {ASK_GRAPH}\n" in history.render(entry)
    assert f"; the role lacks {ASK_GRAPH}\n" in await words(world)


async def test_what_is_answered_names_no_permission() -> None:
    world, happenings = await seen()
    break_rule(world)
    await by_sweep(world, happenings)
    (entry, *_) = await world.history("nsg")
    assert (entry["status"], entry["refused"]) == ("healed", [])
    assert "the role lacks" not in history.render(entry)
