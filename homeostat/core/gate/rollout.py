"""Staged rollout: what a new spec declares differently is written for the targets of its stage only.

What did not change is healed everywhere, as always. If several targets declare an item, all must be admitted.
"""

from datetime import timedelta
from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.model import Edit
from homeostat.core.plan import Hold
from homeostat.core.rollout import State, changed_owners

ROLLOUT: Final = "rollout"
ROLLOUT_STOPPED: Final = "rollout-stopped"

OTHER_VERSION_RETRY: Final = timedelta(minutes=1)
"""When an instance with another version of the spec looks again: it notices a change within half a minute."""


def within_rollout(edit: Edit, situation: Situation) -> Hold | None:
    """Holds what is not admitted yet, without a time to look again: a stage's targets are marked when it begins."""
    course = situation.history.rollout
    if course is None:
        return None
    rollout, kind = course.rollout, edit.drift.kind
    if rollout.version != course.version:
        versions: dict[str, int | str] = {"version": course.version, "inForce": rollout.version}
        message = f"this instance has version {course.version} of the spec, and {rollout.version} is in force"
        return Hold(ROLLOUT, message, versions, situation.now + OTHER_VERSION_RETRY)
    if rollout.state is State.DONE:
        return None
    owners = changed_owners(kind, edit.drift.item, situation.wants[kind], situation.targets, course.base)
    late = [owner for owner in owners if not rollout.admits(owner)]
    if not late:
        return None
    numbers: dict[str, int | str] = {"stage": rollout.stage, "of": rollout.of, "target": late[0]}
    version = f"version {rollout.version} of the spec"
    if rollout.state is State.STOPPED:
        return Hold(ROLLOUT_STOPPED, f"the rollout of {version} stopped before {late[0]}: {rollout.reason}", numbers)
    message = f"{version} is in stage {rollout.stage} of {rollout.of}, and has not come to {late[0]} yet"
    return Hold(ROLLOUT, message, numbers)
