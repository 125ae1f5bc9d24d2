"""What Azure Resource Graph's rows say of roots: which rows to query, and what they answer in place of a GET. Pure.

A row shows what a GET does, but minutes old, so it is not fresh: it may show that a root is as declared, never what is
to be written. A missing row says nothing, since rows are silently left out where they may not be read; for the same
reason a listing is only known if its parent's row is there.
https://learn.microsoft.com/azure/governance/resource-graph/overview
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import accumulate, batched
from typing import Final, Self

from homeostat.core import json
from homeostat.core.arm_types import ARM_TYPES, ArmType
from homeostat.core.graph import RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Found, Read

COLUMNS: Final = ("id", "name", "type", "location", "kind", "sku", "tags", "identity", "properties")

MAX_GROUPS: Final = 250
"""The most resource groups that one query names, so that its text stays below 25 KB."""


MAX_NAMES: Final = 100
"""The same for names, which add up to 8 KB."""


def queries(roots: Iterable[ResourceId]) -> tuple[RowQuery, ...]:
    """Queries for all rows of these roots and of what is below them.

    By resource group: Kusto cannot compare texts by order, and naming each id would make the query longer than its
    answer. Also by name, for the types of which few names are needed, as those that many apps share. Rows that nobody
    needs are dropped.
    """
    by_group = defaultdict[str, list[ResourceId]](list)
    for root in roots:
        by_group[root.resource_group.lower()].append(root)
    parts = batched(sorted(by_group), MAX_GROUPS, strict=False)
    found = (_query([root for name in groups for root in by_group[name]], groups) for groups in parts)
    return tuple(query for query in found if query.types)


def _query(roots: Sequence[ResourceId], groups: tuple[str, ...]) -> RowQuery:
    names = _names_by_type(roots)
    named = _of_few_names(names)
    return RowQuery(
        types=tuple(sorted(names)),
        columns=COLUMNS,
        subscriptions=tuple(sorted({root.subscription.lower() for root in roots})),
        resource_groups=groups,
        names=tuple(sorted({name for type_ in named for name in names[type_]})),
        any_name=tuple(sorted(names.keys() - named)) if named else (),
    )


def _names_by_type(roots: Iterable[ResourceId]) -> Mapping[str, AbstractSet[str]]:
    """The roots' topmost names by their type, and by those types below it that have rows of their own."""
    found = defaultdict[str, set[str]](set)
    for root in roots:
        found[root.type.lower()].add(root.names[0].lower())
    above = {name: name if row.root else name.rpartition("/")[0] for name, row in ARM_TYPES.items() if row.row == ()}
    return {name: found[of] for name, of in above.items() if of in found}


def _of_few_names(names: Mapping[str, AbstractSet[str]]) -> AbstractSet[str]:
    """The types with the fewest names, as many types as fit into a query."""
    by_few = sorted(names, key=lambda type_: (len(names[type_]), type_))
    totals = accumulate(len(names[type_]) for type_ in by_few)
    return {type_ for type_, total in zip(by_few, totals, strict=True) if total <= MAX_NAMES}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by the lower-case id of their resource; those of children also by parent and type."""

    by_key: Mapping[str, JsonObject] = field(default_factory=dict)
    below: Mapping[tuple[str, str], list[JsonObject]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[JsonObject], roots: Iterable[ResourceId]) -> Self:
        """The rows, without those of other roots."""
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
        """What the rows answer to a read; None if they cannot."""
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
    """The children in the parent's row; None if it does not show them."""
    path = type_.row or ()
    return json.objects_at(parent, *path) if isinstance(json.at(parent, path), list) else None
