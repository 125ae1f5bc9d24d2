"""NSG rules: the declared rules are in the network security group as declared; the others are left as they are.

How rules are declared is in `security_rule_spec`, how they are compared and written in `security_rule`, and which
priorities they can have in `rule_priorities`. The effect of the declared rules counts as well: an undeclared rule that
undoes it (see `egress`) is a drift of its own, even where undeclared rules are kept.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Conflict,
    Declared,
    Disruption,
    Drift,
    Edit,
    Facts,
    Item,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Unmanaged,
    Verdict,
    Want,
)
from remediators.children import Child, Children, Embedded
from remediators.common import ByName, between_targets, by_key, reference_problems, twice
from remediators.egress import Undoing, undoing
from remediators.rule_priorities import conflicts
from remediators.security_rule import PLURALS, Rule, differences, disruption, properties_of, rule_in, shown
from remediators.security_rule_spec import RuleSpec, rule_from, rule_problems

EFFECTIVE: Final = "effective"
"""The beginning of the path of a drift in a rule's effect, not in a field; the rule's name follows."""


class Effective(StrEnum):
    """What is done about undeclared rules that allow what a declared one denies, or deny what it allows."""

    IGNORE = "ignore"
    REPORT = "report"
    REMOVE = "remove"


OWN_PRIORITY: Final = "Give each rule of a direction its own priority."

POLICY: Final = ""
"""The item that says what is done about such rules, if the spec does: no rule can have this name."""

type Wanted = Rule | Effective


class GroupRules(Section):
    """The rules of one network security group, by name."""

    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")
    unmanaged: Unmanaged = Field(default=Unmanaged.KEEP, description="What happens to rules that are not named here.")
    effective: Effective | None = Field(
        default=None,
        description="What happens to rules that are not named here and let through what a named one denies, or block "
        "what it allows. By default they are reported, even where others are kept.",
        examples=["report", "remove", "ignore"],
    )
    rules: dict[str, RuleSpec] = Field(default_factory=dict, description="By name.")


class NsgRulesSection(ByName[GroupRules]):
    """Rules by network security group: its name, RESOURCE-GROUP:NAME, or its full resource id."""


@dataclass(frozen=True, slots=True)
class NsgRules:
    """Its root is the NSG; an item is a rule, by name."""

    kind: str = "nsg_rules"
    section: type[NsgRulesSection] = NsgRulesSection
    touches: frozenset[ArmType] = frozenset({NETWORK_SECURITY_GROUP, SECURITY_RULE})

    def items(self, section: NsgRulesSection, scope: Scope) -> tuple[Item[Wanted], ...]:
        return tuple(
            item
            for group, rules in section.entries.items()
            for item in _items(scope.resource(group, NETWORK_SECURITY_GROUP.name), rules, group)
        )

    def unmanaged(self, section: NsgRulesSection, scope: Scope) -> Mapping[ResourceId, Unmanaged]:
        type_ = NETWORK_SECURITY_GROUP.name
        return {scope.resource(group, type_): rules.unmanaged for group, rules in section.entries.items()}

    def problems(self, section: NsgRulesSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for group, rules in section.entries.items()
            for problem in (
                *reference_problems(scope, group, NETWORK_SECURITY_GROUP.name, (group,)),
                *twice(rules.rules, (group, "rules")),
                *_repeated_priorities(rules, (group, "rules")),
                *(
                    problem
                    for name, rule in rules.rules.items()
                    for problem in rule_problems(name, rule, (group, "rules", name))
                ),
            )
        )

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]:
        """Priorities that several targets use: ARM would refuse the whole group, and every other repair with it."""
        return tuple(between_targets(self.kind, _rules(wants[self.kind]), OWN_PRIORITY, _one_priority))

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        return _RULES.reads(want.root, _rules(want), facts)

    def observe(self, want: Want[Wanted], facts: Facts) -> Children[Rule]:
        return _RULES.observe(want.root, _rules(want), facts)

    def diff(self, want: Want[Wanted], have: Children[Rule]) -> tuple[Drift, ...]:
        owned = (
            drift for name, item in _rules(want).items() for drift in self._drifts(want.root, name, item.value, have)
        )
        return by_key((*owned, *self._extras(want, have)))

    def _drifts(self, group: ResourceId, name: str, wanted: Rule, have: Children[Rule]) -> Iterator[Drift]:
        own = _RULES.own(group, name).id
        return have.drifts(self.kind, own, name, shown(wanted), partial(differences, wanted))

    def _extras(self, want: Want[Wanted], have: Children[Rule]) -> Iterator[Drift]:
        """Undeclared rules: those that undo a declared one's effect, and the others if the spec wants them reported."""
        undone = _undone(want, have)
        for present in _undeclared(want, have):
            name = present.id.name
            if found := undone.get(name):
                verdict = Verdict.SETTLING if have.under_way or present.under_way else Verdict.UNMANAGED
                path = (EFFECTIVE, name)
                yield Drift(self.kind, present.id, path, "", ABSENT, shown(present.value), verdict, str(found))
            elif want.unmanaged is not Unmanaged.KEEP:
                yield Drift(self.kind, present.id, (), "", ABSENT, shown(present.value), Verdict.UNMANAGED)

    def edits(self, want: Want[Wanted], have: Children[Rule]) -> tuple[Edit | Obstacle, ...]:
        blocked = conflicts(_rules(want), have, _leaving(want, have))
        return tuple(edit for drift in self.diff(want, have) for edit in _repairs(drift, want, have, blocked))


