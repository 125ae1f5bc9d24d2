"""What the governor learns from answers, one by one: the script says what ARM would."""

import pytest

from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.model import Fact, Found, Read, Unreadable
from tests.azure.scripted import Answer, Conversation, conversation, refusal, resource

pytestmark = pytest.mark.wire

NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg")
LEFT = "x-ms-ratelimit-remaining-subscription-"
ROUTED = "x-ms-routing-request-id"


def found(**left: int) -> Answer:
    return Answer(200, {}, {f"{LEFT}{name.replace('_', '-')}": str(value) for name, value in left.items()})


async def read(talk: Conversation, times: int = 1) -> list[Fact]:
    return [await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG)) for _ in range(times)]


def low(talk: Conversation) -> list[tuple[object, ...]]:
    return [(each["quota"], each["left"], each["of"]) for each in talk.arm.low_budgets()]


async def test_an_answer_that_names_another_bucket_moves_what_follows_there() -> None:
    talk = conversation(found(resource_requests=200), found(resource_requests=150), found(resource_requests=149))
    assert all(isinstance(fact, Found) for fact in await read(talk, 3))
    assert low(talk) == [("requests: GET microsoft.network/networksecuritygroups", 25, 375)]


async def test_a_bucket_that_is_nearly_empty_leaves_the_owner_their_share_before_the_next_request() -> None:
    talk = conversation(found(reads=10), found(reads=63))
    await read(talk, 2)
    beyond, own = (62.5 - 11) / 25, 1 / 18.75  # what others overdrew comes back as the whole quota fills, ours slower
    assert sum(talk.ambient.slept) == pytest.approx(
        beyond + own, abs=0.01
    )  # in two sleeps: this clock has microseconds


async def test_headers_that_are_no_numbers_change_nothing() -> None:
    junk = Answer(
        200, {}, {f"{LEFT}reads": "-1", f"{LEFT}global-reads": "1e3", f"{LEFT}resource-requests": "", ROUTED: ""}
    )
    talk = conversation(junk, junk)
    assert all(isinstance(fact, Found) for fact in await read(talk, 2))
    assert (low(talk), talk.ambient.slept) == ([], [])


async def test_a_refusal_that_names_no_wait_is_asked_again_as_the_retry_policy_has_it() -> None:
    talk = conversation(refusal(429, "TooManyRequests"), found(reads=240))
    assert isinstance((await read(talk))[0], Found)
    assert talk.ambient.slept == [0.25]


async def test_after_a_refusal_for_minutes_others_are_not_sent_and_say_when_to_come_back() -> None:
    talk = conversation(refusal(429, "SubscriptionRequestsThrottled", Retry_After="300"))
    facts = await read(talk, 2)
    errors = [fact.error for fact in facts if isinstance(fact, Unreadable)]
    assert [error.code for error in errors] == ["SubscriptionRequestsThrottled", "BudgetSpent"]
    assert {error.error_class for error in errors} == {ErrorClass.THROTTLED}
    assert [round(error.retry_after.total_seconds()) for error in errors if error.retry_after] == [300, 300]
    assert len(talk.script.requests) == 1


async def test_a_request_without_an_answer_leaves_nothing_under_way() -> None:
    talk = conversation(TimeoutError(), found(reads=100))
    with pytest.raises(TimeoutError):
        await read(talk)
    await read(talk)
    assert low(talk) == [("subscription-reads", 38, 187)]
