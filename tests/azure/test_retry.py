"""The one retry policy, seen from its outside: what is asked again, after which wait, and what is not."""

from datetime import timedelta

import aiohttp
import pytest
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from homeostat.azure.retry import Limits, only_reads
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, SITE_CONFIG
from homeostat.core.model import Fact, Found, Read, Unreadable
from homeostat.core.plan import Action, Verb
from tests.azure.scripted import ARM, Answer, Conversation, Tokens, conversation, refusal, resource

pytestmark = pytest.mark.wire

NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
RULE = resource(SECURITY_RULE.name, "nsg-app", "allow-sql")
SETTINGS = resource(SITE_CONFIG.name, "app-flask", "appsettings")
PUT_RULE = Action(RULE, SECURITY_RULE, Verb.PUT, (), {"properties": {"priority": 100}}, etag='W/"1"')
FINE = Answer(200, {"id": NSG.text})


async def read_nsg(talk: Conversation) -> Fact:
    return await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))


async def failing_read(talk: Conversation) -> ArmError:
    fact = await read_nsg(talk)
    assert isinstance(fact, Unreadable), fact
    return fact.error


async def failing_write(talk: Conversation) -> ArmError:
    with pytest.raises(ArmError) as raised:
        await talk.arm.writer.write(PUT_RULE)
    return raised.value


@pytest.mark.parametrize(
    "hindrance",
    [
        refusal(500, "InternalServerError"),
        refusal(504, "GatewayTimeout"),
        Answer(503, "<html><body><h2>Service Unavailable</h2></body></html>"),
        refusal(429, "TooManyRequests"),
        refusal(409, "AnotherOperationInProgress"),
        ServiceResponseError("connection lost"),
        ServiceRequestError("connection refused"),
    ],
    ids=str,
)
async def test_a_read_is_repeated_after_what_passes(hindrance: Answer | Exception) -> None:
    talk = conversation(hindrance, FINE)
    assert isinstance(await read_nsg(talk), Found)
    assert len(talk.script.requests) == 2


async def test_the_post_that_lists_settings_is_a_read() -> None:
    talk = conversation(refusal(503, "ServiceUnavailable"), Answer(200, {"properties": {}}))
    assert isinstance(await talk.arm.reader.read(Read(SITE_CONFIG, SETTINGS)), Found)
    assert talk.script.calls == ["POST sites/app-flask/config/appsettings/list"] * 2


@pytest.mark.parametrize(
    ("method", "path", "reads"),
    [
        ("GET", "/x", True),
        ("POST", "/sites/a/config/appsettings/LIST", True),
        ("POST", "/providers/Microsoft.ResourceGraph/resources", True),
        ("POST", "/sites/a/restart", False),
        ("PUT", "/x/list", False),
        ("DELETE", "/x", False),
    ],
)
def test_only_requests_that_change_nothing_are_reads(method: str, path: str, reads: bool) -> None:
    assert only_reads(HttpRequest(method, f"{ARM}{path}?api-version=1")) is reads


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AuthorizationFailed"), (409, "ScopeLocked"), (400, "InvalidRequestFormat"), (404, "ResourceGroupNotFound")],
)
async def test_what_stays_as_it_is_is_not_asked_again(status: int, code: str) -> None:
    talk = conversation(refusal(status, code))
    assert (await failing_read(talk)).code == code
    assert talk.ambient.slept == []


async def test_waits_double_and_chance_spreads_them() -> None:
    busy = [refusal(503, "ServiceUnavailable")] * 6
    calm = conversation(*busy, draw=0.0, limits=Limits(budget=1000))
    wild = conversation(*busy, draw=1.0, limits=Limits(budget=1000))
    await failing_read(calm)
    await failing_read(wild)
    assert calm.ambient.slept == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert wild.ambient.slept == [0.5, 1.0, 2.0, 4.0, 8.0]


async def test_a_read_is_given_up_after_its_attempts() -> None:
    talk = conversation(*[refusal(503, "ServiceUnavailable")] * 9, limits=Limits(attempts=4))
    assert (await failing_read(talk)).code == "ServiceUnavailable"
    assert len(talk.script.requests) == 4


async def test_a_code_that_nobody_knows_is_tried_three_times() -> None:
    talk = conversation(*[refusal(418, "Teapot")] * 9)
    assert (await failing_read(talk)).error_class is ErrorClass.UNKNOWN
    assert len(talk.script.requests) == 3


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 02:00:09 GMT"}, 9),
        ({"Retry-After": "Sun, 01 Mar 2026 01:00:00 GMT"}, 0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
    ],
)
async def test_the_wait_that_arm_names_is_kept(headers: dict[str, str], waited: float) -> None:
    talk = conversation(Answer(429, {"error": {"code": "TooManyRequests"}}, headers), FINE, draw=1.0)
    assert isinstance(await read_nsg(talk), Found)
    assert talk.ambient.slept == [waited]


async def test_a_wait_that_only_the_text_names_is_kept() -> None:
    talk = conversation(refusal(429, "429", "Please try again after '6' seconds."), FINE)
    await read_nsg(talk)
    assert talk.ambient.slept == [6]


async def test_a_retry_after_that_is_no_date_and_no_number_is_ignored() -> None:
    talk = conversation(refusal(429, "TooManyRequests", Retry_After="soon"), FINE)
    await read_nsg(talk)
    assert talk.ambient.slept == [0.25]


async def test_a_long_wait_is_handed_to_the_caller_instead_of_slept() -> None:
    talk = conversation(refusal(429, "TooManyRequests", Retry_After="300"))
    assert (await failing_read(talk)).retry_after == timedelta(seconds=300)
    assert talk.ambient.slept == []


