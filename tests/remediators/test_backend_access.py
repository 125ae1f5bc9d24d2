"""A backend's public door stands as declared; it is closed only when the private way in is proven."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import PRIVATE_ENDPOINT, SQL_SERVER
from homeostat.core.backends import BACKENDS, Backend, backend_of, is_public_name
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Value
from homeostat.core.model import AnyRemediator, Disruption, Milestone, Mode, Scope, Want
from homeostat.core.plan import Verb, merge
from remediators.backend_access import ITEM, REMEDIATOR, AccessWant, BackendAccessSection
from remediators.declared_endpoints import PrivateEndpointsSection
from tests.remediators.contract import Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
SQL = resource(SQL_SERVER.name, "sql-flask")
PE, THEIRS = (resource(PRIVATE_ENDPOINT.name, name) for name in ("pe-sql", "pe-theirs"))


def connection(endpoint: ResourceId, status: str = "Approved") -> Json:
    state: Json = {"status": status, "description": ""}
    return {
        "properties": {"privateEndpoint": {"id": endpoint.text.upper()}, "privateLinkServiceConnectionState": state}
    }


def backend(row: Backend, access: Value, *connections: Json) -> World:
    root = resource(row.type.name, "sql-flask")
    members: Json = {"privateEndpointConnections": list(connections), "version": "12.0"}
    body = json.with_value(body_of(root, members, tags={"a": "b"}), row.public_access, None)
    return {root: json.with_value(body, row.public_access, access)}


def wanted(row: Backend = BACKENDS["sql"], access: str = "Disabled", *endpoints: ResourceId) -> Want[Any]:
    return want_of(resource(row.type.name, "sql-flask"), {ITEM: AccessWant(access, row, frozenset(endpoints))})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    row = BACKENDS[draw(st.sampled_from(sorted(BACKENDS)))]
    want = wanted(row, draw(st.sampled_from(["Enabled", "Disabled"])), PE)
    spelled: dict[str, list[Value]] = {
        "Enabled": ["Enabled", "enabled", ABSENT, None],
        "Disabled": ["Disabled", "disabled"],
    }
    declared = want.items[ITEM].value.access
    others = [value for access, values in spelled.items() if access != declared for value in values]
    found = draw(st.sampled_from(spelled[declared]))
    there = backend(row, found, connection(PE), connection(THEIRS, "Pending"))
    changed = backend(row, draw(st.sampled_from(others)), connection(PE), connection(THEIRS, "Pending"))
    return Case(want, there, changed if draw(st.booleans()) else there)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        return json.with_value(world[want.root], want.items[ITEM].value.backend.public_access, ABSENT)


@pytest.mark.parametrize("value", ["Enabled", "enabled", None, ABSENT])
def test_a_service_that_says_nothing_is_open(value: Value) -> None:
    row = BACKENDS["key_vault"]
    assert look(REMEDIATOR, wanted(row, "Enabled"), backend(row, value)).drifts == ()
    (drift,) = look(REMEDIATOR, wanted(row, "Disabled"), backend(row, value)).drifts
    assert (drift.want, str(drift.have).lower()) == ("Disabled", "enabled")


@pytest.mark.parametrize("kind", BACKENDS)
def test_closing_is_one_field_of_one_patch_after_everything_else(kind: str) -> None:
    row = BACKENDS[kind]
    seen = look(REMEDIATOR, wanted(row), backend(row, "Enabled", connection(PE)))
    (edit,) = seen.edits
    assert edit.after == {Milestone.INTEGRATED, Milestone.NAMES_RESOLVE, Milestone.ENDPOINTS_APPROVED}
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.disruption) == (Verb.PATCH, Disruption.CONNECTIVITY)
    assert action.body == json.with_value({}, row.public_access, "Disabled")


def test_opening_waits_for_nothing() -> None:
    (edit,) = look(REMEDIATOR, wanted(access="Enabled"), backend(BACKENDS["sql"], "Disabled")).edits
    assert (edit.after, edit.disruption) == (frozenset(), Disruption.NONE)


@pytest.mark.parametrize(
    ("endpoints", "connections"),
    [
        pytest.param((), [], id="no connection at all"),
        pytest.param((), [connection(THEIRS, "Pending")], id="none approved"),
        pytest.param((PE,), [connection(THEIRS)], id="somebody else's only"),
        pytest.param((PE,), [connection(PE, "Rejected"), connection(THEIRS)], id="the declared one rejected"),
        pytest.param((PE, THEIRS), [connection(PE)], id="one of two declared"),
    ],
)
def test_a_door_stays_open_while_the_private_way_in_is_unproven(
    endpoints: tuple[ResourceId, ...], connections: list[Json]
) -> None:
    sql = BACKENDS["sql"]
    seen = look(REMEDIATOR, wanted(sql, "Disabled", *endpoints), backend(sql, "Enabled", *connections))
    assert [each.code for each in seen.obstacles] == ["private-path-unproven"]
    assert seen.edits == ()


def test_any_approved_connection_will_do_where_no_endpoint_is_declared() -> None:
    sql = BACKENDS["sql"]
    assert len(look(REMEDIATOR, wanted(), backend(sql, "Enabled", connection(THEIRS))).edits) == 1


def test_owners_of_one_backend_bring_endpoints_of_their_own() -> None:
    sql = BACKENDS["sql"]
    one, other = AccessWant("Disabled", sql, frozenset({PE})), AccessWant("Disabled", sql, frozenset({THEIRS}))
    assert one.joined(other) == AccessWant("Disabled", sql, frozenset({PE, THEIRS}))
    assert one.joined(AccessWant("Enabled", sql)) is None


# --- the section ---------------------------------------------------------------------------------------------------


def section(**fields: Json) -> BackendAccessSection:
    return BackendAccessSection.model_validate({"sql-flask": {"kind": "sql", **fields}})


def test_the_section_only_reports_unless_it_says_otherwise() -> None:
    assert section().mode is Mode.ALERT
    assert BackendAccessSection.model_validate({"mode": "enforce"}).mode is Mode.ENFORCE
    (item,) = REMEDIATOR.items(section(mode="enforce"), Scope(APP))
    assert (item.root, item.value, item.mode) == (SQL, AccessWant("Disabled", BACKENDS["sql"]), Mode.ENFORCE)


def test_the_endpoints_that_the_document_declares_for_a_backend_must_be_approved() -> None:
    written: dict[str, Json] = {"location": "westeurope", "subnet": "v/s", "backend": "sql-flask", "kind": "sql"}
    endpoints = PrivateEndpointsSection.model_validate({"pe-sql": written, "pe-x": {**written, "backend": "sql-x"}})
    (item,) = REMEDIATOR.items(section(), Scope(APP, {"private_endpoints": endpoints}))
    assert item.value.endpoints == {PE}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"sql-flask": {"kind": "mainframe"}}, ("sql-flask", "kind")),
        ({"a/b": {"kind": "sql"}}, ("a/b",)),
        ({PE.text: {"kind": "sql"}}, (PE.text,)),
    ],
)
def test_a_backend_of_no_known_kind_or_name_is_a_problem(written: dict[str, Json], path: tuple[str, ...]) -> None:
    (problem,) = REMEDIATOR.problems(BackendAccessSection.model_validate(written), Scope(APP))
    assert problem.path == path


def test_a_row_is_found_by_a_resource_of_its_type() -> None:
    assert backend_of(SQL) is BACKENDS["sql"]
    assert backend_of(APP) is None


def test_a_public_name_holds_the_region_where_the_service_has_it_so() -> None:
    assert BACKENDS["sql"].hostname(SQL, "West Europe") == "sql-flask.database.windows.net"
    redis = resource(BACKENDS["managed_redis"].type.name, "Redis-Flask")
    assert BACKENDS["managed_redis"].hostname(redis, "West Europe") == "redis-flask.westeurope.redis.azure.net"


@pytest.mark.parametrize(
    ("kind", "region", "zone", "host"),
    [
        ("sql", "USGov Virginia", "privatelink.database.usgovcloudapi.net", "sql-flask.database.usgovcloudapi.net"),
        ("sql", "chinanorth3", "privatelink.database.chinacloudapi.cn", "sql-flask.database.chinacloudapi.cn"),
        ("key_vault", "usdodeast", "privatelink.vaultcore.usgovcloudapi.net", "sql-flask.vault.usgovcloudapi.net"),
        ("key_vault", "chinaeast2", "privatelink.vaultcore.azure.cn", "sql-flask.vault.azure.cn"),
        ("redis", "usgovtexas", "privatelink.redis.cache.usgovcloudapi.net", "sql-flask.redis.cache.usgovcloudapi.net"),
        ("cosmos_db", "usgovarizona", "privatelink.documents.azure.us", "sql-flask.documents.azure.us"),
        ("managed_redis", "usgovarizona", "", ""),
    ],
)
def test_a_backend_has_the_names_of_its_region_s_cloud(kind: str, region: str, zone: str, host: str) -> None:
    assert (BACKENDS[kind].zone(region), BACKENDS[kind].hostname(SQL, region)) == (zone, host)


@pytest.mark.parametrize("suffix", ["database.windows.net", "vault.usgovcloudapi.net", "documents.azure.cn"])
def test_a_public_name_is_known_as_one_in_every_cloud(suffix: str) -> None:
    assert is_public_name(f"Some.{suffix.upper()}")
    assert not is_public_name(suffix)
