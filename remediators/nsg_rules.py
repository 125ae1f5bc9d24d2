"""NSG rules: the declared rules stand in the network security group as declared, the others are left as they are.

How rules are compared and written is in `security_rule`. A priority belongs to one rule of a direction: one that an
undeclared rule holds is not taken from it. What declared rules promise counts, not only their letters: an undeclared
rule that undoes a promise (see `egress`) is a drift of its own, even where undeclared rules are kept.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_interface
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, ArmType
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Declared,
    Disruption,
    Drift,
    Edit,
    Facts,
    Found,
    Gone,
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
from remediators.common import (
    ByName,
    OneOrMany,
    Scalar,
    being_changed,
    by_key,
    is_service_tag,
    name_problems,
    reference_problems,
    twice,
    unknown,
    verdict_of,
    why_unread,
)
from remediators.egress import Undoing, undoing
from remediators.security_rule import (
    PLURALS,
    Rule,
    Terms,
    differences,
    disruption,
    is_group,
    properties_of,
    rule_of,
    shown,
)

APPLICATION_SECURITY_GROUP = "Microsoft.Network/applicationSecurityGroups"
PRIORITIES = range(100, 4097)
DESCRIPTION_LIMIT = 140

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")

EFFECTIVE: Final = "effective"
"""Where the path of a drift begins that is no field's, but a rule's effect; the rule's name follows."""


def _capitalised(written: object) -> object:
    return written.capitalize() if isinstance(written, str) else written


class RuleSpec(Section):
    """One security rule."""

    priority: int = Field(
        description="Lower goes first; unique among the NSG's rules of a direction.",
        json_schema_extra={"minimum": PRIORITIES.start, "maximum": PRIORITIES.stop - 1},
    )
    direction: Annotated[Literal["Inbound", "Outbound"], BeforeValidator(_capitalised)] = Field(
        description="Outbound is what the app sends, Inbound what it is sent."
    )
    access: Annotated[Literal["Allow", "Deny"], BeforeValidator(_capitalised)] = Field(
        description="What happens to traffic that the rule meets."
    )
    protocol: Annotated[Literal["Tcp", "Udp", "Icmp", "Esp", "Ah", "*"], BeforeValidator(_capitalised)] = Field(
        description="`*` is any."
    )
    source: OneOrMany = Field(
        default=("*",),
        description="A prefix, a service tag, `*`, the id of an application security group; or a list of them.",
        examples=["*", "VirtualNetwork", ["10.10.1.0/24", "10.10.2.0/24"]],
    )
    source_ports: OneOrMany = Field(default=("*",), description="A port, a range, `*`, or a list of them.")
    destination: OneOrMany = Field(default=("*",), description="As source.", examples=["Sql.WestEurope", "Internet"])
    ports: OneOrMany = Field(description="The destination's ports, as source_ports.", examples=[1433, "6380-6389"])
    description: Scalar | None = Field(
        default=None,
        description="Owned only where it is given.",
        json_schema_extra={"maxLength": DESCRIPTION_LIMIT},
    )
    mode: Mode | None = Field(default=None, description="Wins over the NSG's mode.")


class Effective(StrEnum):
    """What happens to undeclared rules that let through what a declared one denies, or block what it allows."""

    IGNORE = "ignore"
    REPORT = "report"
    REMOVE = "remove"


POLICY: Final = ""
"""The item that says what happens to such rules, where the spec does: no rule can have this name."""

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
class Present:
    """A rule that is there. under_way: a write to it has not come to its end."""

    id: ResourceId
    rule: Rule
    under_way: bool = False

    @property
    def slot(self) -> tuple[str, int]:
        return self.rule.direction, self.rule.priority


