"""Declared zones and records are there; a record that Azure keeps is never touched."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import A_RECORD, PRIVATE_DNS_ZONE
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
from remediators.declared_endpoints import PrivateEndpointsSection
from remediators.zones import REMEDIATOR, ZONE, RecordWant, ZonesSection, ZoneWant
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
ROOT = resource(PRIVATE_DNS_ZONE.name, "privatelink.database.windows.net")
IPS = ("10.10.2.4", "10.10.2.5")


def zone() -> World:
    return {ROOT: body_of(ROOT, {"provisioningState": "Succeeded", "numberOfRecordSets": 2}, location="global")}


def record(name: str, *ips: str, ttl: int = 3600, creator: str = "", registered: bool = False) -> World:
    id_ = ROOT.child("A", name)
    members: dict[str, Json] = {
        "fqdn": f"{name}.{ROOT.name}.",
        "ttl": ttl,
        "aRecords": [{"ipv4Address": ip} for ip in ips],
        "isAutoRegistered": registered,
        "metadata": {"creator": creator} if creator else {"team": "data"},
    }
    return {id_: body_of(id_, members, etag="cd40947a")}


def wanted(*, recreating: bool = False, **records: RecordWant) -> Want[Any]:
    return want_of(ROOT, {ZONE: ZoneWant(recreating), **{f"A/{name}": value for name, value in records.items()}})


API = wanted(api=RecordWant(IPS, 3600))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.lists(st.sampled_from(["api", "db", "web"]), unique=True))
    records = {name: RecordWant(IPS, draw(st.sampled_from([None, 300, 3600]))) for name in names}
    there: World = {**zone(), **record("theirs", "10.9.9.9")}
    for name, value in records.items():
        there = {**there, **record(name, *draw(st.permutations(IPS)), ttl=value.ttl or 77)}
    broken = dict(there)
    for name, value in records.items():
        match draw(st.sampled_from(["kept", "deleted", "ips", "ttl"])):
            case "deleted":
                del broken[ROOT.child("A", name)]
            case "ips":
                broken |= record(name, "10.1.1.1", ttl=value.ttl or 77)
            case "ttl" if value.ttl:
                broken |= record(name, *IPS, ttl=value.ttl + 1)
    if not names and draw(st.booleans()):
        broken = {}
        there = zone()
    return Case(
        want_of(ROOT, {ZONE: ZoneWant(), **{f"A/{name}": value for name, value in records.items()}}), there, broken
    )


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """Records that nobody declares, and of declared ones that were there all but addresses and time to live."""
        owned = {ROOT.child("A", item.removeprefix("A/")) for item in want.items}
        kept = {id_.key: body for id_, body in world.items() if id_ not in owned and id_ != ROOT}
        return {
            **kept,
            **{
                id_.key: json.without_keys(body, frozenset({"aRecords", "ttl"}))
                for id_, body in world.items()
                if id_ in owned and json.text_at(body, "properties", "fqdn")  # which only the server sets
            },
        }


@pytest.mark.parametrize(
    "world",
    [
        pytest.param({**zone(), **record("api", *reversed(IPS))}, id="addresses in another order"),
        pytest.param({**zone(), **record("API", *IPS)}, id="the name in capitals"),
        pytest.param({**zone(), **record("api", *IPS), **record("other", "10.0.0.1")}, id="a record of others"),
    ],
)
def test_what_only_looks_different_is_no_drift(world: World) -> None:
    assert look(REMEDIATOR, API, world).drifts == ()


def test_a_time_to_live_that_is_not_given_is_not_looked_at() -> None:
    assert look(REMEDIATOR, wanted(api=RecordWant(IPS)), {**zone(), **record("api", *IPS, ttl=5)}).drifts == ()


@pytest.mark.parametrize("recreate", [True, False])
def test_a_missing_zone_is_made_on_somebody_s_word_and_its_records_follow(recreate: bool) -> None:
    want = wanted(recreating=recreate, api=RecordWant(IPS))
    seen = look(REMEDIATOR, want, {})
    assert [(drift.resource, drift.path, drift.have) for drift in seen.drifts] == [(ROOT, (), ABSENT)]
    (edit,) = seen.edits
    assert edit.recreate is recreate
    assert edit.reaches == {Milestone.ZONES_EXIST, Milestone.NAMES_RESOLVE}
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.creates, action.body) == (Verb.PUT, True, {"location": "global"})
    world = healed({}, seen)
    second = look(REMEDIATOR, want, world)
    assert [drift.item for drift in second.drifts] == ["A/api"]
    assert look(REMEDIATOR, want, healed(world, second)).drifts == ()


def test_a_missing_record_is_made_after_its_zone_and_then_names_resolve() -> None:
    seen = look(REMEDIATOR, wanted(api=RecordWant(IPS)), zone())
    (edit,) = seen.edits
    assert edit.recreate is None
    assert edit.reaches == {Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE}
    (action,) = merge(seen.edits, seen.facts)
    assert action.body == {"properties": {"ttl": 3600, "aRecords": [{"ipv4Address": ip} for ip in IPS]}}


def test_a_changed_record_keeps_what_nobody_declares() -> None:
    seen = look(REMEDIATOR, API, {**zone(), **record("api", "10.1.1.1", ttl=5)})
    (action,) = merge(seen.edits, seen.facts)
    assert action.etag == "etag"
    assert action.body == {
        "properties": {"ttl": 3600, "aRecords": [{"ipv4Address": ip} for ip in IPS], "metadata": {"team": "data"}}
    }


@pytest.mark.parametrize(
    "found",
    [
        record("api", "10.1.1.1", creator="created by private endpoint pe-sql with resource guid c63c"),
        record("api", "10.1.1.1", registered=True),
    ],
    ids=["of a zone group", "of a network"],
)
def test_a_record_that_azure_keeps_is_told_and_never_written(found: World) -> None:
    seen = look(REMEDIATOR, API, {**zone(), **found})
    assert [each.code for each in seen.obstacles] == ["record-has-an-owner"]
    assert seen.edits == ()


def test_a_record_is_gone_only_when_the_living_zone_does_not_list_it_either() -> None:
    own, listing = Read(A_RECORD, ROOT.child("A", "api")), Read(A_RECORD, ROOT, every=True)
    facts: dict[Read, Fact] = {Read(PRIVATE_DNS_ZONE, ROOT): Found(zone()[ROOT]), own: Gone()}
    assert listing in REMEDIATOR.reads(API, facts)
    verdicts: dict[str, list[Verdict]] = {}
    listings: dict[str, Fact] = {
        "lists it": Found({"value": [{"name": "API"}]}),
        "locked": Unreadable(LOCKED),
        "lacks it": Found({"value": []}),
    }
    for name, fact in listings.items():
        have = REMEDIATOR.observe(API, {**facts, listing: fact})
        verdicts[name] = [drift.verdict for drift in REMEDIATOR.diff(API, have)]
    assert verdicts == {"lists it": [Verdict.UNKNOWN], "locked": [Verdict.UNKNOWN], "lacks it": [Verdict.DRIFTED]}


def test_a_zone_without_declared_records_costs_one_read() -> None:
    assert len(look(REMEDIATOR, wanted(), zone()).facts) == 1


# --- the section ---------------------------------------------------------------------------------------------------


def section(records: Json, name: str = ROOT.name, **fields: Json) -> ZonesSection:
    return ZonesSection.model_validate({name: {"records": records, **fields}})


def test_every_form_of_a_record_is_understood() -> None:
    found = section(
        {"a": ["10.10.2.5", "10.10.2.4"], "b": "10.0.0.1", "@": {"ips": ["10.0.0.2"], "ttl": "60", "mode": "alert"}},
        recreate="true",
    )
    assert REMEDIATOR.problems(found, Scope(APP)) == ()
    items = {item.name: item for item in REMEDIATOR.items(found, Scope(APP))}
    assert {name: item.value for name, item in items.items()} == {
        ZONE: ZoneWant(recreate=True),
        "A/a": RecordWant(IPS),
        "A/b": RecordWant(("10.0.0.1",)),
        "A/@": RecordWant(("10.0.0.2",), 60),
    }
    assert items["A/@"].mode is Mode.ALERT
    assert items["A/a"].path == (ROOT.name, "records", "a")


@pytest.mark.parametrize("name", ["*", "*.apps", "db-1.eu", "_x", "@"])
def test_a_name_that_dns_takes_is_accepted(name: str) -> None:
    assert REMEDIATOR.problems(section({name: "10.0.0.1"}), Scope(APP)) == ()


@pytest.mark.parametrize(
    ("records", "path"),
    [
        ({"a b": "10.0.0.1"}, ("records", "a b")),
        ({"a.": "10.0.0.1"}, ("records", "a.")),
        ({"a": "10.0.0.256"}, ("records", "a")),
        ({"a": "2001:db8::1"}, ("records", "a")),
        ({"a": "10.0.0.1", "A": "10.0.0.1"}, ("records", "A")),
    ],
)
def test_a_record_that_arm_would_refuse_is_a_problem_at_its_key(
    records: dict[str, Json], path: tuple[str, ...]
) -> None:
    (problem,) = REMEDIATOR.problems(section(records), Scope(APP))
    assert problem.path == (ROOT.name, *path)


def test_a_reference_to_no_zone_is_a_problem() -> None:
    (problem,) = REMEDIATOR.problems(section({}, APP.text), Scope(APP))
    assert problem.path == (APP.text,)


def test_a_record_that_the_document_s_own_zone_group_keeps_is_a_problem() -> None:
    written: dict[str, Json] = {"location": "westeurope", "subnet": "v/s", "backend": "sql-flask", "kind": "sql"}
    endpoints = PrivateEndpointsSection.model_validate({"pe-sql": {**written, "zone_group": "default"}})
    scope = Scope(APP, {"private_endpoints": endpoints})
    (problem,) = REMEDIATOR.problems(section({"SQL-Flask": "10.10.2.4", "api": "10.10.2.4"}), scope)
    assert problem.path == (ROOT.name, "records", "SQL-Flask")
    assert "pe-sql" in problem.message
