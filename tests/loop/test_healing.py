"""The loop heals each kind of drift, reports what it may not heal, and leaves what is in order alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from homeostat.core.model import Mode
from homeostat.core.outcome import Status, Trigger
from tests.loop.stand import DNS_VERSION, SPEC, ZONES, Stand, stand

pytestmark = pytest.mark.wire

MINUTES = timedelta(minutes=10)
SPEC_ALERT = SPEC.replace("mode: enforce", "mode: alert")


def break_rule(world: Stand) -> None:
    world.change_rule("allow-sql", access="Deny")


def delete_rule(world: Stand) -> None:
    world.operator("DELETE", world.id("nsg").child("securityRules", "allow-sql"))


def change_setting(world: Stand) -> None:
    world.change_settings(REDIS_PORT="6379")


def delete_setting(world: Stand) -> None:
    world.change_settings(KEY_VAULT_URI=None)


def leave_network(world: Stand) -> None:
    world.leave_network()


def delete_link(world: Stand) -> None:
    world.operator("DELETE", world.link(), version=DNS_VERSION)


BREAKS = [
    pytest.param("nsg", "nsg_rules", break_rule, id="rule changed"),
    pytest.param("nsg", "nsg_rules", delete_rule, id="rule deleted"),
    pytest.param("site", "app_settings", change_setting, id="setting changed"),
    pytest.param("site", "app_settings", delete_setting, id="setting deleted"),
    pytest.param("site", "vnet_integration", leave_network, id="integration removed"),
    pytest.param(ZONES[0], "dns_links", delete_link, id="link deleted"),
]


def state(world: Stand) -> object:
    rules = world.operator("GET", world.id("nsg")).body["properties"]["securityRules"]
    shown = {rule["name"]: {k: v for k, v in rule["properties"].items() if k != "provisioningState"} for rule in rules}
    return shown, world.settings(), (world.subnet_of_site() or "").lower(), [world.links(zone) for zone in ZONES]


async def test_a_world_that_is_as_declared_is_only_read() -> None:
    world = stand()
    for root in (await world.fleet()).roots:
        outcome = await world.engine.reconcile(await world.root(root), Trigger("manual"))
        assert outcome.status is Status.IN_SYNC
    assert world.writes() == []
    assert world.inbox.events == []


@pytest.mark.parametrize(("root", "kind", "damage"), BREAKS)
async def test_each_kind_of_drift_is_healed_told_and_written_down(
    root: str, kind: str, damage: Callable[[Stand], None]
) -> None:
    world = stand()
    whole = state(world)
    damage(world)
    assert state(world) != whole
    outcome = await world.reconcile(root)
    assert outcome.status is Status.HEALED
    assert state(world) == whole
    assert world.inbox.told() == [("DriftDetected", kind), ("Remediated", kind)]
    (entry,) = await world.history(root)
    assert (entry["status"], entry["trigger"]["cause"]) == ("healed", "manual")
    assert len(entry["written"]) == len(world.writes()) == 1
    record = await world.record(root)
    assert (record.lease, record.intent, record.episodes, record.failures) == (None, None, {}, 0)


@pytest.mark.parametrize(("root", "kind", "damage"), BREAKS)
async def test_in_mode_alert_nothing_is_written_and_one_alert_is_sent(
    root: str, kind: str, damage: Callable[[Stand], None]
) -> None:
    world = stand(spec=SPEC_ALERT)
    damage(world)
    for _ in range(3):
        outcome = await world.reconcile(root)
        assert outcome.status is Status.DRIFTED
        world.pass_time(hours=1)
    assert world.writes() == []
    assert world.inbox.told() == [("DriftDetected", kind)]


async def test_everything_at_once_is_healed_from_events_alone() -> None:
    world = stand()
    whole = state(world)
    for each in (break_rule, change_setting, leave_network, delete_link):
        each(world)
    site, nsg = world.id("site"), world.id("nsg")
    for resource, operation in (
        (nsg.child("securityRules", "allow-sql"), "Microsoft.Network/networkSecurityGroups/securityRules/write"),
        (site.child("config", "appsettings"), "Microsoft.Web/sites/config/write"),
        (site.child("networkConfig", "virtualNetwork"), "Microsoft.Web/sites/networkConfig/delete"),
        (world.link(), "Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete"),
    ):
        assert await world.service.on_event(world.event(resource, operation)) is not None
    await world.work_for(MINUTES)
    assert state(world) == whole
    assert world.waiting() == []
    assert sorted(world.inbox.told()) == sorted(
        (what, kind)
        for what in ("DriftDetected", "Remediated")
        for kind in ("nsg_rules", "app_settings", "vnet_integration", "dns_links")
    )


async def test_the_sweep_heals_what_no_event_told_of() -> None:
    world = stand()
    whole = state(world)
    for each in (delete_rule, delete_setting, delete_link):
        each(world)
    await world.sweep()
    await world.work_for(MINUTES)
    assert state(world) == whole
    assert world.waiting() == []


@pytest.mark.parametrize(("root", "kind", "damage"), BREAKS)
async def test_a_dry_run_says_what_it_would_write_and_changes_nothing_anywhere(
    root: str, kind: str, damage: Callable[[Stand], None]
) -> None:
    world = stand()
    damage(world)
    outcome = await world.reconcile(root, dry_run=True)
    assert outcome.status is Status.PLANNED
    assert [edit.drift.kind for action in outcome.plan.actions for edit in action.edits] == [kind]
    assert world.writes() == []
    assert world.rows() == []
    assert world.waiting() == []
    assert world.inbox.events == []


async def test_a_fleet_that_is_capped_at_alert_is_looked_at_and_not_written() -> None:
    world = stand().capped(Mode.ALERT)
    break_rule(world)
    assert (await world.reconcile("nsg")).status is Status.DRIFTED
    assert world.writes() == []
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]


async def test_a_fleet_that_is_capped_at_ignore_reads_nothing() -> None:
    world = stand().capped(Mode.IGNORE)
    break_rule(world)
    await world.sweep()
    await world.work_for(MINUTES)
    assert world.calls() == []
    assert world.inbox.events == []


async def test_switching_the_fleet_to_ignore_does_not_end_what_was_found_before() -> None:
    world = stand(spec=SPEC_ALERT)
    break_rule(world)
    await world.reconcile("nsg")
    before = await world.record("nsg")
    await world.capped(Mode.IGNORE).reconcile("nsg")
    assert await world.record("nsg") == before
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]


async def test_a_kind_that_is_no_longer_looked_at_is_not_said_to_be_repaired() -> None:
    world = stand(spec=SPEC_ALERT)
    break_rule(world)
    change_setting(world)
    await world.reconcile("nsg")
    await world.reconcile("site")
    world.specs.by_name["homeostat.yaml"] = SPEC_ALERT.replace("app_settings:\n", "app_settings:\n  mode: ignore\n")
    world.pass_time(minutes=1)
    await world.reconcile("site")
    assert (await world.record("site")).episodes == {}
    assert ("Remediated", "app_settings") not in world.inbox.told()


async def test_drift_that_somebody_else_repairs_is_told_as_theirs() -> None:
    world = stand(spec=SPEC_ALERT)
    break_rule(world)
    await world.reconcile("nsg")
    world.change_rule("allow-sql", access="Allow")
    assert (await world.reconcile("nsg")).status is Status.IN_SYNC
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.events[-1].data["by"] == "somebody else"