@dataclass(frozen=True, slots=True)
class Have:
    """rules: by lower-case name. unread: why the NSG could not be read, or "".

    unsure: the rules, by lower-case name, of which neither presence nor absence is certain, and why.
    """

    rules: Mapping[str, Present] = field(default_factory=dict)
    under_way: bool = False
    unread: str = ""
    unsure: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Present | None:
        return self.rules.get(name.lower())


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
                    for problem in _rule_problems(name, rule, (group, "rules", name))
                ),
            )
        )

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        group = Read(NETWORK_SECURITY_GROUP, want.root)
        fact = facts.get(group)
        if not isinstance(fact, Found):
            return frozenset({group})
        listed = _by_name(_listed(want.root, fact))
        missing = (name for name in _rules(want) if name.lower() not in listed)
        return frozenset({group, *(_own(want.root, name) for name in missing)})

    def observe(self, want: Want[Wanted], facts: Facts) -> Have:
        """A rule is absent only when the living NSG lacks it and its own GET says that it is gone."""
        fact = facts.get(Read(NETWORK_SECURITY_GROUP, want.root))
        if not isinstance(fact, Found):
            return Have(unread=why_unread(fact))
        own = {name: facts.get(_own(want.root, name)) for name in _rules(want)}
        seen = (p for answer in own.values() if isinstance(answer, Found) for p in _present(want.root, answer.body))
        rules = _by_name((*_listed(want.root, fact), *seen))
        unsure = {
            name.lower(): why_unread(answer)
            for name, answer in own.items()
            if name.lower() not in rules and not isinstance(answer, Gone)
        }
        return Have(rules, being_changed(fact.body), unsure=unsure)

    def diff(self, want: Want[Wanted], have: Have) -> tuple[Drift, ...]:
        owned = (
            drift for name, item in _rules(want).items() for drift in self._drifts(want.root, name, item.value, have)
        )
        return by_key((*owned, *self._extras(want, have)))

    def _drifts(self, group: ResourceId, name: str, wanted: Rule, have: Have) -> Iterator[Drift]:
        own, present = _own(group, name).id, have.named(name)
        reason = have.unread or have.unsure.get(name.lower(), "")
        under_way = have.under_way or (present is not None and present.under_way)
        verdict = verdict_of(under_way=under_way)
        if reason:
            yield unknown(self.kind, own, (), name, shown(wanted), reason)
        elif present is None:
            yield Drift(self.kind, own, (), name, shown(wanted), ABSENT, verdict)
        else:
            for key, (wants, has) in differences(wanted, present.rule).items():
                yield Drift(self.kind, present.id, (key,), name, wants, has, verdict)

    def _extras(self, want: Want[Wanted], have: Have) -> Iterator[Drift]:
        """Undeclared rules: those that undo a promise, and the others where the spec asks to hear of them."""
        undone = _undone(want, have)
        for present in _undeclared(want, have):
            name = present.id.name
            if found := undone.get(name):
                verdict = Verdict.SETTLING if have.under_way or present.under_way else Verdict.UNMANAGED
                path = (EFFECTIVE, name)
                yield Drift(self.kind, present.id, path, "", ABSENT, shown(present.rule), verdict, str(found))
            elif want.unmanaged is not Unmanaged.KEEP:
                yield Drift(self.kind, present.id, (), "", ABSENT, shown(present.rule), Verdict.UNMANAGED)

    def edits(self, want: Want[Wanted], have: Have) -> tuple[Edit | Obstacle, ...]:
        conflicts = _conflicts(want, have)
        return tuple(edit for drift in self.diff(want, have) for edit in _repairs(drift, want, have, conflicts))


REMEDIATOR = NsgRules()


# --- from the spec and from bodies to rules ------------------------------------------------------------------------


def _items(group: ResourceId, spec: GroupRules, reference: str) -> Iterator[Item[Wanted]]:
    for name, rule in spec.rules.items():
        yield Item(group, name, _wanted(rule), (reference, "rules", name), rule.mode or spec.mode)
    if spec.effective is not None:
        yield Item(group, POLICY, spec.effective, (reference, EFFECTIVE), spec.mode)


def _rules(want: Want[Wanted]) -> Mapping[str, Declared[Rule]]:
    return {name: item for name, item in want.items.items() if isinstance(item.value, Rule)}  # type: ignore[misc] # narrowed by its value


def _policy(want: Want[Wanted]) -> Effective:
    declared = want.items.get(POLICY)
    return declared.value if declared and isinstance(declared.value, Effective) else Effective.REPORT


def _own(group: ResourceId, name: str) -> Read:
    return Read(SECURITY_RULE, group.child("securityRules", name))


def _wanted(spec: RuleSpec) -> Rule:
    return Rule(
        priority=spec.priority,
        direction=spec.direction,
        access=spec.access,
        protocol=spec.protocol,
        source=Terms.of(spec.source),
        source_ports=Terms.of(spec.source_ports),
        destination=Terms.of(spec.destination),
        ports=Terms.of(spec.ports),
        description=spec.description,
    )


