"""Writes, made or reserved, as the caps of `homeostat.core.gate.caps` count them. Pure.

An hour is counted in minutes, the current one and the sixty before it, so that in no sixty minutes more can be reserved
than a cap allows.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.plan import Plan

HOUR: Final = 60
"""In minutes."""

type Minutes = Mapping[str, tuple[int, ...]]
"""By resource: the minute of each write, oldest first. Minutes count from 1970."""


@dataclass(frozen=True, slots=True)
class RunUse:
    """The use of one run so far. roots: their marks. version: of the document that it was read from."""

    writes: int = 0
    roots: frozenset[str] = frozenset()
    version: str | None = field(default=None, compare=False)

    def with_plan(self, plan: Plan) -> "RunUse":
        return RunUse(self.writes + len(plan.actions), self.roots | {mark_of(plan.root)})


NOTHING_RESERVED: Final = RunUse()


@dataclass(frozen=True, slots=True)
class HourUse:
    """The use of the fleet: the writes by minute, and by root's mark the minute in which it was last written to.

    version: of the document that it was read from.
    """

    writes: Mapping[int, int] = field(default_factory=dict)
    roots: Mapping[str, int] = field(default_factory=dict)
    version: str | None = field(default=None, compare=False)

    def at(self, now: datetime) -> "HourUse":
        """What still counts. A minute in the future is from an instance whose clock is ahead."""
        first = minute_of(now) - HOUR
        return HourUse(
            {minute: writes for minute, writes in self.writes.items() if minute >= first},
            {root: minute for root, minute in self.roots.items() if minute >= first},
        )

    def with_plan(self, plan: Plan, now: datetime) -> "HourUse":
        kept, minute, root = self.at(now), minute_of(now), mark_of(plan.root)
        return HourUse(
            {**kept.writes, minute: kept.writes.get(minute, 0) + len(plan.actions)},
            {**kept.roots, root: max(minute, kept.roots.get(root, 0))},
        )


def minute_of(now: datetime) -> int:
    return int(now.timestamp()) // 60


def ends_to_count(minute: int) -> datetime:
    """When a reservation of that minute stops counting."""
    return datetime.fromtimestamp((minute + HOUR + 1) * 60, UTC)


def mark_of(root: ResourceId) -> str:
    """A short name of a root, for documents with thousands of them."""
    return hashlib.sha256(root.key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def place_of(resource: ResourceId, root: ResourceId) -> str:
    """The name of a resource inside its root's record."""
    return resource.key.removeprefix(root.key)


def writes_by_place(plan: Plan) -> Counter[str]:
    return Counter(place_of(action.resource, plan.root) for action in plan.actions)


def still_counting(reserved: Minutes, now: datetime) -> dict[str, tuple[int, ...]]:
    first = minute_of(now) - HOUR
    kept = {place: tuple(minute for minute in minutes if minute >= first) for place, minutes in reserved.items()}
    return {place: minutes for place, minutes in kept.items() if minutes}


def with_plan(reserved: Minutes, plan: Plan, now: datetime) -> Minutes:
    """A root's reservations with those for the plan."""
    kept = still_counting(reserved, now)
    for place, writes in writes_by_place(plan).items():
        kept[place] = (*kept.get(place, ()), *(minute_of(now),) * writes)
    return kept


# --- as they are stored ---------------------------------------------------------------------------------------------


def run_to_json(use: RunUse) -> JsonObject:
    roots: list[Json] = [*sorted(use.roots)]
    return {"writes": use.writes, "roots": roots}


def run_from_json(body: JsonObject, version: str | None = None) -> RunUse:
    """Raises ValueError: an unreadable use must not count as none."""
    writes, roots = body.get("writes"), body.get("roots")
    if not isinstance(writes, int) or not isinstance(roots, list):
        raise ValueError("a run's use has no number of writes, or no roots")  # noqa: TRY004 - as for any unreadable document
    return RunUse(writes, frozenset(map(str, roots)), version)


def hour_to_json(use: HourUse) -> JsonObject:
    return {"writes": {str(minute): writes for minute, writes in use.writes.items()}, "roots": dict(use.roots)}


def hour_from_json(body: JsonObject, version: str | None = None) -> HourUse:
    """Raises ValueError as `run_from_json` does."""
    writes, roots = body.get("writes"), body.get("roots")
    if not isinstance(writes, Mapping) or not isinstance(roots, Mapping):
        raise ValueError("an hour's use has no writes, or no roots")  # noqa: TRY004 - as for any unreadable document
    return HourUse(
        {int(minute): _whole(count) for minute, count in writes.items()},
        {root: _whole(minute) for root, minute in roots.items()},
        version,
    )


def _whole(value: Json) -> int:
    if not isinstance(value, int):
        raise ValueError("not a whole number")  # noqa: TRY004 - as for any unreadable document
    return value
