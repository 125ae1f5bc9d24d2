"""The one gate: every trigger's edits and plans pass these lists, and an error closes it.

The first hold wins. A guard that raises holds as well: what cannot be judged is not written.
"""

from collections.abc import Callable, Sequence
from typing import Final

from homeostat.core.gate.approval import approved
from homeostat.core.gate.caps import within_caps
from homeostat.core.gate.flapping import not_flapping
from homeostat.core.gate.mass_drift import no_mass_drift
from homeostat.core.gate.protection import not_own
from homeostat.core.gate.rollout import within_rollout
from homeostat.core.gate.situation import EditGuard, PlanGuard, Situation
from homeostat.core.gate.standing import after_its_milestones, not_paused, not_retested, within_cap, within_mode
from homeostat.core.gate.surroundings import at_rest, no_deployment, not_paused_by_tag, own_is_known
from homeostat.core.gate.windows import within_windows
from homeostat.core.model import Edit
from homeostat.core.plan import Held, Hold, Plan

GUARD_ERROR: Final = "guard-error"

OWN_GUARDS: tuple[EditGuard, ...] = (
    within_mode,
    not_own,
    not_retested,
    within_windows,
    not_flapping,
    after_its_milestones,
)
"""The guards that need only the root's own spec and record."""

FIRST_GUARDS: tuple[EditGuard, ...] = (
    within_mode,
    not_own,
    not_paused,
    not_retested,
    approved,
    within_windows,
    within_rollout,
    not_flapping,
    after_its_milestones,
)
"""The guards that need no read of Azure."""

EDIT_GUARDS: tuple[EditGuard, ...] = (
    within_mode,
    not_own,
    own_is_known,
    not_paused,
    not_paused_by_tag,
    not_retested,
    approved,
    within_windows,
    within_rollout,
    not_flapping,
    at_rest,
    no_deployment,
    after_its_milestones,
)
"""All guards; nothing is written that passes fewer. In this order the first hold is the most useful to a person."""

ASKED_GUARDS: tuple[EditGuard, ...] = (
    within_cap,
    not_own,
    own_is_known,
    not_paused,
    not_paused_by_tag,
    within_windows,
    at_rest,
    no_deployment,
)
"""For writes that a person asked for and that no spec declares: asking for them is the approval."""

PLAN_GUARDS: tuple[PlanGuard, ...] = (no_mass_drift, within_caps)


def guard_edits(
    edits: Sequence[Edit], situation: Situation, guards: Sequence[EditGuard] = EDIT_GUARDS
) -> tuple[tuple[Edit, ...], tuple[tuple[Edit, Held], ...]]:
    """The edits that may go on, and the others with their holds."""
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
