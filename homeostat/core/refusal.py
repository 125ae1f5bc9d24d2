"""Writes that Azure itself refuses by a rule: a lock, a policy, a missing permission. Pure.

They are holds, as our own guards' are, and no failures: nothing is broken, somebody forbade it, and the same write is
refused until a person changes that. So they are reported once, with their code, and not tried again before the next
event or sweep.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.decision import Judged
from homeostat.core.model import Edit, Obstacle
from homeostat.core.plan import Action, Hold

LOCKED: Final = "locked"
POLICY_DENIED: Final = "policy-denied"
NOT_AUTHORIZED: Final = "not-authorized"

_CODES: Final[Mapping[ErrorClass, str]] = {
    ErrorClass.LOCKED: LOCKED,
    ErrorClass.POLICY: POLICY_DENIED,
    ErrorClass.DENIED: NOT_AUTHORIZED,
}

type Key = tuple[str, str, tuple[str, ...], str]
type Refusals = Mapping[Key, Hold]
"""What was refused in this reconcile, by `Drift.key`."""


def refusal(error: ArmError) -> Hold | None:
    """The hold for an error that answers a write; None if the error is a failure.

    If the write was accepted, and only its operation may not be read, nothing was refused.
    """
    code = _CODES.get(error.error_class) if error.executed is Executed.NO else None
    return Hold(code, str(error), {"status": error.status, "code": error.code}) if code else None


def refused(action: Action, hold: Hold) -> Refusals:
    return {edit.drift.key: hold for edit in action.edits}


def waits_for_refused(action: Action, refusals: Refusals, planned: tuple[Action, ...]) -> bool:
    """Whether it must not go on, since it waits for something that a refused write was to bring about."""
    missing = {
        milestone for each in planned for edit in each.edits if edit.drift.key in refusals for milestone in edit.reaches
    }
    return any(edit.after & missing for edit in action.edits)


def without_refused(judged: Judged, refusals: Refusals) -> Judged:
    """What is still to be written after these refusals: they hold back what waits for the refused edits."""
    if not refusals:
        return judged
    obstacles = {
        edit.drift.key: _obstacle(edit, refusals[edit.drift.key]) for edit in judged.edits if edit.drift.key in refusals
    }
    going = tuple(edit for edit in judged.edits if edit.drift.key not in refusals)
    return replace(judged, edits=going, obstacles=(*judged.obstacles, *obstacles.values()))


def _obstacle(edit: Edit, hold: Hold) -> Obstacle:
    return Obstacle(edit.drift, hold.code, hold.message, edit.reaches, hold.numbers)