def _listed(group: ResourceId, fact: Found) -> Iterator[Present]:
    for body in json.objects_at(fact.body, *SECURITY_RULE.embedded):
        yield from _present(group, body)


def _by_name(rules: Iterable[Present]) -> Mapping[str, Present]:
    return {present.id.name.lower(): present for present in rules}


def _present(group: ResourceId, body: Json) -> Iterator[Present]:
    name, properties = json.text_at(body, "name"), json.at(body, ("properties",))
    if name and isinstance(properties, Mapping):
        yield Present(_own(group, name).id, rule_of(properties), being_changed(body))


# --- differences and repairs ---------------------------------------------------------------------------------------


def _repairs(drift: Drift, want: Want[Wanted], have: Have, conflicts: Mapping[str, str]) -> Iterator[Edit | Obstacle]:
    if drift.verdict is Verdict.UNMANAGED and _is_removed(drift.path, want):
        yield Edit(drift, (), ABSENT, Disruption.CONNECTIVITY, *_milestones_of_removal(drift))
    if drift.verdict is not Verdict.DRIFTED:
        return
    rule, present = _rules(want)[drift.item].value, have.named(drift.item)
    after, reaches = _milestones(drift.path, rule)
    if conflict := conflicts.get(drift.item):
        yield Obstacle(drift, "priority-conflict", conflict, reaches)
        return
    cuts = disruption(drift.path, rule, present.rule if present else None)
    for path, value in _changes(drift.path, rule):
        yield Edit(drift, path, value, cuts, after, reaches)


def _is_removed(path: Path, want: Want[Wanted]) -> bool:
    """Whether an undeclared rule is to go whose drift has this path."""
    undoes = path[:1] == (EFFECTIVE,)
    return want.unmanaged is Unmanaged.REMOVE or (undoes and _policy(want) is Effective.REMOVE)


def _milestones_of_removal(drift: Drift) -> tuple[frozenset[Milestone], frozenset[Milestone]]:
    """A rule that allows goes only when the declared ones allow; with one that blocks gone, they do."""
    is_outbound = json.text_at(_json(drift.have), "direction") == "Outbound"
    none, egress = frozenset[Milestone](), frozenset({Milestone.EGRESS_ALLOWED})
    if not is_outbound or not drift.path:
        return none, none
    return (egress, none) if json.text_at(_json(drift.have), "access") == "Allow" else (none, egress)


def _json(value: Value) -> Json:
    return None if value is ABSENT else value


def _undeclared(want: Want[Wanted], have: Have) -> tuple[Present, ...]:
    declared = {name.lower() for name in _rules(want)}
    return tuple(present for name, present in have.rules.items() if name not in declared)


def _undone(want: Want[Wanted], have: Have) -> Mapping[str, Undoing]:
    """The undeclared rules, by name, that undo what declared ones promise, beside those as they are declared.

    Where such rules are removed, those too that come to light when others are gone. A declared rule that nobody is to
    look at promises nothing; it still overshadows others.
    """
    policy, undeclared = _policy(want), {present.id.name for present in _undeclared(want, have)}
    if policy is Effective.IGNORE or not undeclared:
        return {}
    promised = {name: item.value for name, item in _rules(want).items() if item.mode is not Mode.IGNORE}
    names = {name.lower() for name in promised}
    others = {present.id.name: present.rule for name, present in have.rules.items() if name not in names}
    found: dict[str, Undoing] = {}
    while newly := {name: each for name, each in undoing(promised, others).items() if name in undeclared}:
        found |= newly
        others = {name: rule for name, rule in others.items() if name not in newly}
        if policy is not Effective.REMOVE and want.unmanaged is not Unmanaged.REMOVE:
            break
    return found


