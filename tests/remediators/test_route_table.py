"""Declared routes stand in their table as declared, whichever spelling ARM gives; other routes are never touched."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import ROUTE, ROUTE_TABLE
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    AnyRemediator,
    Disruption,
    Fact,
    Found,
    Milestone,
    Mode,
    Read,
    Scope,
    Unmanaged,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import Verb, merge
from remediators.route import MEMBERS, Route
from remediators.route_table import PROPAGATION, REMEDIATOR, TABLE, RouteTableSection, TableWant
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
RT = resource(ROUTE_TABLE.name, "rt-app")

TO_VNET = Route("10.10.0.0/16", "VnetLocal")
TO_HUB = Route("0.0.0.0/0", "VirtualAppliance", "10.20.0.4")
TO_SQL = Route("Sql", "Internet")
TO_HUB_HOP = (TO_HUB.next_hop_type, TO_HUB.next_hop_ip)
OWN = TableWant("westeurope", recreate=False, no_propagation=None)


def stored(name: str, route: Route | Mapping[str, Json]) -> Json:
    given = route.body["properties"] if isinstance(route, Route) else route
    assert isinstance(given, Mapping)
    return body_of(RT.child("routes", name), {"provisioningState": "Succeeded", "hasBgpOverride": False, **given})


def table(routes: Mapping[str, Route | Mapping[str, Json]], **properties: Json) -> World:
    listed = [stored(name, route) for name, route in routes.items()]
    members: dict[str, Json] = {"provisioningState": "Succeeded", "disableBgpRoutePropagation": False, **properties}
    tags: Json = {"subnets": "mine"}
    return {RT: body_of(RT, {**members, "routes": listed}, location="westeurope", etag='W/"1"', tags=tags)}


def wanted(
    routes: Mapping[str, Route], own: TableWant = OWN, unmanaged: Unmanaged = Unmanaged.KEEP, **modes: Mode
) -> Want[Any]:
    return want_of(RT, {TABLE: own, **routes}, unmanaged, modes)


def routes_in(world: World) -> dict[str, Json]:
    return {str(body["name"]): body for body in json.objects_at(world[RT], "properties", "routes")}


# --- the contract ----------------------------------------------------------------------------------------------------

routes = st.sampled_from([TO_VNET, TO_HUB, TO_SQL, Route("10.0.0.0/8", "None"), Route("fd00::/8", "VnetLocal")])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    declared = {name: draw(routes) for name in draw(st.sets(st.sampled_from(["to-vnet", "to-hub", "Route.3"])))}
    foreign = {name: draw(routes) for name in draw(st.sets(st.sampled_from(["theirs", "x"])))}
    propagation = draw(st.sampled_from([None, True, False]))
    want = wanted(declared, TableWant("westeurope", draw(st.booleans()), propagation))
    there = dict(draw(st.permutations([*declared.items(), *foreign.items()])))
    world = table(there, disableBgpRoutePropagation=propagation or False)
    broken = dict(there)
    for name in draw(st.sets(st.sampled_from(sorted(declared)))) if declared else ():
        match draw(st.sampled_from(["deleted", "prefix", "hop"])):
            case "deleted":
                del broken[name]
            case "prefix":
                broken[name] = Route("172.16.0.0/12", declared[name].next_hop_type, declared[name].next_hop_ip)
            case _:
                is_appliance = declared[name].next_hop_type == "VirtualAppliance"
                hop = ("VirtualNetworkGateway",) if is_appliance else ("VirtualAppliance", "10.66.0.1")
                broken[name] = Route(declared[name].address_prefix, *hop)
    flipped = propagation is not None and draw(st.booleans())
    return Case(want, world, table(broken, disableBgpRoutePropagation=bool(propagation) != flipped))


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """The table without its declared routes, and without its flag where that is owned."""
        rest: Json = json.with_value(
            world[RT],
            ("properties", "routes"),
            [body for name, body in routes_in(world).items() if name not in want.items],
        )
        owned = want.items[TABLE].value.no_propagation is not None
        return json.with_value(rest, PROPAGATION, ABSENT) if owned else rest


# --- false drift -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        pytest.param(TO_VNET, {"addressPrefix": "10.10.0.0/16", "nextHopType": "vnetlocal"}, id="another casing"),
        pytest.param(
            TO_VNET,
            {"addressPrefix": "10.10.0.0/16", "nextHopType": "VnetLocal", "nextHopIpAddress": ""},
            id="no address, empty",
        ),
        pytest.param(
            TO_VNET,
            {"addressPrefix": "10.10.0.0/16", "nextHopType": "VnetLocal", "nextHopIpAddress": None},
            id="no address, null",
        ),
        pytest.param(TO_SQL, {"addressPrefix": "SQL", "nextHopType": "Internet"}, id="a service tag in capitals"),
        pytest.param(
            Route("fd00:0::/8", "VirtualAppliance", "fd00:0:0::1"),
            {"addressPrefix": "FD00::/8", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "fd00::1"},
            id="IPv6 in another spelling",
        ),
        pytest.param(TO_VNET, {**TO_VNET.body["properties"], "hasBgpOverride": True}, id="a member of the server"),  # type: ignore[dict-item] # an object
    ],
)
def test_what_only_looks_different_is_no_drift(declared: Route, given: dict[str, Json]) -> None:
    assert look(REMEDIATOR, wanted({"a-route": declared}), table({"A-Route": given})).drifts == ()


@pytest.mark.parametrize("given", [True, False])
def test_propagation_that_is_not_declared_is_left_alone(given: bool) -> None:
    assert look(REMEDIATOR, wanted({}), table({}, disableBgpRoutePropagation=given)).drifts == ()


@pytest.mark.parametrize("given", [None, False])
def test_propagation_that_is_null_is_on(given: Json) -> None:
    own = TableWant("westeurope", recreate=False, no_propagation=False)
    assert look(REMEDIATOR, wanted({}, own), table({}, disableBgpRoutePropagation=given)).drifts == ()


# --- drifts and their edits ------------------------------------------------------------------------------------------


def test_each_field_that_differs_is_a_drift_under_the_spec_s_name() -> None:
    seen = look(REMEDIATOR, wanted({"to-hub": TO_HUB}), table({"to-hub": Route("0.0.0.0/1", "Internet")}))
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [
        (("address_prefix",), "0.0.0.0/0", "0.0.0.0/1"),
        (("next_hop_ip",), "10.20.0.4", ABSENT),
        (("next_hop_type",), "VirtualAppliance", "Internet"),
    ]
    assert {edit.disruption for edit in seen.edits} == {Disruption.CONNECTIVITY}


def test_an_address_goes_with_the_appliance_that_it_belonged_to() -> None:
    seen = look(REMEDIATOR, wanted({"to-vnet": TO_VNET}), table({"to-vnet": Route("10.10.0.0/16", *TO_HUB_HOP)}))
    (action,) = merge(seen.edits, seen.facts)
    assert json.at(action.body, ("properties", "nextHopIpAddress")) is ABSENT
    assert json.text_at(action.body, "properties", "nextHopType") == "VnetLocal"


def test_one_drifted_route_is_its_own_put_and_two_are_one_put_of_the_table() -> None:
    want = wanted({"to-vnet": TO_VNET, "to-hub": TO_HUB})
    one = look(REMEDIATOR, want, table({"to-vnet": TO_SQL, "to-hub": TO_HUB}))
    (action,) = merge(one.edits, one.facts)
    assert (action.resource, action.verb, action.etag) == (RT.child("routes", "to-vnet"), Verb.PUT, "etag")
    theirs = Route("172.16.0.0/12", "None")
    two = look(REMEDIATOR, want, table({"theirs": theirs, "to-hub": TO_SQL}))
    (action,) = merge(two.edits, two.facts)
    assert (action.resource, action.verb, action.etag) == (RT, Verb.PUT, "etag")
    sent = {
        body["name"]: json.at(body, ("properties", "addressPrefix"))
        for body in json.objects_at(action.body, "properties", "routes")
    }
    assert sent == {"theirs": "172.16.0.0/12", "to-hub": "0.0.0.0/0", "to-vnet": "10.10.0.0/16"}
    assert json.at(action.body, ("tags",)) == {"subnets": "mine"}


def test_a_flag_and_a_route_that_drifted_together_are_one_put() -> None:
    own = TableWant("westeurope", recreate=False, no_propagation=True)
    world = table({"to-vnet": TO_SQL})
    seen = look(REMEDIATOR, wanted({"to-vnet": TO_VNET}, own), world)
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, json.at(action.body, PROPAGATION)) == (RT, True)
    assert look(REMEDIATOR, wanted({"to-vnet": TO_VNET}, own), healed(world, seen)).drifts == ()


@pytest.mark.parametrize("recreate", [True, False])
def test_a_table_that_is_gone_is_one_drift_and_is_made_with_its_routes(recreate: bool) -> None:
    want = wanted({"to-vnet": TO_VNET, "to-hub": TO_HUB}, TableWant("westeurope", recreate, no_propagation=True))
    seen = look(REMEDIATOR, want, {})
    assert [(drift.resource, drift.path, drift.item, drift.have) for drift in seen.drifts] == [(RT, (), TABLE, ABSENT)]
    (edit,) = seen.edits
    assert (edit.recreate, edit.reaches) == (recreate, frozenset({Milestone.ROUTES_EXIST}))
    (action,) = merge(seen.edits, seen.facts)
    assert action.creates
    assert action.body == {
        "location": "westeurope",
        "properties": {
            "disableBgpRoutePropagation": True,
            "routes": [{"name": "to-vnet", **TO_VNET.body}, {"name": "to-hub", **TO_HUB.body}],
        },
    }
    assert look(REMEDIATOR, want, healed({}, seen)).drifts == ()


def test_a_route_that_is_only_watched_is_not_made_with_its_table() -> None:
    want = want_of(RT, {TABLE: OWN, "to-vnet": TO_VNET, "to-hub": TO_HUB}, modes={"to-hub": Mode.ALERT})
    (edit,) = look(REMEDIATOR, want, {}).edits
    assert [body["name"] for body in json.objects_at(edit.value, "properties", "routes")] == ["to-vnet"]  # type: ignore[arg-type] # never ABSENT


def test_undeclared_routes_are_kept_reported_or_removed() -> None:
    world = table({"to-vnet": TO_VNET, "theirs": TO_HUB})
    found = {policy: look(REMEDIATOR, wanted({"to-vnet": TO_VNET}, unmanaged=policy), world) for policy in Unmanaged}
    assert found[Unmanaged.KEEP].drifts == ()
    assert [drift.verdict for drift in found[Unmanaged.REPORT].drifts] == [Verdict.UNMANAGED]
    assert found[Unmanaged.REPORT].answers == ()
    assert list(routes_in(healed(world, found[Unmanaged.REMOVE]))) == ["to-vnet"]


def test_a_route_that_the_table_lacks_but_its_own_read_finds_is_there() -> None:
    own = RT.child("routes", "to-vnet")
    assert look(REMEDIATOR, wanted({"to-vnet": TO_VNET}), {**table({}), own: stored("to-vnet", TO_VNET)}).drifts == ()


def test_a_route_whose_own_read_fails_is_unknown_though_the_table_lacks_it() -> None:
    want, own = wanted({"to-vnet": TO_VNET}), Read(ROUTE, RT.child("routes", "to-vnet"))
    facts: dict[Read, Fact] = {Read(ROUTE_TABLE, RT): Found(table({})[RT]), own: Unreadable(LOCKED)}
    assert own in REMEDIATOR.reads(want, facts)
    have = REMEDIATOR.observe(want, facts)
    assert [drift.note for drift in REMEDIATOR.diff(want, have)] == ["could not be read: locked"]
    assert REMEDIATOR.edits(want, have) == ()


@pytest.mark.parametrize("where", ["the table", "the route"])
def test_a_difference_during_a_write_is_settling_and_left_alone(where: str) -> None:
    changed = {**dict(zip(MEMBERS.values(), ("10.10.0.0/16", "None", ""), strict=True))}
    state = {"provisioningState": "Updating"}
    world = table({"to-vnet": {**changed, **state}}) if where == "the route" else table({"to-vnet": changed}, **state)
    seen = look(REMEDIATOR, wanted({"to-vnet": TO_VNET}), world)
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


# --- the section -----------------------------------------------------------------------------------------------------

SPEC: dict[str, Json] = {"address_prefix": "10.10.0.0/16", "next_hop_type": "VnetLocal"}


def section(routes: Mapping[str, Json], **own: Json) -> RouteTableSection:
    return RouteTableSection.model_validate({"rt-app": {"location": "westeurope", "routes": routes, **own}})


def test_a_section_declares_the_table_and_its_routes() -> None:
    found = section({"to-vnet": SPEC, "to-hub": {**SPEC, "mode": "alert"}}, mode="enforce", unmanaged="report")
    assert [(item.root, item.name, item.path, item.mode) for item in REMEDIATOR.items(found, Scope(APP))] == [
        (RT, TABLE, ("rt-app",), Mode.ENFORCE),
        (RT, "to-vnet", ("rt-app", "routes", "to-vnet"), Mode.ENFORCE),
        (RT, "to-hub", ("rt-app", "routes", "to-hub"), Mode.ALERT),
    ]
    assert REMEDIATOR.unmanaged(found, Scope(APP)) == {RT: Unmanaged.REPORT}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"address_prefix": "10.10.0.1/16"}, "address_prefix"),
        ({"address_prefix": "10.10.0.0"}, "address_prefix"),
        ({"next_hop_ip": "10.0.0.4"}, "next_hop_ip"),
        ({"next_hop_type": "VirtualAppliance"}, "next_hop_ip"),
        ({"next_hop_type": "virtualappliance", "next_hop_ip": "10.0.0"}, "next_hop_ip"),
    ],
)
def test_a_route_that_arm_would_refuse_is_a_problem_at_its_key(change: dict[str, Json], key: str) -> None:
    (problem,) = REMEDIATOR.problems(section({"a": {**SPEC, **change}}), Scope(APP))
    assert problem.path == ("rt-app", "routes", "a", key)
    assert problem.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"address_prefix": "Storage.WestEurope", "next_hop_type": "internet"},
        {"next_hop_type": "VirtualAppliance", "next_hop_ip": "10.0.0.4"},
        {"next_hop_type": "None"},
    ],
)
def test_a_route_that_arm_accepts_is_no_problem(change: dict[str, Json]) -> None:
    assert REMEDIATOR.problems(section({"a": {**SPEC, **change}}), Scope(APP)) == ()


def test_two_routes_for_one_range_and_two_spellings_of_one_name_are_problems() -> None:
    twice = section({"a": SPEC, "A": {**SPEC, "address_prefix": "10.0.0.0/8"}, "b": SPEC})
    assert [problem.path[2:] for problem in REMEDIATOR.problems(twice, Scope(APP))] == [
        ("A",),
        ("b", "address_prefix"),
    ]


@pytest.mark.parametrize("name", ["-a", "a b", "a" * 81, TABLE])
def test_a_name_that_arm_would_refuse_is_a_problem(name: str) -> None:
    assert [problem.path[2:] for problem in REMEDIATOR.problems(section({name: SPEC}), Scope(APP))] == [(name,)]


def test_a_reference_to_no_table_is_a_problem() -> None:
    found = RouteTableSection.model_validate({"rg:a/b": {"location": "westeurope"}})
    assert [problem.path for problem in REMEDIATOR.problems(found, Scope(APP))] == [("rg:a/b",)]
