"""The declared networks resolve by the zone; links to other networks are never touched."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import PRIVATE_DNS_ZONE, VIRTUAL_NETWORK_LINK
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    AnyRemediator,
    Edit,
    Fact,
    Found,
    Gone,
    Milestone,
    Mode,
    Obstacle,
    Read,
    Scope,
    Unmanaged,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import Verb, merge
from remediators.dns_links import NETWORK, REMEDIATOR, DnsLinksSection, LinkWant
from tests.remediators.contract import Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
ZONE = resource("Microsoft.Network/privateDnsZones", "privatelink.database.windows.net")
VNET, OTHER, HUB = (resource(NETWORK, name) for name in ("vnet-appservice", "vnet-other", "vnet-hub"))


def link(name: str, vnet: str = VNET.text, registration: json.Value = False) -> World:
    id_ = ZONE.child("virtualNetworkLinks", name)
    members: dict[str, Json] = {
        "provisioningState": "Succeeded",
        "virtualNetworkLinkState": "Completed",
        "virtualNetwork": {"id": vnet},
        "resolutionPolicy": "Default",
    }
    if registration is not ABSENT:
        members["registrationEnabled"] = registration
    return {id_: body_of(id_, members, location="global", etag='"390066fc"', tags={"etag": "mine"})}


def wanted(unmanaged: Unmanaged = Unmanaged.KEEP, **links: LinkWant) -> Want[Any]:
    return want_of(ZONE, {name.replace("_", "-"): value for name, value in links.items()}, unmanaged)


ONE = wanted(link_app=LinkWant(VNET, registration=False))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    networks = draw(st.lists(st.sampled_from([VNET, HUB]), min_size=1, unique=True))
    items = {f"link-{vnet.name}": LinkWant(vnet, draw(st.booleans())) for vnet in networks}
    there = link("theirs", OTHER.text, registration=True) if draw(st.booleans()) else {}
    broken = dict(there)
    for name, value in items.items():
        actual = draw(st.sampled_from([name, name.upper(), "another-name"])) if len(items) == 1 else name
        spelled = draw(st.sampled_from([value.vnet.text, value.vnet.text.upper()]))
        flag = draw(st.sampled_from([True] if value.registration else [False, None, ABSENT]))
        there = {**there, **link(actual, spelled, flag)}
        match draw(st.sampled_from(["kept", "deleted", "registration"])):
            case "kept":
                broken = {**broken, **link(actual, spelled, flag)}
            case "registration":
                broken = {**broken, **link(actual, spelled, not value.registration)}
    return Case(want_of(ZONE, items), there, broken)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """Links to other networks whole, and of links that were not made by a repair all but the registration flag."""
        networks = {item.value.vnet.text.lower() for item in want.items.values()}
        bodies = {id_.key: json.without_keys(body, frozenset({"registrationEnabled"})) for id_, body in world.items()}
        return {
            key: body
            for key, body in bodies.items()
            if json.text_at(body, "properties", "resolutionPolicy")  # which no repair sets
            or json.text_at(body, "properties", "virtualNetwork", "id").lower() not in networks
        }


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(link("link-app", VNET.text.lower()), id="the network's id in lower case"),
        pytest.param(link("LINK-APP"), id="the name in capitals"),
        pytest.param(link("link-app", registration=None), id="registration null"),
        pytest.param(link("link-app", registration=ABSENT), id="registration absent"),
        pytest.param(link("made-by-a-portal"), id="the network linked under another name"),
        pytest.param({**link("link-app", OTHER.text), **link("elsewhere")}, id="the name taken, the network linked"),
    ],
)
def test_what_only_looks_different_is_no_drift(world: World) -> None:
    assert look(REMEDIATOR, ONE, world).drifts == ()


def test_a_missing_link_is_created_whole_and_then_names_resolve() -> None:
    seen = look(REMEDIATOR, ONE, {})
    assert [(drift.path, drift.have) for drift in seen.drifts] == [((), ABSENT)]
    (edit,) = seen.edits
    assert edit.reaches == {Milestone.NAMES_RESOLVE}
    (action,) = merge(seen.edits, seen.facts)
    assert action.creates
    assert action.body == {
        "location": "global",
        "properties": {"virtualNetwork": {"id": VNET.text}, "registrationEnabled": False},
    }


def test_a_link_that_the_listing_lacks_but_its_own_read_finds_is_there() -> None:
    (id_,) = link("link-app")
    listing, own = Read(VIRTUAL_NETWORK_LINK, ZONE, every=True), Read(VIRTUAL_NETWORK_LINK, id_)
    facts: dict[Read, Fact] = {listing: Found({"value": []}), own: Found(link("link-app")[id_])}
    assert own in REMEDIATOR.reads(ONE, {listing: facts[listing]})
    assert REMEDIATOR.diff(ONE, REMEDIATOR.observe(ONE, facts)) == ()


def test_a_link_whose_own_read_fails_is_unknown_though_the_listing_lacks_it() -> None:
    (id_,) = link("link-app")
    error = ArmError.from_answer(403, {}, '{"error": {"code": "AuthorizationFailed", "message": "no"}}')
    facts: dict[Read, Fact] = {
        Read(VIRTUAL_NETWORK_LINK, ZONE, every=True): Found({"value": []}),
        Read(VIRTUAL_NETWORK_LINK, id_): Unreadable(error),
    }
    (drift,) = REMEDIATOR.diff(ONE, REMEDIATOR.observe(ONE, facts))
    assert (drift.verdict, drift.note) == (Verdict.UNKNOWN, "could not be read: denied")


@pytest.mark.parametrize(
    "listing",
    [
        Gone(),
        Unreadable(ArmError.from_answer(404, {}, '{"error": {"code": "ParentResourceNotFound", "message": ""}}')),
    ],
)
def test_the_zone_is_read_when_its_links_are_said_to_be_gone(listing: Fact) -> None:
    facts = {Read(VIRTUAL_NETWORK_LINK, ZONE, every=True): listing}
    assert Read(PRIVATE_DNS_ZONE, ZONE) in REMEDIATOR.reads(ONE, facts)
    assert [drift.verdict for drift in REMEDIATOR.diff(ONE, REMEDIATOR.observe(ONE, facts))] == [Verdict.UNKNOWN]


@pytest.mark.parametrize("name", ["link-app", "another-name"])
def test_the_registration_flag_is_set_right_on_the_link_that_serves_the_network(name: str) -> None:
    seen = look(REMEDIATOR, ONE, link(name, registration=True))
    assert [(drift.resource.name, drift.want, drift.have) for drift in seen.drifts] == [(name, False, True)]
    (action,) = merge(seen.edits, seen.facts)
    assert action.etag == '"390066fc"'
    assert json.at(action.body, ("properties", "registrationEnabled")) is False
    assert json.at(action.body, ("properties", "resolutionPolicy")) == "Default"
    assert json.at(action.body, ("properties", "virtualNetworkLinkState")) is ABSENT
    assert json.at(action.body, ("tags",)) == {"etag": "mine"}


def test_a_link_to_another_network_under_the_declared_name_is_an_obstacle() -> None:
    seen = look(REMEDIATOR, ONE, link("link-app", OTHER.text))
    assert [(drift.want, drift.have) for drift in seen.drifts] == [(VNET.text, OTHER.text)]
    assert [entry.code for entry in seen.obstacles] == ["link-points-elsewhere"]
    assert seen.edits == ()


@pytest.mark.parametrize(
    "state", [{"virtualNetworkLinkState": "InProgress"}, {"provisioningState": "Updating"}], ids=["link", "write"]
)
def test_a_link_under_way_is_settling_and_left_alone(state: dict[str, Json]) -> None:
    (id_,) = link("link-app")
    for registration in (False, True):
        body = link("link-app", registration=registration)[id_]
        for name, value in state.items():
            body = json.with_value(body, ("properties", name), value)
        seen = look(REMEDIATOR, ONE, {id_: body})
        assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
        assert seen.answers == ()


def test_two_declared_names_for_one_network_become_one_link() -> None:
    want = wanted(a=LinkWant(VNET, registration=False), b=LinkWant(VNET, registration=False))
    seen = look(REMEDIATOR, want, {})
    (edit,), (obstacle,) = seen.edits, seen.obstacles
    assert isinstance(edit, Edit)
    assert isinstance(obstacle, Obstacle)
    assert (edit.drift.item, obstacle.code) == ("a", "declared-twice")
    assert look(REMEDIATOR, want, healed({}, seen)).drifts == ()


def test_undeclared_links_are_kept_reported_or_removed() -> None:
    world = {**link("link-app"), **link("theirs", OTHER.text, registration=True)}
    value = LinkWant(VNET, registration=False)
    found = {policy: look(REMEDIATOR, wanted(policy, link_app=value), world) for policy in Unmanaged}
    assert found[Unmanaged.KEEP].drifts == ()
    assert [(drift.verdict, drift.have) for drift in found[Unmanaged.REPORT].drifts] == [
        (Verdict.UNMANAGED, {"vnet": OTHER.text, "registration": True})
    ]
    assert found[Unmanaged.REPORT].answers == ()
    (action,) = merge(found[Unmanaged.REMOVE].edits, found[Unmanaged.REMOVE].facts)
    assert (action.verb, action.resource.name) == (Verb.DELETE, "theirs")


def test_a_link_that_serves_a_declared_network_is_never_removed_as_undeclared() -> None:
    want = wanted(Unmanaged.REMOVE, link_app=LinkWant(VNET, registration=False))
    assert look(REMEDIATOR, want, link("another-name")).drifts == ()


# --- the section ---------------------------------------------------------------------------------------------------


def section(links: Json, mode: str = "enforce", zone: str = ZONE.name) -> DnsLinksSection:
    return DnsLinksSection.model_validate({zone: {"mode": mode, "unmanaged": "report", "links": links}})


def test_links_are_items_of_their_zone() -> None:
    found = section(
        {"a": {"vnet": "vnet-appservice"}, "b": {"vnet": "rg-hub:vnet-hub", "registration": "true"}}, "alert"
    )
    first, second = REMEDIATOR.items(found, Scope(APP))
    assert (first.root, first.name, first.path) == (ZONE, "a", (ZONE.name, "links", "a"))
    assert (first.value, first.mode) == (LinkWant(VNET, registration=False), Mode.ALERT)
    assert second.value == LinkWant(resource(NETWORK, "vnet-hub", group="rg-hub"), registration=True)
    assert REMEDIATOR.unmanaged(found, Scope(APP)) == {ZONE: Unmanaged.REPORT}
    assert REMEDIATOR.problems(found, Scope(APP)) == ()


@pytest.mark.parametrize(
    ("links", "path"),
    [
        ({"a": {"vnet": "x/y"}}, ("a", "vnet")),
        ({"a": {"vnet": ZONE.text}}, ("a", "vnet")),
        ({"-a": {"vnet": "vnet"}}, ("-a",)),
        ({"a": {"vnet": "vnet"}, "A": {"vnet": "other"}}, ("A",)),
        ({"a": {"vnet": "vnet"}, "b": {"vnet": "VNET"}}, ("b", "vnet")),
    ],
)
def test_a_link_that_arm_would_refuse_is_a_problem_at_its_key(links: dict[str, Json], path: tuple[str, ...]) -> None:
    (problem,) = REMEDIATOR.problems(section(links), Scope(APP))
    assert problem.path == (ZONE.name, "links", *path)


def test_a_reference_to_no_zone_is_a_problem() -> None:
    (problem,) = REMEDIATOR.problems(section({}, zone=VNET.text), Scope(APP))
    assert problem.path == (VNET.text,)


def test_a_private_link_zone_without_records_is_not_linked_before_they_are_there() -> None:
    """Linked while it is empty, it would hide the public names that still serve."""
    missing: dict[Read, Fact] = {
        Read(VIRTUAL_NETWORK_LINK, ZONE, every=True): Found({"value": []}),
        Read(VIRTUAL_NETWORK_LINK, ZONE.child("virtualNetworkLinks", "link-app")): Gone(),
    }
    for record_sets, answer in ((1, Obstacle), (2, Edit)):
        zone = Found({"properties": {"numberOfRecordSets": record_sets}})
        facts = missing | {Read(PRIVATE_DNS_ZONE, ZONE): zone}
        (found,) = REMEDIATOR.edits(ONE, REMEDIATOR.observe(ONE, facts))
        assert isinstance(found, answer)
