"""What Azure Resource Graph's rows tell of roots: which of them to ask for, and what they answer for a GET. Pure.

A row shows what a GET does, though minutes old, so it is a fact that is not fresh: it may say that a root is as
declared, and never what is to be written. A row that is lacking says nothing, since rows are left out silently where
they may not be read; nor is a listing known unless its parent's row is.
https://learn.microsoft.com/azure/governance/resource-graph/overview
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Final, Self

from homeostat.core import json
from homeostat.core.arm_types import ARM_TYPES, ArmType
from homeostat.core.graph import RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Found, Read

COLUMNS: Final = ("id", "name", "type", "location", "kind", "sku", "tags", "identity", "properties")

MAX_GROUPS: Final = 250
"""Resource groups that one query names, so that its text stays below some 25 KB."""


def queries(roots: Iterable[ResourceId]) -> tuple[RowQuery, ...]:
    """For all rows of these roots and of what is below them.

    By resource group: Kusto compares no texts by order, and naming each id would make the query longer than the answer.
    What else is in the groups comes along, and is dropped.
    """
    found = tuple(roots)
    types = _types({root.type.lower() for root in found})
    subscriptions = tuple(sorted({root.subscription.lower() for root in found}))
    groups = sorted({root.resource_group.lower() for root in found})
    return tuple(
        RowQuery(types, COLUMNS, subscriptions=subscriptions, resource_groups=some)
        for some in batched(groups, MAX_GROUPS, strict=False)
        if types
    )


def _types(of_roots: set[str]) -> tuple[str, ...]:
    """Those of the roots that have rows, and those below them that have rows of their own."""
    named = [
        name
        for name, row in ARM_TYPES.items()
        if row.row == () and (name in of_roots if row.root else name.rpartition("/")[0] in of_roots)
    ]
    return tuple(sorted(named))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by the lower-case id of their resource; those of children also by their parent's, and their type."""

    by_key: Mapping[str, JsonObject] = field(default_factory=dict)
    below: Mapping[tuple[str, str], list[JsonObject]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[JsonObject], roots: Iterable[ResourceId]) -> Self:
        """Without those that are of other roots than these."""
        wanted = {root.key for root in roots}
        by_key: dict[str, JsonObject] = {}
        below: dict[tuple[str, str], list[JsonObject]] = defaultdict(list)
        for row in rows:
            key, type_ = json.text_at(row, "id").lower(), json.text_at(row, "type").lower()
            if key in wanted:
                by_key[key] = row
                continue
            parent = key.rsplit("/", 2)[0]
            if parent in wanted:
                by_key[key] = row
                below[parent, type_].append(row)
        return cls(by_key, below)

    def fact(self, read: Read) -> Found | None:
        """What the rows answer; None where they cannot."""
        if read.type.row is None:
            return None
        return self._every(read) if read.every else self._one(read.type.row, read.id)

    def _every(self, read: Read) -> Found | None:
        parent = self.by_key.get(read.id.key)
        if parent is None:
            return None
        members = (
            self.below.get((read.id.key, read.type.name.lower()), ())
            if read.type.row == ()
            else _nested(parent, read.type)
        )
        return None if members is None else Found({"value": list(members)}, fresh=False)

    def _one(self, where: tuple[str, ...], resource: ResourceId) -> Found | None:
        if not where:
            row = self.by_key.get(resource.key)
            return None if row is None else Found(row, fresh=False)
        key, _, name = resource.key.rpartition("/")
        parent = self.by_key.get(key.rpartition("/")[0])
        members = json.objects_at(parent, *where) if parent else ()
        found = (each for each in members if json.text_at(each, "name").lower() == name)
        child = next(found, None)
        return None if child is None else Found(child, fresh=False)


def _nested(parent: JsonObject, type_: ArmType) -> tuple[JsonObject, ...] | None:
    """The children that the parent's row holds; None where it does not say."""
    path = type_.row or ()
    return json.objects_at(parent, *path) if isinstance(json.at(parent, path), list) else None
