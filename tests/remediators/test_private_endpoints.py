"""Endpoints are where they are declared, approved, and named by their zone; a person's decision is never overruled."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import (
    A_RECORD,
    PRIVATE_DNS_ZONE,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    SQL_SERVER,
    SUBNET,
)
from homeostat.core.backends import BACKENDS
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    AnyRemediator,
    Fact,
    Found,
    Gone,
    Milestone,
    Mode,
    Read,
    Scope,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import Verb, merge
from remediators.declared_endpoints import (
    ENDPOINT,
    ZONE_GROUP,
    EndpointWant,
    PrivateEndpointsSection,
    endpoints_of,
    records_of,
)
from remediators.private_endpoints import LISTS, REMEDIATOR
from remediators.zone_group import ZoneGroupWant
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
PE = resource(PRIVATE_ENDPOINT.name, "pe-sql")
GROUP = PE.child("privateDnsZoneGroups", "default")
SNET, ELSEWHERE = (resource(SUBNET.name, "vnet-appservice", name) for name in ("snet-private-endpoints", "snet-other"))
SQL, OTHER_SQL = (resource(SQL_SERVER.name, name) for name in ("sql-flask", "sql-other"))
NAME = "privatelink.database.windows.net"
ZONE, NAMESAKE = (resource(PRIVATE_DNS_ZONE.name, NAME, group=group) for group in ("rg-flask", "rg-hub"))
RECORD = ZONE.child("A", "sql-flask")
BLOBS = resource(PRIVATE_DNS_ZONE.name, "privatelink.blob.core.windows.net")
WANTED = EndpointWant("westeurope", SNET, SQL, "sqlServer")
LEADING = ZoneGroupWant("default", ZONE)


def endpoint(
    subnet: str = SNET.text,
    target: str = SQL.text,
    group: str = "sqlServer",
    status: str = "Approved",
    listed: str = LISTS[0],
    state: str = "Succeeded",
) -> World:
    told: Json = {"status": status, "description": "Auto-Approved", "actionsRequired": "None"}
    properties: Json = {
        "provisioningState": "Succeeded",
        "privateLinkServiceId": target,
        "groupIds": [group],
        "privateLinkServiceConnectionState": told,
    }
    lists: dict[str, Json] = {name: [] for name in LISTS}
    lists[listed] = [{"name": "pe-sql", "etag": 'W/"1"', "properties": properties}]
    members: dict[str, Json] = {"provisioningState": state, "subnet": {"id": subnet}, "customDnsConfigs": [], **lists}
    return {PE: body_of(PE, members, location="westeurope", etag='W/"1"', tags={"team": "data"})}


def zone_group(*zones: str, name: str = "default", state: str = "Succeeded") -> World:
    id_ = PE.child("privateDnsZoneGroups", name)
    configs: list[Json] = [
        {
            "name": f"config-{place}",
            "id": f"{id_}/privateDnsZoneConfigs/config-{place}",
            "etag": 'W/"1"',
            "properties": {
                "provisioningState": "Succeeded",
                "privateDnsZoneId": zone,
                "recordSets": [{"recordType": "A", "recordSetName": "sql-flask", "ipAddresses": ["10.10.2.4"]}],
            },
        }
        for place, zone in enumerate(zones)
    ]
    body = body_of(id_, {"provisioningState": state, "privateDnsZoneConfigs": configs}, etag='W/"1"')
    return {id_: body, RECORD: body_of(RECORD, {"ttl": 10, "metadata": {"creator": "created by private endpoint"}})}


WHOLE: World = {**endpoint(), **zone_group(ZONE.text)}


def wanted(endpoint_: EndpointWant = WANTED, group: ZoneGroupWant | None = LEADING) -> Want[Any]:
    return want_of(PE, {ENDPOINT: endpoint_} | ({} if group is None else {ZONE_GROUP: group}))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """What can be repaired: an endpoint that is gone, a zone group that is gone or leads elsewhere."""
    grouped = draw(st.booleans())
    extra = [BLOBS.text] if draw(st.booleans()) else []
    name = draw(st.sampled_from(["default", "DEFAULT", "by-portal"]))
    spelled = draw(st.sampled_from([ZONE.text, ZONE.text.upper()]))
    there = {**endpoint(), **(zone_group(spelled, *extra, name=name) if grouped else {})}
    damage = ["kept", "endpoint"] if not grouped else ["kept", "group", "zone"]
    match draw(st.sampled_from(damage)):
        case "endpoint":
            broken: World = {}
        case "group":
            broken = endpoint()
        case "zone":
            broken = {**endpoint(), **zone_group(NAMESAKE.text, *extra, name=name)}
        case _:
            broken = there
    return Case(wanted(group=LEADING if grouped else None), there, broken)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """The endpoint as it stood, and configurations for zones of other names."""
        stood = {id_.key: body for id_, body in world.items() if id_ == PE and json.at(body, ("tags",)) is not ABSENT}
        others = [
            json.text_at(config, "name")
            for id_, body in world.items()
            if id_.parent == PE
            for config in json.objects_at(body, "properties", "privateDnsZoneConfigs")
            if NAME not in json.text_at(config, "properties", "privateDnsZoneId").lower()
        ]
        return {**stood, "others": others}


@pytest.mark.parametrize(
    "world",
    [
        pytest.param({**WHOLE, **endpoint(SNET.text.upper(), SQL.text.lower())}, id="ids in another case"),
        pytest.param({**WHOLE, **endpoint(group="sqlserver")}, id="the group id in lower case"),
        pytest.param({**WHOLE, **endpoint(listed=LISTS[1])}, id="a manual connection, approved"),
        pytest.param({**WHOLE, **endpoint(status="approved")}, id="the status in lower case"),
        pytest.param({**endpoint(), **zone_group(ZONE.text, name="made-by-a-portal")}, id="another group's name"),
        pytest.param({**endpoint(), **zone_group(BLOBS.text, ZONE.text)}, id="a second zone"),
        pytest.param(
            {PE: {**endpoint()[PE], "location": "West Europe"}, **zone_group(ZONE.text)},  # type: ignore[dict-item] # an object
            id="the region as people write it",
        ),
    ],
)
def test_what_only_looks_different_is_no_drift(world: World) -> None:
    assert look(REMEDIATOR, wanted(), world).drifts == ()


@pytest.mark.parametrize("recreate", [True, False])
def test_a_missing_endpoint_is_made_whole_on_somebody_s_word_once_its_zone_is_there(recreate: bool) -> None:
    want = wanted(EndpointWant("westeurope", SNET, SQL, "sqlServer", recreate))
    seen = look(REMEDIATOR, want, {})
    assert [(drift.resource, drift.path, drift.have) for drift in seen.drifts] == [(PE, (), ABSENT)]
    (edit,) = seen.edits
    assert edit.recreate is recreate
    assert edit.after == {Milestone.ZONES_EXIST, Milestone.SUBNET_READY}
    assert edit.reaches == {Milestone.ENDPOINTS_APPROVED, Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE}
    (action,) = merge(seen.edits, seen.facts)
    assert action.creates
    assert action.body == {
        "location": "westeurope",
        "properties": {
            "subnet": {"id": SNET.text},
            "privateLinkServiceConnections": [
                {"name": "pe-sql", "properties": {"privateLinkServiceId": SQL.text, "groupIds": ["sqlServer"]}}
            ],
        },
    }


def test_the_zone_group_follows_its_endpoint_in_the_next_look() -> None:
    world = healed({}, look(REMEDIATOR, wanted(), {}))
    seen = look(REMEDIATOR, wanted(), world)
    assert [drift.item for drift in seen.drifts] == [ZONE_GROUP]
    (edit,) = seen.edits
    assert edit.recreate is None
    assert edit.after == {Milestone.ZONES_EXIST}
    assert edit.reaches == {Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE}
    assert look(REMEDIATOR, wanted(), healed(world, seen)).drifts == ()


@pytest.mark.parametrize(
    ("world", "path"),
    [
        (endpoint(subnet=ELSEWHERE.text), ("properties", "subnet", "id")),
        (endpoint(target=OTHER_SQL.text), ("properties", LISTS[0], "privateLinkServiceId")),
        (endpoint(group="vault"), ("properties", LISTS[0], "groupIds")),
        (endpoint(target=OTHER_SQL.text, listed=LISTS[1]), ("properties", LISTS[1], "privateLinkServiceId")),
    ],
)
def test_what_an_endpoint_cannot_change_is_an_obstacle(world: World, path: tuple[str, ...]) -> None:
    seen = look(REMEDIATOR, wanted(group=None), world)
    assert [drift.path for drift in seen.drifts] == [path]
    assert [each.code for each in seen.obstacles] == ["endpoint-immutable"]
    assert seen.obstacles[0].reaches == {Milestone.ENDPOINTS_APPROVED}
    assert seen.edits == ()


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("Pending", "connection-pending"),
        ("Rejected", "connection-rejected"),
        ("Disconnected", "connection-rejected"),
        ("Odd", "connection-unclear"),
        ("", "connection-unclear"),
    ],
)
def test_a_connection_that_is_not_approved_is_never_repaired_and_the_remedy_is_told(
    listed: str, status: str, code: str
) -> None:
    seen = look(REMEDIATOR, wanted(group=None), endpoint(status=status, listed=listed))
    assert [(drift.want, drift.have) for drift in seen.drifts] == [("Approved", status)]
    (obstacle,) = seen.obstacles
    assert obstacle.code == code
    assert "sql-flask" in obstacle.message
    assert obstacle.reaches == {Milestone.ENDPOINTS_APPROVED}
    assert seen.edits == ()


def test_a_write_under_way_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, wanted(group=None), endpoint(status="Pending", state="Updating"))
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    seen = look(REMEDIATOR, wanted(), {**endpoint(), **zone_group(NAMESAKE.text, state="Updating")})
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


def test_a_zone_group_that_leads_to_a_namesake_is_turned_and_its_other_zones_are_kept() -> None:
    seen = look(REMEDIATOR, wanted(), {**endpoint(), **zone_group(NAMESAKE.text, BLOBS.text, name="by-portal")})
    assert [(drift.want, drift.have) for drift in seen.drifts] == [(ZONE.text, sorted([NAMESAKE.text, BLOBS.text]))]
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.resource.name, action.etag) == (Verb.PUT, "by-portal", 'W/"1"')
    assert action.body == {
        "properties": {
            "privateDnsZoneConfigs": [
                {"name": "config-1", "properties": {"privateDnsZoneId": BLOBS.text}},
                {"name": NAME.replace(".", "-"), "properties": {"privateDnsZoneId": ZONE.text}},
            ]
        }
    }


def test_a_group_whose_record_is_not_in_the_zone_any_more_is_written_again() -> None:
    world = {id_: body for id_, body in WHOLE.items() if id_ != RECORD}
    seen = look(REMEDIATOR, wanted(), world)
    assert [(drift.item, drift.note) for drift in seen.drifts] == [(ZONE_GROUP, "not in the zone: sql-flask")]
    (action,) = merge(seen.edits, seen.facts)
    assert action.body == {
        "properties": {"privateDnsZoneConfigs": [{"name": "config-0", "properties": {"privateDnsZoneId": ZONE.text}}]}
    }


def test_a_record_that_cannot_be_read_says_nothing() -> None:
    facts = {**look(REMEDIATOR, wanted(), WHOLE).facts, Read(A_RECORD, RECORD): Unreadable(LOCKED)}
    assert REMEDIATOR.diff(wanted(), REMEDIATOR.observe(wanted(), facts)) == ()


@pytest.mark.parametrize("fact", [Unreadable(LOCKED), None])
def test_a_zone_group_is_missing_only_when_its_own_read_says_so_too(fact: Fact | None) -> None:
    listing = Read(PRIVATE_DNS_ZONE_GROUP, PE, every=True)
    facts: dict[Read, Fact] = {Read(PRIVATE_ENDPOINT, PE): Found(endpoint()[PE]), listing: Found({"value": []})}
    assert Read(PRIVATE_DNS_ZONE_GROUP, GROUP) in REMEDIATOR.reads(wanted(), facts)
    if fact is not None:
        facts[Read(PRIVATE_DNS_ZONE_GROUP, GROUP)] = fact
    assert [drift.verdict for drift in REMEDIATOR.diff(wanted(), REMEDIATOR.observe(wanted(), facts))] == [
        Verdict.UNKNOWN
    ]
    facts[Read(PRIVATE_DNS_ZONE_GROUP, GROUP)] = Found(zone_group(ZONE.text)[GROUP])
    assert REMEDIATOR.diff(wanted(), REMEDIATOR.observe(wanted(), facts)) == ()
    facts[Read(PRIVATE_DNS_ZONE_GROUP, GROUP)] = Gone()
    assert [drift.have for drift in REMEDIATOR.diff(wanted(), REMEDIATOR.observe(wanted(), facts))] == [ABSENT]


def test_an_endpoint_without_any_connection_cannot_be_repaired() -> None:
    (id_,) = endpoint()
    body = json.with_value(endpoint()[id_], ("properties", LISTS[0]), [])
    seen = look(REMEDIATOR, wanted(group=None), {id_: body})
    assert [each.code for each in seen.obstacles] == ["endpoint-immutable"]


# --- the section ---------------------------------------------------------------------------------------------------


def section(**fields: Json) -> PrivateEndpointsSection:
    base: dict[str, Json] = {"location": "westeurope", "subnet": "vnet-appservice/snet-private-endpoints"}
    return PrivateEndpointsSection.model_validate({"pe-sql": {**base, "backend": "sql-flask", "kind": "sql", **fields}})


def test_the_table_of_backends_says_what_an_endpoint_connects_to_and_which_zone_names_it() -> None:
    found = section(zone_group="default", mode="alert")
    assert REMEDIATOR.problems(found, Scope(APP)) == ()
    items = REMEDIATOR.items(found, Scope(APP))
    assert [(item.root, item.name, item.value) for item in items] == [(PE, ENDPOINT, WANTED), (PE, ZONE_GROUP, LEADING)]
    assert {item.mode for item in items} == {Mode.ALERT}


def test_without_a_zone_group_none_is_owned() -> None:
    assert [item.name for item in REMEDIATOR.items(section(), Scope(APP))] == [ENDPOINT]


def test_another_zone_may_be_named() -> None:
    (_, item) = REMEDIATOR.items(section(zone_group="default", zone=f"rg-hub:{NAME}"), Scope(APP))
    assert item.value == ZoneGroupWant("default", NAMESAKE)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"kind": "mainframe"}, "kind"),
        ({"subnet": "vnet"}, "subnet"),
        ({"backend": SNET.text}, "backend"),
        ({"zone_group": "default", "zone": SNET.text}, "zone"),
        ({"zone": NAME}, "zone"),
        ({"zone_group": "-"}, "zone_group"),
    ],
)
def test_what_arm_would_refuse_is_a_problem_at_its_key(fields: dict[str, Json], key: str) -> None:
    (problem,) = REMEDIATOR.problems(section(**fields), Scope(APP))
    assert problem.path == ("pe-sql", key)


def test_neighbours_learn_which_endpoints_lead_to_a_backend_and_which_records_they_keep() -> None:
    scope = Scope(APP, {"private_endpoints": section(zone_group="default")})
    assert endpoints_of(SQL, scope) == {PE}
    assert endpoints_of(OTHER_SQL, scope) == frozenset()
    assert records_of(ZONE, scope) == {"sql-flask": "pe-sql"}
    assert records_of(NAMESAKE, scope) == {}
    broken = Scope(APP, {"private_endpoints": section(subnet="vnet")})
    assert endpoints_of(SQL, broken) == frozenset()


@pytest.mark.parametrize("kind", BACKENDS)
def test_every_kind_of_backend_can_be_declared(kind: str) -> None:
    found = section(kind=kind, zone_group="default")
    assert REMEDIATOR.problems(found, Scope(APP)) == ()
    (first, second) = REMEDIATOR.items(found, Scope(APP))
    assert isinstance(first.value, EndpointWant)
    assert isinstance(first.value.backend, ResourceId)
    assert first.value.backend.is_type(BACKENDS[kind].type.name)
    assert isinstance(second.value, ZoneGroupWant)
    assert second.value.zone.name == BACKENDS[kind].zone("westeurope")


def test_the_zone_of_an_endpoint_is_that_of_its_location_s_cloud() -> None:
    (_, second) = REMEDIATOR.items(section(location="usgovvirginia", zone_group="default"), Scope(APP))
    assert isinstance(second.value, ZoneGroupWant)
    assert second.value.zone.name == "privatelink.database.usgovcloudapi.net"


def test_where_the_cloud_s_zone_is_not_known_it_must_be_named() -> None:
    written = {"location": "usgovvirginia", "kind": "managed_redis", "zone_group": "default"}
    (problem,) = REMEDIATOR.problems(section(**written), Scope(APP))
    assert problem.message == "the private DNS zone of managed_redis in usgovvirginia is not known"
    assert REMEDIATOR.problems(section(**written, zone="privatelink.example"), Scope(APP)) == ()
