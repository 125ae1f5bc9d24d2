"""A security rule as it is compared, whichever of ARM's spellings a body uses, and as it is written.

ARM has a single value of a field in the singular (`destinationPortRange`), several in the plural
(`destinationPortRanges`, without the singular), and application security groups in a list of their own. Access and
direction come back in one casing, protocol, tags and ids as they were written.
https://learn.microsoft.com/rest/api/virtualnetwork/security-rules/get
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Self

from homeostat.core import json
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value
from homeostat.core.model import Disruption


@dataclass(frozen=True, slots=True)
class Terms:
    """Prefixes, tags, groups or ports of one field: compared as a set without regard to case, spelled as written."""

    key: frozenset[str]
    spelled: tuple[str, ...] = field(compare=False)

    @staticmethod
    def of(spelled: Iterable[str]) -> "Terms":
        """Shares equal ones: a fleet has few of them, and thousands of rules."""
        return _one_of(tuple(spelled))

    def covers(self, other: Self) -> bool:
        return "*" in self.key or other.key <= self.key

    @property
    def shown(self) -> Json:
        return self.spelled[0] if len(self.spelled) == 1 else self.spelled


@lru_cache(1024)
def _one_of(spelled: tuple[str, ...]) -> Terms:
    by_key = {text.lower(): text for text in spelled}
    return Terms(frozenset(by_key), tuple(by_key[key] for key in sorted(by_key)))


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is compared: the spec's fields. description: None if it is not owned."""

    priority: int
    direction: str
    access: str
    protocol: str
    source: Terms
    source_ports: Terms
    destination: Terms
    ports: Terms
    description: str | None

    @property
    def slot(self) -> tuple[str, int]:
        """What two rules of an NSG cannot have in common."""
        return self.direction, self.priority


class _Plural(NamedTuple):
    """Where the body has a field with several values. groups: "" if it cannot hold application security groups."""

    one: str
    many: str
    groups: str = ""


PLURALS: Mapping[str, _Plural] = {
    "source": _Plural("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"),
    "source_ports": _Plural("sourcePortRange", "sourcePortRanges"),
    "destination": _Plural(
        "destinationAddressPrefix", "destinationAddressPrefixes", "destinationApplicationSecurityGroups"
    ),
    "ports": _Plural("destinationPortRange", "destinationPortRanges"),
}
SINGULARS = ("priority", "direction", "access", "protocol", "description")


def rule_of(properties: JsonObject) -> Rule:
    """A rule from the properties that ARM gives, in any of its spellings."""
    priority = properties.get("priority")
    return Rule(
        priority=priority if isinstance(priority, int) else 0,
        direction=json.text_at(properties, "direction").capitalize(),
        access=json.text_at(properties, "access").capitalize(),
        protocol=json.text_at(properties, "protocol").capitalize(),
        source=_terms(properties, PLURALS["source"]),
        source_ports=_terms(properties, PLURALS["source_ports"]),
        destination=_terms(properties, PLURALS["destination"]),
        ports=_terms(properties, PLURALS["ports"]),
        description=json.text_at(properties, "description"),
    )


def rule_in(body: Json) -> Rule | None:
    """The rule in a body from ARM; None if it has no properties."""
    properties = json.at(body, ("properties",))
    return rule_of(properties) if isinstance(properties, Mapping) else None


def _terms(properties: JsonObject, names: _Plural) -> Terms:
    many = properties.get(names.many) or ()
    assert isinstance(many, Iterable), f"{names.many} is a list"
    groups = (json.text_at(group, "id") for group in json.objects_at(properties, names.groups))
    return Terms.of(filter(None, (json.text_at(properties, names.one), *map(str, many), *groups)))


def _value(rule: Rule, key: str) -> Json:
    value: Terms | int | str | None = getattr(rule, key)
    return value.shown if isinstance(value, Terms) else value


def shown(rule: Rule) -> Json:
    return {key: value for key in (*SINGULARS, *PLURALS) if (value := _value(rule, key)) not in {None, ""}}


def differences(wanted: Rule, found: Rule) -> Mapping[Path, tuple[Json, Json]]:
    """The paths of the fields that differ, as the spec's keys, with what is wanted and what is there."""
    return {
        (key,): (_value(wanted, key), _value(found, key))
        for key in (*SINGULARS, *PLURALS)
        if getattr(wanted, key) != getattr(found, key) and not (key == "description" and wanted.description is None)
    }


def properties_of(rule: Rule) -> Mapping[str, Value]:
    """A rule's properties as ARM expects them: of a singular, its plural and its groups exactly one is given."""
    body: dict[str, Value] = {key: _value(rule, key) for key in SINGULARS}
    if rule.description is None:
        body["description"] = ABSENT
    for key, names in PLURALS.items():
        terms: Terms = getattr(rule, key)
        groups = [{"id": term} for term in terms.spelled if is_group(term)]
        plain = [term for term in terms.spelled if not is_group(term)]
        body[names.one] = plain[0] if len(plain) == 1 else ABSENT
        body[names.many] = plain if len(plain) > 1 else ABSENT
        if names.groups:
            body[names.groups] = groups or ABSENT
    return body


def is_group(term: str) -> bool:
    return term.startswith("/")


def disruption(path: Path, wanted: Rule, found: Rule | None) -> Disruption:
    """Describing a rule, adding one that allows, or letting one allow more, cuts nothing off."""
    if path == ("description",) or (wanted.access == "Allow" and (found is None or _widens(path, wanted, found))):
        return Disruption.NONE
    return Disruption.CONNECTIVITY


def _widens(path: Path, wanted: Rule, found: Rule) -> bool:
    match path:
        case ("access",):
            return True
        case ("priority",):
            return found.access == "Allow" and wanted.priority < found.priority
        case ("protocol",):
            return wanted.protocol == "*"
        case (key,) if key in PLURALS:
            terms: Terms = getattr(wanted, key)
            return terms.covers(getattr(found, key))
        case _:
            return False