_RULES: Final = Embedded(NETWORK_SECURITY_GROUP, SECURITY_RULE, rule_in)

REMEDIATOR = NsgRules()


# --- from the spec to what is wanted ------------------------------------------------------------------------


def _items(group: ResourceId, spec: GroupRules, reference: str) -> Iterator[Item[Wanted]]:
    for name, rule in spec.rules.items():
        yield Item(group, name, rule_from(rule), (reference, "rules", name), rule.mode or spec.mode)
    if spec.effective is not None:
        yield Item(group, POLICY, spec.effective, (reference, EFFECTIVE), spec.mode)


def _rules(want: Want[Wanted]) -> Mapping[str, Declared[Rule]]:
    return {name: item for name, item in want.items.items() if isinstance(item.value, Rule)}  # type: ignore[misc] # narrowed by its value


def _policy(want: Want[Wanted]) -> Effective:
    declared = want.items.get(POLICY)
    return declared.value if declared and isinstance(declared.value, Effective) else Effective.REPORT


# --- differences and repairs ---------------------------------------------------------------------------------------


def _repairs(
    drift: Drift, want: Want[Wanted], have: Children[Rule], blocked: Mapping[str, str]
) -> Iterator[Edit | Obstacle]:
    if drift.verdict is Verdict.UNMANAGED and _is_removed(drift.path, want):
        yield Edit(drift, (), ABSENT, Disruption.CONNECTIVITY, *_milestones_of_removal(drift))
    if drift.verdict is not Verdict.DRIFTED:
        return
    rule, present = _rules(want)[drift.item].value, have.named(drift.item)
    after, reaches = _milestones(drift.path, rule)
    if conflict := blocked.get(drift.item):
        yield Obstacle(drift, "priority-conflict", conflict, reaches)
        return
    cuts = disruption(drift.path, rule, present.value if present else None)
    for path, value in _changes(drift.path, rule):
        yield Edit(drift, path, value, cuts, after, reaches)


def _is_removed(path: Path, want: Want[Wanted]) -> bool:
    """Whether the undeclared rule of the drift at this path is to be removed."""
    undoes = path[:1] == (EFFECTIVE,)
    return want.unmanaged is Unmanaged.REMOVE or (undoes and _policy(want) is Effective.REMOVE)


