"""A write that takes its time is followed to its end, and one that fails is told as what it is."""

from datetime import timedelta

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from homeostat.core.arm_errors import ErrorClass, Executed
from homeostat.core.arm_types import SECURITY_RULE, SITE_CONFIG, SITE_NETWORK_CONFIG
from homeostat.core.plan import Action
from homeostat.ports.azure import StillRunning
from tests.azure.scripted import Answer, conversation, refusal
from tests.azure.writes import (
    ACCEPTED,
    INTEGRATION,
    LINK,
    LINK_ACCEPTED,
    POLL,
    POLL_URL,
    PUT_LINK,
    PUT_RULE,
    PUT_SECRET,
    RULE,
    RUNNING,
    SETTINGS,
    SUCCEEDED,
    delete,
    failed,
    put,
    refused,
)

pytestmark = pytest.mark.wire


# --- the operation --------------------------------------------------------------------------------------------------


async def test_an_operation_is_polled_at_once_and_then_ever_more_slowly() -> None:
    talk = conversation(ACCEPTED, *[RUNNING] * 5, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE)
    assert talk.script.calls == ["PUT networkSecurityGroups/nsg-app/securityRules/allow-sql", *[POLL] * 6]
    assert talk.ambient.slept == [0, 0.2, 0.4, 0.8, 1.6, 3.2]


async def test_polls_are_never_more_than_half_a_minute_apart() -> None:
    talk = conversation(ACCEPTED, *[RUNNING] * 12, SUCCEEDED, deadline=600)
    await talk.arm.writer.write(PUT_RULE)
    assert max(talk.ambient.slept) == 30


async def test_polls_wait_as_arm_says() -> None:
    accepted = Answer(201, {}, {**ACCEPTED.headers, "Retry-After": "3"})
    running = Answer(200, {"status": "InProgress"}, {"Retry-After": "Sun, 01 Mar 2026 02:00:08 GMT"})
    talk = conversation(accepted, running, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE)
    assert talk.ambient.slept == [3, 5]


async def test_being_told_to_ask_at_once_does_not_become_a_busy_loop() -> None:
    running = Answer(200, {"status": "InProgress"}, {"Retry-After": "0"})
    talk = conversation(ACCEPTED, *[running] * 4, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE)
    assert talk.ambient.slept == [0, 0.2, 0.4, 0.8, 1.6]


async def test_a_link_is_followed_through_202_polls_without_a_last_look_at_it() -> None:
    talk = conversation(LINK_ACCEPTED, Answer(202, {"status": "InProgress"}), SUCCEEDED)
    await talk.arm.writer.write(PUT_LINK)
    assert talk.script.unspoken == 0


async def test_a_write_that_only_has_a_location_is_done_when_that_stops_saying_202() -> None:
    location = {"Location": f"{POLL_URL}?api-version=1"}
    talk = conversation(Answer(202, None, location), Answer(202, None, location), Answer(204))
    await talk.arm.writer.write(delete(RULE, SECURITY_RULE))
    assert talk.script.calls[1:] == [POLL, POLL]


@pytest.mark.parametrize("action", [put(SETTINGS, SITE_CONFIG), put(INTEGRATION, SITE_NETWORK_CONFIG), PUT_RULE])
async def test_an_empty_202_that_the_sdk_does_not_expect_is_followed(action: Action) -> None:
    talk = conversation(
        Answer(202, None, {"Location": f"{POLL_URL}?api-version=1", "x-ms-correlation-request-id": "arm-7"}),
        Answer(200, {"properties": {}}),
    )
    written = await talk.arm.writer.write(action)
    assert written.correlation_id == "arm-7"
    assert talk.script.calls[1:] == [POLL]


async def test_an_empty_200_is_a_success() -> None:
    await conversation(Answer(200)).arm.writer.write(delete(INTEGRATION, SITE_NETWORK_CONFIG))
    await conversation(Answer(200)).arm.writer.write(put(SETTINGS, SITE_CONFIG))


