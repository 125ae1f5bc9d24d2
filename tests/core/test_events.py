"""Event Grid's events become hints or nothing; whatever is sent, nothing else comes out."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Never, override

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homeostat.core import marks, record
from homeostat.core.events import Hint, MalformedEvent, parse_event, route
from homeostat.core.ids import ResourceId
from homeostat.core.spec import Fleet, Root, load
from remediators import REGISTRY

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask"
NSG = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg-app"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/app-flask"
ZONE = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.database.windows.net"

SAMPLES = Path(__file__).parents[3] / "shared" / "arm" / "openapi" / "eventgrid"

SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
app_settings:
  settings: {REDIS_PORT: 6380}
nsg_rules:
  nsg-app:
    rules:
      allow-sql: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}
dns_links:
  privatelink.database.windows.net:
    links: {link: {vnet: vnet-app}}
"""


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return load({"spec.yaml": SPEC}, REGISTRY, subscription=SUBSCRIPTION)


def grid(subject: str = NSG, operation: str = "", type_: str = "ResourceWriteSuccess", **data: Any) -> dict[str, Any]:
    """In Event Grid's own schema."""
    return {
        "id": "event-1",
        "topic": f"/subscriptions/{SUBSCRIPTION}",
        "subject": subject,
        "eventType": f"Microsoft.Resources.{type_}",
        "eventTime": "2026-02-28T10:00:00.1234567Z",
        "dataVersion": "2",
        "data": {"resourceUri": subject, "operationName": operation, "correlationId": "c-1", **data},
    }


def cloud(event: dict[str, Any]) -> dict[str, Any]:
    """The same as a CloudEvent."""
    renamed = {"eventType": "type", "eventTime": "time", "topic": "source"}
    rest = {renamed.get(name, name): value for name, value in event.items() if name != "dataVersion"}
    return {**rest, "specversion": "1.0"}


def hint_of(event: Any) -> Hint:
    hint = parse_event(event, NOW)
    assert hint is not None
    return hint


@pytest.mark.parametrize("schema", [lambda event: event, cloud], ids=["event grid", "cloud events"])
def test_both_schemas_give_one_hint(schema: Any) -> None:
    hint = hint_of(schema(grid(NSG, "Microsoft.Network/networkSecurityGroups/write")))
    assert hint.resource.text == NSG
    assert (hint.id, hint.correlation_id) == ("event-1", "c-1")
    assert hint.operation == "microsoft.network/networksecuritygroups/write"
    assert hint.by.at == datetime(2026, 2, 28, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "actor"),
    [
        ({"name": "Anna", "appid": "a"}, "Anna"),
        ({"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "anna@contoso.example", "name": "Anna"},
         "anna@contoso.example"),
        ({"appid": "app-1"}, "app-1"),
        ({"http://schemas.microsoft.com/identity/claims/objectidentifier": "object-1"}, "object-1"),
        ('{"appid": "app-1"}', "app-1"),
        ("not json", "unknown"),
        ("[" * 100_000, "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        ([], "unknown"),
        ({"name": 7, "appid": ""}, "unknown"),
    ],
)  # fmt: skip
def test_the_actor_is_what_the_claims_tell_whether_they_are_an_object_or_text(claims: Any, actor: str) -> None:
    assert hint_of(grid(claims=claims, authorization='{"scope": "x"}', httpRequest=None)).by.name == actor


@pytest.mark.parametrize(
    "subject",
    [
        f"/subscriptions/{SUBSCRIPTION}",
        GROUP,
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/p",
        "",
        "blob",
        "/providers/Microsoft.Management/managementGroups/m",
    ],
)
def test_what_is_no_resource_in_a_group_causes_nothing(subject: str) -> None:
    assert parse_event(grid(subject), NOW) is None


@pytest.mark.parametrize(
    "type_",
    ["ResourceWriteFailure", "ResourceWriteCancel", "ResourceDeleteFailure", "ResourceActionCancel", "SomethingNew"],
)
def test_what_changed_nothing_causes_nothing(type_: str) -> None:
    assert parse_event(grid(type_=type_), NOW) is None


def test_events_of_other_topics_cause_nothing() -> None:
    event: Any = {
        "id": "1",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "x"},
    }
    assert parse_event(event, NOW) is None


@pytest.mark.parametrize("event", [None, 7, "text", [], [grid()], {}, {"id": "x"}, {"eventType": 7}])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(MalformedEvent):
        parse_event(event, NOW)


