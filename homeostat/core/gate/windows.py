"""The guard of the calendar: a disruptive repair waits for its window."""

from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.model import Edit
from homeostat.core.plan import Hold
from homeostat.core.windows import Effect, next_allowed, of_targets, shut

OUTSIDE_WINDOW: Final = "outside-window"


def within_windows(edit: Edit, situation: Situation) -> Hold | None:
    """Every owner's calendar must allow the edit's class of disruption; the fleet's deny windows hold for all."""
    calendars = of_targets(situation.policy.windows, situation.windows, situation.targets)
    barriers = [barrier for each in calendars if (barrier := shut(each, edit.disruption, situation.now))]
    if not barriers:
        return None
    barrier, retry_at = barriers[0], next_allowed(calendars, edit.disruption, situation.now)
    is_denied = barrier.effect is Effect.DENY
    state = f"the window {barrier.window} forbids it now" if is_denied else f"no window is open of: {barrier.window}"
    when = f"allowed again at {retry_at.isoformat()}" if retry_at else "and no allowed moment is in sight"
    numbers = {"window": barrier.window, "effect": barrier.effect.value, "disruption": edit.disruption.value}
    return Hold(OUTSIDE_WINDOW, f"disruption {edit.disruption}: {state}; {when}", numbers, retry_at)
