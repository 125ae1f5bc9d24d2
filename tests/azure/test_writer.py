"""Writes: the request that an action becomes, and how the operation that it starts is followed to its end."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from homeostat.azure.writer import NETWORK, PRIVATE_DNS, THIN, WEB, WRITES, NoSuchWrite
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_types import (
    A_RECORD,
    ARM_TYPES,
    FLOW_LOG,
    KEY_VAULT,
    NETWORK_SECURITY_GROUP,
    PRIVATE_DNS_ZONE,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    ROUTE,
    ROUTE_TABLE,
    SECURITY_RULE,
    SITE,
    SITE_CONFIG,
    SITE_NETWORK_CONFIG,
    SLOT,
    SLOT_CONFIG,
    SLOT_NETWORK_CONFIG,
    SUBNET,
    VIRTUAL_NETWORK,
    VIRTUAL_NETWORK_LINK,
    ArmType,
    Concurrency,
)
from homeostat.core.ids import ResourceId
from homeostat.core.plan import Action, Verb
from homeostat.core.secret_value import MASK, Secret
from homeostat.ports import StillRunning, Written
from tests.azure.scripted import ARM, Answer, Conversation, conversation, refusal, resource

pytestmark = pytest.mark.wire

POLL_URL = f"{ARM}/subscriptions/s/providers/Microsoft.Network/locations/westeurope/operations/1"
POLL = "GET locations/westeurope/operations/1"
SETTINGS = resource(SITE_CONFIG.name, "app-flask", "appsettings")
INTEGRATION = resource(SITE_NETWORK_CONFIG.name, "app-flask", "virtualNetwork")
NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
RULE = resource(SECURITY_RULE.name, "nsg-app", "allow-sql")
LINK = resource(VIRTUAL_NETWORK_LINK.name, "privatelink.database.windows.net", "link-app")

RUNNING = Answer(200, {"status": "InProgress"})
SUCCEEDED = Answer(200, {"status": "Succeeded"})
ACCEPTED = Answer(
    201, {"properties": {"provisioningState": "Updating"}}, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1"}
)
LINK_ACCEPTED = Answer(
    202, {}, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1", "Location": f"{POLL_URL}/result?api-version=1"}
)


def put(target: ResourceId, row: ArmType, etag: str | None = None, *, creates: bool = False) -> Action:
    return Action(target, row, Verb.PUT, (), {"properties": {"some": "value"}}, etag, creates)


def delete(target: ResourceId, row: ArmType, etag: str | None = None) -> Action:
    return Action(target, row, Verb.DELETE, (), etag=etag)


def patch(target: ResourceId, row: ArmType, etag: str | None = None) -> Action:
    return Action(target, row, Verb.PATCH, (), {"properties": {"one": "field"}}, etag)


PUT_RULE = put(RULE, SECURITY_RULE, 'W/"1"')
PUT_LINK = put(LINK, VIRTUAL_NETWORK_LINK, '"2"')


async def refused(talk: Conversation, action: Action) -> ArmError:
    with pytest.raises(ArmError) as raised:
        await talk.arm.writer.write(action)
    return raised.value


# --- the request ----------------------------------------------------------------------------------------------------

SLOT_SETTINGS = resource(SLOT_CONFIG.name, "app-flask", "staging", "appsettings")
SLOT_INTEGRATION = resource(SLOT_NETWORK_CONFIG.name, "app-flask", "staging", "virtualNetwork")
VAULT = resource(KEY_VAULT.name, "kv-flask")
RECORD = resource(A_RECORD.name, "privatelink.database.windows.net", "sql-flask")

OF_SITES = [
    patch(resource(SITE.name, "app-flask"), SITE),
    put(SETTINGS, SITE_CONFIG),
    put(INTEGRATION, SITE_NETWORK_CONFIG),
    delete(INTEGRATION, SITE_NETWORK_CONFIG),
    patch(resource(SLOT.name, "app-flask", "staging"), SLOT),
    put(SLOT_SETTINGS, SLOT_CONFIG),
    put(SLOT_INTEGRATION, SLOT_NETWORK_CONFIG),
    delete(SLOT_INTEGRATION, SLOT_NETWORK_CONFIG),
]
OF_NETWORKS = [
    write(resource(row.name, *names), row, 'W/"1"')
    for row, *names in (
        (NETWORK_SECURITY_GROUP, "nsg-app"),
        (SECURITY_RULE, "nsg-app", "allow-sql"),
        (SUBNET, "vnet-app", "snet-app"),
        (ROUTE_TABLE, "rt-app"),
        (ROUTE, "rt-app", "to-vnet"),
        (FLOW_LOG, "NetworkWatcher_westeurope", "flow-vnet"),
        (PRIVATE_ENDPOINT, "pe-sql"),
        (PRIVATE_DNS_ZONE_GROUP, "pe-sql", "default"),
        (PRIVATE_DNS_ZONE, "privatelink.database.windows.net"),
        (VIRTUAL_NETWORK_LINK, "privatelink.database.windows.net", "link-app"),
        (A_RECORD, "privatelink.database.windows.net", "sql-flask"),
    )
    for write in (put, delete)
]
OF_BACKENDS = [patch(resource(name, "backend"), ARM_TYPES[name.lower()]) for name in sorted(THIN)]
EVERY_WRITE = [*OF_SITES, *OF_NETWORKS, *OF_BACKENDS]


def test_every_row_of_the_write_table_is_tried_here() -> None:
    tried = {(action.type.name, action.verb) for action in EVERY_WRITE}
    assert tried == set(WRITES) | {(name, Verb.PATCH) for name in THIN}


@pytest.mark.parametrize("action", EVERY_WRITE, ids=str)
async def test_an_action_becomes_one_request_to_its_own_resource(action: Action) -> None:
    sends_body = action.verb is not Verb.DELETE
    done = Answer(200, {"properties": {"provisioningState": "Succeeded"}} if sends_body else None)
    talk = conversation(done)
    await talk.arm.writer.write(action)
    (request,) = talk.script.requests
    url = urlsplit(request.url)
    assert request.method == action.verb
    assert f"{url.scheme}://{url.netloc}" == ARM
    assert url.path == action.resource.text
    assert parse_qs(url.query) == {"api-version": [action.type.api_version]}
    assert (json.loads(request.content) if request.content else None) == action.body
    assert request.headers.get("Content-Type") == ("application/json" if sends_body else None)
    assert request.headers.get("If-Match") == action.etag


async def test_an_etag_is_not_sent_where_nobody_heeds_it() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(put(SETTINGS, SITE_CONFIG, '"1DA"'))
    assert "If-Match" not in talk.script.requests[0].headers


async def test_an_etag_without_quotes_is_sent_without_quotes() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(put(LINK, VIRTUAL_NETWORK_LINK, "6dae47e1-9f3c"))
    assert talk.script.requests[0].headers["If-Match"] == "6dae47e1-9f3c"


async def test_a_new_link_must_not_overwrite_one_that_came_up_meanwhile() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(put(LINK, VIRTUAL_NETWORK_LINK, creates=True))
    assert talk.script.requests[0].headers["If-None-Match"] == "*"
    assert "If-Match" not in talk.script.requests[0].headers


async def test_a_new_rule_carries_no_precondition_since_its_provider_knows_none() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(put(RULE, SECURITY_RULE, creates=True))
    assert not {"If-Match", "If-None-Match"} & set(talk.script.requests[0].headers)


@pytest.mark.parametrize(
    "action",
    [
        put(resource(SITE.name, "app-flask"), SITE),
        delete(resource(SITE.name, "app-flask"), SITE),
        put(resource(SITE_CONFIG.name, "app-flask", "web"), SITE_CONFIG),
        put(resource(VIRTUAL_NETWORK.name, "vnet-app"), VIRTUAL_NETWORK),
        patch(NSG, NETWORK_SECURITY_GROUP),
        put(VAULT, KEY_VAULT),
        delete(VAULT, KEY_VAULT),
    ],
    ids=str,
)
async def test_what_no_row_covers_is_refused_before_anything_is_sent(action: Action) -> None:
    talk = conversation()
    with pytest.raises(NoSuchWrite):
        await talk.arm.writer.write(action)
    assert talk.script.requests == []


def test_the_write_table_knows_only_types_of_the_type_table() -> None:
    assert {name.lower() for name, _ in WRITES} <= set(ARM_TYPES)


@pytest.mark.parametrize(
    "action",
    [action for action in EVERY_WRITE if action.type.concurrency is not Concurrency.NONE and action.verb is Verb.PUT],
    ids=str,
)
async def test_a_stale_etag_is_refused_as_such_by_every_provider_that_heeds_it(action: Action) -> None:
    answers = [refusal(412, "PreconditionFailed")]
    if action.type.concurrency is Concurrency.IF_MATCH_ON_POLL:
        answers = [LINK_ACCEPTED, failed("PreconditionFailed")]
    assert (await refused(conversation(*answers), action)).error_class is ErrorClass.STALE


async def test_a_new_record_is_done_at_once_and_carries_no_precondition_of_ours() -> None:
    talk = conversation(Answer(201, {"properties": {}}))
    await talk.arm.writer.write(put(RECORD, A_RECORD, creates=True))
    (request,) = talk.script.requests
    assert not {"If-Match", "If-None-Match"} & set(request.headers)


@pytest.mark.parametrize("action", OF_BACKENDS, ids=str)
async def test_a_backend_that_takes_its_time_is_followed_to_the_end(action: Action) -> None:
    accepted = Answer(202, None, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1"})
    talk = conversation(accepted, RUNNING, SUCCEEDED)
    await talk.arm.writer.write(action, correlation_id="heal-42")
    assert talk.script.calls[1:] == [POLL, POLL]
    assert {request.headers["x-ms-client-request-id"] for request in talk.script.requests} == {"heal-42"}


# --- its names ------------------------------------------------------------------------------------------------------


async def test_the_caller_names_the_write_and_learns_what_arm_calls_it() -> None:
    talk = conversation(Answer(200, {}, {"x-ms-correlation-request-id": "arm-7"}))
    assert await talk.arm.writer.write(PUT_RULE, correlation_id="heal-42") == Written("heal-42", "arm-7")
    headers = talk.script.requests[0].headers
    assert (headers["x-ms-client-request-id"], headers["x-ms-correlation-request-id"]) == ("heal-42", "heal-42")


async def test_a_write_without_a_name_gets_one() -> None:
    talk = conversation(Answer(200, {}))
    written = await talk.arm.writer.write(PUT_RULE)
    assert written.request_id == talk.script.requests[0].headers["x-ms-client-request-id"]
    assert written.correlation_id == written.request_id


async def test_polls_carry_the_name_of_their_write() -> None:
    talk = conversation(ACCEPTED, SUCCEEDED)
    await talk.arm.writer.write(PUT_RULE, correlation_id="heal-42")
    assert {request.headers["x-ms-client-request-id"] for request in talk.script.requests} == {"heal-42"}


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


def failed(code: str, state: str = "Failed") -> Answer:
    return Answer(200, {"status": state, "error": {"code": code, "message": "no"}})


PUT_SECRET = Action(SETTINGS, SITE_CONFIG, Verb.PUT, (), {"properties": {"DB_PASSWORD": Secret("hunter2!")}})


async def test_a_secret_is_revealed_to_arm() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(PUT_SECRET)
    assert talk.script.requests[0].content == b'{"properties": {"DB_PASSWORD": "hunter2!"}}'


async def test_an_answer_that_quotes_a_secret_is_told_without_it() -> None:
    talk = conversation(refusal(400, "BadRequest", "The value 'hunter2!' of DB_PASSWORD is not allowed"))
    error = await refused(talk, PUT_SECRET)
    assert error.message == f"The value '{MASK}' of DB_PASSWORD is not allowed"


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


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        (refusal(403, "AuthorizationFailed"), ErrorClass.DENIED),
        (refusal(404, "ResourceNotFound"), ErrorClass.UNKNOWN),
    ],
)
async def test_an_operation_that_may_not_be_read_leaves_open_what_was_done(
    answer: Answer, error_class: ErrorClass
) -> None:
    error = await refused(conversation(ACCEPTED, answer), PUT_RULE)
    assert (error.error_class, error.executed) == (error_class, Executed.MAYBE)
    assert "accepted" in error.message


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


# --- the SDKs -------------------------------------------------------------------------------------------------------


async def test_one_client_and_one_token_serve_many_writes() -> None:
    talk = conversation(*[Answer(200, {})] * 4)
    for _ in range(4):
        await talk.arm.writer.write(PUT_RULE)
    writer: Any = talk.arm.writer
    assert len(writer._clients) == 1
    assert talk.tokens.issued == 1


def test_the_table_needs_three_sdks() -> None:
    assert {operation.sdk for operation in WRITES.values()} == {WEB, NETWORK, PRIVATE_DNS}


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
