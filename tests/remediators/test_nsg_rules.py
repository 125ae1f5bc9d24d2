"""Declared rules stand as declared, in whichever of ARM's spellings; undeclared rules are never touched."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
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
from remediators.nsg_rules import POLICY, REMEDIATOR, Effective, NsgRulesSection
from remediators.security_rule import Rule, rule_of
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
NSG = resource("Microsoft.Network/networkSecurityGroups", "nsg-app")
ASG = resource("Microsoft.Network/applicationSecurityGroups", "asg-app")

SQL: dict[str, Json] = {
    "priority": 100,
    "direction": "Outbound",
    "access": "Allow",
    "protocol": "Tcp",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "Sql",
    "destinationPortRange": "1433",
}
DENY: dict[str, Json] = {**SQL, "priority": 4096, "access": "Deny", "protocol": "*", "destinationPortRange": "*"}


def stored(name: str, properties: Mapping[str, Json]) -> Json:
    """A rule as ARM gives it: with the plural empty where the singular is set."""
    plurals: dict[str, Json] = {
        many: []
        for one, many in (
            ("sourceAddressPrefix", "sourceAddressPrefixes"),
            ("destinationAddressPrefix", "destinationAddressPrefixes"),
            ("sourcePortRange", "sourcePortRanges"),
            ("destinationPortRange", "destinationPortRanges"),
        )
        if one in properties
    }
    return body_of(NSG.child("securityRules", name), {"provisioningState": "Succeeded", **plurals, **properties})


def world_of(rules: Mapping[str, Mapping[str, Json]], **properties: Json) -> World:
    listed = [stored(name, rule) for name, rule in rules.items()]
    envelope: dict[str, Json] = {"location": "westeurope", "tags": {"etag": "mine", "subnets": "mine"}}
    return {NSG: body_of(NSG, {"provisioningState": "Succeeded", **properties, "securityRules": listed}, **envelope)}


def declared(properties: Mapping[str, Json], *, description: bool = False) -> Rule:
    """The rule that these properties would be declared as."""
    rule = rule_of(properties)
    return rule if description else Rule(**{**{f: getattr(rule, f) for f in rule.__slots__}, "description": None})


def wanted(
    rules: Mapping[str, Mapping[str, Json]],
    unmanaged: Unmanaged = Unmanaged.KEEP,
    modes: Mapping[str, Mode] = MappingProxyType({}),
) -> Want[Any]:
    return want_of(NSG, {name: declared(rule) for name, rule in rules.items()}, unmanaged, modes)


def rules_in(world: World) -> Sequence[Mapping[str, Json]]:
    return json.objects_at(world[NSG], "properties", "securityRules")


# --- the contract --------------------------------------------------------------------------------------------------

prefixes = st.sampled_from(["*", "0.0.0.0/0", "Internet", "10.10.1.0/24", "Sql.WestEurope"])
ports = st.sampled_from(["*", "1433", "6380-6389", "443"])


@st.composite
def one_or_many(draw: st.DrawFn, one: str, many: str, values: st.SearchStrategy[str]) -> dict[str, Json]:
    found = draw(st.lists(values.filter(lambda value: value != "*"), min_size=1, max_size=3, unique=True))
    single = draw(values)
    return draw(st.sampled_from([{one: single, many: []}, {many: found}, {one: found[0]}]))  # one element in a list too


@st.composite
def bodies(draw: st.DrawFn, priority: int) -> dict[str, Json]:
    ends = draw(st.sampled_from(["", "group"]))
    source: dict[str, Json] = {"sourceApplicationSecurityGroups": [{"id": ASG.text}]} if ends else {}
    body: dict[str, Json] = {
        "priority": priority,
        "direction": "Outbound",
        "access": draw(st.sampled_from(["Allow", "Deny"])),
        "protocol": draw(st.sampled_from(["Tcp", "TCP", "tcp", "*", "Udp"])),
        **(source or draw(one_or_many("sourceAddressPrefix", "sourceAddressPrefixes", prefixes))),
        **draw(one_or_many("destinationAddressPrefix", "destinationAddressPrefixes", prefixes)),
        **draw(one_or_many("sourcePortRange", "sourcePortRanges", ports)),
        **draw(one_or_many("destinationPortRange", "destinationPortRanges", ports)),
    }
    return {**body, "description": "of others"} if draw(st.booleans()) else body


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


def test_two_rules_that_swapped_priorities_are_one_put_of_the_nsg() -> None:
    redis = {**SQL, "priority": 110, "destinationPortRange": "6380"}
    theirs = {**SQL, "priority": 500}
    world = world_of(
        {"allow-sql": {**SQL, "priority": 110}, "theirs": theirs, "allow-redis": {**redis, "priority": 100}}
    )
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL, "allow-redis": redis}), world)
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, action.etag) == (NSG, "etag")
    sent = json.objects_at(action.body, "properties", "securityRules")
    assert [(rule["name"], json.at(rule, ("properties", "priority"))) for rule in sent] == [
        ("allow-sql", 100),
        ("theirs", 500),
        ("allow-redis", 110),
    ]
    assert json.at(action.body, ("tags",)) == {"etag": "mine", "subnets": "mine"}


def test_a_priority_that_an_undeclared_rule_holds_is_an_obstacle_that_names_it() -> None:
    world = world_of({"theirs": {**SQL, "destinationPortRange": "22"}, "allow-sql": {**SQL, "priority": 110}})
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}), world)
    assert [(entry.code, entry.drift.path) for entry in seen.obstacles] == [("priority-conflict", ("priority",))]
    assert "theirs holds priority 100 of the Outbound rules" in seen.obstacles[0].message
    assert seen.edits == ()


def test_the_same_priority_in_the_other_direction_is_no_conflict() -> None:
    world = world_of({"theirs": {**SQL, "direction": "Inbound"}})
    assert look(REMEDIATOR, wanted({"allow-sql": SQL}), world).obstacles == ()


def test_a_conflict_blocks_the_rules_that_were_to_move_up_behind_it() -> None:
    redis = {**SQL, "priority": 110}
    world = world_of({"theirs": SQL, "allow-sql": {**SQL, "priority": 110}, "allow-redis": {**redis, "priority": 120}})
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL, "allow-redis": redis}), world)
    assert [entry.drift.item for entry in seen.obstacles] == ["allow-redis", "allow-sql"]


def test_a_declared_rule_that_is_only_watched_keeps_its_priority() -> None:
    redis = {**SQL, "priority": 110}
    world = world_of({"allow-sql": {**SQL, "priority": 110}, "allow-redis": {**redis, "priority": 100}})
    want = wanted({"allow-sql": SQL, "allow-redis": redis}, modes={"allow-redis": Mode.ALERT})
    seen = look(REMEDIATOR, want, world)
    assert ("priority-conflict", "allow-sql") in {(entry.code, entry.drift.item) for entry in seen.obstacles}


def test_undeclared_rules_are_kept_reported_or_removed() -> None:
    world = world_of({"allow-sql": SQL, "theirs": DENY})
    found = {policy: look(REMEDIATOR, wanted({"allow-sql": SQL}, policy), world) for policy in Unmanaged}
    assert found[Unmanaged.KEEP].drifts == ()
    assert [drift.verdict for drift in found[Unmanaged.REPORT].drifts] == [Verdict.UNMANAGED]
    assert found[Unmanaged.REPORT].answers == ()
    (action,) = merge(found[Unmanaged.REMOVE].edits, found[Unmanaged.REMOVE].facts)
    assert (action.verb, action.resource.name) == (Verb.DELETE, "theirs")
    assert [rule["name"] for rule in rules_in(healed(world, found[Unmanaged.REMOVE]))] == ["allow-sql"]


def test_a_priority_is_free_once_its_undeclared_holder_is_to_be_removed() -> None:
    world = world_of({"theirs": {**SQL, "access": "Deny"}})
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL}, Unmanaged.REMOVE), world)
    assert seen.obstacles == ()
    assert [rule["name"] for rule in rules_in(healed(world, seen))] == ["allow-sql"]


def test_a_priority_is_not_free_where_the_removal_of_its_holder_is_only_watched() -> None:
    want = replace(wanted({"allow-sql": SQL}, Unmanaged.REMOVE), mode=Mode.ALERT)
    seen = look(REMEDIATOR, want, world_of({"theirs": {**SQL, "access": "Deny"}}))
    assert [entry.code for entry in seen.obstacles] == ["priority-conflict"]


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


def test_a_priority_is_not_free_while_the_write_to_its_holder_is_under_way() -> None:
    redis = {**SQL, "priority": 110}
    moving = {**redis, "priority": 100, "provisioningState": "Updating"}
    world = world_of({"allow-sql": {**SQL, "priority": 110}, "allow-redis": moving})
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL, "allow-redis": redis}), world)
    assert [(entry.code, entry.drift.item) for entry in seen.obstacles] == [("priority-conflict", "allow-sql")]


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


# --- what declared rules promise ------------------------------------------------------------------------------------

DENY_ALL: dict[str, Json] = {**DENY, "destinationAddressPrefix": "*"}
GUIDE = {"allow-sql": SQL, "deny": DENY_ALL}
SSH = {**SQL, "priority": 300, "destinationPortRange": "22"}
NO_SQL = {**DENY, "priority": 99}


def promising(
    rules: Mapping[str, Mapping[str, Json]],
    policy: Effective,
    unmanaged: Unmanaged = Unmanaged.KEEP,
    modes: Mapping[str, Mode] = MappingProxyType({}),
) -> Want[Any]:
    return want_of(NSG, {POLICY: policy, **{name: declared(rule) for name, rule in rules.items()}}, unmanaged, modes)


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (SSH, "lets through what deny denies, such as Tcp from"),
        (NO_SQL, "blocks what allow-sql allows, such as Tcp from"),
    ],
)
def test_an_undeclared_rule_that_undoes_a_promise_is_reported_though_others_are_kept(
    theirs: dict[str, Json], words: str
) -> None:
    seen = look(REMEDIATOR, wanted(GUIDE), world_of({**GUIDE, "theirs": theirs, "harmless": {**SSH, **HARMLESS}}))
    (drift,) = seen.drifts
    assert (drift.resource, drift.path) == (NSG.child("securityRules", "theirs"), ("effective", "theirs"))
    assert (drift.item, drift.verdict) == ("", Verdict.UNMANAGED)
    assert drift.note.startswith(words)
    assert seen.answers == ()


HARMLESS: dict[str, Json] = {"priority": 310, "access": "Deny"}


def test_what_such_a_rule_does_counts_against_the_rules_as_they_are_declared() -> None:
    weakened = {"allow-sql": SQL, "deny": {**DENY_ALL, "access": "Allow"}, "theirs": SSH}
    drifts = look(REMEDIATOR, wanted(GUIDE), world_of(weakened)).drifts
    assert [drift.path for drift in drifts] == [("access",), ("effective", "theirs")]


def test_such_a_rule_is_told_of_once_where_undeclared_rules_are_reported_too() -> None:
    world = world_of({**GUIDE, "theirs": SSH, "harmless": {**SSH, **HARMLESS}})
    seen = look(REMEDIATOR, wanted(GUIDE, Unmanaged.REPORT), world)
    assert [(drift.resource.name, drift.path) for drift in seen.drifts] == [
        ("harmless", ()),
        ("theirs", ("effective", "theirs")),
    ]


def test_effects_are_not_looked_at_where_the_spec_says_so() -> None:
    assert look(REMEDIATOR, promising(GUIDE, Effective.IGNORE), world_of({**GUIDE, "theirs": SSH})).drifts == ()


def test_a_rule_that_nobody_is_to_look_at_promises_nothing_and_still_overshadows() -> None:
    modes = {"deny": Mode.IGNORE}
    world = world_of({**GUIDE, "theirs": SSH})
    assert look(REMEDIATOR, promising(GUIDE, Effective.REPORT, modes=modes), world).drifts == ()
    rules = {"block": {**DENY_ALL, "priority": 110}, **GUIDE}
    want = promising(rules, Effective.REPORT, modes={"block": Mode.IGNORE})
    assert look(REMEDIATOR, want, world_of({**rules, "theirs": SSH})).drifts == ()


def test_such_a_rule_is_removed_where_the_spec_says_so_and_nothing_else_is() -> None:
    world = world_of({**GUIDE, "theirs": SSH, "harmless": {**SSH, **HARMLESS}})
    seen = look(REMEDIATOR, promising(GUIDE, Effective.REMOVE), world)
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.resource.name) == (Verb.DELETE, "theirs")
    assert action.edits[0].after == {Milestone.EGRESS_ALLOWED}
    assert [rule["name"] for rule in rules_in(healed(world, seen))] == ["allow-sql", "deny", "harmless"]


def test_egress_is_allowed_once_a_rule_that_blocks_it_is_gone() -> None:
    (edit,) = look(REMEDIATOR, promising(GUIDE, Effective.REMOVE), world_of({**GUIDE, "theirs": NO_SQL})).edits
    assert (edit.after, edit.reaches) == (frozenset[Milestone](), frozenset({Milestone.EGRESS_ALLOWED}))


def test_the_priority_of_a_rule_that_is_removed_for_its_effect_is_free() -> None:
    world = world_of({"theirs": {**SQL, "access": "Deny"}, "deny": DENY_ALL})
    assert [entry.code for entry in look(REMEDIATOR, wanted(GUIDE), world).obstacles] == ["priority-conflict"]
    want = promising(GUIDE, Effective.REMOVE)
    seen = look(REMEDIATOR, want, world)
    assert seen.obstacles == ()
    assert look(REMEDIATOR, want, healed(world, seen)).drifts == ()


def test_the_effect_of_a_rule_that_is_being_written_is_looked_at_later() -> None:
    world = world_of({**GUIDE, "theirs": {**SSH, "provisioningState": "Updating"}})
    seen = look(REMEDIATOR, promising(GUIDE, Effective.REMOVE), world)
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


@given(theirs=st.integers(1, 6).flatmap(lambda count: st.tuples(*(bodies(101 + place) for place in range(count)))))
def test_one_repair_removes_all_that_undoes_a_promise_also_what_others_overshadowed(
    theirs: tuple[dict[str, Json], ...],
) -> None:
    rules = {f"theirs-{place}": rule for place, rule in enumerate(theirs)}
    world, want = world_of({**GUIDE, **rules}), promising(GUIDE, Effective.REMOVE)
    after = healed(world, look(REMEDIATOR, want, world))
    assert look(REMEDIATOR, want, after).drifts == ()
    assert {"allow-sql", "deny"} <= {rule["name"] for rule in rules_in(after)}


def test_what_happens_to_such_rules_is_declared_for_each_nsg() -> None:
    found = NsgRulesSection.model_validate({"nsg-app": {"effective": "remove", "mode": "alert", "rules": {"a": SPEC}}})
    assert [(item.name, item.value, item.path, item.mode) for item in REMEDIATOR.items(found, Scope(APP))][1:] == [
        (POLICY, Effective.REMOVE, ("nsg-app", "effective"), Mode.ALERT)
    ]


# --- the section ---------------------------------------------------------------------------------------------------

SPEC: dict[str, Json] = {
    "priority": "100",
    "direction": "Outbound",
    "access": "Allow",
    "protocol": "Tcp",
    "destination": "Sql",
    "ports": "1433",
}


def section(**rules: Json) -> NsgRulesSection:
    return NsgRulesSection.model_validate({"nsg-app": {"rules": rules}})


def test_a_declared_rule_is_the_rule_that_arm_gives_back() -> None:
    (item,) = REMEDIATOR.items(section(allow_sql=SPEC), Scope(APP))
    assert (item.root, item.name, item.path) == (NSG, "allow_sql", ("nsg-app", "rules", "allow_sql"))
    assert item.value == declared(SQL)


def test_the_most_specific_mode_and_the_nsg_s_policy_are_handed_on() -> None:
    found = NsgRulesSection.model_validate(
        {
            "mode": "ignore",
            "rg-hub:nsg-hub": {
                "mode": "alert",
                "unmanaged": "report",
                "rules": {"a": SPEC, "b": {**SPEC, "priority": "101", "mode": "enforce"}},
            },
        }
    )
    hub = resource("Microsoft.Network/networkSecurityGroups", "nsg-hub", group="rg-hub")
    assert found.mode is Mode.IGNORE
    assert [(item.root, item.name, item.mode) for item in REMEDIATOR.items(found, Scope(APP))] == [
        (hub, "a", Mode.ALERT),
        (hub, "b", Mode.ENFORCE),
    ]
    assert REMEDIATOR.unmanaged(found, Scope(APP)) == {hub: Unmanaged.REPORT}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"priority": "99"}, "priority"),
        ({"priority": "4097"}, "priority"),
        ({"description": "x" * 141}, "description"),
        ({"ports": "65536"}, "ports"),
        ({"ports": "20-10"}, "ports"),
        ({"ports": ["1433", "http"]}, "ports"),
        ({"ports": ["*", "1433"]}, "ports"),
        ({"ports": []}, "ports"),
        ({"source_ports": "-1"}, "source_ports"),
        ({"source": "10.0.0.0/33"}, "source"),
        ({"source": "10.0.0"}, "source"),
        ({"destination": "not a tag"}, "destination"),
        ({"destination": NSG.text}, "destination"),
        ({"destination": ["10.0.0.0/8", ASG.text]}, "destination"),
    ],
)
def test_a_rule_that_arm_would_refuse_is_a_problem_at_its_key(change: dict[str, Json], key: str) -> None:
    (problem,) = REMEDIATOR.problems(section(rule={**SPEC, **change}), Scope(APP))
    assert problem.path == ("nsg-app", "rules", "rule", key)
    assert problem.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"priority": "4096", "description": "x" * 140},
        {"ports": ["1433", "6380-6389", "0"], "source_ports": "*"},
        {"source": ["10.10.1.0/24", "10.0.0.4", "fd00::/8"], "destination": "AzureCloud.WestEurope"},
        {"destination": [ASG.text]},
        {"protocol": "tcp", "access": "ALLOW", "direction": "outbound"},
    ],
)
def test_a_rule_that_arm_accepts_is_no_problem(change: dict[str, Json]) -> None:
    assert REMEDIATOR.problems(section(rule={**SPEC, **change}), Scope(APP)) == ()


def test_a_priority_is_given_once_in_a_direction() -> None:
    twice = section(a=SPEC, b=SPEC, c={**SPEC, "direction": "Inbound"})
    assert [problem.path for problem in REMEDIATOR.problems(twice, Scope(APP))] == [
        ("nsg-app", "rules", "b", "priority")
    ]


@pytest.mark.parametrize("name", ["-a", "a b", "a" * 81, "a.", ""])
def test_a_name_that_arm_would_refuse_is_a_problem(name: str) -> None:
    assert len(REMEDIATOR.problems(section(**{name: SPEC}), Scope(APP))) == 1


@pytest.mark.parametrize("reference", ["rg:a/b", "", "/subscriptions/x", ASG.text])
def test_a_reference_to_no_nsg_is_a_problem(reference: str) -> None:
    found = NsgRulesSection.model_validate({reference: {"rules": {}}})
    assert [problem.path for problem in REMEDIATOR.problems(found, Scope(APP))] == [(reference,)]
