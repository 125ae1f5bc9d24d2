"""The Event Grid webhook: keys, both handshakes, batches."""

from typing import Any

import aiohttp
import pytest

from devhost.host import Host
from tests.devhost.conftest import SeenWhen

pytestmark = pytest.mark.host


def _event(id_: str, subject: str = "fine") -> dict[str, Any]:
    return {
        "id": id_,
        "topic": "/subscriptions/s",
        "subject": subject,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-01-01T00:00:00.1234567Z",
        "dataVersion": "2",
        "metadataVersion": "1",
        "data": {"operationName": "Microsoft.Web/sites/write"},
    }


async def _post(client: aiohttp.ClientSession, url: str, body: Any, kind: str = "Notification") -> int:
    async with client.post(url, json=body, headers={"aeg-event-type": kind}) as response:
        return response.status


async def test_an_event_is_accepted_once_its_function_has_succeeded(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    assert await _post(client, host.function_url("on_event"), [_event("1")]) == 202
    (seen,) = await seen_when(bool)
    assert seen["data"] == {"operationName": "Microsoft.Web/sites/write"}


async def test_one_failing_event_fails_the_batch_after_all_have_run(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    batch = [_event("1"), _event("2", subject="fail"), _event("3")]
    assert await _post(client, host.function_url("on_event"), batch) == 500
    assert {each["id"] for each in await seen_when(bool)} == {"1", "2", "3"}


async def test_the_validation_code_is_echoed(host: Host, client: aiohttp.ClientSession) -> None:
    body = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c0de"}}]
    headers = {"aeg-event-type": "SubscriptionValidation"}
    async with client.post(host.function_url("on_event"), json=body, headers=headers) as response:
        assert (response.status, await response.json()) == (200, {"validationResponse": "c0de"})


async def test_the_cloud_events_handshake_allows_its_origin(host: Host, client: aiohttp.ClientSession) -> None:
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    async with client.options(host.function_url("on_cloud_event"), headers=headers) as response:
        assert response.status == 200
        assert response.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


async def test_a_single_cloud_event_is_delivered(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    event = {
        "specversion": "1.0",
        "id": "9",
        "type": "T",
        "source": "/s",
        "subject": "x",
        "time": "2026-01-01T00:00:00Z",
    }
    assert await _post(client, host.function_url("on_cloud_event"), event) == 202
    (seen,) = await seen_when(bool)
    assert (seen["id"], seen["type"]) == ("9", "T")


async def test_a_wrong_key_is_refused_and_nothing_runs(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    url = f"{host.url}/runtime/webhooks/eventgrid?functionName=on_event"
    for bad in (url, f"{url}&code=function-of-tests"):
        assert await _post(client, bad, [_event("1")]) == 401
    assert await seen_when(lambda _: True) == []


async def test_an_unknown_function_is_not_found(host: Host, client: aiohttp.ClientSession) -> None:
    url = host.function_url("on_event")
    assert await _post(client, url.replace("on_event", "nobody"), [_event("1")]) == 404
    assert await _post(client, url.replace("on_event", "thing"), [_event("1")]) == 404


@pytest.mark.parametrize(("kind", "status"), [("Unsubscribe", 202), ("Surprise", 400)])
async def test_other_kinds_of_call_are_answered_as_the_host_does(
    host: Host, client: aiohttp.ClientSession, kind: str, status: int
) -> None:
    assert await _post(client, host.function_url("on_event"), [], kind) == status


async def test_a_body_that_is_not_json_is_a_bad_request(host: Host, client: aiohttp.ClientSession) -> None:
    headers = {"aeg-event-type": "Notification"}
    async with client.post(host.function_url("on_event"), data=b"<", headers=headers) as response:
        assert response.status == 400
