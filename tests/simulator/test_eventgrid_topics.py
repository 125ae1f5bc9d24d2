"""Publishing to a custom topic, as Microsoft's own client does it, and what the simulator tells of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from simulator import events_admin, identity, worlds
from simulator.cloud import HOMEOSTAT, OPERATOR, Cloud
from simulator.gateway import handle
from simulator.messages import Headers, Request
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("empty") as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", running.env["REQUESTS_CA_BUNDLE"])
        yield running


def _client(simulation: Simulation, credential: Any) -> EventGridPublisherClient:
    return EventGridPublisherClient(simulation.env["HOMEOSTAT_ALERT_TOPIC_ENDPOINT"], credential, retry_total=0)


def _alert(id_: str) -> CloudEvent[Any]:
    return CloudEvent(source="/homeostat", type="Homeostat.DriftDetected.v1", id=id_, data={"target": "app-flask"})


def _published(cloud: Cloud) -> list[dict[str, Any]]:
    response = events_admin.handle(cloud, Request("GET", "/_simulator/alerts"), _NOW)
    assert response is not None
    found: list[dict[str, Any]] = response.parsed()
    return found


def test_the_real_client_publishes_with_the_exported_key(simulation: Simulation) -> None:
    with _client(simulation, AzureKeyCredential(simulation.env["HOMEOSTAT_ALERT_TOPIC_KEY"])) as client:
        client.send([_alert("a1"), _alert("a2")])
    mine = [each for each in _published(simulation.cloud) if each["event"]["id"] in {"a1", "a2"}]
    assert [each["event"]["data"] for each in mine] == [{"target": "app-flask"}] * 2
    assert {each["topic"] for each in mine} == {"homeostat-alerts"}


class _Credential:
    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, 4_000_000_000)


def test_the_real_client_publishes_with_a_managed_identitys_token(simulation: Simulation) -> None:
    now = simulation.exchanger.clock.now()
    token = identity.issue(simulation.cloud, HOMEOSTAT, "https://eventgrid.azure.net", now)
    with _client(simulation, _Credential(token)) as client:
        client.send(_alert("a3"))
    (mine,) = [each for each in _published(simulation.cloud) if each["event"]["id"] == "a3"]
    assert mine["caller"] == HOMEOSTAT.name


@pytest.mark.parametrize("credential", [AzureKeyCredential("wrong"), _Credential("not.a.token")])
def test_a_wrong_key_or_token_is_unauthorised(simulation: Simulation, credential: Any) -> None:
    before = len(_published(simulation.cloud))
    with _client(simulation, credential) as client, pytest.raises(ClientAuthenticationError):
        client.send(_alert("refused"))
    assert len(_published(simulation.cloud)) == before


def test_an_expired_token_or_one_for_arm_is_unauthorised(simulation: Simulation) -> None:
    now = simulation.exchanger.clock.now()
    for audience, lifetime in (("https://eventgrid.azure.net", -1), ("https://management.azure.com", 60)):
        token = identity.issue(simulation.cloud, OPERATOR, audience, now, lifetime)
        with _client(simulation, _Credential(token)) as client, pytest.raises(ClientAuthenticationError):
            client.send(_alert("refused"))


def test_an_unknown_topic_is_not_found(simulation: Simulation) -> None:
    endpoint = f"{simulation.endpoint}/topics/nobody/api/events"
    credential = AzureKeyCredential(simulation.env["HOMEOSTAT_ALERT_TOPIC_KEY"])
    with (
        EventGridPublisherClient(endpoint, credential, retry_total=0) as client,
        pytest.raises(ResourceNotFoundError),
    ):
        client.send(_alert("refused"))


def _post(cloud: Cloud, body: Any, content_type: str = "application/cloudevents-batch+json; charset=utf-8") -> int:
    headers = Headers({"aeg-sas-key": "c2ltdWxhdGVkLWV2ZW50LWdyaWQtdG9waWMta2V5", "content-type": content_type})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return handle(cloud, Request("POST", "/topics/homeostat-alerts/api/events", {}, headers, data), _NOW).status


@pytest.mark.parametrize(
    "event",
    [
        {"source": "s", "type": "t", "specversion": "1.0"},
        {"id": "1", "type": "t", "specversion": "1.0"},
        {"id": "1", "source": "s", "type": "", "specversion": "1.0"},
        {"id": "1", "source": "s", "type": "t", "specversion": "0.3"},
        "text",
    ],
)
def test_a_batch_with_one_invalid_event_is_refused_as_a_whole(event: Any) -> None:
    cloud = worlds.create("empty")
    good = {"id": "1", "source": "s", "type": "t", "specversion": "1.0"}
    assert _post(cloud, [good, event]) == 400
    assert _published(cloud) == []
    assert _post(cloud, [good]) == 200


def test_a_body_that_is_not_json_or_of_another_schema_is_refused() -> None:
    cloud = worlds.create("empty")
    assert _post(cloud, b"<") == 400
    assert _post(cloud, [], "application/json") == 400
    assert _post(cloud, b" " * (1024 * 1024 + 1)) == 413


def test_the_lists_of_the_simulator_can_be_cleared_and_a_subscription_asked_for() -> None:
    cloud = worlds.create("empty")
    _post(cloud, [{"id": "1", "source": "s", "type": "t", "specversion": "1.0"}])
    assert len(_published(cloud)) == 1
    cleared = events_admin.handle(cloud, Request("DELETE", "/_simulator/alerts"), _NOW)
    assert cleared is not None
    assert (cleared.status, _published(cloud)) == (204, [])
    body = json.dumps({"webhook": "http://127.0.0.1:7071/hook"}).encode()
    asked = events_admin.handle(cloud, Request("PUT", "/_simulator/subscriptions/x", body=body), _NOW)
    assert asked is not None
    assert asked.status == 201
    assert events_admin.handle(cloud, Request("GET", "/_simulator/elsewhere"), _NOW) is None
