"""What the loop does about each class of ARM's errors, on its reads and on its writes: docs/operations.md, in tests."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from homeostat.core import json
from homeostat.core.arm_errors import ErrorClass
from homeostat.core.endings import RETRIES
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.outcome import Status
from homeostat.store import WORK_QUEUE
from tests.loop.stand import SPEC, Stand, stand

pytestmark = pytest.mark.wire

DAY = timedelta(days=1)
PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Row:
    """An answer of ARM, and what becomes of a root that always meets it: once looked at, and in all.

    tries: how often the request is sent in one reconcile. retried: whether it is tried again by itself.
    code: of the hold, where it is one. told: the alert that tells of it, once.
    """

    status: int
    answer: str
    ends: Status
    tries: int
    retried: bool
    told: str
    code: str = ""


FAILED, HELD, UNKNOWN, MISSING = Status.FAILED, Status.HELD, Status.UNKNOWN, Status.MISSING

WRITES = {
    ErrorClass.THROTTLED: Row(429, "TooManyRequests", FAILED, 6, True, "Failed"),
    ErrorClass.BUSY: Row(409, "AnotherOperationInProgress", FAILED, 6, True, "Failed"),
    ErrorClass.TRANSIENT: Row(503, "ServiceUnavailable", FAILED, 1, True, "Failed"),
    ErrorClass.STALE: Row(412, "PreconditionFailed", FAILED, 3, True, "Failed"),
    ErrorClass.MISSING: Row(404, "ResourceNotFound", FAILED, 1, True, "Failed"),
    ErrorClass.MISSING_PARENT: Row(404, "ParentResourceNotFound", FAILED, 1, True, "Failed"),
    ErrorClass.LOCKED: Row(409, "ScopeLocked", HELD, 1, False, "Held", "locked"),
    ErrorClass.DENIED: Row(403, "AuthorizationFailed", HELD, 1, False, "Held", "not-authorized"),
    ErrorClass.POLICY: Row(403, "RequestDisallowedByPolicy", HELD, 1, False, "Held", "policy-denied"),
    ErrorClass.UNAUTHENTICATED: Row(401, "ExpiredAuthenticationToken", FAILED, 2, True, "Failed"),
    ErrorClass.INVALID: Row(400, "SecurityRuleInvalidPriority", FAILED, 1, False, "Failed"),
    ErrorClass.UNKNOWN: Row(418, "NeverHeardOf", FAILED, 1, True, "Failed"),
}
READS = {
    ErrorClass.THROTTLED: Row(429, "TooManyRequests", UNKNOWN, 6, True, "Failed"),
    ErrorClass.BUSY: Row(409, "AnotherOperationInProgress", UNKNOWN, 6, True, "Failed"),
    ErrorClass.TRANSIENT: Row(503, "ServiceUnavailable", UNKNOWN, 6, True, "Failed"),
    ErrorClass.STALE: Row(412, "PreconditionFailed", UNKNOWN, 1, True, "Failed"),
    ErrorClass.MISSING: Row(404, "ResourceNotFound", MISSING, 1, True, "Held", "container-gone"),
    ErrorClass.MISSING_PARENT: Row(404, "ResourceGroupNotFound", MISSING, 1, True, "Held", "container-gone"),
    ErrorClass.LOCKED: Row(409, "ScopeLocked", UNKNOWN, 1, False, "Failed"),
    ErrorClass.DENIED: Row(403, "AuthorizationFailed", UNKNOWN, 1, False, "Failed"),
    ErrorClass.POLICY: Row(403, "RequestDisallowedByPolicy", UNKNOWN, 1, False, "Failed"),
    ErrorClass.UNAUTHENTICATED: Row(401, "ExpiredAuthenticationToken", UNKNOWN, 2, True, "Failed"),
    ErrorClass.INVALID: Row(400, "InvalidRequest", UNKNOWN, 1, False, "Failed"),
    ErrorClass.UNKNOWN: Row(418, "NeverHeardOf", UNKNOWN, 3, True, "Failed"),
}


def struck(row: Row, method: str) -> Stand:
    """A rule is wrong, and every such request to its group is answered like this."""
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    body: Any = {"error": {"code": row.answer, "message": "no"}}
    world.strike(method=method, path="/networkSecurityGroups/", status=row.status, body=body)
    return world


async def is_told_once_and_never_acknowledged(world: Stand, row: Row) -> None:
    """Through three nights: however often it is met, it is told once, and no repair is claimed."""
    for _ in range(3):
        await world.work_for(DAY)
        assert world.waiting() == [], "it is not retried for ever"
        await world.sweep()
    await world.work_for(DAY)
    told = [what for what, _ in world.inbox.told()]
    assert told.count(row.told) == 1
    assert "Remediated" not in told
    assert world.poisoned == []
    world.exchanger.faults.clear()
    await world.sweep()
    await world.work_for(timedelta(hours=1))
    record = await world.record("nsg")
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert (record.failing, record.episodes) == (None, {})


@pytest.mark.parametrize("row", WRITES.values(), ids=WRITES.keys())
async def test_a_write_that_is_answered_with_an_error(row: Row) -> None:
    world = struck(row, "PUT")
    outcome = await world.reconcile("nsg")
    assert (outcome.status, outcome.retry_at is not None, outcome.written) == (row.ends, row.retried, ())
    assert (str(row.status) in outcome.error) or row.status == 412
    assert len(world.writes()) == row.tries
    held = {each.hold.code: dict(each.hold.numbers) for each in outcome.plan.held}
    assert held == ({row.code: {"status": row.status, "code": row.answer}} if row.code else {})
    entry = (await world.history("nsg"))[0]
    assert (entry["status"], len(entry["snapshots"]) > 0) == (row.ends, True)
    await is_told_once_and_never_acknowledged(world, row)


@pytest.mark.parametrize("row", READS.values(), ids=READS.keys())
async def test_a_read_that_is_answered_with_an_error(row: Row) -> None:
    world = struck(row, "GET")
    outcome = await world.reconcile("nsg")
    assert (outcome.status, outcome.retry_at is not None) == (row.ends, row.retried)
    assert len(world.calls("GET")) == row.tries
    await is_told_once_and_never_acknowledged(world, row)
    assert world.writes() == ["PUT securityRules/allow-sql 200"]


def test_every_class_has_its_row_on_both_sides_and_on_the_page() -> None:
    assert set(WRITES) == set(READS) == set(ErrorClass)
    section = PAGE.partition("## Errors of Azure")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == set(ErrorClass)


async def test_a_read_only_lock_keeps_the_settings_from_being_read_and_the_network_is_judged_all_the_same() -> None:
    """A ReadOnly lock forbids the POST that reads app settings.

    https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
    """
    world = stand()
    world.change_settings(REDIS_PORT="1")
    world.strike(method="POST", path="/config/appsettings/list", status=409, body={"error": {"code": "ScopeLocked"}})
    outcome = await world.reconcile("site")
    assert (outcome.status, outcome.final) == (Status.UNKNOWN, True)
    assert {drift.note for drift in outcome.plan.drifts} == {"could not be read: locked"}
    assert world.writes() == []


async def test_what_azure_refuses_holds_only_itself_and_what_waits_for_it() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")
    body = {"error": {"code": "RequestDisallowedByPolicy", "message": "no"}}
    world.strike(method="PUT", path="/networkConfig/virtualNetwork", status=403, body=body)
    outcome = await world.reconcile("site")
    assert outcome.status is Status.HELD
    assert [(each.drift.kind, each.hold.code) for each in outcome.plan.held] == [("vnet_integration", "policy-denied")]
    assert world.settings()["REDIS_PORT"] == "6380"
    assert world.inbox.told().count(("Held", "vnet_integration")) == 1
    assert ("Remediated", "app_settings") in world.inbox.told()
    assert len([call for call in world.writes() if "virtualNetwork" in call]) == 1


async def test_a_hold_does_not_end_a_row_of_failed_writes() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    fault = world.strike(method="PUT", status=500, body={"error": {"code": "InternalServerError", "message": "no"}})
    for _ in range(3):
        await world.reconcile("nsg")
    assert world.inbox.told().count(("Failed", "*")) == 1
    await world.service.pause(Pause(FLEET, world.ambient.now() + timedelta(hours=1), "", "Ben"))
    assert (await world.reconcile("nsg")).status is Status.HELD
    assert (await world.record("nsg")).failures == 3
    assert ("Remediated", "*") not in world.inbox.told()
    await world.service.resume(FLEET, "Ben")
    assert (await world.reconcile("nsg")).status is Status.FAILED
    assert world.inbox.told().count(("Failed", "*")) == 1
    world.exchanger.faults.remove(fault)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert ("Remediated", "*") in world.inbox.told()


async def test_a_root_that_keeps_failing_is_tried_so_often_and_shown_as_failing() -> None:
    world = struck(WRITES[ErrorClass.TRANSIENT], "PUT")
    since = world.ambient.now()
    await world.reconcile("nsg")
    (failing,) = json.objects_at(await world.service.target("app-flask"), "failing")
    assert failing["failures"] == 1
    assert failing["since"] == since.isoformat()
    assert "503 ServiceUnavailable" in json.text_at(failing, "error")
    assert failing["nextTry"] == (world.ambient.now() + RETRIES[0]).isoformat()
    await world.work_for(DAY)
    (failing,) = json.objects_at(await world.service.target("app-flask"), "failing")
    assert (failing["failures"], failing["nextTry"]) == (len(RETRIES) + 1, None)
    assert world.memory.queues.next_visible(WORK_QUEUE) is None


async def test_what_people_try_in_between_and_fails_uses_up_no_try() -> None:
    world = struck(WRITES[ErrorClass.TRANSIENT], "PUT")
    since = world.ambient.now()
    for _ in range(len(RETRIES) + 1):
        assert (await world.reconcile("nsg")).retry_at == since + RETRIES[0]
    world.pass_time(seconds=RETRIES[0].total_seconds())
    assert (await world.reconcile("nsg")).retry_at == since + RETRIES[1]


async def test_an_item_that_is_ignored_from_now_on_is_not_told_as_repaired() -> None:
    alerting = SPEC.replace("mode: enforce", "mode: alert")
    world = stand(spec=alerting)
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]
    world.specs.by_name["homeostat.yaml"] = alerting.replace("ports: 1433}", "ports: 1433, mode: ignore}")
    world.pass_time(minutes=1)
    assert (await world.reconcile("nsg")).status is Status.IN_SYNC
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]
    assert (await world.record("nsg")).episodes == {}