def _milestones(path: Path, rule: Rule) -> tuple[frozenset[Milestone], frozenset[Milestone]]:
    """What a repair waits for and what it reaches.

    A rule that denies goes in only where those that allow do, or it would cut what they let through.
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


def _conflicts(want: Want[Wanted], have: Have) -> Mapping[str, str]:
    """Why the priority that a declared rule is to get cannot be had, by item.

    It can when its holder is about to give it up: a declared rule that is repaired too, or one that is removed.
    """
    holders: dict[tuple[str, int], list[Present]] = defaultdict(list)
    for present in have.rules.values():
        holders[present.slot].append(present)
    rules = _rules(want)
    items = {name.lower(): name for name in rules}
    leaving = _leaving(want, have)
    conflicts: dict[str, str] = {}
    while True:  # a rule that stays where it is blocks the one that was to follow it
        found = {
            name: f"{holder.id.name} holds priority {declared.value.priority} of the {declared.value.direction} rules"
            for name, declared in rules.items()
            for holder in holders[declared.value.direction, declared.value.priority]
            if holder.id.name.lower() != name.lower()
            and holder.id.name not in leaving
            and _stays(holder, rules, items.get(holder.id.name.lower()), conflicts)
        }
        if found == conflicts:
            return conflicts
        conflicts = found


def _leaving(want: Want[Wanted], have: Have) -> frozenset[str]:
    """The names of the undeclared rules that this repair removes."""
    if want.mode_of(POLICY) is not Mode.ENFORCE or have.under_way:
        return frozenset()
    undone = _undone(want, have) if _is_removed((EFFECTIVE,), want) else {}
    gone = _undeclared(want, have) if want.unmanaged is Unmanaged.REMOVE else ()
    return frozenset({*undone, *(present.id.name for present in gone)})


def _stays(
    holder: Present, rules: Mapping[str, Declared[Rule]], item: str | None, conflicts: Mapping[str, str]
) -> bool:
    """Whether a rule keeps its direction and priority in this repair."""
    if item is None:
        return True
    declared = rules[item]
    if declared.mode is not Mode.ENFORCE or item in conflicts or holder.under_way:
        return True
    return (declared.value.direction, declared.value.priority) == holder.slot


# --- problems of the spec ------------------------------------------------------------------------------------------


def _repeated_priorities(rules: GroupRules, path: tuple[str, ...]) -> Iterator[Problem]:
    first: dict[tuple[str, int], str] = {}
    for name, rule in rules.rules.items():
        other = first.setdefault((rule.direction, rule.priority), name)
        if other != name:
            message = f"{other} has priority {rule.priority} among the {rule.direction} rules already"
            yield Problem((*path, name, "priority"), message, "Give each rule of a direction its own priority.")


def _rule_problems(name: str, rule: RuleSpec, path: tuple[str, ...]) -> Iterator[Problem]:
    yield from name_problems(name, "security rule", path)
    if rule.priority not in PRIORITIES:
        yield Problem((*path, "priority"), f"priority {rule.priority} is out of range", "Use 100 to 4096.")
    if rule.description is not None and len(rule.description) > DESCRIPTION_LIMIT:
        message = f"the description has {len(rule.description)} characters, more than {DESCRIPTION_LIMIT}"
        yield Problem((*path, "description"), message, "Shorten it.")
    for key, terms in (("source_ports", rule.source_ports), ("ports", rule.ports)):
        yield from _term_problems((*path, key), terms, _is_ports, "Use a port (0-65535), a range (80-90), or `*`.")
    for key, terms in (("source", rule.source), ("destination", rule.destination)):
        remedy = "Use an address, a CIDR prefix, a service tag, `*`, or the id of an application security group."
        yield from _term_problems((*path, key), terms, _is_address, remedy)
        if len({is_group(term) for term in terms}) > 1:
            message = "prefixes and application security groups stand together"
            yield Problem((*path, key), message, "Split the rule in two.")


def _term_problems(
    path: tuple[str, ...], terms: tuple[str, ...], valid: Callable[[str], bool], remedy: str
) -> Iterator[Problem]:
    if not terms:
        yield Problem(path, "is empty", remedy)
    if len(terms) > 1 and "*" in terms:
        yield Problem(path, "`*` stands among others", "Write `*` alone, or leave it out.")
    for term in terms:
        if not valid(term):
            yield Problem(path, f"{term!r} is not valid here", remedy)


def _is_ports(term: str) -> bool:
    if term == "*":
        return True
    if not (found := _PORTS.fullmatch(term)):
        return False
    low, high = int(found[1]), int(found[2] or found[1])
    return low <= high <= 65535


def _is_address(term: str) -> bool:
    if is_group(term):
        try:
            return ResourceId.parse(term).is_type(APPLICATION_SECURITY_GROUP)
        except InvalidResourceId:
            return False
    if term == "*" or is_service_tag(term):
        return True
    try:
        ip_interface(term)
    except ValueError:
        return False
    return True
