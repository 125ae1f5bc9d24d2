"""The same promise of the function app itself: twenty events for one app cost under ten ARM calls in all.

In either schema that an event subscription can ask for.
"""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final

import pytest

from simulator.providers.eventgrid import state as eventgrid
from simulator.providers.eventgrid.events import Schema, event_of
from tests.support.function_app import running_function_app
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.host

EVENTS: Final = 20
LIMIT: Final = 10
SETTINGS: Final = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask/config/appsettings"
SUBSCRIPTION: Final = "/providers/Microsoft.EventGrid/eventSubscriptions/homeostat"
SPEC: Final = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
app_settings: {settings: {REDIS_PORT: 6380}}
"""


@pytest.mark.parametrize(
    ("schema", "content_type"),
    [("EventGridSchema", "application/json"), ("CloudEventSchemaV1_0", "application/cloudevents-batch+json")],
)
def test_twenty_events_and_what_their_repair_raises_cost_under_ten_calls(
    tmp_path: Any, schema: Schema, content_type: str
) -> None:
    (tmp_path / "homeostat.yaml").write_text(SPEC)
    with running_simulator("guide") as simulation:
        settings = {
            **simulation.env,
            "HOMEOSTAT_STATE": "memory",
            "HOMEOSTAT_SPEC_FOLDER": str(tmp_path),
            "HOMEOSTAT_SETTLE_SECONDS": "1",
            "AzureWebJobsStorage": "",
        }
        with running_function_app(settings) as app:
            subscribe(simulation, app.urls["on_resource_event"], schema)
            cursor = simulation.cloud.activities.cursor
            values = simulation.arm("POST", f"{SETTINGS}/list", {}, "2025-05-01").body["properties"]
            written = {"properties": {**values, "REDIS_PORT": "6379"}}
            simulation.arm("PUT", SETTINGS, written, "2025-05-01")
            for number in range(EVENTS):
                event = told(simulation, cursor, schema)
                again = {**event, "id": f"{event['id']}-{number % 2}"}
                deliver(app.urls["on_resource_event"], again, content_type)
            eventually(lambda: len(writes(simulation)) == 1, "it is not healed")
            own = writes(simulation)[0]["correlation_id"]
            eventually(lambda: delivered(simulation, own), "the event of the repair is not delivered")
            eventually(lambda: at_rest(app.call("explain", name="app-flask")[1]), "it does not come to rest")
            calls = [f"{each['method']} {each['path']}" for each in simulation.requests()]
            assert len(calls) < LIMIT, f"{EVENTS} events cost {len(calls)} ARM calls: {calls}"
            assert len(app.call("history", name="app-flask")[1]["entries"]) == 1


def subscribe(simulation: Simulation, url: str, schema: Schema) -> None:
    """All changes of the subscription are delivered to the function app."""
    wanted = ["Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"]
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    filter_ = {"includedEventTypes": wanted}
    body = {"properties": {"destination": destination, "filter": filter_, "eventDeliverySchema": schema}}
    path = f"/subscriptions/{simulation.subscription}{SUBSCRIPTION}"
    assert simulation.arm("PUT", path, body, "2025-02-15").status == 201

    def is_ready() -> bool:
        state = simulation.arm("GET", path, api_version="2025-02-15").body["properties"]["provisioningState"]
        return bool(state == "Succeeded")

    eventually(is_ready, "the subscription is not ready")


def deliver(url: str, event: dict[str, Any], content_type: str) -> None:
    """As Event Grid does."""
    headers = {"content-type": content_type, "aeg-event-type": "Notification"}
    request = urllib.request.Request(url, json.dumps([event]).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202


def told(simulation: Simulation, cursor: int, schema: Schema) -> dict[str, Any]:
    """The event of the person's write of the settings."""
    records, _ = simulation.cloud.activities.since(cursor)
    (write,) = [each for each in records if each.operation_name.endswith("/config/write") and each.caller.upn]
    event = event_of(simulation.cloud, write)
    assert event is not None
    return event.rendered(schema, f"/subscriptions/{simulation.subscription}")


def writes(simulation: Simulation) -> list[dict[str, Any]]:
    return [each for each in simulation.requests() if each["method"] == "PUT" and each["caller"] == "id-homeostat"]


def delivered(simulation: Simulation, correlation_id: str) -> bool:
    records, _ = simulation.cloud.activities.since()
    mine = [each for each in records if each.correlation_id == correlation_id]
    ids = {event.id for each in mine if (event := event_of(simulation.cloud, each))}
    done = {
        id_ for each in eventgrid.state(simulation.cloud).deliveries if each.outcome == "202" for id_ in each.events
    }
    return bool(ids) and ids <= done


def at_rest(explanation: dict[str, Any]) -> bool:
    return all(root["next"]["at"] is None for root in explanation["roots"])


def eventually(condition: Callable[[], bool], message: str) -> None:
    """Asks again until it holds; the bound only ends a test that has failed."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.1)
