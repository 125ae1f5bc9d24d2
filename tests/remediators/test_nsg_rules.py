"""Declared rules stand as declared, in whichever of ARM's spellings; undeclared rules are never touched."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Disruption, Fact, Found, Milestone, Read, Unreadable, Verdict, Want
from homeostat.core.plan import Verb, merge
from remediators.nsg_rules import REMEDIATOR
from tests.remediators.contract import LOCKED, Case, RemediatorContract
from tests.remediators.nsgs import ASG, DENY, NSG, SQL, bodies, rules_in, stored, wanted, world_of
from tests.remediators.world import World, look

pytestmark = pytest.mark.unit


def _swapped(rules: dict[str, dict[str, Json]], one: str, other: str) -> None:
    first, second = rules[one]["priority"], rules[other]["priority"]
    rules[one], rules[other] = {**rules[one], "priority": second}, {**rules[other], "priority": first}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.lists(st.sampled_from(["allow-sql", "allow-redis", "deny", "Rule.4"]), min_size=1, unique=True))
    rules = {name: draw(bodies(100 + 10 * place)) for place, name in enumerate(names)}
    foreign = {
        name: draw(bodies(3000 + place)) for place, name in enumerate(["theirs", "x"][: draw(st.integers(0, 2))])
    }
    there = dict(draw(st.permutations([*rules.items(), *foreign.items()])))
    broken = dict(there)
    for name in draw(st.sets(st.sampled_from(sorted(rules)))):
        if name not in broken:
            continue
        other = draw(st.sampled_from(sorted(rules)))
        match draw(st.sampled_from(["deleted", "swapped", "access", "priority", "ports", "protocol", "source"])):
            case "deleted":
                del broken[name]
            case "swapped" if other in broken and other != name:
                _swapped(broken, name, other)
            case "access":
                broken[name] = {**broken[name], "access": "Deny" if broken[name]["access"] == "Allow" else "Allow"}
            case "priority":
                broken[name] = {**broken[name], "priority": 200 + names.index(name)}
            case "protocol":
                broken[name] = {**broken[name], "protocol": "Icmp"}
            case "source":
                broken[name] = {**broken[name], "sourceAddressPrefix": "VirtualNetwork", "sourceAddressPrefixes": []}
            case _:
                several = {"destinationPortRanges": ["22", "3389"]}
                broken[name] = {**broken[name], **several} | {"destinationPortRange": ""}
    return Case(wanted(rules), world_of(there), world_of(broken))


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """The NSG without its declared rules, and what of those present rules the spec does not name."""
        others = [rule for rule in rules_in(world) if rule["name"] not in want.items]
        descriptions = {
            str(rule["name"]): json.text_at(rule, "properties", "description")
            for rule in rules_in(world)
            if rule["name"] in want.items and json.text_at(rule, "properties", "description")
        }
        return [json.with_value(world[NSG], ("properties", "securityRules"), others), descriptions]


# --- false drift ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "given"),
    [
        pytest.param({}, {"protocol": "TCP"}, id="protocol in capitals"),
        pytest.param({}, {"protocol": "tcp"}, id="protocol in small letters"),
        pytest.param({}, {"access": "allow", "direction": "outbound"}, id="access and direction in small letters"),
        pytest.param({}, {"destinationPortRange": "", "destinationPortRanges": ["1433"]}, id="one element in a list"),
        pytest.param({}, {"sourceAddressPrefixes": None}, id="the plural null"),
        pytest.param({}, {"destinationAddressPrefix": "SQL"}, id="a service tag in capitals"),
        pytest.param({}, {"description": "written by hand"}, id="a description that is not owned"),
        pytest.param({}, {"provisioningState": "Succeeded", "etag": 'W/"1"'}, id="members of the server"),
        pytest.param(
            {"destinationPortRanges": ["1433", "6380"], "destinationPortRange": ""},
            {"destinationPortRanges": ["6380", "1433"], "destinationPortRange": ""},
            id="another order",
        ),
        pytest.param(
            {"sourceApplicationSecurityGroups": [{"id": ASG.text}], "sourceAddressPrefix": ""},
            {"sourceApplicationSecurityGroups": [{"id": ASG.text.upper(), "location": "x"}], "sourceAddressPrefix": ""},
            id="a group's id in capitals",
        ),
    ],
)
def test_what_only_looks_different_is_no_drift(written: dict[str, Json], given: dict[str, Json]) -> None:
    want = wanted({"allow-sql": {**SQL, **written}})
    assert look(REMEDIATOR, want, world_of({"allow-sql": {**SQL, **given}})).drifts == ()


def test_a_rule_is_found_by_its_name_in_any_casing_and_in_any_place() -> None:
    world = world_of({"Z": {**SQL, "priority": 200}, "Allow-SQL": SQL, "A": {**SQL, "priority": 300}})
    assert look(REMEDIATOR, wanted({"allow-sql": SQL}), world).drifts == ()


@pytest.mark.parametrize("other", ["0.0.0.0/0", "Internet", "Any"])
def test_what_only_looks_alike_is_drift(other: str) -> None:
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world_of({"allow-sql": {**SQL, "sourceAddressPrefix": other}}))
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [(("source",), "*", other)]


# --- drifts and their edits ----------------------------------------------------------------------------------------


def test_each_field_that_differs_is_a_drift_under_the_spec_s_name() -> None:
    changed = {
        **SQL,
        "priority": 110,
        "access": "Deny",
        "destinationPortRange": "",
        "destinationPortRanges": ["1", "2"],
    }
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world_of({"allow-sql": changed}))
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [
        (("access",), "Allow", "Deny"),
        (("ports",), "1433", ("1", "2")),
        (("priority",), 100, 110),
    ]


@pytest.mark.parametrize(
    ("wants", "has", "sent"),
    [
        (
            {"destinationPortRange": "1433"},
            {"destinationPortRanges": ["1", "2"]},
            {"destinationPortRange": "1433", "destinationPortRanges": ABSENT},
        ),
        (
            {"destinationPortRanges": ["1", "2"]},
            {"destinationPortRange": "1433", "destinationPortRanges": []},
            {"destinationPortRange": ABSENT, "destinationPortRanges": ["1", "2"]},
        ),
    ],
)
def test_exactly_one_of_singular_and_plural_is_sent(
    wants: dict[str, Json], has: dict[str, Json], sent: dict[str, json.Value]
) -> None:
    base = {key: value for key, value in SQL.items() if key != "destinationPortRange"}
    seen = look(REMEDIATOR, wanted({"allow-sql": {**base, **wants}}), world_of({"allow-sql": {**base, **has}}))
    (action,) = merge(seen.edits, seen.facts)
    assert {name: json.at(action.body, ("properties", name)) for name in sent} == sent


def test_a_group_takes_the_place_of_a_prefix() -> None:
    grouped = {**SQL, "sourceAddressPrefix": "", "sourceApplicationSecurityGroups": [{"id": ASG.text}]}
    seen = look(REMEDIATOR, wanted({"allow-sql": grouped}), world_of({"allow-sql": SQL}))
    (action,) = merge(seen.edits, seen.facts)
    assert json.at(action.body, ("properties", "sourceApplicationSecurityGroups")) == [{"id": ASG.text}]
    assert json.at(action.body, ("properties", "sourceAddressPrefix")) is ABSENT


def test_one_drifted_rule_is_its_own_put_with_the_etag_of_the_nsg() -> None:
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world_of({"allow-sql": {**SQL, "access": "Deny"}, "x": DENY}))
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, action.verb, action.etag) == (NSG.child("securityRules", "allow-sql"), Verb.PUT, "etag")
    assert not action.creates


def test_a_missing_rule_is_one_drift_and_is_created_whole() -> None:
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world_of({}))
    assert [(drift.path, drift.have) for drift in seen.drifts] == [((), ABSENT)]
    (action,) = merge(seen.edits, seen.facts)
    (rule,) = json.objects_at(action.body, "properties", "securityRules")
    assert rule == {"properties": SQL, "name": "allow-sql"}
    assert action.etag is not None, "so that it replaces no rule that somebody makes under this name meanwhile"


def test_a_rule_that_the_nsg_does_not_list_but_its_own_read_finds_is_there() -> None:
    rule = NSG.child("securityRules", "allow-sql")
    assert look(REMEDIATOR, wanted({"allow-sql": SQL}), {**world_of({}), rule: stored("allow-sql", SQL)}).drifts == ()


@pytest.mark.parametrize("where", ["the nsg", "the rule"])
def test_a_difference_during_a_write_is_settling_and_left_alone(where: str) -> None:
    changed: dict[str, Json] = {**SQL, "access": "Deny"}
    if where == "the rule":
        world = world_of({"allow-sql": {**changed, "provisioningState": "Updating"}})
    else:
        world = world_of({"allow-sql": changed}, provisioningState="Updating")
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world)
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


def test_a_rule_whose_own_read_fails_is_unknown_though_the_nsg_lacks_it() -> None:
    want, own = wanted({"allow-sql": SQL}), Read(SECURITY_RULE, NSG.child("securityRules", "allow-sql"))
    facts: dict[Read, Fact] = {Read(NETWORK_SECURITY_GROUP, NSG): Found(world_of({})[NSG]), own: Unreadable(LOCKED)}
    assert own in REMEDIATOR.reads(want, facts)
    have = REMEDIATOR.observe(want, facts)
    assert [(drift.verdict, drift.note) for drift in REMEDIATOR.diff(want, have)] == [
        (Verdict.UNKNOWN, "could not be read: locked")
    ]
    assert REMEDIATOR.edits(want, have) == ()


def test_an_nsg_that_is_gone_leaves_its_rules_unknown() -> None:
    assert {drift.verdict for drift in look(REMEDIATOR, wanted({"allow-sql": SQL}), {}).drifts} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("wants", "has", "disruption"),
    [
        pytest.param(SQL, None, Disruption.NONE, id="a rule that allows is new"),
        pytest.param(DENY, None, Disruption.CONNECTIVITY, id="a rule that denies is new"),
        pytest.param(SQL, {**SQL, "access": "Deny"}, Disruption.NONE, id="denied before"),
        pytest.param(SQL, {**SQL, "destinationPortRange": "*"}, Disruption.CONNECTIVITY, id="narrowed"),
        pytest.param({**SQL, "destinationPortRange": "*"}, SQL, Disruption.NONE, id="widened"),
        pytest.param(SQL, {**SQL, "priority": 90}, Disruption.CONNECTIVITY, id="later than before"),
        pytest.param(SQL, {**SQL, "priority": 300}, Disruption.NONE, id="earlier than before"),
        pytest.param(DENY, {**DENY, "access": "Allow"}, Disruption.CONNECTIVITY, id="allowed before"),
    ],
)
def test_an_edit_says_whether_it_can_cut_connections(
    wants: dict[str, Json], has: dict[str, Json] | None, disruption: Disruption
) -> None:
    seen = look(REMEDIATOR, wanted({"rule": wants}), world_of({"rule": has} if has else {}))
    assert {edit.disruption for edit in seen.edits} == {disruption}


def test_a_rule_that_denies_egress_waits_for_those_that_allow_it() -> None:
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL, "deny": DENY}), world_of({}))
    milestones = {edit.drift.item: (edit.after, edit.reaches) for edit in seen.edits}
    assert milestones == {
        "allow-sql": (frozenset(), {Milestone.EGRESS_ALLOWED}),
        "deny": ({Milestone.EGRESS_ALLOWED}, frozenset()),
    }
