"""Resource Graph's rows become writers; rows that make no sense, and answers that are none, become nothing."""

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from homeostat.azure.resource_graph import MAX_ROOTS, MAX_TEXT, Question, query
from homeostat.core.arm_errors import ArmError
from homeostat.core.attribution import ActorKind, ForeignWrite
from homeostat.core.ids import ResourceId
from tests.azure.scripted import SUBSCRIPTION, Answer, conversation, refusal, resource

pytestmark = pytest.mark.wire

NSG = resource("Microsoft.Network/networkSecurityGroups", "nsg-app")
APP = resource("Microsoft.Web/sites", "app")
SINCE = datetime(2026, 3, 1, 2, tzinfo=UTC)


def row(target: str = NSG.text, change_type: str = "Update", changes: Any = None, **attributes: Any) -> Any:
    told = {
        "timestamp": "2026-03-01T03:00:00.1234567Z",
        "changedBy": "anna@contoso.example",
        "changedByType": "User",
        "clientType": "Azure Portal",
        "operation": "Microsoft.Network/networkSecurityGroups/securityRules/write",
        "correlationId": "c-1",
        **attributes,
    }
    shown = {"targetResourceId": target, "changeType": change_type, "changeAttributes": told}
    return {"properties": {**shown, "changes": {"properties.securityRules": {}} if changes is None else changes}}


async def told(*rows: Any, root: ResourceId = NSG) -> tuple[ForeignWrite, ...]:
    talk = conversation(Answer(200, {"count": len(rows), "data": list(rows)}))
    return await talk.arm.changes.changes(root, SINCE)


async def test_a_row_tells_who_with_what_when_by_which_operation_and_which_fields() -> None:
    (write,) = await told(row())
    assert write.resource == NSG.key
    assert write.fields == ("properties.securityRules",)
    actor = write.by
    assert (actor.name, actor.kind, actor.tool) == ("anna@contoso.example", ActorKind.USER, "Azure Portal")
    assert actor.at == datetime(2026, 3, 1, 3, 0, 0, 123456, tzinfo=UTC)
    assert (actor.operation, actor.correlation_id) == (
        "microsoft.network/networksecuritygroups/securityrules/write",
        "c-1",
    )


@pytest.mark.parametrize("change_type", ["Create", "Delete"])
async def test_a_creation_or_an_end_tells_no_fields(change_type: str) -> None:
    (write,) = await told(row(change_type=change_type, changes={}))
    assert write.fields == ()


@pytest.mark.parametrize("nothing", ["null", "", "Unknown", None, 7])
async def test_what_a_row_does_not_know_is_not_known(nothing: Any) -> None:
    (write,) = await told(row(changedBy=nothing, changedByType=nothing, clientType=nothing, correlationId=nothing))
    assert (write.by.name, write.by.kind, write.by.tool, write.by.correlation_id) == (
        "unknown",
        ActorKind.UNKNOWN,
        "",
        "",
    )


async def test_a_tools_application_id_becomes_its_name() -> None:
    (write,) = await told(row(clientType="04b07795-8ddb-461a-bbee-02f9e1bf7b46", changedByType="Application"))
    assert (write.by.tool, write.by.kind) == ("Azure CLI", ActorKind.APPLICATION)


async def test_the_oldest_comes_first() -> None:
    writes = await told(row(changedBy="last"), row(changedBy="first", timestamp="2026-03-01T02:30:00Z"))
    assert [write.by.name for write in writes] == ["first", "last"]


async def test_a_slots_row_is_no_change_of_its_app() -> None:
    rows = [row(APP.text.upper().replace("/SUBSCRIPTIONS", "/subscriptions")), row(APP.child("slots", "s").text)]
    assert [write.resource for write in await told(*rows, root=APP)] == [APP.key]


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        7,
        {},
        {"properties": None},
        {"properties": {"targetResourceId": NSG.text}},
        row(timestamp="yesterday"),
        row(timestamp="0001-01-01T00:00:00+23:00"),
        row(target="nowhere"),
        row(target=""),
    ],
)
async def test_a_row_that_makes_no_sense_is_left_out(nonsense: Any) -> None:
    assert len(await told(nonsense, row())) == 1


