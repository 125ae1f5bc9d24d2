"""Rules that change places do so in one write; a priority that somebody else holds is an obstacle, and never taken."""

from dataclasses import replace

import pytest

from homeostat.core import json
from homeostat.core.model import Mode, Unmanaged, Verdict
from homeostat.core.plan import Verb, merge
from remediators.nsg_rules import REMEDIATOR
from tests.remediators.nsgs import DENY, NSG, SQL, rules_in, wanted, world_of
from tests.remediators.world import healed, look

pytestmark = pytest.mark.unit


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


def test_a_priority_is_not_free_while_the_write_to_its_holder_is_under_way() -> None:
    redis = {**SQL, "priority": 110}
    moving = {**redis, "priority": 100, "provisioningState": "Updating"}
    world = world_of({"allow-sql": {**SQL, "priority": 110}, "allow-redis": moving})
    seen = look(REMEDIATOR, wanted({"allow-sql": SQL, "allow-redis": redis}), world)
    assert [(entry.code, entry.drift.item) for entry in seen.obstacles] == [("priority-conflict", "allow-sql")]
