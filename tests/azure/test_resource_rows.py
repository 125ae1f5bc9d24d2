"""All rows of a query of Resource Graph: page after page, within the quota, and never fewer than were promised."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import IncompleteReadError, ServiceResponseTimeoutError

from homeostat.azure.retry import Limits
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.graph import RowQuery, TagCondition
from homeostat.core.json import JsonObject
from homeostat.core.json import at as json_at
from homeostat.paging import every_row, picked
from tests.azure.scripted import Answer, conversation, refusal

pytestmark = pytest.mark.wire

QUERY = RowQuery(("microsoft.web/sites",), ("id", "tags"), subscriptions=("s-1", "s-2"))


def page(*ids: int, total: int = 0, token: str = "", left: int = 14, resets: str = "00:00:05") -> Answer:
    body: dict[str, Any] = {"totalRecords": total or len(ids), "data": [{"id": each} for each in ids]}
    if token:
        body["$skipToken"] = token
    return Answer(200, body, {"x-ms-user-quota-remaining": str(left), "x-ms-user-quota-resets-after": resets})


TOO_LARGE = Answer(
    400,
    {
        "error": {
            "code": "BadRequest",
            "message": "Please provide below info when asking for support: timestamp = now, correlationId = 1.",
            "details": [{"code": "ResponsePayloadTooLarge", "message": "Response payload size is 2, the limit is 1"}],
        }
    },
)


async def rows(*answers: Answer | Exception) -> tuple[list[Any], list[Any], list[float]]:
    """The ids of the rows, what was asked for, and how long was waited in between."""
    talk = conversation(*answers)
    found = await every_row(talk.arm.changes, QUERY, talk.ambient.sleep)
    asked = [json.loads(str(request.content)) for request in talk.script.requests]
    return [row["id"] for row in found], asked, talk.ambient.slept


async def test_the_pages_are_put_together() -> None:
    found, asked, slept = await rows(page(1, 2, total=3, token="more"), page(3, total=3))
    assert found == [1, 2, 3]
    assert [each["options"] for each in asked] == [{"$top": 1000}, {"$top": 1000, "$skipToken": "more"}]
    assert {tuple(each["subscriptions"]) for each in asked} == {("s-1", "s-2")}
    assert slept == []


async def test_of_each_page_stays_only_what_is_picked_and_every_row_counts_as_come() -> None:
    talk = conversation(page(1, 2, total=3, token="more"), page(3, total=3))
    picks: list[int] = []

    def odd(row: JsonObject) -> int | None:
        picks.append(len(talk.script.requests))
        number = json_at(row, ("id",))
        return number if isinstance(number, int) and number % 2 else None

    assert await picked(talk.arm.changes, QUERY, talk.ambient.sleep, odd) == (1, 3)
    assert picks == [1, 1, 2], "a page is picked through before the next is asked for"


async def test_with_no_query_left_the_next_page_waits_for_the_quota() -> None:
    _, _, slept = await rows(page(1, total=2, token="more", left=0, resets="00:00:03"), page(2, total=2))
    assert slept == [3]


async def test_a_refusal_for_the_quota_is_asked_again_when_it_says_so() -> None:
    refused = refusal(429, "RateLimiting", x_ms_user_quota_resets_after="00:00:04")
    found, _, slept = await rows(refused, page(1))
    assert (found, slept) == ([1], [4])


async def test_an_answer_that_is_too_large_is_asked_for_in_smaller_pages_from_the_start() -> None:
    found, asked, _ = await rows(
        page(1, total=2, token="more"), TOO_LARGE, page(1, total=2, token="m"), page(2, total=2)
    )
    assert found == [1, 2]
    assert [each["options"].get("$top") for each in asked] == [1000, 1000, 500, 500]


async def test_rows_that_are_too_large_by_themselves_are_an_error() -> None:
    with pytest.raises(ArmError, match="ResponsePayloadTooLarge: Response payload size"):
        await rows(*[TOO_LARGE] * 10)


async def test_fewer_rows_than_were_promised_are_an_error() -> None:
    with pytest.raises(ArmError, match="3 rows were promised, and 2 came"):
        await rows(page(1, 2, total=3))


@pytest.mark.parametrize("body", ["<html>", [], {"data": []}, {"data": "x", "totalRecords": 1}, "[" * 100_000])
async def test_an_answer_that_is_no_page_is_an_error(body: Any) -> None:
    with pytest.raises(ArmError, match="OddAnswer"):
        await rows(Answer(200, body))


CUT_SHORT = IncompleteReadError("400, message: not enough data for the content length")
TOO_SLOW = ServiceResponseTimeoutError("timeout on reading data from socket")


@pytest.mark.parametrize("breaks", [CUT_SHORT, TOO_SLOW])
async def test_a_page_that_breaks_off_in_the_middle_is_asked_for_again(breaks: Exception) -> None:
    talk = conversation(replace(page(8, 9, total=3, token="old"), breaks=breaks), page(1, 2))
    found = await talk.arm.changes.page(QUERY)
    assert (found.rows, found.total, found.token) == (({"id": 1}, {"id": 2}), 2, "")
    assert talk.ambient.slept == [0.25]


@pytest.mark.parametrize("breaks", [CUT_SHORT, TOO_SLOW])
async def test_a_page_that_breaks_off_again_and_again_counts_as_no_answer(breaks: Exception) -> None:
    talk = conversation(*[replace(page(1), breaks=breaks)] * 2, limits=Limits(attempts=2))
    with pytest.raises(ArmError, match=str(breaks)) as raised:
        await talk.arm.changes.page(QUERY)
    assert (raised.value.status, raised.value.error_class) == (0, ErrorClass.TRANSIENT)
    assert talk.script.unspoken == 0


@pytest.mark.parametrize(
    "answer",
    [
        page(1),
        Answer(200, "<html>"),
        replace(page(1), breaks=CUT_SHORT),
        replace(page(1), breaks=asyncio.CancelledError()),
        refusal(403, "AuthorizationFailed"),
    ],
    ids=["a page", "no page", "broken off", "waited for no longer", "a refusal"],
)
async def test_no_answer_keeps_its_connection(answer: Answer) -> None:
    talk = conversation(answer, limits=Limits(attempts=1))
    with suppress(ArmError, asyncio.CancelledError):
        await talk.arm.changes.page(QUERY)
    assert [response.is_closed for response in talk.script.responses] == [True]


async def test_what_was_left_of_the_quota_is_learned_from_an_answer_that_is_no_page_too() -> None:
    talk = conversation(Answer(200, "<html>", {"x-ms-user-quota-remaining": "6"}))
    with pytest.raises(ArmError, match="OddAnswer"):
        await talk.arm.changes.page(QUERY)
    assert [(low["quota"], low["left"]) for low in talk.arm.governor.low()] == [("resource-graph-queries", 3)]


async def test_a_refusal_is_an_error() -> None:
    with pytest.raises(ArmError, match="AuthorizationFailed"):
        await rows(refusal(403, "AuthorizationFailed"))


async def test_a_management_group_is_asked_in_the_place_of_subscriptions() -> None:
    talk = conversation(page(1))
    await every_row(talk.arm.changes, RowQuery(("a/b",), ("id",), management_groups=("mg",)), talk.ambient.sleep)
    asked = json.loads(str(talk.script.requests[0].content))
    assert asked["managementGroups"] == ["mg"]
    assert "subscriptions" not in asked


def test_names_and_values_cannot_leave_their_quotes() -> None:
    tag = TagCondition("o'clock", ("a\\b",))
    text = RowQuery(("a/b",), ("id",), resource_groups=("it's",), tag=tag).text
    assert "resourceGroup in~ ('it\\'s')" in text
    assert "tag[0] =~ 'o\\'clock' and tostring(tag[1]) in ('a\\\\b')" in text
