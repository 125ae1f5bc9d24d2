"""Caps: how much may be written, per run, per resource and hour, and over the fleet in any hour.

Writes are reserved beforehand, in durable state (`homeostat.gate.reservations`), by the same functions that the guard
uses, so that two instances that both saw room do not both use it. A crash after a reservation leaves less room than
there is, never more. A plan is not cut to fit: it is held as a whole.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.limits import Caps
from homeostat.core.plan import Hold, Plan
from homeostat.core.uses import (
    HourUse,
    Minutes,
    RunUse,
    ends_to_count,
    mark_of,
    still_counting,
    writes_by_place,
)

CAP_RUN: Final = "cap-run"
CAP_RESOURCE: Final = "cap-resource"
CAP_FLEET: Final = "cap-fleet"
CAPS: Final = frozenset({CAP_RUN, CAP_RESOURCE, CAP_FLEET})


def within_caps(plan: Plan, situation: Situation) -> Hold | None:
    """Whether there is room for the whole plan, as far as is known before it is reserved."""
    caps, history, now = situation.policy.caps, situation.history, situation.now
    return (
        over_resource(plan, history.reserved, caps, now)
        or over_run(plan, history.run, caps, history.declared, history.max_writes)
        or over_hour(plan, history.hour, caps, history.declared, now)
    )


def over_resource(plan: Plan, reserved: Minutes, caps: Caps, now: datetime) -> Hold | None:
    limit, counting = caps.writes_per_resource_and_hour, still_counting(reserved, now)
    for place, wanted in writes_by_place(plan).items():
        minutes = counting.get(place, ())
        if len(minutes) + wanted > limit:
            name = (place or plan.root.key).rpartition("/")[2]
            message = f"{name} was written {len(minutes)} times within an hour; {limit} are allowed"
            numbers = {"limit": limit, "used": len(minutes), "wanted": wanted}
            return Hold(CAP_RESOURCE, message, numbers, _free(((minute, 1) for minute in minutes), limit, wanted))
    return None


def over_run(plan: Plan, use: RunUse, caps: Caps, declared: int, max_writes: int | None) -> Hold | None:
    """max_writes: a person's limit for their run, in the place of the policy's."""
    limit, wanted = max_writes or caps.writes_per_run, len(plan.actions)
    if use.writes + wanted > limit:
        message = f"this run has made {use.writes} writes and would make {wanted} more; {limit} are allowed in one run"
        return Hold(CAP_RUN, message, {"limit": limit, "used": use.writes, "wanted": wanted})
    roots = caps.roots_per_run(declared)
    if max_writes is None and mark_of(plan.root) not in use.roots and len(use.roots) + 1 > roots:
        message = f"this run has written to {len(use.roots)} of {declared} roots, as many as are allowed in one run"
        return Hold(CAP_RUN, message, {"limit": roots, "used": len(use.roots), "wanted": 1, "roots": declared})
    return None


def over_hour(plan: Plan, use: HourUse, caps: Caps, declared: int, now: datetime) -> Hold | None:
    counting, wanted = use.at(now), len(plan.actions)
    used, limit = sum(counting.writes.values()), caps.writes_per_hour
    if used + wanted > limit:
        message = f"{used} writes were made over the fleet within an hour; {limit} are allowed"
        free_at = _free(sorted(counting.writes.items()), limit, wanted)
        return Hold(CAP_FLEET, message, {"limit": limit, "used": used, "wanted": wanted}, free_at)
    roots = caps.roots_per_hour(declared)
    if mark_of(plan.root) not in counting.roots and len(counting.roots) + 1 > roots:
        message = f"{len(counting.roots)} of {declared} roots were written to within an hour; {roots} are allowed"
        free_at = _free(((minute, 1) for minute in sorted(counting.roots.values())), roots, 1)
        numbers = {"limit": roots, "used": len(counting.roots), "wanted": 1, "roots": declared}
        return Hold(CAP_FLEET, message, numbers, free_at)
    return None


def _free(used: Iterable[tuple[int, int]], limit: int, wanted: int) -> datetime | None:
    """When there is room, given (minute, use) pairs, oldest first; None if there never is."""
    entries = list(used)
    left = sum(count for _, count in entries)
    for minute, count in entries:
        left -= count
        if left + wanted <= limit:
            return ends_to_count(minute)
    return None
