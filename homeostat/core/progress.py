"""The state of a stage's roots: whether the rollout of a spec may go on, has to wait, or must stop. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from homeostat.core.alerts import WHOLE_ROOT
from homeostat.core.gate.flapping import FLAPPING
from homeostat.core.gate.rollout import ROLLOUT
from homeostat.core.gate.standing import MODE_ALERT
from homeostat.core.limits import RolloutStages
from homeostat.core.outcome import Status
from homeostat.core.record import RootRecord
from homeostat.core.refusal import LOCKED, NOT_AUTHORIZED, POLICY_DENIED
from homeostat.core.retest import PROBES
from homeostat.core.rollout import Rollout, advanced, stopped
from homeostat.core.spec import Root

AS_DECLARED: Final = frozenset({Status.IN_SYNC, Status.HEALED, Status.DRIFTED, Status.RETIRED})
"""Statuses after which nothing is left to be written: what still differs is only reported."""


REFUSED_BY_AZURE: Final = frozenset({LOCKED, POLICY_DENIED, NOT_AUTHORIZED})
"""Holds that no waiting ends."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The stage is not as declared yet. on: roots, for people to read."""

    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the rollout must not go on."""

    reason: str


def progress(rollout: Rollout, roots: Iterable[tuple[Root, RootRecord]]) -> Waiting | Trouble | None:
    """None if every root of the stage is as the new version declares it."""
    waiting: list[str] = []
    for root, record in roots:
        if reason := _trouble(rollout, root, record):
            return Trouble(reason)
        if not _is_done(rollout, root, record):
            waiting.append(root.id.short)
    return Waiting(tuple(waiting)) if waiting else None


def _trouble(rollout: Rollout, root: Root, record: RootRecord) -> str:
    name = root.id.short
    if WHOLE_ROOT in record.episodes:
        return f"{name} fails"
    if record.judgement and record.judgement.version == rollout.version:
        holds = record.judgement.holds
        if FLAPPING in holds:
            return f"{name} is held by the flap breaker"
        if refused := sorted(REFUSED_BY_AZURE.intersection(holds)):
            return f"Azure refuses writes to {name}: {', '.join(refused)}"
    since = rollout.stage_since or rollout.since
    for kind in sorted(record.episodes.keys() & {*PROBES}):
        if record.episodes[kind].opened >= since:
            return f"{kind} of {name} reports a new failure"
    return ""


def _is_done(rollout: Rollout, root: Root, record: RootRecord) -> bool:
    found = record.judgement
    if found is None or found.version != rollout.version:
        return False
    if found.status in AS_DECLARED:
        return True
    # A root that is shared may have to wait for its other targets, and must not keep the stage from ending.
    shared = not all(rollout.admits(target) for target in root.targets)
    return shared and found.status == Status.HELD and set(found.holds) <= {ROLLOUT, MODE_ALERT}


def after_look(
    rollout: Rollout,
    found: Waiting | Trouble | None,
    changed: tuple[str, ...],
    limits: RolloutStages,
    now: datetime,
) -> Rollout:
    """The rollout after a look at its stage: unchanged, stopped, calm, or advanced if it was calm for long enough."""
    match found:
        case Trouble(reason):
            return stopped(rollout, reason)
        case Waiting():
            return replace(rollout, calm_since=None)
    calm_since = rollout.calm_since or now
    if now - calm_since < limits.bake:
        return replace(rollout, calm_since=calm_since)
    return advanced(rollout, changed, limits, now)