def _milestones_of_removal(drift: Drift) -> tuple[frozenset[Milestone], frozenset[Milestone]]:
    """A rule that allows is removed only after the declared ones allow; once a rule that denies is gone, they do."""
    is_outbound = json.text_at(_json(drift.have), "direction") == "Outbound"
    none, egress = frozenset[Milestone](), frozenset({Milestone.EGRESS_ALLOWED})
    if not is_outbound or not drift.path:
        return none, none
    return (egress, none) if json.text_at(_json(drift.have), "access") == "Allow" else (none, egress)


def _json(value: Value) -> Json:
    return None if value is ABSENT else value


def _undeclared(want: Want[Wanted], have: Children[Rule]) -> tuple[Child[Rule], ...]:
    return have.besides(_rules(want))


def _undone(want: Want[Wanted], have: Children[Rule]) -> Mapping[str, Undoing]:
    """The undeclared rules, by name, that undo the effect of the declared ones as these are declared.

    If such rules are removed, also those that only take effect when others are gone. A declared rule with mode ignore
    promises nothing, but still overshadows others.
    """
    policy, undeclared = _policy(want), {present.id.name for present in _undeclared(want, have)}
    if policy is Effective.IGNORE or not undeclared:
        return {}
    promised = {name: item.value for name, item in _rules(want).items() if item.mode is not Mode.IGNORE}
    names = {name.lower() for name in promised}
    others = {present.id.name: present.value for name, present in have.present.items() if name not in names}
    found: dict[str, Undoing] = {}
    while newly := {name: each for name, each in undoing(promised, others).items() if name in undeclared}:
        found |= newly
        others = {name: rule for name, rule in others.items() if name not in newly}
        if policy is not Effective.REMOVE and want.unmanaged is not Unmanaged.REMOVE:
            break
    return found


def _milestones(path: Path, rule: Rule) -> tuple[frozenset[Milestone], frozenset[Milestone]]:
    """What a repair waits for, and what it reaches.

    A rule that denies is added only when those that allow are there, or it would cut off what they let through.
    """
    none, egress = frozenset[Milestone](), frozenset({Milestone.EGRESS_ALLOWED})
    if rule.direction != "Outbound" or path == ("description",):
        return none, none
    return (none, egress) if rule.access == "Allow" else (egress, none)


def _changes(path: Path, rule: Rule) -> Iterator[tuple[Path, Value]]:
    """The body's fields that a drift at `path` sets, with their values."""
    if not path:
        yield (), {"properties": {key: value for key, value in properties_of(rule).items() if value is not ABSENT}}
        return
    body, (key,) = properties_of(rule), path
    for name in PLURALS.get(key, (key,)):
        if name:
            yield ("properties", name), body[name]


def _leaving(want: Want[Wanted], have: Children[Rule]) -> frozenset[str]:
    """The names of the undeclared rules that this repair removes."""
    if want.mode_of(POLICY) is not Mode.ENFORCE or have.under_way:
        return frozenset()
    undone = _undone(want, have) if _is_removed((EFFECTIVE,), want) else {}
    gone = _undeclared(want, have) if want.unmanaged is Unmanaged.REMOVE else ()
    return frozenset({*undone, *(present.id.name for present in gone)})


# --- problems of the spec ------------------------------------------------------------------------------------------


def _repeated_priorities(rules: GroupRules, path: tuple[str, ...]) -> Iterator[Problem]:
    first: dict[tuple[str, int], str] = {}
    for name, rule in rules.rules.items():
        other = first.setdefault((rule.direction, rule.priority), name)
        if other != name:
            message = f"{other} has priority {rule.priority} among the {rule.direction} rules already"
            yield Problem((*path, name, "priority"), message, OWN_PRIORITY)


def _one_priority(one: Rule, other: Rule) -> str:
    return f"priority {one.priority} of the {one.direction} rules, as has" if one.slot == other.slot else ""
