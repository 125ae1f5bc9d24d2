"""Event Grid's ARM resources: what is refused, what is shown."""

from typing import Any

import pytest

from simulator import worlds
from simulator.cloud import SUBSCRIPTION, Cloud
from simulator.providers.eventgrid.state import state
from tests.support.simulation import Client

pytestmark = pytest.mark.wire
_GROUP = "/resourceGroups/rg-flask/providers/Microsoft.EventGrid"
_SUBSCRIPTIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.EventGrid/eventSubscriptions"
_SUBSCRIPTION = f"{_SUBSCRIPTIONS}/events"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("prerequisites"), api_version="2025-02-15")


def _queue(**properties: Any) -> dict[str, Any]:
    endpoint = {"resourceId": "/subscriptions/s/x/stflask", "queueName": "homeostat-events"}
    destination = {"endpointType": "StorageQueue", "properties": endpoint}
    return {"properties": {"destination": destination, **properties}}


def _webhook(url: str) -> dict[str, Any]:
    return {"properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url}}}}


def _system_topic(client: Client, name: str = "topic") -> Any:
    source = f"/subscriptions/{client.cloud.subscription}"
    properties = {"source": source, "topicType": "Microsoft.Resources.Subscriptions"}
    return client("PUT", f"{_GROUP}/systemTopics/{name}", {"location": "global", "properties": properties})


def test_a_subscription_under_a_system_topic_shows_event_grids_defaults(client: Client) -> None:
    assert _system_topic(client).status == 201
    path = f"{_GROUP}/systemTopics/topic/eventSubscriptions/events"
    assert client("PUT", path, _queue()).status == 201
    shown = client("GET", path).body["properties"]
    assert shown["provisioningState"] == "Succeeded"
    assert shown["topic"] == f"/subscriptions/{client.cloud.subscription}"
    assert shown["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
    assert shown["eventDeliverySchema"] == "EventGridSchema"
    assert len(shown["filter"]["includedEventTypes"]) == 9


def test_a_source_has_one_system_topic(client: Client) -> None:
    assert _system_topic(client).status == 201
    assert _system_topic(client).status == 200
    assert _system_topic(client, "another").status == 400


def test_the_webhooks_key_is_shown_by_get_full_url_alone(client: Client) -> None:
    created = client("PUT", _SUBSCRIPTION, _webhook("https://app.example/hook?code=secret"))
    assert created.body["properties"]["provisioningState"] == "Creating"
    assert "secret" not in str(created.body)
    assert client("GET", _SUBSCRIPTION).body["properties"]["destination"]["properties"]["endpointBaseUrl"] == (
        "https://app.example/hook"
    )
    full = client("POST", f"{_SUBSCRIPTION}/getFullUrl")
    assert full.body == {"endpointUrl": "https://app.example/hook?code=secret"}


def test_the_handshake_decides_whether_a_subscription_comes_to_be(client: Client) -> None:
    client("PUT", _SUBSCRIPTION, _webhook("https://app.example/hook"))
    (handshake,) = state(client.cloud).take_handshakes()
    handshake.conclude(client.now, {"code": "Url validation", "message": "no"})
    assert client("GET", _SUBSCRIPTION).status == 404
    created = client("PUT", _SUBSCRIPTION, _webhook("https://app.example/hook"))
    (handshake,) = state(client.cloud).take_handshakes()
    handshake.conclude(client.now, None)
    path = created.headers["azure-asyncoperation"].partition("azure.com")[2].partition("?")[0]
    assert client("GET", path).body["status"] == "Succeeded"
    assert client("GET", _SUBSCRIPTION).body["properties"]["provisioningState"] == "Succeeded"


def test_a_patch_changes_what_it_names(client: Client) -> None:
    client("PUT", _SUBSCRIPTION, _queue(labels=["one"]))
    patched = client("PATCH", _SUBSCRIPTION, {"labels": ["two"]})
    assert patched.status == 200
    assert patched.body["properties"]["labels"] == ["two"]
    assert patched.body["properties"]["destination"]["endpointType"] == "StorageQueue"


def test_a_subscription_can_be_listed_and_deleted(client: Client) -> None:
    client("PUT", _SUBSCRIPTION, _queue())
    listed = client("GET", _SUBSCRIPTIONS).body["value"]
    assert [each["name"] for each in listed] == ["events"]
    assert client("DELETE", _SUBSCRIPTION).status == 200
    assert client("DELETE", _SUBSCRIPTION).status == 204
    assert client("GET", _SUBSCRIPTION).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        _webhook(""),
        _webhook("http://app.example/hook"),
        {"properties": {"destination": {"endpointType": "EventHub"}}},
        {"properties": {"destination": {"endpointType": "StorageQueue", "properties": {"queueName": "q"}}}},
        _queue(eventDeliverySchema="CustomInputSchema"),
        _queue(retryPolicy={"maxDeliveryAttempts": 31}),
        _queue(retryPolicy={"eventTimeToLiveInMinutes": 0}),
        _queue(filter={"advancedFilters": [{"operatorType": "NumberIn", "key": "data.x"}]}),
    ],
)
def test_a_subscription_that_azure_would_refuse_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert client("PUT", _SUBSCRIPTION, body).status == 400
    assert client("GET", _SUBSCRIPTION).status == 404


def test_a_topic_shows_its_endpoint_and_keeps_its_keys_for_list_keys(client: Client) -> None:
    path = f"{_GROUP}/topics/alerts"
    created = client("PUT", path, {"location": "westeurope", "properties": {"inputSchema": "CloudEventSchemaV1_0"}})
    assert created.status == 201
    assert created.body["properties"]["endpoint"].endswith("/topics/alerts/api/events")
    keys = client("POST", f"{path}/listKeys").body
    assert set(keys) == {"key1", "key2"}
    assert keys["key1"] not in str(client("GET", path).body)


def test_a_cloud_of_its_own_has_a_state_of_its_own() -> None:
    assert state(Cloud()) is not state(Cloud())