@pytest.mark.parametrize("time", ["", "yesterday", None, 7, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_cannot_be_read_is_now(time: Any) -> None:
    assert hint_of({**grid(), "eventTime": time}).by.at == NOW


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T01:00:00", datetime(2026, 3, 1, 1, tzinfo=UTC)),
        ("2026-03-01T01:00:00+02:00", datetime(2026, 2, 28, 23, tzinfo=UTC)),
        ("2026-03-01T01:00:00+00:00:30", datetime(2026, 3, 1, 0, 59, 30, tzinfo=UTC)),
    ],
)
def test_times_are_kept_in_utc(text: str, at: datetime) -> None:
    found = hint_of({**grid(), "eventTime": text}).as_foreign_write().at
    assert (found, found.utcoffset()) == (at, timedelta())


@pytest.mark.parametrize(
    ("subject", "operation", "root"),
    [
        (NSG, "Microsoft.Network/networkSecurityGroups/write", NSG),
        (NSG, "MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/DELETE", NSG),
        (f"{NSG}/securityRules/allow-sql", "Microsoft.Network/networkSecurityGroups/securityRules/write", NSG),
        (NSG.replace("resourceGroups", "resourcegroups").upper(), "Microsoft.Network/networkSecurityGroups/write", NSG),
        (SITE, "Microsoft.Web/sites/write", SITE),
        (f"{SITE}/config/appsettings", "Microsoft.Web/sites/config/Write", SITE),
        (SITE, "Microsoft.Web/sites/slotsswap/action", SITE),
        (f"{SITE}/config/web/appsettings/REDIS_PORT", "microsoft.web/sites/config/web/appsettings/write", SITE),
        (f"{ZONE}/virtualNetworkLinks/link", "Microsoft.Network/linksByAnotherName/write", ZONE),
        (f"{SITE}/backups/12", "microsoft.web/sites/backups/restore/action", SITE),
        (SITE, "microsoft.web/sites/restoresnapshot/action", SITE),
        (f"{SITE}/config/web/snapshots/12", "Microsoft.Web/sites/config/snapshots/recover/action", SITE),
        (f"{ZONE}/virtualNetworkLinks/link", "Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete", ZONE),
        (NSG, "", NSG),
    ],
)
def test_a_change_leads_to_the_declared_root_above_it(fleet: Fleet, subject: str, operation: str, root: str) -> None:
    found = route(fleet, hint_of(grid(subject, operation)), REGISTRY)
    assert [each.id.text for each in found] == [root]


@pytest.mark.parametrize(
    ("subject", "operation"),
    [
        (f"{NSG}x", "Microsoft.Network/networkSecurityGroups/write"),
        (SITE, "Microsoft.Web/sites/config/list/action"),  # what our own reads of the settings cause
        (f"{SITE}/config/appsettings", "Microsoft.Web/sites/config/list/action"),
        (SITE, "Microsoft.Web/sites/restart/action"),
        (f"{SITE}/deployments/12", "Microsoft.Web/sites/deployments/write"),
        (f"{ZONE}/AAAA/db", "Microsoft.Network/privateDnsZones/AAAA/write"),
        (f"{SITE}/hostNameBindings/www", "Microsoft.Web/sites/hostNameBindings/write"),
        (f"{NSG}/providers/Microsoft.Authorization/locks/l", "Microsoft.Authorization/locks/write"),
        (f"{NSG}/providers/Microsoft.Insights/diagnosticSettings/d", "Microsoft.Insights/diagnosticSettings/write"),
    ],
)
def test_what_nobody_cares_about_causes_nothing(fleet: Fleet, subject: str, operation: str) -> None:
    assert route(fleet, hint_of(grid(subject, operation)), REGISTRY) == ()


def test_of_a_restore_the_changed_resource_is_the_site_and_not_the_backup() -> None:
    hint = hint_of(grid(f"{SITE}/slots/stage/backups/12", "microsoft.web/sites/slots/backups/restore/action"))
    assert hint.resource.text == f"{SITE}/slots/stage"


def samples() -> list[Any]:
    found: list[Any] = []
    for file in sorted(SAMPLES.glob("**/examples/**/*.json")):
        parsed = json.loads(file.read_text(encoding="utf-8-sig"))
        events = parsed if isinstance(parsed, list) else [parsed]
        found.extend(pytest.param(event, id=f"{file.parent.name}/{file.stem}") for event in events)
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=f"no sample events in {SAMPLES}"))]


