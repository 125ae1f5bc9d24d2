"""A write that is refused, lost or late: what became of it is looked at before anything is said of it."""

from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.gate.flapping import FLAPPING
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from simulator.cloud import Timing
from tests.loop.meddling import meddled, once
from tests.loop.stand import DNS_VERSION, SPEC, ZONES, error, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "body", "final"),
    [
        (409, error("AnotherOperationInProgress"), False),
        (429, error("TooManyRequests"), False),
        (500, error("InternalServerError"), False),
        (503, "<html>unavailable</html>", False),
        (504, error("GatewayTimeout"), False),
        (401, error("ExpiredAuthenticationToken"), False),
        (400, error("SecurityRuleInvalidPriority"), True),
    ],
)
async def test_a_write_that_is_refused_fails_says_why_and_acknowledges_nothing(
    status: int, body: Any, *, final: bool
) -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", status=status, body=body)
    outcome = await world.reconcile("nsg")
    assert (outcome.status, outcome.final, outcome.retry_at is None) == (Status.FAILED, final, final)
    assert str(status) in outcome.error
    assert outcome.written == ()
    assert ("Remediated", "nsg_rules") not in world.inbox.told()
    assert (("Failed", "*") in world.inbox.told()) is final
    record = await world.record("nsg")
    assert (record.failures, record.lease) == (1, None)
    assert (await world.history("nsg"))[0]["status"] == "failed"
    world.exchanger.faults.clear()
    await world.work_for(HOUR) if not final else await world.reconcile("nsg")
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_a_write_that_succeeds_although_its_answer_is_lost_is_found_done() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", drop=True, when="after", times=1)
    await world.rule_event()
    await world.work_for(HOUR)
    assert len(world.writes()) == 1
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]


async def test_a_wait_that_arm_asks_for_is_kept() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", status=429, body=error("TooManyRequests"), headers={"Retry-After": "1200"})
    outcome = await world.reconcile("nsg")
    assert outcome.retry_at is not None
    assert outcome.retry_at - world.ambient.now() >= timedelta(seconds=1200)


async def test_a_write_with_an_old_etag_observes_again_and_heals_what_is_then_there() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world = meddled(world, before=once(lambda: world.change_rule("allow-redis", access="Deny"), Action))
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.HEALED
    assert [call.split()[-1] for call in world.writes()] == ["412", "200"]
    rules = {name: world.rule(name)["properties"]["access"] for name in ("allow-sql", "allow-redis")}
    assert rules == {"allow-sql": "Allow", "allow-redis": "Allow"}


async def test_a_link_whose_precondition_fails_in_its_operation_is_observed_again() -> None:
    world = stand()
    body = world.operator("GET", world.link(), version=DNS_VERSION).body
    body["properties"]["registrationEnabled"] = True
    world.operator("PUT", world.link(), body, DNS_VERSION)
    tagged = {**body, "tags": {"by": "somebody"}}
    world = meddled(world, before=once(lambda: world.operator("PUT", world.link(), tagged, DNS_VERSION), Action))
    assert (await world.reconcile(ZONES[0])).status is Status.HEALED
    after = world.operator("GET", world.link(), version=DNS_VERSION).body
    assert (after["properties"]["registrationEnabled"], after["tags"]) == (False, {"by": "somebody"})


async def test_a_repair_that_somebody_undoes_each_time_trips_the_breaker_within_one_reconcile() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")

    async def undo(called: Any) -> None:
        if isinstance(called, Action):
            world.change_rule("allow-sql", access="Deny")

    outcome = await meddled(world, after=undo).reconcile("nsg")
    assert outcome.status is Status.HELD
    assert [held.hold.code for held in outcome.plan.held] == [FLAPPING]
    assert "other writer" in outcome.plan.held[0].hold.message
    assert len(world.writes()) == 3


async def test_a_repair_that_somebody_undoes_each_time_ends_and_says_so_where_the_breaker_is_patient() -> None:
    world = stand(spec=f"{SPEC}---\npolicy: fleet\nflapping: {{times: 50}}\n")
    world.change_rule("allow-sql", access="Deny")

    async def undo(called: Any) -> None:
        if isinstance(called, Action):
            world.change_rule("allow-sql", access="Deny")

    outcome = await meddled(world, after=undo).reconcile("nsg")
    assert outcome.status is Status.FAILED
    assert "another writer" in outcome.error
    assert len(world.writes()) == 3


async def test_a_write_that_outlasts_the_function_settles_and_is_looked_at_later() -> None:
    world = stand(timing=Timing(operation_seconds=300, retry_after=30))
    body = {"properties": {**world.rule("allow-sql")["properties"], "access": "Deny"}}
    world.operator("PUT", world.id("nsg").child("securityRules", "allow-sql"), body)
    world.pass_time(minutes=10)
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.SETTLING
    assert outcome.retry_at is not None
    assert [action.resource.name for action in outcome.written] == ["allow-sql"]
    world.pass_time(seconds=40)
    assert (await world.reconcile("nsg")).status is Status.SETTLING, "it looks as declared, and can still fail"
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]
    await world.work_for(HOUR)
    assert (await world.record("nsg")).episodes == {}
    assert len(world.writes()) == 1
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.events[-1].data["by"] == "homeostat"


async def test_a_write_that_fails_after_the_function_ended_is_not_taken_for_done_meanwhile() -> None:
    """Its resource already looks as it should while the operation runs; simulated nights found this."""
    world = stand(timing=Timing(operation_seconds=300, retry_after=30))
    rule = world.id("nsg").child("securityRules", "allow-sql")
    broken = {"properties": {**world.rule("allow-sql")["properties"], "access": "Deny"}}
    world.operator("PUT", rule, broken)
    world.pass_time(minutes=10)
    await world.rule_event()
    await world.work_for(timedelta(minutes=3))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert (await world.record("nsg")).episodes != {}
    (running,) = (each for each in world.cloud.operations.values() if not each.done)
    running.finish(world.ambient.now())
    running.done, running.error = True, {"code": "InternalServerError", "message": "no"}
    world.operator("PUT", rule, broken)
    world.pass_time(minutes=10)
    await world.work_for(HOUR)
    assert (await world.record("nsg")).episodes == {}
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