@pytest.mark.parametrize("answer", [Answer(204), refusal(404, "ResourceNotFound"), refusal(404, "NotFound")])
async def test_deleting_what_is_not_there_is_done(answer: Answer) -> None:
    talk = conversation(answer)
    await talk.arm.writer.write(delete(RULE, SECURITY_RULE))
    assert len(talk.script.requests) == 1


async def test_writing_into_what_is_not_there_fails() -> None:
    error = await refused(conversation(refusal(404, "ParentResourceNotFound")), PUT_RULE)
    assert error.error_class is ErrorClass.MISSING_PARENT


async def test_a_redirect_is_an_error() -> None:
    error = await refused(conversation(Answer(302, None, {"Location": "https://example.org"})), PUT_RULE)
    assert error.status == 302


# --- its failures ---------------------------------------------------------------------------------------------------


async def test_a_412_means_that_somebody_else_was_first() -> None:
    error = await refused(conversation(refusal(412, "PreconditionFailed")), PUT_RULE)
    assert (error.error_class, error.executed) == (ErrorClass.STALE, Executed.NO)


async def test_a_precondition_that_only_the_poll_reports_means_the_same() -> None:
    talk = conversation(LINK_ACCEPTED, failed("PreconditionFailed"))
    error = await refused(talk, PUT_LINK)
    assert (error.error_class, error.executed) == (ErrorClass.STALE, Executed.NO)
    assert error.request == f"PUT {LINK}"


@pytest.mark.parametrize(
    ("answer", "code", "error_class", "executed"),
    [
        (failed("RetryableErrorDueToAnotherOperation"), None, ErrorClass.BUSY, Executed.NO),
        (failed("InternalServerError"), None, ErrorClass.TRANSIENT, Executed.MAYBE),
        (failed("SomethingNew"), None, ErrorClass.UNKNOWN, Executed.MAYBE),
        (Answer(200, {"status": "Canceled"}), "OperationCanceled", ErrorClass.UNKNOWN, Executed.MAYBE),
    ],
)
async def test_a_failed_operation_is_judged_by_its_code(
    answer: Answer, code: str | None, error_class: ErrorClass, executed: Executed
) -> None:
    error = await refused(conversation(ACCEPTED, RUNNING, answer), PUT_RULE)
    assert error.code == (code or answer.body["error"]["code"])
    assert (error.error_class, error.executed) == (error_class, executed)


@pytest.mark.parametrize(
    "hindrance",
    [
        refusal(503, "ServiceUnavailable"),
        Answer(503, "<html>Service Unavailable</html>"),
        refusal(429, "TooManyRequests", Retry_After="2"),
        ServiceResponseError("connection lost"),
        ServiceRequestError("refused"),
    ],
    ids=str,
)
async def test_a_poll_that_fails_is_repeated_and_the_write_is_not(hindrance: Answer | Exception) -> None:
    talk = conversation(ACCEPTED, hindrance, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE)
    assert [request.method for request in talk.script.requests] == ["PUT", "GET", "GET"]


async def test_an_operation_that_nobody_can_ask_about_is_released_not_failed() -> None:
    talk = conversation(ACCEPTED, refusal(429, "TooManyRequests", Retry_After="60"))
    with pytest.raises(StillRunning) as raised:
        await talk.arm.writer.write(PUT_RULE, correlation_id="heal-42")
    assert raised.value.retry_after == timedelta(seconds=60)
    assert raised.value.written.request_id == "heal-42"


async def test_an_operation_over_the_deadline_is_released_not_failed() -> None:
    talk = conversation(ACCEPTED, *[RUNNING] * 20, deadline=10)
    with pytest.raises(StillRunning) as raised:
        await talk.arm.writer.write(PUT_RULE)
    assert sum(talk.ambient.slept) <= 10
    assert raised.value.resource == RULE


