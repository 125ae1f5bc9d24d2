"""The error table against a table of its own, and against every error body that ARM was recorded to give."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from homeostat.core.arm_errors import (
    MESSAGE_LIMIT,
    REFUSED_UNEXECUTED,
    ArmError,
    ErrorClass,
    Executed,
    denied_action,
    missing_resource,
)

pytestmark = pytest.mark.unit

RECORDED = Path(__file__).parents[3] / "shared/arm/recorded"
FOLDERS = ("errors", "manual_errors")

EXPECTED = {
    (400, "ReferencedResourceNotProvisioned"): ErrorClass.BUSY,
    (401, "Unauthorized"): ErrorClass.DENIED,
    (403, "AuthorizationFailed"): ErrorClass.DENIED,
    (403, "LinkedAuthorizationFailed"): ErrorClass.DENIED,
    (403, "RequestDisallowedByPolicy"): ErrorClass.POLICY,
    (404, "NotFound"): ErrorClass.MISSING,
    (404, "ResourceNotFound"): ErrorClass.MISSING,
    (404, "ParentResourceNotFound"): ErrorClass.MISSING_PARENT,
    (404, "ResourceGroupNotFound"): ErrorClass.MISSING_PARENT,
    (404, "ResourceTypeNotSupported"): ErrorClass.INVALID,
    (409, "AnotherOperationInProgress"): ErrorClass.BUSY,
    (409, "Conflict"): ErrorClass.BUSY,
    (412, "PreconditionFailed"): ErrorClass.STALE,
    (429, "429"): ErrorClass.THROTTLED,
    (429, "RetryableError"): ErrorClass.BUSY,
    (500, "InternalServerError"): ErrorClass.TRANSIENT,
    (503, "ServiceUnavailable"): ErrorClass.TRANSIENT,
    (503, "HTTP 503"): ErrorClass.TRANSIENT,
    (504, "GatewayTimeout"): ErrorClass.TRANSIENT,
}
"""What a recorded answer means. Other codes at 400 are INVALID, at 404 UNKNOWN, at 409 BUSY."""

BY_STATUS_ALONE = {400: ErrorClass.INVALID, 404: ErrorClass.UNKNOWN, 409: ErrorClass.BUSY}


def recordings() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (RECORDED / folder).rglob("*.json"))


def body_text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


@pytest.mark.skipif(not recordings(), reason="the recorded answers of ARM are not beside the checkout")
def test_every_recorded_error_is_classified_by_what_it_means() -> None:
    wrong = []
    for path in recordings():
        recorded = json.loads(path.read_text())
        error = ArmError.from_answer(recorded["status"], recorded.get("headers") or {}, body_text(recorded["body"]))
        expected = EXPECTED.get((error.status, error.code)) or BY_STATUS_ALONE.get(error.status)
        if error.error_class is not expected:
            wrong.append(f"{path.name}: {error} is {error.error_class}, not {expected}")
    assert not wrong


@pytest.mark.skipif(not recordings(), reason="the recorded answers of ARM are not beside the checkout")
def test_every_recorded_error_keeps_its_code_and_its_words() -> None:
    for path in recordings():
        recorded = json.loads(path.read_text())
        error = ArmError.from_answer(recorded["status"], {}, body_text(recorded["body"]))
        assert error.code, path
        assert error.message or "title" in body_text(recorded["body"]), path
        assert "<" not in error.message, path


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "TooManyRequests", ErrorClass.THROTTLED),
        (429, "SubscriptionRequestsThrottled", ErrorClass.THROTTLED),
        (429, "RetryableErrorDueToAnotherOperation", ErrorClass.BUSY),
        (409, "ScopeLocked", ErrorClass.LOCKED),
        (409, "CannotDeleteResource", ErrorClass.INVALID),
        (409, "MissingSubscriptionRegistration", ErrorClass.INVALID),
        (409, "ReadOnlyDisabledSubscription", ErrorClass.DENIED),
        (409, "CanceledAndSupersededDueToAnotherOperation", ErrorClass.STALE),
        (401, "ExpiredAuthenticationToken", ErrorClass.UNAUTHENTICATED),
        (401, "InvalidAuthenticationTokenTenant", ErrorClass.UNAUTHENTICATED),
        (404, "SubscriptionNotFound", ErrorClass.MISSING_PARENT),
        (418, "Teapot", ErrorClass.UNKNOWN),
    ],
)
def test_codes_that_no_recording_has(status: int, code: str, expected: ErrorClass) -> None:
    assert ArmError.from_answer(status, {}, json.dumps({"error": {"code": code}})).error_class is expected


def test_codes_are_known_in_any_case() -> None:
    assert ArmError.from_answer(404, {}, '{"error": {"code": "RESOURCENOTFOUND"}}').error_class is ErrorClass.MISSING


def test_both_shapes_of_an_error_body_are_read() -> None:
    arm = ArmError.from_answer(409, {}, '{"error": {"code": "Conflict", "message": "busy"}}')
    web = ArmError.from_answer(409, {}, '{"Code": "Conflict", "Message": "busy", "Target": null}')
    bare = ArmError.from_answer(409, {}, '{"code": "Conflict", "message": "busy"}')
    assert [(each.code, each.message) for each in (arm, web, bare)] == [("Conflict", "busy")] * 3


def test_a_404_without_a_known_code_is_no_proof_of_deletion() -> None:
    assert ArmError.from_answer(404, {}, '{"title": "Not Found"}').error_class is ErrorClass.UNKNOWN


def test_a_page_of_html_becomes_a_few_words() -> None:
    error = ArmError.from_answer(503, {}, "<html><h1>Service   Unavailable</h1>" + "x" * 5000)
    assert error.code == "HTTP 503"
    assert error.message.startswith("Service Unavailable")
    assert len(error.message) == MESSAGE_LIMIT
    assert error.message.endswith(" ..."), "it shows that something is missing"


@pytest.mark.parametrize("error_class", sorted(REFUSED_UNEXECUTED))
def test_a_refusal_was_not_carried_out(error_class: ErrorClass) -> None:
    assert error_class not in {ErrorClass.TRANSIENT, ErrorClass.UNKNOWN}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_the_service_may_have_been_carried_out(status: int) -> None:
    assert ArmError.from_answer(status, {}, "").executed is Executed.MAYBE


def test_a_request_that_never_left_was_not_carried_out() -> None:
    assert ArmError.no_answer("refused", sent=False).executed is Executed.NO
    assert ArmError.no_answer("timed out", sent=True).executed is Executed.MAYBE


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "12"}, "", 12),
        ({"retry-after": "0"}, "", 0),
        ({"x-ms-retry-after-ms": "1500"}, "", 1.5),
        ({}, "Please try again after '6' seconds.", 6),
        ({}, "Retry after 2 seconds.", 2),
        ({"Retry-After": "9" * 20}, "", 86_400),
        ({"Retry-After": "9" * 5_000}, "", 86_400),
        ({"x-ms-retry-after-ms": "9" * 12}, "", 86_400),
    ],
)
def test_the_wait_that_arm_names_is_found(headers: dict[str, str], message: str, seconds: float) -> None:
    body = json.dumps({"error": {"code": "429", "message": message}})
    assert ArmError.from_answer(429, headers, body).retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["\u00b2", "\u0661", "-1", "1.5", "1e3", ""])
def test_what_is_no_number_of_seconds_is_no_wait(text: str) -> None:
    assert ArmError.from_answer(429, {"Retry-After": text}, f"after {text or 'no'} seconds").retry_after is None


def test_an_answer_that_is_nested_too_deeply_is_an_error_like_any_other() -> None:
    assert ArmError.from_answer(502, {}, "[" * 100_000).error_class is ErrorClass.TRANSIENT


def test_texts_of_any_length_become_short_ones() -> None:
    body = json.dumps({"error": {"code": "c" * 5_000, "message": "m" * 5_000}})
    assert len(str(ArmError.from_answer(400, {}, body))) < 600


def test_of_a_page_only_the_beginning_is_looked_at() -> None:
    words = "word " * 3_000
    assert (
        ArmError.from_answer(502, {}, f"<p>{words}").message
        == ArmError.from_answer(502, {}, f"<p>{words * 99}").message
    )


def test_no_wait_is_made_up() -> None:
    assert ArmError.from_answer(429, {}, '{"error": {"code": "429", "message": "after some time"}}').retry_after is None


def test_a_failed_operation_is_classified_by_its_code_since_its_poll_says_200() -> None:
    body = '{"status": "Failed", "error": {"code": "PreconditionFailed", "message": "etag mismatch"}}'
    error = ArmError.from_operation("Failed", body)
    assert (error.error_class, error.executed, error.status) == (ErrorClass.STALE, Executed.NO, 200)


def test_a_cancelled_operation_without_a_reason_still_has_a_name() -> None:
    error = ArmError.from_operation("Canceled", '{"status": "Canceled"}')
    assert (error.code, error.message) == ("OperationCanceled", "the operation ended as Canceled")
    assert error.executed is Executed.MAYBE


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (
            "The Resource 'Microsoft.Network/networkSecurityGroups/NSG' under resource group 'g' was not found.",
            "microsoft.network/networksecuritygroups/nsg",
        ),
        (
            "Resource /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t/routes/a not found",
            "microsoft.network/routetables/t/routes/a",
        ),
        ("Domain d is not found. Please check the domain name and try again.", ""),
        ("", ""),
    ],
)
def test_the_missing_resource_is_read_from_the_message(message: str, named: str) -> None:
    assert missing_resource(message) == named


MAY_NOT = "The client 'a' with object id 'b' does not have authorization to perform action 'X/ys/read' over scope '/s'."
MAY_NOT_LINK = (
    "The client 'a' with object id 'b' has permission to perform action 'X/ys/write' on scope '/s'; however, it does "
    "not have permission to perform action(s) 'X/zs/join/action' on the linked scope(s) '/t' (respectively)."
)


@pytest.mark.parametrize(
    ("message", "named"),
    [(MAY_NOT, "X/ys/read"), (MAY_NOT_LINK, "X/zs/join/action"), ("no", "GET /s: 403 AuthorizationFailed")],
)
def test_the_action_that_the_role_lacks_is_read_from_the_message(message: str, named: str) -> None:
    body = json.dumps({"error": {"code": "AuthorizationFailed", "message": message}})
    assert denied_action(ArmError.from_answer(403, {}, body, "GET /s")) == named


def test_an_error_shows_request_status_code_and_message() -> None:
    error = ArmError.from_answer(409, {}, '{"error": {"code": "ScopeLocked", "message": "locked"}}', "PUT /x")
    assert str(error) == "PUT /x: 409 ScopeLocked: locked"
    assert error.is_final
