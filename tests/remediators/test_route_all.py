"""Traffic is routed as declared, wherever the setting lives, and flags that nobody declares stay as they are."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import SITE, SITE_CONFIG
from homeostat.core.json import ABSENT, Json, Value
from homeostat.core.model import (
    AnyRemediator,
    Declared,
    Disruption,
    Fact,
    Found,
    Gone,
    Milestone,
    Mode,
    Place,
    Read,
    Scope,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import Verb, merge
from remediators.app_settings import Setting
from remediators.route_all import ALL, APPLICATION, FLAGS, LEGACY, LEGACY_SETTING, REMEDIATOR, Legacy, RouteAllSection
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
SETTINGS, WEB = APP.child("config", "appsettings"), APP.child("config", "web")
WAY_OUT = {Milestone.INTEGRATED, Milestone.NAMES_RESOLVE, Milestone.EGRESS_ALLOWED}


def site(routing: Value = ABSENT, *, legacy: str | None = None, **properties: Json) -> World:
    """A site with `outboundVnetRouting`, and its app settings."""
    members: dict[str, Json] = {"state": "Running", **properties}
    if routing is not ABSENT:
        members["outboundVnetRouting"] = routing
    settings: dict[str, Json] = {"OTHER": "x"}
    if legacy is not None:
        settings[LEGACY_SETTING] = legacy
    return {APP: body_of(APP, members, location="West Europe"), SETTINGS: body_of(SETTINGS, settings)}


def wanted(**values: bool | Legacy) -> Want[Any]:
    return want_of(APP, values)


ON = wanted(application_traffic=True)
OFF = wanted(application_traffic=False)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Without all_traffic, which stands in for the others: of it tests follow."""
    names = draw(st.sets(st.sampled_from(sorted(FLAGS.keys() - {ALL})), min_size=1))
    values = {name: draw(st.booleans()) for name in sorted(names)}
    others = {flag: draw(st.booleans()) for flag in [*FLAGS.values(), "managedIdentityTraffic"]}
    others |= {FLAGS[ALL]: False}
    right = {**others, **{FLAGS[name]: value for name, value in values.items()}}
    wrong = {**right, **{FLAGS[name]: not value for name, value in values.items() if draw(st.booleans())}}
    legacy: dict[str, bool | Legacy] = {}
    left = None
    if APPLICATION in values and wrong[FLAGS[APPLICATION]] and draw(st.booleans()):
        legacy, left = {LEGACY: Legacy.REMOVE}, draw(st.sampled_from([None, "0", "1"]))
    return Case(wanted(**values, **legacy), site(right), site(wrong, legacy=left))


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """Everything but the declared flags, and the legacy setting where it is to be removed."""
        body: Json = world[APP]
        for name in want.items.keys() & FLAGS.keys():
            body = json.with_value(body, ("properties", "outboundVnetRouting", FLAGS[name]), ABSENT)
        path = ("properties", LEGACY_SETTING)
        return [body, json.with_value(world[SETTINGS], path, ABSENT) if LEGACY in want.items else world[SETTINGS]]


@pytest.mark.parametrize(
    ("want", "world"),
    [
        pytest.param(ON, site({"applicationTraffic": True}), id="the flag"),
        pytest.param(ON, site({"allTraffic": True, "applicationTraffic": False}), id="all traffic"),
        pytest.param(ON, site({"applicationTraffic": False}, legacy="1"), id="the legacy setting alone"),
        pytest.param(ON, site({}, legacy="1"), id="the legacy setting, no flags"),
        pytest.param(ON, site(None, legacy="1"), id="the legacy setting, flags null"),
        pytest.param(ON, site({"applicationTraffic": True}, legacy="0"), id="the flag, the setting off"),
        pytest.param(OFF, site({"applicationTraffic": False}, legacy="0"), id="off, the setting off"),
        pytest.param(OFF, site(None), id="off, flags null"),
        pytest.param(OFF, site({"applicationTraffic": None}), id="off, the flag null"),
        pytest.param(ON, site(vnetRouteAllEnabled=True), id="an older body"),
        pytest.param(OFF, site(vnetRouteAllEnabled=None), id="an older body, null"),
        pytest.param(
            wanted(image_pull_traffic=True),
            site(vnetRouteAllEnabled=False, vnetImagePullEnabled=True),
            id="older flags",
        ),
        pytest.param(ON, site({"applicationTraffic": True, "managedIdentityTraffic": True}), id="flags of no model"),
    ],
)
def test_what_only_looks_different_is_no_drift(want: Want[Any], world: World) -> None:
    assert look(REMEDIATOR, want, world).drifts == ()


