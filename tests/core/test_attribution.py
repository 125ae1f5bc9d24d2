"""A drift is put down to the write that can have caused it, and to nobody where none is known that can."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.attribution import (
    NOBODY,
    UNKNOWN,
    ActorKind,
    ForeignWrite,
    Principal,
    actor_json,
    cause_of,
    end_of,
)
from homeostat.core.claims import OBJECT_ID, UPN, holder_of, kind_of, name_of, tool_of
from homeostat.core.events import parse_event
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Drift
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg-app")
RULE, OTHER_RULE = NSG.child("securityRules", "allow-sql"), NSG.child("securityRules", "allow-redis")
APP = ResourceId.of("s", "rg", SITE.name, "app")
SETTINGS = APP.child("config", "appsettings")
INTEGRATION = APP.child("networkConfig", "virtualNetwork")
SLOT = APP.child("slots", "staging")


def drift(resource: ResourceId, *path: str) -> Drift:
    return Drift("kind", resource, path, "item", "new", "old")


def write(
    resource: ResourceId,
    name: str,
    minute: int = 0,
    operation: str = "x/write",
    fields: tuple[str, ...] | None = None,
) -> ForeignWrite:
    return foreign(resource.key, operation, name, NOW + timedelta(minutes=minute), fields=fields)


def name_of_cause(drifted: Drift, *writes: ForeignWrite) -> str | None:
    found = cause_of([drifted], writes)
    return found.name if found else None


@pytest.mark.parametrize(
    ("drifted", "written"),
    [
        pytest.param(RULE, RULE, id="the very resource"),
        pytest.param(RULE, NSG, id="what it is in"),
        pytest.param(NSG, RULE, id="what is in it"),
        pytest.param(SETTINGS, APP, id="its app"),
    ],
)
def test_a_write_that_can_have_caused_a_drift_is_its_cause(drifted: ResourceId, written: ResourceId) -> None:
    assert name_of_cause(drift(drifted), write(written, "Eve")) == "Eve"


@pytest.mark.parametrize(
    ("drifted", "written"),
    [(RULE, OTHER_RULE), (SETTINGS, INTEGRATION), (APP, ResourceId.of("s", "rg", SITE.name, "app-2"))],
)
def test_a_write_to_a_sibling_explains_nothing(drifted: ResourceId, written: ResourceId) -> None:
    assert name_of_cause(drift(drifted), write(written, "Eve")) is None


def test_of_several_the_nearest_wins_and_of_equally_near_ones_the_latest() -> None:
    above, first, last = write(NSG, "Adam", 9), write(RULE, "Eve", 1), write(RULE, "Abel", 2)
    assert name_of_cause(drift(RULE), first, above) == "Eve"
    assert name_of_cause(drift(RULE), last, first, above) == "Abel"


@pytest.mark.parametrize("named", [APP, SLOT])
def test_a_swap_is_the_cause_on_both_of_its_sides(named: ResourceId) -> None:
    swap = write(named, "Eve", operation="microsoft.web/sites/slotsswap/action")
    for side in (APP, SLOT):
        assert name_of_cause(drift(side.child("config", "appsettings")), swap) == "Eve"


def test_a_restored_slot_explains_nothing_of_the_app() -> None:
    restore = write(SLOT, "Eve", operation="microsoft.web/sites/slots/restoresnapshot/action")
    assert name_of_cause(drift(SLOT.child("config", "appsettings")), restore) == "Eve"
    assert name_of_cause(drift(APP.child("config", "appsettings")), restore) is None


@pytest.mark.parametrize(
    ("drifted", "fields", "fits"),
    [
        (drift(RULE, "properties", "access"), ("properties.securityRules",), True),
        (drift(RULE, "properties", "access"), ('properties.securityRules["allow-sql"].properties.access',), True),
        (drift(RULE, "properties", "access"), ("tags",), False),
        (drift(NSG, "tags"), ("tags.owner",), True),
        (drift(NSG, "properties", "flush"), ("properties.flushConnection",), False),
        (drift(NSG), ("tags",), True),
        (drift(RULE, "properties", "access"), (), True),
    ],
)
def test_where_the_changed_fields_are_told_the_drift_must_be_among_them(
    drifted: Drift, fields: tuple[str, ...], *, fits: bool
) -> None:
    assert (name_of_cause(drifted, write(NSG, "Eve", fields=fields)) == "Eve") is fits


def test_resource_graphs_row_of_a_site_explains_the_integration_and_never_a_setting() -> None:
    left = write(APP, "Eve", fields=("properties.virtualNetworkSubnetId",))
    assert name_of_cause(drift(INTEGRATION, "properties", "subnetResourceId"), left) == "Eve"
    assert name_of_cause(drift(SETTINGS, "properties", "REDIS_PORT"), left) is None


def test_who_of_two_changed_which_rule_of_a_list_is_not_guessed() -> None:
    eve, adam = (write(NSG, name, fields=("properties.securityRules",)) for name in ("Eve", "Adam"))
    assert name_of_cause(drift(RULE), eve, adam) is None
    assert name_of_cause(drift(RULE), eve, eve) == "Eve"


def test_who_deleted_a_root_is_told_by_its_last_deletion() -> None:
    gone = [write(APP, "Eve", 1, "x/delete"), write(APP, "Abel", 2, "x/delete"), write(APP, "Adam", 3)]
    found = end_of(APP, gone)
    assert found is not None
    assert found.name == "Abel"
    assert end_of(APP, [write(SETTINGS, "Eve", 1, "x/delete")]) is None


# --- claims ---


@pytest.mark.parametrize(
    ("claims", "kind", "name"),
    [
        ({UPN: "anna@contoso.example", "name": "Anna", "appid": "a"}, ActorKind.USER, "anna@contoso.example"),
        ({"name": "Anna"}, ActorKind.USER, "Anna"),
        ({"idtyp": "user", OBJECT_ID: "o"}, ActorKind.USER, "o"),
        ({"appid": "a", "idtyp": "app"}, ActorKind.APPLICATION, "a"),
        ({"appid": "a"}, ActorKind.APPLICATION, "a"),
        ({"appid": "a", "xms_mirid": "/subscriptions/s/x/userAssignedIdentities/id-app"}, ActorKind.MANAGED_IDENTITY,
         "id-app"),
        ({OBJECT_ID: "o"}, ActorKind.UNKNOWN, "o"),
        ({}, ActorKind.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_claims_tell_the_kind_of_caller_and_a_name(claims: Any, kind: ActorKind, name: str) -> None:
    assert (kind_of(claims), name_of(claims)) == (kind, name)


@pytest.mark.parametrize(
    ("claims", "holder"),
    [
        ({"upn": "anna@contoso.example", "name": "Anna", "oid": "o"}, "anna@contoso.example (object id o)"),
        ({"preferred_username": "anna@contoso.example", "oid": "o"}, "anna@contoso.example (object id o)"),
        ({"appid": "a", "oid": "o"}, "a (object id o)"),
        ({"appid": "a"}, "a"),
        ({"oid": "o"}, "object id o"),
        ({}, ""),
    ],
)
def test_a_token_tells_people_whom_it_is_for(claims: JsonObject, holder: str) -> None:
    middle = base64.urlsafe_b64encode(json.render(claims).encode()).decode().rstrip("=")
    assert holder_of(f"e30.{middle}.c2lnbmF0dXJl") == holder


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.W10.c"])
def test_a_token_that_is_no_web_token_tells_nothing(token: str) -> None:
    assert holder_of(token) == ""


@pytest.mark.parametrize(
    ("application", "tool"),
    [
        ("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Azure CLI"),
        ("1950A258-227B-4E31-A9CF-717495945FC2", "Azure PowerShell"),
        ("c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "Azure portal"),
        ("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555555"),
        ("", ""),
    ],
)
def test_well_known_tools_have_names_and_others_show_their_id(application: str, tool: str) -> None:
    assert tool_of(application) == tool


def event(**data: Any) -> Any:
    return {
        "id": "e",
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "subject": RULE.text,
        "eventTime": NOW.isoformat(),
        "data": {"operationName": "Microsoft.X/Write", "correlationId": "c", **data},
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_an_event_tells_who_with_which_tool_from_where_when_and_by_what(*, as_text: bool) -> None:
    claims: Any = {UPN: "anna@contoso.example", OBJECT_ID: "o", "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"}
    request: Any = {"clientIpAddress": "192.0.2.7"}
    if as_text:
        claims, request = str(claims).replace("'", '"'), str(request).replace("'", '"')
    hint = parse_event(event(claims=claims, httpRequest=request), NOW)
    assert hint is not None
    assert actor_json(hint.by) == {
        "name": "anna@contoso.example",
        "kind": "user",
        "tool": "Azure CLI",
        "address": "192.0.2.7",
        "at": NOW.isoformat(),
        "operation": "microsoft.x/write",
        "correlationId": "c",
        "objectId": "o",
        "source": "event",
    }


@pytest.mark.parametrize("request_part", [None, "", {}, [], 7, {"clientIpAddress": 7}])
def test_an_event_without_request_or_claims_still_tells_when_and_by_what(request_part: Any) -> None:
    hint = parse_event(event(httpRequest=request_part), NOW)
    assert hint is not None
    assert (hint.by.name, hint.by.address, hint.by.at, hint.by.operation) == (NOBODY, "", NOW, "microsoft.x/write")
    assert not hint.by.is_known
    assert not UNKNOWN.is_known


@pytest.mark.parametrize(
    ("claims", "ours"),
    [
        ({OBJECT_ID: "ME", "appid": "APP"}, True),
        ({OBJECT_ID: "me"}, True),
        ({OBJECT_ID: "me", "appid": "another tool"}, False),
        ({OBJECT_ID: "you", "appid": "app"}, False),
        ({"appid": "app"}, None),
        ({}, None),
    ],
)
def test_an_event_is_ours_when_it_names_our_identity_and_is_unproven_when_it_names_none(
    claims: Any, *, ours: bool | None
) -> None:
    hint = parse_event(event(claims=claims), NOW)
    assert hint is not None
    assert hint.is_by(Principal("me", "app")) is ours
    assert hint.is_by(None) is None
