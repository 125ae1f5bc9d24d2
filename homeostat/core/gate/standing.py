"""The guards that always stood: mode and kill switch, pauses, re-tests, containers, and what waits for others."""

from typing import Final

from homeostat.core.arm_types import arm_type
from homeostat.core.gate.situation import FLEET, Situation
from homeostat.core.json import ABSENT
from homeostat.core.model import Edit, Mode, most_cautious
from homeostat.core.plan import Hold
from homeostat.core.retest import routes

MODE_ALERT: Final = "mode-alert"
PAUSED: Final = "paused"
RETEST: Final = "retest"
CONTAINER_GONE: Final = "container-gone"
WAITS: Final = "waits-for-held"


def within_mode(edit: Edit, situation: Situation) -> Hold | None:
    """Only what is declared `enforce`, under a cap of `enforce`, is written."""
    want = situation.wants[edit.drift.kind]
    mode = most_cautious((want.mode_of(edit.drift.item), situation.cap))
    if mode is Mode.ENFORCE:
        return None
    source = "HOMEOSTAT_MODE" if situation.cap is not Mode.ENFORCE else "the spec"
    return Hold(MODE_ALERT, f"{source} says mode {mode}: reported, not repaired", {"mode": mode.value})


def not_paused(edit: Edit, situation: Situation) -> Hold | None:
    """A pause of any owner, or of the fleet, holds the root until the last of them ends."""
    del edit  # a pause is of the whole root
    active = [
        pause
        for pause in situation.pauses
        if pause.until > situation.now and (pause.target == FLEET or pause.target in situation.targets)
    ]
    if not active:
        return None
    last = max(active, key=lambda pause: pause.until)
    whole = "the fleet is" if last.target == FLEET else f"target {last.target} is"
    why = f"after a {last.cause}, " if last.cause else ""
    until = f"until {last.until.isoformat()} by {last.by}"
    message = f"{whole} paused {until}: {why}{last.reason or 'no reason given'}"
    return Hold(PAUSED, message, {"until": last.until.isoformat(), "pauses": len(active)}, last.until)


def not_retested(edit: Edit, situation: Situation) -> Hold | None:
    """While a re-test of the root's routing runs, nothing switches it on again; all else of the root goes on."""
    retest = situation.retest
    if retest is None or not retest.runs(situation.now) or not routes(edit.drift.kind, edit.drift.item):
        return None
    until = retest.deadline.isoformat()
    message = f"routing is off for a re-test until {until}, by {retest.by}: {retest.reason or 'no reason given'}"
    return Hold(RETEST, message, {"until": until}, retest.deadline)


def container_by_word(edit: Edit, situation: Situation) -> Hold | None:
    """A container is only created where the spec says `recreate: true`, or a person says so."""
    if not _creates_container(edit) or edit.recreate or situation.create:
        return None
    what = f"{edit.drift.item} of {edit.resource.short}" if edit.drift.path else edit.resource.short
    message = f"{what} is gone; it is created again only with `recreate: true`, or by force (--create)"
    return Hold(CONTAINER_GONE, message)


def _creates_container(edit: Edit) -> bool:
    """By the edit's own word, or by its type's row: a remediator that forgets the word creates nothing unasked."""
    is_new = not edit.path and edit.drift.have is ABSENT and edit.value is not ABSENT
    return edit.recreate is not None or (is_new and arm_type(edit.resource).container)


def after_its_milestones(edit: Edit, situation: Situation) -> Hold | None:
    """What another root of the target must bring about first has to be there, or on its way."""
    missing = sorted(edit.after & situation.withheld)
    return Hold(WAITS, f"waits for {', '.join(missing)}, which is held elsewhere") if missing else None
