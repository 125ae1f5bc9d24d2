"""What Azure Resource Graph remembers of changes: the rows behind its table `resourcechanges`.

A row is about a resource of the table `resources`. A change of something nested in one, such as an NSG's rules, shows
as a change of that resource. Fields have their first two names only, `properties.securityRules`, where the real table
goes deeper. Rows appear at once, while the real ones take up to five minutes.
https://learn.microsoft.com/azure/governance/resource-graph/changes/get-resource-changes
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulator.activity import Activity
from simulator.messages import Json

NESTED_ROWS = frozenset(
    {
        "microsoft.web/sites/slots",
        "microsoft.network/privatednszones/virtualnetworklinks",
        "microsoft.network/networkwatchers/flowlogs",
    }
)
"""Nested types with rows of their own.

https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
"""

_KEPT = 10_000
_VOLATILE = frozenset({"etag", "properties.provisioningState", "properties.lastModifiedTimeUtc"})


@dataclass(frozen=True, slots=True)
class Row:
    """A resource of the table, before a write: its `members`, or None while it is not there."""

    id: str
    type: str
    before: Json | None


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    target_id: str
    target_type: str
    change_type: Literal["Create", "Update", "Delete"]
    fields: Json  # by name, {"previousValue", "newValue"} as text
    activity: Activity


class ChangeLog:
    """Oldest first; the newest 10,000 are kept."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=_KEPT)

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes)

    def note(self, row: Row, after: Json | None, activity: Activity) -> None:
        """A write has ended; one that changed nothing leaves no row."""
        if row.before is not None and after is not None:
            if fields := _differences(row.before, after):
                self._append("Update", row, fields, activity)
        elif (row.before is None) is not (after is None):
            self._append("Create" if row.before is None else "Delete", row, {}, activity)

    def _append(
        self, change_type: Literal["Create", "Update", "Delete"], row: Row, fields: Json, activity: Activity
    ) -> None:
        self._changes.append(Change(activity.at, row.id, row.type, change_type, fields, activity))


def members(body: Json) -> Json:
    """The fields of a rendered resource by name, `location` and `properties.subnets`, each as JSON text."""
    properties = body.get("properties") or {}
    flat = {key: value for key, value in body.items() if key != "properties"}
    flat |= {f"properties.{key}": value for key, value in properties.items()}
    return {name: json.dumps(_lasting(value), sort_keys=True) for name, value in flat.items() if name not in _VOLATILE}


def _lasting(value: object) -> object:
    """Without the etags and states that move with every write."""
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in {"etag", "provisioningState"}}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _differences(before: Json, after: Json) -> Json:
    return {
        name: {"previousValue": before.get(name, "null"), "newValue": after.get(name, "null")}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
