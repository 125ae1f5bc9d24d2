"""The guard of what needs a person's approval: new containers, removals, and what the spec marks."""

from collections.abc import Iterable, Mapping
from typing import Final

from homeostat.core import approvals
from homeostat.core.approvals import Reason, State
from homeostat.core.gate.protection import not_own
from homeostat.core.gate.situation import Situation
from homeostat.core.gate.standing import within_mode
from homeostat.core.model import Edit
from homeostat.core.plan import Hold

APPROVAL_NEEDED: Final = "approval-needed"

_REASONS: Final[Mapping[Reason, str]] = {
    Reason.CONTAINER: "it would be made anew, which only `recreate: true` or --create does without asking",
    Reason.REMOVAL: "something would be removed that nobody declares",
    Reason.MARKED: "the spec says `approval: required`",
}


def to_approve(edits: Iterable[Edit], situation: Situation) -> tuple[Edit, ...]:
    """The edits that a request is for: those that only an approval, and perhaps a window, still holds back."""
    return tuple(
        edit
        for edit in edits
        if _reason(edit, situation) and within_mode(edit, situation) is None and not_own(edit, situation) is None
    )


def approved(edit: Edit, situation: Situation) -> Hold | None:
    """What needs approval waits until exactly these edits are approved."""
    reason = _reason(edit, situation)
    if reason is None:
        return None
    asked = situation.approval
    if asked is not None and asked.allows(situation.now):
        return None
    assert asked is not None, "whoever gathers the situation asks for the approval of what needs one"
    numbers = {"approval": asked.id, "expires": asked.expires.isoformat(), "reason": reason.value}
    verdict = f"{asked.by} said no" if asked.state is State.REJECTED else "waits for approval"
    message = f"{_REASONS[reason]}: {verdict}. `python -m homeostat approve {asked.id}`, or the link in the alert"
    return Hold(APPROVAL_NEEDED, message, numbers, asked.expires)


def _reason(edit: Edit, situation: Situation) -> Reason | None:
    if situation.consents and not approvals.creates_container(edit):
        return None
    return approvals.reason(edit, situation.policy.approvals, situation.marked, create=situation.create)
