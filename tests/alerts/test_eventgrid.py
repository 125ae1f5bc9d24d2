"""What leaves for the topic, in which portions, and what is said when it is not taken."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ServiceRequestError

from homeostat.alerts.eventgrid import (
    MAX_BATCH,
    AlertSettingsWrong,
    EventGridChannel,
    LogChannel,
    batches,
    channel_of,
)
from homeostat.azure.pipeline import http_session, session_transport
from homeostat.ports.alerts import AlertError, CloudEventData
from tests.azure.scripted import Answer, Script, Tokens, VirtualAmbient, refusal
from tests.azure.tls import serving

pytestmark = pytest.mark.wire

TOPIC = "https://alerts.westeurope-1.eventgrid.azure.net/api/events"


def event(number: int = 1, size: int = 0) -> CloudEventData:
    return CloudEventData(
        id=f"episode-{number}:detected",
        type="Homeostat.DriftDetected.v1",
        source="/subscriptions/s/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask",
        subject="networkSecurityGroups/nsg-app",
        time=datetime(2026, 3, 1, 2, 0, 0, 250_000, tzinfo=UTC),
        data={"target": "flask", "note": "x" * size},
    )


def scripted(*answers: Answer | Exception) -> tuple[EventGridChannel, Script]:
    script = Script(VirtualAmbient(), answers)
    return EventGridChannel(TOPIC, AzureKeyCredential("topic-key"), script), script


async def test_events_leave_as_one_batch_of_cloud_events() -> None:
    channel, script = scripted(Answer(200))
    await channel.publish([event(1), event(2)])
    (request,) = script.requests
    assert request.url.startswith(TOPIC)
    assert request.headers["Content-Type"].startswith("application/cloudevents-batch+json")
    assert request.headers["aeg-sas-key"] == "topic-key"
    first, second = json.loads(request.content)
    assert first == {
        "specversion": "1.0",
        "id": "episode-1:detected",
        "type": "Homeostat.DriftDetected.v1",
        "source": event().source,
        "subject": "networkSecurityGroups/nsg-app",
        "time": "2026-03-01T02:00:00.250Z",
        "datacontenttype": "application/json",
        "data": {"target": "flask", "note": ""},
    }
    assert second["id"] == "episode-2:detected"


async def test_no_events_are_no_request() -> None:
    channel, script = scripted()
    await channel.publish([])
    assert script.requests == []


async def test_an_identity_may_stand_in_for_the_key() -> None:
    script = Script(VirtualAmbient(), [Answer(200)])
    tokens = Tokens()
    await EventGridChannel(TOPIC, tokens, script).publish([event()])
    assert script.requests[0].headers["Authorization"] == "Bearer token-1"
    assert tokens.scopes == ["https://eventgrid.azure.net/.default"]


async def test_many_large_events_leave_in_several_requests() -> None:
    channel, script = scripted(Answer(200), Answer(200), Answer(200))
    await channel.publish([event(number, size=400_000) for number in range(5)])
    sent = [[each["id"] for each in json.loads(request.content)] for request in script.requests]
    assert [len(batch) for batch in sent] == [2, 2, 1]
    assert [each for batch in sent for each in batch] == [event(number).id for number in range(5)]
    assert all(len(request.content) < 1_000_000 for request in script.requests)


def test_an_event_over_the_limit_goes_alone() -> None:
    sizes = [[len(each.id) for each in batch] for batch in batches([event(1), event(2, MAX_BATCH + 1), event(3)])]
    assert [len(batch) for batch in sizes] == [1, 1, 1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(401), "role EventGrid Data Sender"),
        (refusal(403, "Forbidden", "not from this address"), "HTTP 403"),
        (refusal(413, "TooLarge"), "HTTP 413"),
        (Answer(503), "HTTP 503"),
        (ServiceRequestError("name not resolved"), "name not resolved"),
    ],
    ids=str,
)
async def test_a_topic_that_does_not_take_them_is_asked_once_and_named(answer: Answer | Exception, words: str) -> None:
    channel, script = scripted(answer)
    with pytest.raises(AlertError, match=words) as raised:
        await channel.publish([event()])
    assert TOPIC in str(raised.value)
    assert "topic-key" not in str(raised.value)
    assert len(script.requests) == 1


async def test_the_log_takes_them_where_there_is_no_topic(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    channel = channel_of({}, Tokens(), Script(VirtualAmbient(), []))
    assert isinstance(channel, LogChannel)
    await channel.publish([event()])
    assert "Homeostat.DriftDetected.v1 networkSecurityGroups/nsg-app" in caplog.text
    assert '"target": "flask"' in caplog.text


@pytest.mark.parametrize(
    "environment",
    [
        {"HOMEOSTAT_ALERT_TOPIC_KEY": "key"},
        {"HOMEOSTAT_ALERT_TOPIC_ENDPOINT": "http://alerts.example/api/events"},
        {"HOMEOSTAT_ALERT_TOPIC_ENDPOINT": "https://[alerts.example/api/events"},
    ],
)
def test_a_topic_that_is_named_wrongly_is_an_error(environment: dict[str, str]) -> None:
    with pytest.raises(AlertSettingsWrong, match="HOMEOSTAT_ALERT_TOPIC_ENDPOINT"):
        channel_of(environment, Tokens(), Script(VirtualAmbient(), []))


def test_a_topics_key_that_no_request_could_carry_is_an_error_which_does_not_quote_it() -> None:
    environment = {"HOMEOSTAT_ALERT_TOPIC_ENDPOINT": TOPIC, "HOMEOSTAT_ALERT_TOPIC_KEY": "topic-\nkey"}
    with pytest.raises(AlertSettingsWrong, match="HOMEOSTAT_ALERT_TOPIC_KEY holds what no key has") as raised:
        channel_of(environment, Tokens(), Script(VirtualAmbient(), []))
    assert "topic-" not in str(raised.value)


async def test_a_topic_is_reached_over_the_session_that_arm_uses(tmp_path: Path) -> None:
    taken: list[str] = []

    async def topic(request: web.Request) -> web.Response:
        taken.extend(each["id"] for each in await request.json())
        return web.Response(status=200 if request.headers["aeg-sas-key"] == "right" else 401)

    async with (
        serving(tmp_path, topic) as server,
        http_session({"SSL_CERT_FILE": str(server.bundle)}) as session,
    ):
        named = {"HOMEOSTAT_ALERT_TOPIC_ENDPOINT": f"{server.endpoint}/api/events"}
        transport = session_transport(session)
        for _ in range(2):
            right = channel_of({**named, "HOMEOSTAT_ALERT_TOPIC_KEY": "right"}, Tokens(), transport)
            await right.publish([event()])
        with pytest.raises(AlertError):
            await channel_of({**named, "HOMEOSTAT_ALERT_TOPIC_KEY": "wrong"}, Tokens(), transport).publish([event()])
    assert taken == [event().id] * 3
    assert len(server.connections) == 1
