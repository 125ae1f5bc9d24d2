"""Each reason to hold, through the whole loop: held, told once, taken up again at the right time, and healed then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.core.arm_types import SUBNET
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Edit, Mode
from homeostat.core.outcome import Outcome, Status, Trigger
from homeostat.core.own import OwnResources
from homeostat.core.plan import Plan, merge
from homeostat.core.source import SpecError
from homeostat.core.spec import Root
from homeostat.own import Own
from homeostat.store import Leased
from simulator.cloud import Timing
from tests.loop.stand import NSG_VERSION, SPEC, WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NIGHTS = """
---
policy: fleet
windows:
  nights: {effect: allow, cron: "0 22 * * *", duration: 2h, zone: Europe/Berlin, disruption: restart}
"""
DEPLOYMENT = "/resourceGroups/rg-flask/providers/Microsoft.Resources/deployments/release"


def tag(world: Stand, name: str, **tags: str) -> None:
    version = WEB_VERSION if name == "site" else NSG_VERSION
    body = world.operator("GET", world.id(name), version=version).body
    world.operator("PUT", world.id(name), {**body, "tags": tags}, version)
    world.cloud.exchanges.clear()


async def breaks(world: Stand) -> None:
    """An NSG rule is changed by hand, and its event comes."""
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()


def is_broken(world: Stand) -> bool:
    return bool(world.rule("allow-sql")["properties"]["access"] == "Deny")


def deploy(world: Stand) -> None:
    body = {"properties": {"mode": "Incremental", "template": {"resources": []}}}
    world.operator("PUT", DEPLOYMENT, body, "2021-04-01")


def held(world: Stand) -> list[tuple[str, str | None]]:
    """(code, when it is looked at again) of each hold that an alert told of."""
    told: list[Any] = [event.data["held"] for event in world.inbox.events if event.type == "Homeostat.Held.v1"]
    return [(hold["code"], hold["retryAt"]) for holds in told for hold in holds]


def codes(outcome: Outcome) -> list[str]:
    return [entry.hold.code for entry in outcome.plan.held]


# --- pause by tag ---


async def test_a_tag_pauses_the_root_that_carries_it_until_its_time_and_then_it_heals() -> None:
    world = stand()
    until = world.ambient.now() + 40 * MINUTE
    tag(world, "nsg", **{"homeostat-pause-until": until.isoformat()})
    await breaks(world)
    await world.work_for(39 * MINUTE)
    assert held(world) == [("paused", until.isoformat())]
    assert world.writes() == []
    await world.work_for(HOUR)
    assert not is_broken(world)
    assert world.inbox.told() == [(each, "nsg_rules") for each in ("DriftDetected", "Held", "Remediated")]
    (entry, *_) = reversed(await world.history("nsg"))
    assert entry["held"][0]["numbers"]["days"] == 0


async def test_a_tag_that_is_not_understood_holds_and_its_removal_is_noticed_within_the_hour() -> None:
    world = stand()
    tag(world, "nsg", **{"homeostat-pause-until": "until Monday"})
    await breaks(world)
    await world.work_for(30 * MINUTE)
    assert [code for code, _ in held(world)] == ["pause-tag-unreadable"]
    tag(world, "nsg")
    await world.work_for(HOUR)
    assert not is_broken(world)
    assert len(held(world)) == 1


async def test_a_pause_of_a_month_is_looked_at_again_within_what_a_message_can_wait() -> None:
    world = stand()
    tag(world, "nsg", **{"homeostat-pause-until": "9999-12-31"})
    await breaks(world)
    await world.work_for(3 * HOUR)
    assert world.failures == []
    assert [code for code, _ in held(world)] == ["paused"]


async def test_the_tag_of_a_web_app_is_read_once_and_only_when_its_settings_are_to_be_written() -> None:
    settings = SPEC[: SPEC.index("vnet_integration:")] + SPEC[SPEC.index("app_settings:") : SPEC.index("nsg_rules:")]
    world = stand(spec=settings)
    world.cloud.exchanges.clear()
    assert (await world.reconcile("site")).status is Status.IN_SYNC
    assert world.calls("GET") == []
    tag(world, "site", **{"homeostat-pause-until": "2027-01-01"})
    world.change_settings(REDIS_PORT="1")
    world.cloud.exchanges.clear()
    assert codes(await world.reconcile("site")) == ["paused"]
    assert world.calls("GET", "PUT") == ["GET sites/app-flask 200", "GET Microsoft.Resources/deployments 200"]


async def test_a_root_whose_tags_cannot_be_read_is_not_written() -> None:
    world = stand(spec=SPEC[: SPEC.index("vnet_integration:")] + SPEC[SPEC.index("app_settings:") :])
    world.change_settings(REDIS_PORT="1")
    world.strike(method="GET", path="/sites/app-flask?", status=403, body={"error": {"code": "AuthorizationFailed"}})
    outcome = await world.reconcile("site")
    assert (codes(outcome), outcome.retry_at) == (["unreadable"], world.ambient.now() + HOUR)
    assert world.writes() == []


# --- windows ---


async def test_a_restart_waits_for_the_night_while_a_rule_does_not() -> None:
    world = stand(spec=SPEC + NIGHTS)  # it is 2:00 in UTC, 3:00 in Berlin
    world.change_settings(REDIS_PORT="1")
    await breaks(world)
    event = world.event(world.id("site").child("config", "appsettings"), "Microsoft.Web/sites/config/write")
    await world.service.on_event(event)
    await world.work_for(10 * HOUR)
    assert not is_broken(world)
    assert world.settings()["REDIS_PORT"] == "1"
    opens = datetime(2026, 3, 1, 21, tzinfo=UTC)
    assert held(world) == [("outside-window", opens.isoformat())]
    assert world.waiting() == [opens]
    world.cloud.exchanges.clear()
    await world.work_for(opens - world.ambient.now())
    assert world.settings()["REDIS_PORT"] == "6380"
    assert world.inbox.told()[-1] == ("Remediated", "app_settings")


async def test_what_waits_for_its_window_costs_no_look_around() -> None:
    world = stand(spec=SPEC + NIGHTS)
    world.change_settings(REDIS_PORT="1")
    world.cloud.exchanges.clear()
    assert codes(await world.reconcile("site")) == ["outside-window"]
    assert not [call for call in world.calls() if "deployments" in call]


async def test_every_owner_of_a_root_has_to_allow_it() -> None:
    closed = '\nwindows: {shut: {effect: deny, cron: "0 0 * * *", duration: 1d}}\n'
    other = SPEC.replace("target: app-flask", "target: other").replace("web_app: app-flask", "web_app: app-other")
    other = other[: other.index("vnet_integration:")] + other[other.index("nsg_rules:") : other.index("dns_links:")]
    world = stand(spec=f"{SPEC}---\n{other}{closed}")
    world.change_rule("allow-sql", access="Deny")
    assert codes(await world.reconcile("nsg")) == ["outside-window"]
    world.specs.by_name["homeostat.yaml"] = f"{SPEC}---\n{other}windows: {{}}\n"
    world.pass_time(minutes=1)
    assert (await world.reconcile("nsg")).status is Status.HEALED


# --- deployments ---


async def test_a_deployment_is_waited_for_and_the_repair_made_after_it() -> None:
    world = stand(timing=Timing(operation_seconds=300))
    deploy(world)
    world.cloud.timing = Timing()
    await breaks(world)
    await world.work_for(4 * MINUTE)
    assert [code for code, _ in held(world)] == ["deployment-in-progress"]
    assert world.writes() == []
    await world.work_for(4 * MINUTE)
    assert not is_broken(world)
    assert world.inbox.told() == [(each, "nsg_rules") for each in ("DriftDetected", "Held", "Remediated")]


async def test_a_deployment_of_over_two_hours_no_longer_holds() -> None:
    world = stand(timing=Timing(operation_seconds=10 * 3600))
    deploy(world)
    world.cloud.timing = Timing()
    await breaks(world)
    await world.work_for(timedelta(hours=1, minutes=58))
    assert is_broken(world)
    await world.work_for(5 * MINUTE)
    assert not is_broken(world)


async def test_deployments_that_may_not_be_read_hold_unless_the_policy_ignores_them() -> None:
    world = stand()
    denied = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    world.strike(method="GET", path="/providers/Microsoft.Resources/deployments", status=403, body=denied)
    await breaks(world)
    outcome = await world.reconcile("nsg")
    assert (codes(outcome), outcome.retry_at) == (["deployments-unreadable"], world.ambient.now() + HOUR)
    world.specs.by_name["homeostat.yaml"] += "\n---\npolicy: fleet\ndeployments: ignore\n"
    await world.work_for(2 * HOUR)
    assert not is_broken(world)


async def test_a_reconcile_that_writes_asks_once_for_deployments_and_one_that_does_not_never() -> None:
    world = stand()
    await world.reconcile("nsg")
    assert not [call for call in world.calls() if "deployments" in call]
    await breaks(world)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert len([call for call in world.calls() if "deployments" in call]) == 1


async def test_a_deployment_elsewhere_or_one_that_is_over_holds_nothing() -> None:
    world = stand()
    world.operator("PUT", "/resourceGroups/rg-other", {"location": "westeurope"}, "2021-04-01")
    world.cloud.timing = Timing(operation_seconds=600)
    body = {"properties": {"mode": "Incremental", "template": {}}}
    world.operator("PUT", DEPLOYMENT.replace("rg-flask", "rg-other"), body, "2021-04-01")
    world.cloud.timing = Timing()
    deploy(world)
    world.pass_time(seconds=1)
    await breaks(world)
    assert (await world.reconcile("nsg")).status is Status.HEALED


# --- what Homeostat runs on ---


def owning(world: Stand, own: Own) -> Stand:
    engine = replace(world.engine, own=own)
    return replace(world, engine=engine, service=replace(world.service, engine=engine))


async def test_an_own_resource_is_held_for_good_and_told_once() -> None:
    before = stand()
    world = owning(before, Own(OwnResources(frozenset({before.id("nsg")}))))
    await breaks(world)
    await world.work_for(24 * HOUR)
    assert held(world) == [("own-resource", None)]
    assert world.waiting() == []
    assert world.writes() == []


async def test_the_own_site_tells_once_which_subnet_and_identities_are_homeostats() -> None:
    before = stand()
    own = Own(site=before.id("site"))
    world = owning(before, own)
    await breaks(world)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    subnet = ResourceId.of(
        world.cloud.subscription, "rg-flask", SUBNET.name, "vnet-appservice", "snet-appservice-integration"
    )
    assert own.known.ids == {subnet}
    world.change_rule("allow-sql", access="Deny")
    world.cloud.exchanges.clear()
    await world.reconcile("nsg")
    assert not [call for call in world.calls() if "sites/app-flask" in call]


async def test_an_own_site_that_may_not_be_read_holds_nothing_and_one_that_fails_is_asked_again() -> None:
    world = owning(stand(), Own(site=stand().id("site")))
    broken = world.strike(method="GET", path="/sites/app-flask?", status=409, body={"error": {"code": "Strange"}})
    await breaks(world)
    assert codes(await world.reconcile("nsg")) == ["unreadable"]
    world.exchanger.faults.remove(broken)
    world.strike(method="GET", path="/sites/app-flask?", status=403, body={"error": {"code": "AuthorizationFailed"}})
    assert (await world.reconcile("nsg")).status is Status.HEALED


async def test_a_spec_of_an_own_resource_is_refused_by_the_service() -> None:
    world = stand()
    world.service.desired.own = OwnResources(frozenset({world.id("site")}))
    with pytest.raises(SpecError, match=r"homeostat.yaml:2: the web app is, or is in, Homeostat's own"):
        await world.fleet()


# --- what a person asks to be written ---


async def asked(world: Stand) -> tuple[Plan, Root, Leased]:
    """As a re-test or a rollback does: writes that were decided elsewhere, under the lease."""
    root = await world.root("nsg")
    world.change_rule("allow-sql", access="Deny")
    plan = (await world.engine.reconcile(root, Trigger("manual", dry_run=True))).plan
    assert len(plan.actions) == 1, "decided before anything stood against it"
    leased = await world.engine.store.lease(root.id, "somebody")
    assert leased is not None
    world.cloud.exchanges.clear()
    return plan, root, leased


async def carried_out(world: Stand, plan: Plan, root: Root, leased: Leased) -> Outcome:
    return await world.engine.carry_out(plan, root, Trigger("rollback", caller="Anna"), leased)


async def test_what_a_person_asks_for_passes_the_gate_and_is_judged() -> None:
    world = stand()
    outcome = await carried_out(world, *await asked(world))
    assert (outcome.status, len(outcome.written)) == (Status.HEALED, 1)


async def test_what_a_person_asks_for_is_held_by_the_gate_too_and_the_ledger_says_so() -> None:
    for code, stands_against in AGAINST.items():
        world = stand()
        decided = await asked(world)
        world = await stands_against(world)
        world.cloud.exchanges.clear()
        outcome = await carried_out(world, *decided)
        assert (outcome.status, codes(outcome)) == (Status.HELD, [code])
        assert (world.writes(), world.inbox.events) == ([], [])
        (entry,) = await world.history("nsg")
        assert (entry["trigger"]["caller"], entry["held"][0]["code"]) == ("Anna", code)
        assert (await world.record("nsg")).lease is None


async def paused(world: Stand) -> Stand:
    await world.service.pause(Pause(FLEET, world.ambient.now() + HOUR, "", "Ben"))
    return world


async def tagged(world: Stand) -> Stand:
    tag(world, "nsg", **{"homeostat-pause-until": "2027-01-01"})
    return world


async def deploying(world: Stand) -> Stand:
    world.cloud.timing = Timing(operation_seconds=300)
    deploy(world)
    return world


async def killed(world: Stand) -> Stand:
    return world.capped(Mode.ALERT)


async def own(world: Stand) -> Stand:
    return owning(world, Own(OwnResources(frozenset({world.id("nsg")}))))


AGAINST = {
    "paused": paused,
    "deployment-in-progress": deploying,
    "mode-alert": killed,
    "own-resource": own,
}


async def test_a_tag_holds_what_a_person_asks_for() -> None:
    world = await tagged(stand())
    root = await world.root("nsg")
    leased = await world.engine.store.lease(root.id, "somebody")
    assert leased is not None
    drift = Drift("nsg_rules", world.id("nsg").child("securityRules", "allow-sql"), (), "allow-sql", "Allow", "Deny")
    plan = Plan(root.id, actions=merge([Edit(drift, ("properties", "access"), "Deny")], {}))
    assert codes(await carried_out(world, plan, root, leased)) == ["paused"]
    assert world.writes() == []
