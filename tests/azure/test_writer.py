"""An action becomes one request, to its own resource, with its name, its etag and its secrets."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from homeostat.azure.writer import NETWORK, PATCHED_WITHOUT_SDK, PRIVATE_DNS, WEB, WRITES, NoSuchWrite
from homeostat.core.arm_errors import ErrorClass
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
    Concurrency,
)
from homeostat.core.plan import Action, Verb
from homeostat.core.secret_value import MASK
from homeostat.ports.azure import Written
from tests.azure.scripted import ARM, Answer, conversation, refusal, resource
from tests.azure.writes import (
    ACCEPTED,
    INTEGRATION,
    LINK,
    LINK_ACCEPTED,
    NSG,
    POLL,
    POLL_URL,
    PUT_RULE,
    PUT_SECRET,
    RULE,
    RUNNING,
    SETTINGS,
    SUCCEEDED,
    delete,
    failed,
    patch,
    put,
    refused,
)

pytestmark = pytest.mark.wire


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
OF_BACKENDS = [patch(resource(name, "backend"), ARM_TYPES[name.lower()]) for name in sorted(PATCHED_WITHOUT_SDK)]
EVERY_WRITE = [*OF_SITES, *OF_NETWORKS, *OF_BACKENDS]


def test_every_row_of_the_write_table_is_tried_here() -> None:
    tried = {(action.type.name, action.verb) for action in EVERY_WRITE}
    assert tried == set(WRITES) | {(name, Verb.PATCH) for name in PATCHED_WITHOUT_SDK}


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


async def test_a_new_record_is_done_at_once_and_must_not_overwrite_one_that_came_up_meanwhile() -> None:
    talk = conversation(Answer(201, {"properties": {}}))
    await talk.arm.writer.write(put(RECORD, A_RECORD, creates=True))
    (request,) = talk.script.requests
    assert (request.headers.get("If-None-Match"), request.headers.get("If-Match")) == ("*", None)


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


async def test_a_secret_is_revealed_to_arm() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.writer.write(PUT_SECRET)
    assert talk.script.requests[0].content == b'{"properties": {"DB_PASSWORD": "hunter2!"}}'


async def test_an_answer_that_quotes_a_secret_is_told_without_it() -> None:
    talk = conversation(refusal(400, "BadRequest", "The value 'hunter2!' of DB_PASSWORD is not allowed"))
    error = await refused(talk, PUT_SECRET)
    assert error.message == f"The value '{MASK}' of DB_PASSWORD is not allowed"


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
