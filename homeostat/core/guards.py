"""What may hold a repair back. A guard is a pure function; an ordered list of them is the gate of every trigger.

A guard gets what is to be done and the situation, and answers None (go on) or a Hold. The first hold wins. A guard
that raises holds too: what cannot be judged is not written. A new guard joins a list here, and the engine stays as
it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeostat.core.arm_types import arm_type
from homeostat.core.json import ABSENT
from homeostat.core.model import Edit, Milestone, Mode, Want, most_cautious
from homeostat.core.plan import Held, Hold, Plan
from homeostat.core.retest import Retest, routes

FLEET = "*"
"""The name under which a pause of the whole fleet is kept."""

MODE_ALERT = "mode-alert"
PAUSED = "paused"
RETEST = "retest"
CONTAINER_GONE = "container-gone"
WAITS = "waits-for-held"
GUARD_ERROR = "guard-error"


@dataclass(frozen=True, slots=True)
class Pause:
    """`target` is a target's name or FLEET."""

    target: str
    until: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Situation:
    """All that guards may look at besides the edit or plan itself."""

    now: datetime
    cap: Mode  # HOMEOSTAT_MODE, the fleet's kill switch
    wants: Mapping[str, Want[Any]]  # the root's, by kind
    targets: tuple[str, ...]  # the root's owners
    pauses: tuple[Pause, ...] = ()
    create: bool = False  # a person allowed containers to be created
    withheld: frozenset[Milestone] = frozenset()  # what other roots of the target were to bring about and do not
    retest: Retest | None = None  # of the root's routing


type EditGuard = Callable[[Edit, Situation], Hold | None]
type PlanGuard = Callable[[Plan, Situation], Hold | None]


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
    message = f"{whole} paused until {last.until.isoformat()} by {last.by}: {last.reason or 'no reason given'}"
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


EDIT_GUARDS: tuple[EditGuard, ...] = (
    within_mode,
    not_paused,
    not_retested,
    container_by_word,
    after_its_milestones,
)
PLAN_GUARDS: tuple[PlanGuard, ...] = ()


def guard_edits(
    edits: Sequence[Edit], situation: Situation, guards: Sequence[EditGuard] = EDIT_GUARDS
) -> tuple[tuple[Edit, ...], tuple[tuple[Edit, Held], ...]]:
    """The edits that may go on, and the others with what holds them."""
    allowed: list[Edit] = []
    held: list[tuple[Edit, Held]] = []
    for edit in edits:
        hold = next((hold for guard in guards if (hold := _ask(guard, edit, situation)) is not None), None)
        if hold is None:
            allowed.append(edit)
        else:
            held.append((edit, Held(edit.drift, hold)))
    return tuple(allowed), tuple(held)


def guard_plan(plan: Plan, situation: Situation, guards: Sequence[PlanGuard] = PLAN_GUARDS) -> Hold | None:
    """The first hold of the whole plan, if any. A plan without actions needs no guard."""
    if not plan.actions:
        return None
    return next((hold for guard in guards if (hold := _ask(guard, plan, situation)) is not None), None)


def _ask[Subject](
    guard: Callable[[Subject, Situation], Hold | None], subject: Subject, situation: Situation
) -> Hold | None:
    try:
        return guard(subject, situation)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a guard, the write must not happen
        name = getattr(guard, "__name__", repr(guard))
        return Hold(GUARD_ERROR, f"the guard {name} failed with {type(error).__name__}", {"guard": name})
