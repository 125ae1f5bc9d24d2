"""Guards of what people and the spec say: mode and kill switch, pauses, re-tests, and dependencies."""

from typing import Final

from homeostat.core.gate.situation import FLEET, Situation
from homeostat.core.model import Edit, Mode, most_cautious
from homeostat.core.plan import Hold
from homeostat.core.retest import routes

MODE_ALERT: Final = "mode-alert"
PAUSED: Final = "paused"
RETEST: Final = "retest"
CONTAINER_GONE: Final = "container-gone"
WAITS: Final = "waits-for-held"


def within_mode(edit: Edit, situation: Situation) -> Hold | None:
    """Only what is declared `enforce`, under a HOMEOSTAT_MODE of `enforce`, is written."""
    if (hold := within_cap(edit, situation)) is not None:
        return hold
    mode = situation.wants[edit.drift.kind].mode_of(edit.drift.item)
    return None if mode is Mode.ENFORCE else _only_reported("the spec", mode)


def within_cap(edit: Edit, situation: Situation) -> Hold | None:
    """The fleet's kill switch alone, for writes that a person asks for and no spec declares."""
    declared = situation.wants.get(edit.drift.kind)
    mode = most_cautious((declared.mode_of(edit.drift.item), situation.cap)) if declared else situation.cap
    return None if situation.cap is Mode.ENFORCE else _only_reported("HOMEOSTAT_MODE", mode)


def _only_reported(source: str, mode: Mode) -> Hold:
    return Hold(MODE_ALERT, f"{source} says mode {mode}: reported, not repaired", {"mode": mode.value})


def not_paused(edit: Edit, situation: Situation) -> Hold | None:
    """A pause of any owner, or of the fleet, holds the root until the last of them ends."""
    del edit  # a pause is for the whole root
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
    """While a re-test of the root's routing runs, nothing switches routing on again; other edits go on."""
    retest = situation.retest
    if retest is None or not retest.runs(situation.now) or not routes(edit.drift.kind, edit.drift.item):
        return None
    until = retest.deadline.isoformat()
    message = f"routing is off for a re-test until {until}, by {retest.by}: {retest.reason or 'no reason given'}"
    return Hold(RETEST, message, {"until": until}, retest.deadline)


def after_its_milestones(edit: Edit, situation: Situation) -> Hold | None:
    """What another root of the target must bring about first has to be there, or on its way."""
    missing = sorted(edit.after & situation.withheld)
    return Hold(WAITS, f"waits for {', '.join(missing)}, which is held elsewhere") if missing else None
