"""Event Grid end to end: subscribe through ARM, write through ARM, receive over HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulator import worlds
from simulator.clock import wall_clock
from simulator.cloud import SUBSCRIPTION, Cloud, Timing
from simulator.delivery import Options, UndeliverableError, batches
from simulator.providers.eventgrid.state import state
from tests.simulator.webhook import Webhook, delivering, listening, until
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire
_FAST = Options(time_scale=0.002, duplicates=0.0, shuffle=False)
_TYPES = ["Microsoft.Resources.ResourceWriteSuccess"]
_GROUP = "/resourceGroups/rg-flask/providers"
_SUBSCRIPTIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.EventGrid/eventSubscriptions"
_NSG = f"{_GROUP}/Microsoft.Network/networkSecurityGroups"


@pytest.fixture
def cloud() -> Cloud:
    return worlds.create("prerequisites", timing=Timing(retry_after=0), now=wall_clock().now())


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    async with listening(Webhook()) as served:
        yield served


def _arm(cloud: Cloud, method: str, path: str, body: Any = None) -> Answer:
    version = "2025-02-15" if "Microsoft.EventGrid" in path else "2024-05-01"
    return Client(cloud, wall_clock().now())(method, path, body, version)


def _wish(url: str, **properties: Any) -> dict[str, Any]:
    endpoint = {"endpointUrl": url, **properties.pop("endpoint", {})}
    rules = {"includedEventTypes": _TYPES, "subjectBeginsWith": "", **properties.pop("filter", {})}
    destination = {"endpointType": "WebHook", "properties": endpoint}
    return {"properties": {"destination": destination, "filter": rules, **properties}}


async def _subscribed(cloud: Cloud, body: dict[str, Any], name: str = "homeostat") -> str:
    """Create a subscription, follow its operation, and return how it ended."""
    created = _arm(cloud, "PUT", f"{_SUBSCRIPTIONS}/{name}", body)
    assert created.status == 201, created.body
    if created.body["properties"]["provisioningState"] == "Succeeded":
        return "Succeeded"
    path = created.headers["azure-asyncoperation"].partition("azure.com")[2].partition("?")[0]
    await until(lambda: _arm(cloud, "GET", path).body["status"] != "InProgress")
    return str(_arm(cloud, "GET", path).body["status"])


def _write(cloud: Cloud, name: str) -> None:
    assert _arm(cloud, "PUT", f"{_NSG}/{name}", {"location": "westeurope"}).status == 201


def _about(webhook: Webhook) -> list[str]:
    """The NSGs that events were about; a subscription also tells of its own creation, as in Azure."""
    return [each["subject"].rpartition("/")[2] for each in webhook.events if "networkSecurityGroups" in each["subject"]]


async def test_a_write_reaches_a_webhook_that_has_shaken_hands(cloud: Cloud, webhook: Webhook) -> None:
    async with delivering(cloud, _FAST):
        assert await _subscribed(cloud, _wish(webhook.url)) == "Succeeded"
        _write(cloud, "nsg-one")
        await webhook.until(lambda hook: _about(hook) == ["nsg-one"])
    headers, body = webhook.received[-1]
    assert headers["aeg-event-type"] == "Notification"
    assert [each["eventType"] for each in body] == _TYPES


async def test_cloud_events_come_one_by_one_after_their_own_handshake(cloud: Cloud, webhook: Webhook) -> None:
    async with delivering(cloud, _FAST):
        wish = _wish(webhook.url, eventDeliverySchema="CloudEventSchemaV1_0")
        assert await _subscribed(cloud, wish) == "Succeeded"
        _write(cloud, "nsg-one")
        await webhook.until(lambda hook: _about(hook) == ["nsg-one"])
    headers, body = webhook.received[-1]
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (body["specversion"], body["source"]) == ("1.0", f"/subscriptions/{cloud.subscription}")


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_an_endpoint_that_does_not_consent_gets_no_subscription(
    cloud: Cloud, webhook: Webhook, schema: str
) -> None:
    webhook.consents = False
    async with delivering(cloud, _FAST):
        assert await _subscribed(cloud, _wish(webhook.url, eventDeliverySchema=schema)) == "Failed"
        assert _arm(cloud, "GET", f"{_SUBSCRIPTIONS}/homeostat").status == 404


async def test_an_endpoint_that_does_not_answer_gets_no_subscription(cloud: Cloud) -> None:
    async with delivering(cloud, _FAST):
        assert await _subscribed(cloud, _wish("http://127.0.0.1:9/hook")) == "Failed"


async def test_a_failed_change_leaves_the_subscription_as_it_was(cloud: Cloud, webhook: Webhook) -> None:
    async with delivering(cloud, _FAST):
        await _subscribed(cloud, _wish(webhook.url))
        assert await _subscribed(cloud, _wish("http://127.0.0.1:9/hook")) == "Failed"
        _write(cloud, "nsg-one")
        await webhook.until(lambda hook: _about(hook) == ["nsg-one"])


async def test_a_webhook_that_is_down_for_a_while_misses_nothing(cloud: Cloud) -> None:
    webhook = Webhook()
    async with delivering(cloud, _FAST):
        async with listening(webhook):
            await _subscribed(cloud, _wish(webhook.url))
            await webhook.until(lambda hook: len(hook.events) == 1)  # of its own creation
        port = int(webhook.url.split(":")[2].partition("/")[0])
        for number in range(5):
            _write(cloud, f"nsg-{number}")
        await until(lambda: len({each.events for each in state(cloud).deliveries if each.attempt == 1}) == 6)
        async with listening(webhook, port):
            await webhook.until(lambda hook: sorted(_about(hook)) == [f"nsg-{number}" for number in range(5)])


async def test_a_server_error_is_tried_again_and_counted(cloud: Cloud, webhook: Webhook) -> None:
    async with delivering(cloud, _FAST):
        await _subscribed(cloud, _wish(webhook.url, filter={"subjectEndsWith": "nsg-one"}))
        webhook.statuses = [500, 503, 301]
        _write(cloud, "nsg-one")
        await webhook.until(lambda hook: len(hook.received) == 4)
    assert [headers["aeg-delivery-count"] for headers, _ in webhook.received] == ["0", "1", "2", "3"]
    assert len({each["id"] for each in webhook.events}) == 1


@pytest.mark.parametrize(("statuses", "attempts"), [([401], 1), ([413], 1), ([500, 500], 2)])
async def test_what_cannot_be_delivered_ends_as_a_dead_letter(
    cloud: Cloud, webhook: Webhook, statuses: list[int], attempts: int
) -> None:
    async with delivering(cloud, _FAST):
        wish = _wish(webhook.url, filter={"subjectEndsWith": "nsg-one"}, retryPolicy={"maxDeliveryAttempts": 2})
        await _subscribed(cloud, wish)
        webhook.statuses = list(statuses)
        _write(cloud, "nsg-one")
        await until(lambda: bool(state(cloud).dead_letters))
    (letter,) = state(cloud).dead_letters
    assert (letter["deliveryAttempts"], letter["lastDeliveryOutcome"]) == (attempts, str(statuses[-1]))


async def test_a_deleted_subscription_receives_nothing_more(cloud: Cloud, webhook: Webhook) -> None:
    async with delivering(cloud, _FAST):
        await _subscribed(cloud, _wish(webhook.url), "first")
        await _subscribed(cloud, _wish(webhook.url, filter={"subjectEndsWith": "last"}), "second")
        assert _arm(cloud, "DELETE", f"{_SUBSCRIPTIONS}/first").status == 200
        _write(cloud, "unseen")
        _write(cloud, "last")
        await webhook.until(lambda hook: "last" in _about(hook))
    assert _about(webhook) == ["last"]


async def test_batches_and_disorder_lose_nothing(cloud: Cloud, webhook: Webhook) -> None:
    names = [f"nsg-{number:02}" for number in range(40)]
    async with delivering(cloud, Options(time_scale=0.002, duplicates=0.5, shuffle=True)):
        await _subscribed(cloud, _wish(webhook.url, endpoint={"maxEventsPerBatch": 10}))
        for name in names:
            _write(cloud, name)
        await webhook.until(lambda hook: set(_about(hook)) == set(names))
    seen = _about(webhook)
    assert len(seen) > len(names)
    assert seen[: len(names)] != names
    assert max(len(body) for _, body in webhook.received) > 1


def test_a_batch_ends_at_its_count_and_before_its_size() -> None:
    events = [{"n": "x" * 90} for _ in range(5)]
    assert [len(each) for each in batches(events, 2, 10_000)] == [2, 2, 1]
    assert [len(each) for each in batches(events, 100, 250)] == [2, 2, 1]
    assert [len(each) for each in batches(events, 100, 10)] == [1] * 5


class _Storage:
    """Remembers what it was given; refuses while `down`."""

    def __init__(self) -> None:
        self.down = 0
        self.messages: list[tuple[str, str, Any]] = []
        self.blobs: dict[str, Any] = {}

    async def send(self, account: str, queue: str, text: str) -> None:
        if self.down:
            self.down -= 1
            raise UndeliverableError("down")
        self.messages.append((account, queue, json.loads(text)))

    async def keep(self, account: str, container: str, name: str, data: bytes) -> None:
        self.blobs[f"{account}/{container}/{name}"] = json.loads(data)

    async def close(self) -> None:
        pass


async def test_a_storage_queue_gets_one_message_an_event_without_a_handshake(cloud: Cloud) -> None:
    storage = _Storage()
    storage.down = 2
    account = f"/subscriptions/{cloud.subscription}{_GROUP}/Microsoft.Storage/storageAccounts/stflask"
    properties = {"resourceId": account, "queueName": "homeostat-events"}
    wish = _wish("", filter={"subjectEndsWith": "nsg-one"})
    wish["properties"]["destination"] = {"endpointType": "StorageQueue", "properties": properties}
    async with delivering(cloud, _FAST, storage):
        assert await _subscribed(cloud, wish) == "Succeeded"
        _write(cloud, "nsg-one")
        await until(lambda: bool(storage.messages))
    ((at, queue, event),) = storage.messages
    assert (at, queue, event["eventType"]) == ("stflask", "homeostat-events", _TYPES[0])


async def test_a_dead_letter_is_kept_as_a_blob_where_one_is_configured(cloud: Cloud, webhook: Webhook) -> None:
    storage = _Storage()
    place = {"resourceId": "/x/stflask", "blobContainerName": "dead"}
    wish = _wish(
        webhook.url,
        filter={"subjectEndsWith": "nsg-one"},
        deadLetterDestination={"endpointType": "StorageBlob", "properties": place},
    )
    async with delivering(cloud, _FAST, storage):
        await _subscribed(cloud, wish)
        webhook.statuses = [400]
        _write(cloud, "nsg-one")
        await until(lambda: bool(storage.blobs))
    ((name, letters),) = storage.blobs.items()
    assert name.startswith("stflask/dead/HOMEOSTAT/")
    assert letters[0]["lastDeliveryOutcome"] == "400"