def test_a_site_that_tells_of_no_routing_is_judged_by_config_web() -> None:
    for enabled in (True, False):
        world = {**site(), WEB: body_of(WEB, {"vnetRouteAllEnabled": enabled})}
        assert (look(REMEDIATOR, ON, world).drifts == ()) == enabled
    assert [drift.verdict for drift in look(REMEDIATOR, ON, site()).drifts] == [Verdict.UNKNOWN]


def test_a_flag_is_written_with_all_its_siblings_as_they_were_read() -> None:
    found: Json = {"applicationTraffic": False, "imagePullTraffic": True, "managedIdentityTraffic": True}
    seen = look(REMEDIATOR, ON, site(found))
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.resource, action.disruption) == (Verb.PATCH, APP, Disruption.RESTART)
    assert action.body == {
        "properties": {
            "outboundVnetRouting": {
                "applicationTraffic": True,
                "imagePullTraffic": True,
                "managedIdentityTraffic": True,
            }
        }
    }


def test_routing_is_added_once_the_app_is_in_its_network_and_taken_away_at_once() -> None:
    (adding,) = look(REMEDIATOR, ON, site({"applicationTraffic": False})).edits
    assert adding.after == WAY_OUT
    (removing,) = look(REMEDIATOR, OFF, site({"applicationTraffic": True})).edits
    assert (removing.after, removing.disruption) == (frozenset(), Disruption.CONNECTIVITY)


def test_a_flag_that_is_only_reported_stays_as_it_is_when_another_is_repaired() -> None:
    values = {APPLICATION: True, "image_pull_traffic": True}
    want = want_of(APP, values, modes={"image_pull_traffic": Mode.ALERT})
    seen = look(REMEDIATOR, want, site({"applicationTraffic": False, "imagePullTraffic": False}))
    (action,) = merge([edit for edit in seen.edits if edit.drift.item == APPLICATION], seen.facts)
    sent = json.at(action.body, ("properties", "outboundVnetRouting"))
    assert sent == {"applicationTraffic": True, "imagePullTraffic": False}


def test_traffic_that_the_legacy_setting_still_routes_is_drift_with_a_note() -> None:
    world = site({"applicationTraffic": False}, legacy="1")
    (drift,) = look(REMEDIATOR, OFF, world).drifts
    assert (drift.resource, drift.want, drift.have) == (SETTINGS, ABSENT, "1")
    assert drift.note == f"{LEGACY_SETTING} routes application traffic"
    assert [each.code for each in look(REMEDIATOR, OFF, world).obstacles] == ["legacy-setting-routes"]
    removing = wanted(application_traffic=False, legacy_setting=Legacy.REMOVE)
    after = healed(world, look(REMEDIATOR, removing, world))
    assert json.at(after[SETTINGS], ("properties",)) == {"OTHER": "x"}


def test_traffic_that_all_traffic_routes_too_is_told_and_the_undeclared_flag_left_alone() -> None:
    seen = look(REMEDIATOR, OFF, site({"applicationTraffic": False, "allTraffic": True}))
    assert [each.code for each in seen.obstacles] == ["all-traffic-routes"]
    assert seen.edits == ()


def test_when_all_traffic_is_turned_off_the_application_s_own_flag_takes_over() -> None:
    want, world = wanted(all_traffic=False, application_traffic=True), site({"allTraffic": True})
    seen = look(REMEDIATOR, want, world)
    assert {drift.item for drift in seen.drifts} == {ALL, APPLICATION}
    (action,) = merge(seen.edits, seen.facts)
    sent = json.at(action.body, ("properties", "outboundVnetRouting"))
    assert sent == {"allTraffic": False, "applicationTraffic": True}