@pytest.mark.parametrize("event", samples())
def test_microsofts_own_sample_events_are_understood(event: Any) -> None:
    event_type = str(event.get("eventType") or event.get("type") or "")
    if not event_type:
        with pytest.raises(MalformedEvent):
            parse_event(event, NOW)
        return
    hint = parse_event(event, NOW)
    told = event_type.startswith("Microsoft.Resources.Resource") and event_type.endswith("Success")
    if told and "/providers/" in event["subject"]:
        assert hint is not None
        assert event["subject"].lower().startswith(hint.resource.key)
    else:
        assert hint is None


# --- junk ---

words = st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C", "Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=10
)
paths = st.lists(st.sampled_from(["", "subscriptions", "resourceGroups", "providers", "a"]) | words, max_size=12)
subjects = st.one_of(
    words, paths.map("/".join), words.map(lambda name: f"{NSG}/securityRules/{name}"), st.just(NSG), anything
)
events = st.fixed_dictionaries(
    {"eventType": st.just("Microsoft.Resources.ResourceWriteSuccess") | anything, "subject": subjects},
    optional={
        "id": anything,
        "eventTime": anything | st.datetimes().map(str),
        "data": anything
        | st.fixed_dictionaries(
            {},
            optional={"resourceUri": subjects, "claims": anything, "operationName": anything, "correlationId": words},
        ),
    },
)


@given(anything | events)
@example(
    grid(f"{NSG}/securityRules/\ud800", "\ud800", correlationId="\udc00", claims={"name": "\udfff"}) | {"id": "\ud800"}
)
def test_whatever_is_sent_is_a_hint_that_can_be_remembered_or_nothing_or_malformed(fleet: Fleet, event: Any) -> None:
    try:
        hint = parse_event(event, NOW)
    except MalformedEvent:
        return
    if hint is None:
        return
    route(fleet, hint, REGISTRY)
    marked, _ = marks.marked(
        record.RootRecord(), hint=hint.id, now=NOW, settle=record.DEFAULT_SETTLE, foreign=hint.as_foreign_write()
    )
    stored = json.dumps(record.to_json(marked))
    assert record.from_json(json.loads(stored)) == marked
    json.dumps(record.to_json(marked), ensure_ascii=False).encode()  # no lone surrogates: they cannot be sent on


def test_a_huge_event_does_not_make_a_huge_memory(fleet: Fleet) -> None:
    long = "x" * 100_000
    event = {**grid(f"{NSG}/securityRules/{long}", long, correlationId=long, claims={"name": long}), "id": long}
    hint = parse_event(event, NOW)
    if hint is not None:
        assert len(json.dumps(record.to_json(record.RootRecord(foreign_writes=(hint.as_foreign_write(),))))) < 5_000


@pytest.mark.parametrize("subject", [SITE, f"{SITE}/slots/staging"])
def test_a_swap_concerns_the_site_and_its_declared_slots_whichever_it_names(subject: str) -> None:
    section = "vnet_integration: {subnet: vnet/snet}"
    texts = {
        "site.yaml": f"target: app\nweb_app: app-flask\nresource_group: rg-flask\n{section}\n",
        "slot.yaml": f"target: app--staging\nweb_app: app-flask/staging\nresource_group: rg-flask\n{section}\n",
        "other.yaml": f"target: other\nweb_app: other\nresource_group: rg-flask\n{section}\n",
    }
    both = load(texts, REGISTRY, subscription=SUBSCRIPTION)
    found = route(both, hint_of(grid(subject, "Microsoft.Web/sites/slotsswap/action")), REGISTRY)
    assert [root.targets for root in found] == [("app",), ("app--staging",)]


def test_of_a_fleet_no_root_is_made_that_a_swap_does_not_concern(fleet: Fleet) -> None:
    made: list[ResourceId] = []

    class Roots(dict[ResourceId, Root]):
        @override
        def __getitem__(self, id_: ResourceId) -> Root:
            made.append(id_)
            return super().__getitem__(id_)

        @override
        def values(self) -> Never:
            raise AssertionError("a fleet of 10,000 takes seconds to make all its roots")

    lazy = replace(fleet, roots=Roots(fleet.roots))
    (found,) = route(lazy, hint_of(grid(SITE, "Microsoft.Web/sites/slotsswap/action")), REGISTRY)
    assert made == [found.id]
    assert found.id.text == SITE
