"""Reads: what is asked of ARM for a Read, and which fact its answer is."""

import logging

import pytest

from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    SECURITY_RULE,
    SITE,
    SITE_CONFIG,
    VIRTUAL_NETWORK_LINK,
    ArmType,
)
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Found, Gone, Read, Unreadable
from homeostat.core.secret_value import Secret
from tests.azure.scripted import ARM, Answer, conversation, refusal, resource

pytestmark = pytest.mark.wire

NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
RULE = resource(SECURITY_RULE.name, "nsg-app", "allow-sql")
ZONE = resource("Microsoft.Network/privateDnsZones", "privatelink.database.windows.net")
SETTINGS = resource(SITE_CONFIG.name, "app-flask", "appsettings")


def not_found(resource_id: ResourceId, code: str = "ResourceNotFound") -> Answer:
    tail = resource_id.text.partition("/providers/")[2]
    return refusal(404, code, f"The Resource '{tail}' under resource group 'rg-flask' was not found. For more details")


async def test_a_resource_is_asked_for_in_the_api_version_of_its_row() -> None:
    talk = conversation(Answer(200, {}))
    await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    assert talk.script.requests[0].url == f"{ARM}{NSG}?api-version={NETWORK_SECURITY_GROUP.api_version}"


async def test_names_are_escaped() -> None:
    odd = ResourceId.of("s", "rg (old) ü", SITE.name, "app?x=#")
    talk = conversation(Answer(200, {}))
    await talk.arm.reader.read(Read(SITE, odd))
    assert "/resourceGroups/rg%20(old)%20%C3%BC/" in talk.script.requests[0].url
    assert "/sites/app%3Fx%3D%23?api-version=" in talk.script.requests[0].url


@pytest.mark.parametrize("etag", ['W/"1234"', '"390066fc-0000"', "6dae47e1-9f3c", "1DD17F48B7F89B5"])
async def test_the_etag_header_is_kept_as_it_came(etag: str) -> None:
    talk = conversation(Answer(200, {"etag": "other"}, {"ETag": etag}))
    assert await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG)) == Found({"etag": "other"}, etag)


async def test_without_a_header_the_etag_of_the_body_counts() -> None:
    talk = conversation(Answer(200, {"etag": 'W/"1"'}), Answer(200, {}))
    first = await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    second = await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    assert [fact.etag for fact in (first, second) if isinstance(fact, Found)] == ['W/"1"', None]


async def test_settings_are_listed_by_a_post_and_their_values_sealed() -> None:
    talk = conversation(Answer(200, {"properties": {"REDIS_PORT": "6380"}}))
    fact = await talk.arm.reader.read(Read(SITE_CONFIG, SETTINGS))
    assert fact == Found({"properties": {"REDIS_PORT": Secret("6380")}})
    assert talk.script.calls == ["POST sites/app-flask/config/appsettings/list"]


@pytest.mark.parametrize("odd", [{}, {"properties": None}, {"properties": "text"}, {"properties": [1, "text"]}, []])
async def test_an_answer_that_says_nothing_of_the_settings_is_never_one_that_there_are_none(odd: Json) -> None:
    fact = await conversation(Answer(200, odd)).arm.reader.read(Read(SITE_CONFIG, SETTINGS))
    assert isinstance(fact, Unreadable)
    assert (fact.error.code, fact.error.error_class) == ("OddAnswer", ErrorClass.TRANSIENT)
    assert "text" not in str(fact.error)


@pytest.mark.parametrize("odd", ["null", "[]", "7", '"text"'])
async def test_an_answer_that_is_no_resource_is_never_an_empty_one(odd: str) -> None:
    fact = await conversation(Answer(200, odd)).arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    assert isinstance(fact, Unreadable)
    assert fact.error.code == "OddAnswer"


@pytest.mark.parametrize("odd", [{}, {"value": None}, {"value": {}}, "null", "7"])
async def test_an_answer_without_a_list_is_never_an_empty_list(odd: Json) -> None:
    talk = conversation(Answer(200, odd), Answer(200, odd))
    links = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    deployments = await talk.arm.reader.running_deployments("s", "rg-flask")
    for fact in (links, deployments):
        assert isinstance(fact, Unreadable)
        assert fact.error.code == "OddAnswer"


