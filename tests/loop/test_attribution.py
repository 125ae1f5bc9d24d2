"""Who brought a drift about is in every alert, the ledger and the record; or that nobody knows, and never a guess."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Status, Trigger
from simulator.cloud import OPERATOR
from tests.loop.happenings import Happenings
from tests.loop.stand import SPEC, WEB_VERSION, Stand, stand
from tests.loop.test_healing import break_rule, change_setting, delete_link, leave_network

pytestmark = pytest.mark.wire

HOUR: Final = timedelta(hours=1)
GRAPH: Final = "POST Microsoft.ResourceGraph/resources 200"
SPEC_ALERT: Final = SPEC.replace("mode: enforce", "mode: alert")


async def seen(spec: str = SPEC) -> tuple[Stand, Happenings]:
    """A stand all of whose roots were seen to be as declared, a while ago."""
    world = stand(spec=spec)
    happenings = Happenings(world)
    await world.sweep()
    await world.work_for(HOUR)
    happenings.take()
    world.cloud.exchanges.clear()
    world.inbox.sweeps.clear()
    return world, happenings


def blamed(world: Stand) -> dict[str, Any]:
    """By type of alert, the last `changedBy`."""
    return {event.type.split(".")[1]: event.data.get("changedBy") for event in world.inbox.events}


async def by_event(world: Stand, happenings: Happenings) -> None:
    await happenings.deliver()
    await world.work_for(HOUR)


async def by_sweep(world: Stand, _: Happenings) -> None:
    """No event tells of anything."""
    await world.sweep()
    await world.work_for(HOUR)


@pytest.mark.parametrize(
    ("damage", "operation"),
    [
        (break_rule, "microsoft.network/networksecuritygroups/securityrules/write"),
        (change_setting, "microsoft.web/sites/config/write"),
        (leave_network, "microsoft.web/sites/networkconfig/delete"),
        (delete_link, "microsoft.network/privatednszones/virtualnetworklinks/delete"),
    ],
)
async def test_the_event_names_who_changed_it_in_every_alert_and_in_the_ledger(
    damage: Callable[[Stand], None], operation: str
) -> None:
    world, happenings = await seen()
    at = world.ambient.now()
    damage(world)
    await by_event(world, happenings)
    for actor in (blamed(world)["DriftDetected"], blamed(world)["Remediated"]):
        assert (actor["name"], actor["kind"], actor["tool"]) == (OPERATOR.upn, "user", "Azure CLI")
        assert (actor["operation"], actor["at"], actor["source"]) == (operation, at.isoformat(), "event")
        assert actor["objectId"] == OPERATOR.object_id
        assert actor["correlationId"]
    root = world.inbox.events[0].subject
    (entry,) = [line for line in await world.engine.store.history(ResourceId.parse(root), 9) if line["written"]]
    assert entry["changedBy"] == {world.inbox.events[0].data["kind"]: blamed(world)["Remediated"]}
    assert GRAPH not in world.calls()


async def test_an_event_of_a_short_request_tells_from_where() -> None:
    world, happenings = await seen()
    change_setting(world)
    await by_event(world, happenings)
    assert blamed(world)["Remediated"]["address"] == "127.0.0.1"


def asked_for_names(world: Stand) -> int:
    """Queries of Resource Graph but those of sweeps."""
    of_sweeps: int = sum(summary["queries"] for summary in world.inbox.swept())
    return world.calls().count(GRAPH) - of_sweeps


@pytest.mark.parametrize("damage", [break_rule, leave_network, delete_link])
async def test_what_no_event_told_of_is_asked_of_resource_graph_once(damage: Callable[[Stand], None]) -> None:
    world, happenings = await seen()
    world.pass_time(seconds=1)
    damage(world)
    await by_sweep(world, happenings)
    actor = blamed(world)["Remediated"]
    assert (actor["name"], actor["tool"], actor["source"]) == (OPERATOR.upn, "Azure CLI", "resourcechanges")
    assert asked_for_names(world) == 1


async def test_a_setting_that_changed_without_an_event_is_nobodys_whoever_else_changed_the_app() -> None:
    world, happenings = await seen()
    world.pass_time(seconds=1)
    world.operator("PATCH", world.id("site"), {"tags": {"owner": "somebody"}}, WEB_VERSION)
    change_setting(world)
    await by_sweep(world, happenings)
    assert (blamed(world)["Remediated"]["name"], blamed(world)["Remediated"]["source"]) == ("unknown", "unknown")


async def test_a_change_of_our_own_is_not_put_down_to_anybody() -> None:
    world, happenings = await seen()
    break_rule(world)
    await by_event(world, happenings)
    world.inbox.events.clear()
    record = await world.record("nsg")
    (own,) = record.own_writes
    since = record.accepted["nsg_rules"].at - HOUR
    changes = await world.arm.changes.changes(world.id("nsg"), since)
    assert own.correlation_id in {change.correlation_id for change in changes}
    assert len(changes) == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}},
        {"status": 429, "body": {"error": {"code": "RateLimiting", "message": "later"}}},
        {"status": 500, "body": "<html>"},
        {"status": 200, "body": "<html>"},
        {"drop": True},
    ],
    ids=lambda fault: str(fault.get("status", "dropped")),
)
async def test_where_resource_graph_does_not_answer_it_is_unknown_and_healed_all_the_same(fault: Any) -> None:
    world, happenings = await seen()
    world.pass_time(seconds=1)
    world.strike(**{"path": "/providers/Microsoft.ResourceGraph/", "times": 5, **fault})
    break_rule(world)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert blamed(world)["Remediated"]["source"] == "unknown"
    assert len([call for call in world.calls("POST") if "ResourceGraph" in call]) == 1
    assert sum(world.ambient.slept) <= 1, "a repair waited for a name, and not only for its operation"
    assert happenings.take() != []


async def test_a_root_that_was_never_seen_as_declared_has_no_time_to_ask_from() -> None:
    world = stand()
    break_rule(world)
    await world.reconcile("nsg")
    assert blamed(world)["Remediated"]["source"] == "unknown"
    assert GRAPH not in world.calls()


async def test_drift_that_stays_is_asked_for_once_and_named_later_by_a_late_event() -> None:
    world, happenings = await seen(SPEC_ALERT)
    world.pass_time(seconds=1)
    change_setting(world)
    late = happenings.take()
    for _ in range(3):
        await by_sweep(world, happenings)
    assert asked_for_names(world) == 1
    assert (await world.record("site")).episodes["app_settings"].changed_by.name == "unknown"
    for event in late:
        await world.service.on_event(event)
    await world.work_for(HOUR)
    assert (await world.record("site")).episodes["app_settings"].changed_by.name == OPERATOR.upn
    assert world.inbox.told() == [("DriftDetected", "app_settings")]


async def test_a_hold_names_the_other_writer() -> None:
    world, happenings = await seen()
    await world.service.pause(Pause(FLEET, world.ambient.now() + 3 * HOUR, "a freeze", "Eve"))
    break_rule(world)
    await by_event(world, happenings)
    assert blamed(world)["Held"]["name"] == OPERATOR.upn


async def test_each_drift_of_a_root_is_put_down_to_its_own_writer() -> None:
    world, happenings = await seen()
    leave_network(world)
    events = happenings.take()
    change_setting(world)
    for event in happenings.take():
        event["data"]["claims"] |= {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "eve@contoso.example"}
        events.append(event)
    for event in events:
        await world.service.on_event(event)
    await world.work_for(HOUR)
    by_kind = {event.data["kind"]: event.data["changedBy"]["name"] for event in world.inbox.events}  # type: ignore[index, call-overload]  # JSON
    assert by_kind == {"vnet_integration": OPERATOR.upn, "app_settings": "eve@contoso.example"}


async def test_a_writer_is_remembered_while_what_came_of_it_cannot_be_read() -> None:
    world, happenings = await seen()
    break_rule(world)
    world.strike(
        method="GET", path="/networkSecurityGroups/", status=403, body={"error": {"code": "AuthorizationFailed"}}
    )
    await by_event(world, happenings)
    assert world.inbox.told() == [("Failed", "*")]
    world.exchanger.faults.clear()
    await by_sweep(world, happenings)
    assert blamed(world)["DriftDetected"]["name"] == OPERATOR.upn
    assert (await world.record("nsg")).unexplained == ()


async def test_a_retired_targets_alert_names_who_deleted_the_web_app() -> None:
    world, happenings = await seen()
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    await by_event(world, happenings)
    assert blamed(world)["TargetRetired"]["name"] == OPERATOR.upn


# --- the spec ---


@pytest.mark.parametrize("lead", [by_sweep, by_event])
async def test_a_drift_that_a_new_spec_brought_names_both_versions_and_asks_nobody(
    lead: Callable[[Stand, Happenings], Awaitable[None]],
) -> None:
    world, happenings = await seen()
    was = (await world.fleet()).spec_version
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("REDIS_PORT: 6380", "REDIS_PORT: 6381")
    world.pass_time(minutes=1)
    now = (await world.fleet()).spec_version
    assert now != was
    if lead is by_event:  # a look for another reason: somebody left the network
        leave_network(world)
    await lead(world, happenings)
    (actor,) = [
        event.data["changedBy"]
        for event in world.inbox.events
        if event.data["kind"] == "app_settings" and event.type.endswith("Remediated.v1")
    ]
    assert (actor["name"], actor["was"]) == (f"spec version {now}", f"spec version {was}")  # type: ignore[index, call-overload]  # JSON
    assert (actor["kind"], actor["source"]) == ("spec", "spec")  # type: ignore[index, call-overload]  # JSON
    assert asked_for_names(world) == 0


async def test_somebodys_write_outweighs_a_new_spec() -> None:
    world, happenings = await seen()
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("REDIS_PORT: 6380", "REDIS_PORT: 6381")
    world.pass_time(minutes=1)
    change_setting(world)
    await by_event(world, happenings)
    assert blamed(world)["Remediated"]["name"] == OPERATOR.upn


async def test_a_spec_is_accepted_by_each_root_once_it_is_seen_or_made_so() -> None:
    world, happenings = await seen()
    first = (await world.fleet()).spec_version
    accepted = (await world.record("site")).accepted
    assert {kind: it.version for kind, it in accepted.items()} == dict.fromkeys(accepted, first)
    assert accepted.keys() == {"app_settings", "vnet_integration"}
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("REDIS_PORT: 6380", "REDIS_PORT: 6381")
    world.pass_time(minutes=1)
    await by_sweep(world, happenings)
    second = (await world.record("site")).accepted
    assert {it.version for it in second.values()} == {(await world.fleet()).spec_version}
    assert second["app_settings"].digest != accepted["app_settings"].digest
    assert second["vnet_integration"].digest == accepted["vnet_integration"].digest


async def test_a_kind_that_this_process_cannot_judge_is_not_taken_for_accepted() -> None:
    world, _ = await seen()
    without = {kind: it for kind, it in world.engine.registry.items() if kind != "app_settings"}
    before = (await world.record("site")).accepted["app_settings"]
    world.pass_time(hours=1)
    await replace(world.engine, registry=without).reconcile(await world.root("site"), Trigger("manual"))
    assert (await world.record("site")).accepted["app_settings"] == before
