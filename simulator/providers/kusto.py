"""The Kusto Query Language, as far as queries of the table `resources` need it: filters, a projection, one order.

    resources
    | where type in~ ('microsoft.web/sites') | where subscriptionId in~ ('...')
    | where type in~ ('microsoft.web/sites') or tostring(split(id, '/')[8]) in~ ('name')
    | mv-expand bagexpansion=array tag = tags | where tag[0] =~ 'name' and tostring(tag[1]) in ('value')
    | project id, name, tags | order by id asc

Everything else is refused. https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.ids import address
from simulator.messages import Json

_TEXT = r"'((?:[^'\\]|\\.)*)'"
_TEXTS = rf"\(({_TEXT}(?:, {_TEXT})*)\)"
_EQUAL = re.compile(rf"where (\w+) =~ {_TEXT}")
_AMONG = re.compile(rf"where (\w+) in~ {_TEXTS}")
_TOPMOST = re.compile(
    rf"where (?:type in~ (?P<types>{_TEXTS}) or )?tostring\(split\(id, '/'\)\[8\]\) in~ (?P<names>{_TEXTS})"
)
_TAG = re.compile(rf"where tag\[0\] =~ {_TEXT}(?: and tostring\(tag\[1\]\) in {_TEXTS})?")
_EXPAND = "mv-expand bagexpansion=array tag = tags"
_ORDER = "order by id asc"
_PIPE = re.compile(rf"(?:[^|']|{_TEXT})+")


class NotUnderstood(ValueError):
    """The query has a part that this parser does not know."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that a query may select; `row` renders it."""

    id: str
    type: str
    tags: Mapping[str, str]
    row: Callable[[], Json]


_FIELDS: Mapping[str, Callable[[Candidate], str]] = {
    "type": lambda each: each.type,
    "id": lambda each: each.id,
    "subscriptionid": lambda each: address(each.id).subscription,
    "resourcegroup": lambda each: address(each.id).group,
}


@dataclass(frozen=True, slots=True)
class _Where:
    """A condition: the field's value, in lower case, is one of these."""

    field: str
    among: frozenset[str]

    def __call__(self, each: Candidate) -> bool:
        return _FIELDS[self.field](each).lower() in self.among


@dataclass(frozen=True, slots=True)
class _Topmost:
    """A condition: the name in the ninth part of the id is one of these, in lower case, or the type is."""

    types: frozenset[str]
    names: frozenset[str]

    def __call__(self, each: Candidate) -> bool:
        return each.type.lower() in self.types or each.id.lower().split("/")[8] in self.names


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A condition on a tag. name: in any case. values: exact; any value if there are none."""

    name: str
    values: frozenset[str]

    def __call__(self, each: Candidate) -> bool:
        return any(
            name.lower() == self.name.lower() and (not self.values or value in self.values)
            for name, value in each.tags.items()
        )


type _Condition = _Where | _Topmost | _Tagged


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. columns: empty for all."""

    conditions: tuple[_Condition, ...]
    columns: tuple[str, ...]

    @property
    def types(self) -> frozenset[str]:
        """The types that it can be about, in lower case; empty for all."""
        named = [each.among for each in self.conditions if isinstance(each, _Where) and each.field == "type"]
        return frozenset.intersection(*named) if named else frozenset()

    def select(self, candidates: list[Candidate]) -> list[Candidate]:
        """In the order of their ids."""
        found = (each for each in candidates if all(condition(each) for condition in self.conditions))
        return sorted(found, key=lambda each: each.id.lower())

    def projected(self, row: Json) -> Json:
        return {name: row[name] for name in self.columns} if self.columns else row


def parse(text: str, known: frozenset[str]) -> Query:
    """`text` on one line; `known` are the columns of a row. Raises NotUnderstood."""
    table, *steps = [step.group().strip() for step in _PIPE.finditer(text)] or [""]
    if table != "resources" or " | ".join((table, *steps)) != text:
        raise NotUnderstood(text)
    conditions: list[_Condition] = []
    columns: tuple[str, ...] = ()
    expanded = False
    for step in steps:
        if step == _EXPAND and not expanded:
            expanded = True
        elif step.startswith("project ") and not columns:
            columns = tuple(step.removeprefix("project ").split(", "))
        elif step != _ORDER:
            conditions.append(_condition(step, tagged=expanded))
    if not set(columns) <= known:
        raise NotUnderstood(text)
    return Query(tuple(conditions), columns)


def _condition(step: str, *, tagged: bool) -> _Condition:
    if (found := _EQUAL.fullmatch(step)) and found[1].lower() in _FIELDS:
        return _Where(found[1].lower(), _lowered([_unquoted(found[2])]))
    if (found := _AMONG.fullmatch(step)) and found[1].lower() in _FIELDS:
        return _Where(found[1].lower(), _lowered(_texts(found[2])))
    if found := _TOPMOST.fullmatch(step):
        types, names = found.group("types", "names")
        return _Topmost(_lowered(_texts(types or "")), _lowered(_texts(names)))
    if tagged and (found := _TAG.fullmatch(step)):
        return _Tagged(_unquoted(found[1]), frozenset(_texts(found[2] or "")))
    raise NotUnderstood(step)


def _lowered(texts: list[str]) -> frozenset[str]:
    return frozenset(text.lower() for text in texts)


def _texts(listed: str) -> list[str]:
    return [_unquoted(found[1]) for found in re.finditer(_TEXT, listed)]


def _unquoted(text: Any) -> str:
    return re.sub(r"\\(.)", r"\1", text)