async def test_a_huge_row_does_not_make_a_huge_memory() -> None:
    (write,) = await told(row(changedBy="x" * 10_000, changes={"y" * 10_000: {}}))
    assert len(write.by.name) == len((write.fields or ("",))[0]) == MAX_TEXT


@pytest.mark.parametrize("body", [None, "<html>", "[" * 100_000, [], {"data": "x"}, {"data": None}])
async def test_an_answer_that_is_none_names_nobody(body: Any) -> None:
    talk = conversation(Answer(200, body))
    assert await talk.arm.changes.changes(NSG, SINCE) == ()


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_a_failure_names_nobody_and_is_not_asked_again(status: int) -> None:
    talk = conversation(refusal(status, "RateLimiting", retry_after="1"))
    assert await talk.arm.changes.changes(NSG, SINCE) == ()
    assert (len(talk.script.requests), talk.ambient.slept) == (1, [])


async def test_a_permission_that_is_missing_is_told_and_not_asked_for_again() -> None:
    talk = conversation(refusal(403, "AuthorizationFailed"))
    with pytest.raises(ArmError, match="AuthorizationFailed"):
        await talk.arm.changes.changes(NSG, SINCE)
    assert (len(talk.script.requests), talk.ambient.slept) == (1, [])


async def test_the_query_goes_to_the_roots_own_subscription_and_asks_for_no_other_resource() -> None:
    talk = conversation(Answer(200, {"data": []}))
    await talk.arm.changes.changes(NSG, SINCE)
    (request,) = talk.script.requests
    asked = json.loads(str(request.content))
    assert asked["subscriptions"] == [SUBSCRIPTION]
    assert f"target =~ '{NSG.text}' or target startswith '{NSG.text}/'" in asked["query"]
    assert "datetime(2026-03-01T02:00:00.000000Z)" in asked["query"]


def test_a_name_cannot_leave_its_quotes_and_a_time_is_in_utc() -> None:
    odd = ResourceId.of("s", "rg", "Microsoft.Web/sites", "a'b\\c")
    asked = query([Question(odd, SINCE.astimezone(timezone(timedelta(hours=2))))])
    assert "sites/a\\'b\\\\c'" in asked
    assert "datetime(2026-03-01T02:00:00.000000Z)" in asked


async def test_what_is_asked_meanwhile_is_the_next_query_and_each_is_told_of_its_own_root_since_its_own_time() -> None:
    later = SINCE + timedelta(minutes=90)
    rows = [row(APP.text, changedBy="late", timestamp="2026-03-01T04:00:00Z"), row(), row(APP.text)]
    talk = conversation(Answer(200, {"data": []}), Answer(200, {"data": rows}))
    ask = talk.arm.changes.changes
    none, of_nsg, of_app = await asyncio.gather(ask(NSG, SINCE), ask(NSG, SINCE), ask(APP, later))
    assert none == ()
    assert [write.resource for write in of_nsg] == [NSG.key]
    assert [(write.resource, write.by.name) for write in of_app] == [(APP.key, "late")]
    _, second = talk.script.requests
    asked = json.loads(str(second.content))
    assert asked["query"].count("target =~") == 2
    assert "datetime(2026-03-01T02:00:00.000000Z)" in asked["query"]
    assert "limit 100 " in asked["query"]


async def test_a_crowd_is_asked_about_by_as_few_queries_as_pages_hold_their_answers() -> None:
    crowd = [resource("Microsoft.Web/sites", f"app-{number}") for number in range(2 * MAX_ROOTS)]
    talk = conversation(*(Answer(200, {"data": []}) for _ in range(3)))
    await asyncio.gather(*(talk.arm.changes.changes(root, SINCE) for root in crowd))
    asked = [json.loads(str(request.content))["query"].count("target =~") for request in talk.script.requests]
    assert asked == [1, MAX_ROOTS, MAX_ROOTS - 1]


async def test_a_refusal_of_one_query_does_not_concern_the_next() -> None:
    talk = conversation(refusal(429, "RateLimiting", retry_after="0"), Answer(200, {"data": [row()]}))
    ask = talk.arm.changes.changes
    none, some = await asyncio.gather(ask(NSG, SINCE), ask(NSG, SINCE))
    assert (none, len(some)) == ((), 1)
