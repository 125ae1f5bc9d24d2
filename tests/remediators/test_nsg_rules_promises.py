"""What declared rules promise counts: an undeclared rule that undoes it is reported, or removed by the spec's word."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.json import Json
from homeostat.core.model import Milestone, Mode, Scope, Unmanaged, Verdict, Want
from homeostat.core.plan import Verb, merge
from remediators.nsg_rules import POLICY, REMEDIATOR, Effective, NsgRulesSection
from tests.remediators.contract import want_of
from tests.remediators.nsgs import APP, DENY, NSG, SPEC, SQL, bodies, declared, rules_in, wanted, world_of
from tests.remediators.world import healed, look

pytestmark = pytest.mark.unit

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