def test_the_legacy_setting_is_only_removed_when_the_flag_routes_in_its_place() -> None:
    want = wanted(application_traffic=True, legacy_setting=Legacy.REMOVE)
    world = site({"applicationTraffic": False}, legacy="1")
    first = look(REMEDIATOR, want, world)
    assert len(first.drifts) == 2
    assert [action.resource for action in merge(first.edits, first.facts)] == [APP]
    world = healed(world, first)
    second = look(REMEDIATOR, want, world)
    assert [action.resource for action in merge(second.edits, second.facts)] == [SETTINGS]
    assert look(REMEDIATOR, want, healed(world, second)).drifts == ()


def test_app_settings_are_only_read_where_they_make_a_difference() -> None:
    routed, unrouted = site({"applicationTraffic": True}), site({"applicationTraffic": False})
    assert len(look(REMEDIATOR, ON, routed).facts) == 1
    assert len(look(REMEDIATOR, wanted(image_pull_traffic=True), unrouted).facts) == 1
    assert len(look(REMEDIATOR, ON, unrouted).facts) == 2
    assert len(look(REMEDIATOR, OFF, routed).facts) == 2


@pytest.mark.parametrize("fact", [Gone(), Unreadable(LOCKED)])
def test_without_the_app_settings_it_is_unknown_whether_the_legacy_setting_routes(fact: Fact) -> None:
    facts = {Read(SITE, APP): Found(site({"applicationTraffic": False})[APP]), Read(SITE_CONFIG, SETTINGS): fact}
    for want in (ON, OFF):
        assert [drift.verdict for drift in REMEDIATOR.diff(want, REMEDIATOR.observe(want, facts))] == [Verdict.UNKNOWN]


def test_a_difference_during_an_operation_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, ON, site({}, inProgressOperationId="53c5536f"))
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


# --- the section ---------------------------------------------------------------------------------------------------


def test_only_what_is_given_is_owned() -> None:
    section = RouteAllSection.model_validate({"application_traffic": "true", "legacy_setting": "remove"})
    items = REMEDIATOR.items(section, Scope(APP))
    assert {item.name: (item.value, item.path) for item in items} == {
        APPLICATION: (True, (APPLICATION,)),
        LEGACY: (Legacy.REMOVE, (LEGACY,)),
    }
    assert REMEDIATOR.problems(section, Scope(APP)) == ()


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"all_traffic": "true", "application_traffic": "false"}, (APPLICATION,)),
        ({"all_traffic": "true", "image_pull_traffic": "false"}, ("image_pull_traffic",)),
        ({"legacy_setting": "remove"}, (LEGACY,)),
    ],
)
def test_a_section_that_cannot_be_met_is_a_problem(written: dict[str, str], path: tuple[str, ...]) -> None:
    (problem,) = REMEDIATOR.problems(RouteAllSection.model_validate(written), Scope(APP))
    assert problem.path == path


@pytest.mark.parametrize(
    ("routing", "setting", "contradicts"),
    [
        ({APPLICATION: True}, "1", False),
        ({APPLICATION: False}, "0", False),
        ({APPLICATION: True}, "0", True),
        ({APPLICATION: False}, "1", True),
        ({APPLICATION: True, LEGACY: Legacy.REMOVE}, "1", True),
        ({APPLICATION: True, LEGACY: Legacy.ALLOW}, "1", False),
        ({APPLICATION: False}, None, False),
        ({"image_pull_traffic": False}, "1", False),
    ],
)
def test_an_app_setting_that_says_the_opposite_is_a_conflict_that_names_both_places(
    routing: dict[str, bool | Legacy], setting: str | None, contradicts: bool
) -> None:
    there, here = Place("routing.yaml", 7), Place("settings.yaml", 3)
    wants: dict[str, Want[Any]] = {
        "route_all": Want(APP, {name: Declared(value, Mode.ENFORCE, ("a",), there) for name, value in routing.items()}),
        "app_settings": Want(APP, {LEGACY_SETTING: Declared(Setting(setting), Mode.ENFORCE, ("b",), here)}),
    }
    found = REMEDIATOR.conflicts(wants)
    assert bool(found) == contradicts
    for conflict in found:
        assert conflict.place == here
        assert "routing.yaml:7" in conflict.message
