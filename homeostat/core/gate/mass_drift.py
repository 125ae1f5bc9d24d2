"""The mass-drift stop: if a large part of the fleet needs repair at once, the spec is suspected first.

It counts the roots that had an edit to be written within the policy's time, whether they were repaired meanwhile or
not: otherwise repairs that quickly follow each other would never look like many.
"""

from datetime import datetime, timedelta
from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.mass import Mass
from homeostat.core.measures import duration_text
from homeostat.core.plan import Hold, Plan

MASS_DRIFT: Final = "mass-drift"

LOOK_AGAIN: Final = timedelta(minutes=30)
"""Shorter than the time after which drifting roots are forgotten, so that a mass drift stays known while it lasts."""


def no_mass_drift(plan: Plan, situation: Situation) -> Hold | None:
    del plan  # whichever plan it is, it is one of many
    mass, now = situation.history.mass, situation.now
    if mass is None or not mass.is_one or mass.is_released(now):
        return None
    return hold(mass, situation.history.declared, situation.policy.mass_drift.suspect_spec_for, now)


def hold(mass: Mass, declared: int, suspect_spec_for: timedelta, now: datetime) -> Hold:
    numbers: dict[str, int | str] = {"drifting": mass.drifting, "roots": declared, "threshold": mass.threshold}
    if mass.suspects_spec(suspect_spec_for, now):
        since = f" in force since {mass.in_force_since.isoformat()}" if mass.in_force_since else ""
        suspect = f"suspect the spec: version {mass.version or 'unknown'}{since}"
    else:
        suspect = f"suspect the world: no change of the spec is known from the last {duration_text(suspect_spec_for)}"
    message = f"at least {mass.drifting} of {declared} roots need repair, more than {mass.threshold}; {suspect}"
    remedy = "nothing is written before that falls, or a person says `release mass-drift`"
    return Hold(MASS_DRIFT, f"{message}; {remedy}", numbers, now + LOOK_AGAIN)