async def test_waits_add_up_to_the_budget_at_most() -> None:
    talk = conversation(*[refusal(429, "TooManyRequests", Retry_After="8")] * 4)
    error = await failing_read(talk)
    assert talk.ambient.slept == [8, 8]
    assert error.retry_after == timedelta(seconds=8)


async def test_time_that_arm_takes_to_answer_counts_against_the_budget() -> None:
    slow = Answer(504, {"error": {"code": "GatewayTimeout"}}, took=60)
    talk = conversation(slow)
    assert (await failing_read(talk)).retry_after == timedelta(seconds=0.25)
    assert len(talk.script.requests) == 1


@pytest.mark.parametrize(
    "turned_away",
    [
        refusal(429, "TooManyRequests"),
        refusal(429, "RetryableErrorDueToAnotherOperation", Retry_After="10"),
        refusal(409, "AnotherOperationInProgress"),
        ServiceRequestError("name not resolved"),
    ],
    ids=str,
)
async def test_a_write_is_repeated_when_nothing_was_done(turned_away: Answer | Exception) -> None:
    talk = conversation(turned_away, Answer(200, {"properties": {"provisioningState": "Succeeded"}}))
    await talk.arm.writer.write(PUT_RULE)
    assert talk.script.calls == ["PUT networkSecurityGroups/nsg-app/securityRules/allow-sql"] * 2


@pytest.mark.parametrize(
    ("hindrance", "executed"),
    [
        (refusal(500, "InternalServerError"), Executed.MAYBE),
        (refusal(503, "ServiceUnavailable"), Executed.MAYBE),
        (refusal(504, "GatewayTimeout"), Executed.MAYBE),
        (Answer(503, "<html>Service Unavailable</html>"), Executed.MAYBE),
        (ServiceResponseError("no answer"), Executed.MAYBE),
        (refusal(418, "Teapot"), Executed.MAYBE),
        (refusal(412, "PreconditionFailed"), Executed.NO),
        (refusal(403, "LinkedAuthorizationFailed"), Executed.NO),
    ],
    ids=str,
)
async def test_a_write_that_may_have_been_done_is_not_repeated(
    hindrance: Answer | Exception, executed: Executed
) -> None:
    talk = conversation(hindrance)
    assert (await failing_write(talk)).executed is executed
    assert len(talk.script.requests) == 1


async def test_a_connection_lost_after_sending_is_no_proof_that_nothing_was_done() -> None:
    lost = aiohttp.ServerDisconnectedError()
    talk = conversation(ServiceRequestError(lost, error=lost))
    assert (await failing_write(talk)).executed is Executed.MAYBE


async def test_a_refused_token_is_replaced_once() -> None:
    talk = conversation(refusal(401, "ExpiredAuthenticationToken"), FINE)
    assert isinstance(await read_nsg(talk), Found)
    tokens = [request.headers["Authorization"] for request in talk.script.requests]
    assert tokens == ["Bearer token-1", "Bearer token-2"]


async def test_a_write_with_a_refused_token_goes_out_again_with_a_new_one() -> None:
    done = Answer(200, {"properties": {"provisioningState": "Succeeded"}})
    talk = conversation(refusal(401, "ExpiredAuthenticationToken"), done)
    await talk.arm.writer.write(PUT_RULE)
    assert talk.tokens.issued == 2


async def test_a_second_refused_token_is_the_end() -> None:
    talk = conversation(refusal(401, "InvalidAuthenticationToken"), refusal(401, "InvalidAuthenticationToken"))
    assert (await failing_read(talk)).error_class is ErrorClass.UNAUTHENTICATED
    assert talk.script.unspoken == 0


async def test_an_unregistered_provider_is_reported_and_not_registered_behind_our_back() -> None:
    talk = conversation(refusal(409, "MissingSubscriptionRegistration"))
    assert (await failing_write(talk)).code == "MissingSubscriptionRegistration"
    assert [request.method for request in talk.script.requests] == ["PUT"]


async def test_attempts_of_one_call_carry_one_request_id() -> None:
    talk = conversation(refusal(503, "ServiceUnavailable"), FINE, FINE)
    await read_nsg(talk)
    await read_nsg(talk)
    first, second, other = (request.headers["x-ms-client-request-id"] for request in talk.script.requests)
    assert first == second != other


async def test_a_write_is_not_sent_again_after_its_time() -> None:
    talk = conversation(refusal(429, "RetryableError", Retry_After="11"), FINE)
    with pytest.raises(ArmError) as raised:
        await talk.arm.writer.write(PUT_RULE, send_by=talk.ambient.monotonic() + 10)
    assert (raised.value.error_class, raised.value.executed) == (ErrorClass.STALE, Executed.NO)
    assert len(talk.script.requests) == 1


async def test_waiting_for_a_token_counts_too() -> None:
    class Slow(Tokens):
        async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
            talk.ambient.time += timedelta(seconds=11)
            return await super().get_token_info(*scopes, options=options)

    talk = conversation(tokens=Slow())
    with pytest.raises(ArmError, match="TooLateToSend"):
        await talk.arm.writer.write(PUT_RULE, send_by=talk.ambient.monotonic() + 10)
    assert talk.script.requests == []


async def test_in_time_it_is_sent_again() -> None:
    talk = conversation(refusal(429, "RetryableError", Retry_After="11"), FINE)
    await talk.arm.writer.write(PUT_RULE, send_by=talk.ambient.monotonic() + 12)
    assert len(talk.script.requests) == 2