async def test_the_time_that_the_write_itself_took_counts_against_the_deadline() -> None:
    slow = Answer(ACCEPTED.status, ACCEPTED.body, {**ACCEPTED.headers, "Retry-After": "5"}, took=56)
    talk = conversation(slow, deadline=60)
    with pytest.raises(StillRunning) as raised:
        await talk.arm.writer.write(PUT_RULE)
    assert raised.value.retry_after == timedelta(seconds=5)
    assert talk.ambient.slept == []


async def test_an_operation_that_is_not_found_leaves_open_what_was_done() -> None:
    error = await refused(conversation(ACCEPTED, refusal(404, "ResourceNotFound")), PUT_RULE)
    assert (error.error_class, error.executed) == (ErrorClass.UNKNOWN, Executed.MAYBE)
    assert "accepted" in error.message


async def test_a_write_whose_operation_our_role_may_not_read_is_made_and_the_refusal_is_told() -> None:
    written = await conversation(ACCEPTED, refusal(403, "AuthorizationFailed")).arm.writer.write(PUT_RULE)
    assert written.not_told is not None
    assert (written.not_told.error_class, written.not_told.status) == (ErrorClass.DENIED, 403)
    assert "accepted" in written.not_told.message


async def test_an_operation_that_failed_for_want_of_a_permission_has_failed() -> None:
    error = await refused(conversation(ACCEPTED, failed("LinkedAuthorizationFailed")), PUT_RULE)
    assert (error.error_class, error.executed) == (ErrorClass.DENIED, Executed.NO)


async def test_a_delete_whose_operation_is_not_found_is_not_taken_for_done() -> None:
    accepted = Answer(202, None, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1"})
    error = await refused(conversation(accepted, refusal(404, "NotFound")), delete(RULE, SECURITY_RULE))
    assert error.error_class is ErrorClass.UNKNOWN


@pytest.mark.parametrize(
    "poll",
    [
        Answer(200, "<html>"),
        Answer(200, {"no": "status"}),
        Answer(200, ["status"]),
        Answer(200),
    ],
    ids=str,
)
async def test_a_poll_that_makes_no_sense_leaves_an_accepted_write_for_a_later_look(poll: Answer) -> None:
    """Not a failure, which would be a guess: simulated nights found that such a repair was not counted as one."""
    with pytest.raises(StillRunning) as caught:
        await conversation(ACCEPTED, poll).arm.writer.write(PUT_RULE)
    assert caught.value.written.correlation_id


async def test_the_token_does_not_follow_an_operation_to_another_host() -> None:
    elsewhere = Answer(201, {}, {"Azure-AsyncOperation": "https://example.org/operations/1"})
    talk = conversation(elsewhere)
    assert (await refused(talk, PUT_RULE)).code == "ForeignHost"
    assert len(talk.script.requests) == 1


async def test_a_date_in_a_header_that_the_sdk_takes_for_seconds_does_not_make_an_accepted_write_a_failure() -> None:
    dated = Answer(ACCEPTED.status, ACCEPTED.body, {**ACCEPTED.headers, "Retry-After": "Sun, 01 Mar 2026 02:00:05 GMT"})
    talk = conversation(dated, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE)
    assert talk.ambient.slept == [5]


@pytest.mark.parametrize(
    "body", [["no object"], "[" * 100_000, {"properties": ["no object"]}], ids=["list", "deep", "inner"]
)
async def test_an_acceptance_that_makes_no_sense_leaves_open_what_was_done(body: object) -> None:
    error = await refused(conversation(Answer(201, body)), PUT_RULE)
    assert (error.code, error.executed) == ("OperationUnreadable", Executed.MAYBE)


async def test_settings_that_were_written_and_answered_with_what_the_sdk_cannot_read_are_written() -> None:
    talk = conversation(Answer(200, "[" * 100_000))
    await talk.arm.writer.write(PUT_SECRET)
    assert talk.script.unspoken == 0