async def test_all_pages_of_a_listing_are_followed() -> None:
    further = f"{ARM}{ZONE}/virtualNetworkLinks?api-version=2024-06-01&$skiptoken=abc"
    talk = conversation(
        Answer(200, {"value": [{"name": "a"}], "nextLink": further}), Answer(200, {"value": [{"name": "b"}]})
    )
    fact = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    assert fact == Found({"value": [{"name": "a"}, {"name": "b"}]})
    assert talk.script.requests[1].url == further


async def test_a_listing_with_a_page_that_fails_is_unreadable() -> None:
    further = f"{ARM}{ZONE}/virtualNetworkLinks?$skiptoken=abc"
    talk = conversation(
        Answer(200, {"value": [{"name": "a"}], "nextLink": further}), refusal(403, "AuthorizationFailed")
    )
    fact = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    assert isinstance(fact, Unreadable)
    assert fact.error.error_class is ErrorClass.DENIED


async def test_a_listing_that_is_a_bare_array_is_read_too() -> None:
    connections = ArmType(
        "Microsoft.Web/sites/virtualNetworkConnections", "2025-05-01", SITE.concurrency, SITE.put, frozenset()
    )
    talk = conversation(Answer(200, [{"name": "guid_subnet"}]))
    fact = await talk.arm.reader.read(Read(connections, resource(SITE.name, "app-flask"), every=True))
    assert fact == Found({"value": [{"name": "guid_subnet"}]})


async def test_a_listing_without_end_is_given_up() -> None:
    again = f"{ARM}{ZONE}/virtualNetworkLinks?$skiptoken=same"
    talk = conversation(*[Answer(200, {"value": [], "nextLink": again}, took=1)] * 600)
    fact = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    assert isinstance(fact, Unreadable)
    assert "more than 500 pages" in fact.error.message


async def test_the_token_does_not_follow_a_link_to_another_host() -> None:
    talk = conversation(Answer(200, {"value": [], "nextLink": "https://management.azure.com.example.org/x"}))
    fact = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    assert isinstance(fact, Unreadable)
    assert fact.error.code == "ForeignHost"
    assert len(talk.script.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        not_found(NSG),
        refusal(404, "NotFound", f"Resource {NSG} not found."),
        refusal(404, "ResourceNotFound", "Domain x is not found."),
    ],
)
async def test_a_resource_that_arm_says_is_missing_is_gone(answer: Answer) -> None:
    assert await conversation(answer).arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG)) == Gone()


@pytest.mark.parametrize(
    "answer",
    [not_found(NSG), refusal(404, "ParentResourceNotFound"), refusal(404, "ResourceGroupNotFound")],
    ids=["the NSG itself is named", "parent", "group"],
)
async def test_a_missing_parent_says_nothing_about_the_child(answer: Answer) -> None:
    fact = await conversation(answer).arm.reader.read(Read(SECURITY_RULE, RULE))
    assert isinstance(fact, Unreadable)
    assert fact.error.error_class is ErrorClass.MISSING_PARENT


async def test_a_404_that_nobody_explains_is_unreadable() -> None:
    talk = conversation(*[Answer(404, {"title": "Not Found"})] * 3)
    assert isinstance(await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG)), Unreadable)


async def test_an_answer_that_is_not_json_is_unreadable() -> None:
    talk = conversation(Answer(200, "<html>maintenance</html>"))
    fact = await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    assert isinstance(fact, Unreadable)
    assert "not JSON" in fact.error.message


async def test_one_token_serves_many_calls() -> None:
    talk = conversation(*[Answer(200, {})] * 5)
    for _ in range(5):
        await talk.arm.reader.read(Read(NETWORK_SECURITY_GROUP, NSG))
    assert talk.tokens.issued == 1
    assert talk.tokens.scopes == ["https://management.azure.com/.default"]


async def test_the_log_holds_neither_bodies_nor_tokens_nor_queries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    talk = conversation(Answer(200, {"properties": {"PASSWORD": "hunter2"}}))
    await talk.arm.reader.read(Read(SITE_CONFIG, SETTINGS))
    assert "POST /subscriptions/" in caplog.text
    assert not [word for word in ("hunter2", "token-1", "api-version") if word in caplog.text]


async def test_a_link_that_is_no_url_makes_the_listing_unreadable() -> None:
    talk = conversation(Answer(200, {"value": [], "nextLink": "http://["}))
    fact = await talk.arm.reader.read(Read(VIRTUAL_NETWORK_LINK, ZONE, every=True))
    assert isinstance(fact, Unreadable)
    assert len(talk.script.requests) == 1
