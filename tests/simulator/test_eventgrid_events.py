"""From an activity record to an event: names and shapes of both schemas, and who gets it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulator.activity import Activity
from simulator.cloud import HOMEOSTAT, OPERATOR, Cloud
from simulator.providers.eventgrid.events import EVENT_TYPES, Event, event_of, wanted

pytestmark = pytest.mark.unit
_SHARED = Path(__file__).parents[3] / "shared" / "arm" / "openapi" / "eventgrid" / "data-plane" / "Microsoft.Resources"
_FOLDER = _SHARED / "stable" / "2018-01-01"
_CLOUD = Cloud()
_TOPIC = f"/subscriptions/{_CLOUD.subscription}"
_SITE = f"{_TOPIC}/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask"


def _activity(operation: str = "Microsoft.Web/sites/write", resource: str = _SITE, **change: Any) -> Activity:
    values: dict[str, Any] = {
        "at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "correlation_id": "c1",
        "client_request_id": "r1",
        "caller": OPERATOR,
        "method": "PUT",
        "url": f"https://management.azure.com{resource}",
        "status": "Success",
    }
    return Activity(operation_name=operation, resource_id=resource, **(values | change))


def _event(*given: Any, **change: Any) -> Event:
    event = event_of(_CLOUD, _activity(*given, **change))
    assert event is not None
    return event


@pytest.mark.parametrize(
    ("operation", "status", "expected"),
    [
        ("Microsoft.Web/sites/write", "Success", "ResourceWriteSuccess"),
        ("Microsoft.Web/sites/Delete", "Success", "ResourceDeleteSuccess"),
        ("Microsoft.Web/sites/config/list/action", "Success", "ResourceActionSuccess"),
        ("Microsoft.Network/networkSecurityGroups/securityRules/write", "Failure", "ResourceWriteFailure"),
    ],
)
def test_the_operation_and_its_end_make_the_event_type(operation: str, status: str, expected: str) -> None:
    assert _event(operation, status=status).type == f"Microsoft.Resources.{expected}"


def test_a_read_raises_no_event() -> None:
    assert event_of(_CLOUD, _activity("Microsoft.Web/sites/read")) is None


def test_an_action_is_about_its_resource_without_the_action() -> None:
    settings = f"{_SITE}/config/appsettings"
    assert _event("Microsoft.Web/sites/config/list/action", f"{settings}/list").subject == settings


def test_an_app_only_token_claims_neither_name_nor_upn() -> None:
    person, service = _event().data["claims"], _event(caller=HOMEOSTAT).data["claims"]
    assert person["name"] == OPERATOR.name
    assert service["appid"] == HOMEOSTAT.app_id
    assert not [name for name in service if name.endswith(("/name", "/upn")) or name == "name"]


def test_the_completion_of_a_long_operation_knows_no_request() -> None:
    assert "httpRequest" not in _event(long_running=True).data
    assert _event().data["httpRequest"]["method"] == "PUT"


def test_the_same_record_always_makes_the_same_id_and_another_a_different_one() -> None:
    assert _event().id == _event().id
    assert _event().id != _event(correlation_id="c2").id


def _example(schema: str) -> dict[str, Any]:
    path = _FOLDER / "examples" / schema / "resource_write_success.json"
    if not path.is_file():
        pytest.skip(f"the API descriptions are not there: {path}")
    example: dict[str, Any] = json.loads(path.read_text())
    return example


@pytest.mark.parametrize(
    ("schema", "folder"),
    [("EventGridSchema", "event-grid-schema"), ("CloudEventSchemaV1_0", "cloud-events-schema")],
)
def test_an_event_has_the_members_of_the_published_example(schema: Any, folder: str) -> None:
    example, event = _example(folder), _event().rendered(schema, _TOPIC)
    assert set(event) == set(example)
    assert set(event["data"]) == {*example["data"], "httpRequest"}
    assert set(event["data"]["authorization"]) == set(example["data"]["authorization"])
    assert {name for name in event["data"]["claims"] if name != "idtyp"} <= set(example["data"]["claims"])


@pytest.mark.parametrize("kind", ["Write", "Delete", "Action"])
def test_the_data_fits_the_api_description(kind: str) -> None:
    path = next(iter(sorted(_FOLDER.glob("*.json"))), None)
    if path is None:
        pytest.skip(f"the API descriptions are not there: {_FOLDER}")
    document = json.loads(path.read_text())
    names = [name for name in document["definitions"] if name.endswith(f"{kind}SuccessData")]
    assert len(names) == 1
    schema = {**document, "$ref": f"#/definitions/{names[0]}"}
    data = _event(f"Microsoft.Web/sites/{kind.lower()}").data
    jsonschema.Draft4Validator(schema).validate(data)
    declared = document["definitions"][names[0]]["properties"]
    assert set(data) <= set(declared)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, True),
        ({"includedEventTypes": ["All"]}, True),
        ({"includedEventTypes": list(EVENT_TYPES)}, True),
        ({"includedEventTypes": ["Microsoft.Resources.ResourceDeleteSuccess"]}, False),
        ({"subjectBeginsWith": _SITE.upper()}, True),
        ({"subjectBeginsWith": _SITE.upper(), "isSubjectCaseSensitive": True}, False),
        ({"subjectEndsWith": "/APP-FLASK"}, True),
        ({"subjectEndsWith": "/other"}, False),
    ],
)
def test_a_filter_lets_through_what_it_names(rules: dict[str, Any], expected: bool) -> None:
    assert wanted(_event(), _TOPIC, rules) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("StringIn", ["microsoft.web/sites/WRITE"], True),
        ("StringContains", ["/sites/"], True),
        ("StringBeginsWith", ["Microsoft.Network"], False),
        ("StringEndsWith", ["/delete", "/write"], True),
        ("StringNotContains", ["/sites/"], False),
        ("StringNotIn", ["x"], True),
    ],
)
def test_an_advanced_filter_looks_into_the_data(operator: str, values: list[str], expected: bool) -> None:
    rule = {"operatorType": operator, "key": "data.operationName", "values": values}
    assert wanted(_event(), _TOPIC, {"advancedFilters": [rule]}) is expected


def test_a_topic_covers_what_lies_below_it_and_nothing_else() -> None:
    group = f"{_TOPIC}/resourcegroups/RG-FLASK"
    assert wanted(_event(), group, {})
    assert not wanted(_event(), f"{_TOPIC}/resourceGroups/rg", {})
    assert not wanted(_event(), "/subscriptions/another", {})
