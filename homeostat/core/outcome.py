"""How a reconcile of one root ended, and how that is reported: to the ledger and to the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from homeostat.core.attribution import Actor, actor_json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, JsonObject, Value
from homeostat.core.model import Drift, Milestone
from homeostat.core.plan import Action, Held, Hold, Plan
from homeostat.core.record import Intent


class Status(StrEnum):
    """Ordered from good to bad: a target's status is the worst of its roots'."""

    IGNORED = "ignored"  # not looked at, by HOMEOSTAT_MODE
    IN_SYNC = "in-sync"
    HEALED = "healed"
    PLANNED = "planned"  # a dry run: what would be written
    RETIRED = "retired"  # the web app is gone
    SETTLING = "settling"  # a write is still under way: look again
    MISSING = "missing"  # not found, but not for long enough yet to call it gone
    DRIFTED = "drifted"  # only reported, by its mode
    HELD = "held"
    UNKNOWN = "unknown"  # not everything could be read
    BUSY = "busy"  # another instance works on the root
    FAILED = "failed"


class Decision(StrEnum):
    """In the place of a status in a root's ledger: what was decided about it, without a write to Azure."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RESUMED = "resumed"
    RELEASED = "released"
    BREAKER_RESET = "breaker reset"
    REPLAYED = "replayed"  # a message about it that had failed too often
    DROPPED = "dropped"
    NO_LONGER_MANAGED = "no-longer-managed"  # by a change of the spec, not by a person


JUDGED: Final = frozenset({Status.IN_SYNC, Status.HEALED, Status.SETTLING, Status.DRIFTED, Status.HELD, Status.UNKNOWN})
"""Statuses of an end at which it is known what differs."""


def worst(statuses: Sequence[Status]) -> Status:
    """The worst of the statuses; `in-sync` if there is none."""
    return max(statuses, key=list(Status).index, default=Status.IN_SYNC)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a reconcile runs, and for whom. create: containers may be created again.

    consents: a person sees this plan before it is carried out, and approves all of it but new containers.
    withheld: milestones that other roots of the same target should have brought about, but did not.
    run: the run or sweep that it belongs to, by which its writes are counted; without one it is a run of its own.
    max_writes: how many writes the run may make, as the caller said, in place of the policy's limit.
    until: when what a person asked for is over, so that none of its own writes may be sent any more.
    """

    cause: str  # event, nightly, manual, retry, command-line
    hints: tuple[str, ...] = ()
    caller: str = ""
    reason: str = ""
    create: bool = False
    dry_run: bool = False
    consents: bool = False
    withheld: frozenset[Milestone] = frozenset()
    run: str = ""
    max_writes: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    root: ResourceId
    status: Status
    plan: Plan
    written: tuple[Action, ...] = ()
    correlations: tuple[str, ...] = ()  # ARM's correlation id of each written action
    error: str = ""
    final: bool = False  # the error stays until a person changes something
    retry_at: datetime | None = None
    took: timedelta = field(default=timedelta())
    snapshots: tuple[str, ...] = ()  # of the state before each write that was begun
    refused: tuple[str, ...] = ()  # actions that the role lacked for some read, even if it was not needed in the end

    @property
    def reason(self) -> str:
        """Why not all of it was done, for people: the error, or what holds the rest."""
        return self.error or "; ".join(dict.fromkeys(held.hold.message for held in self.plan.held))


def unmet(outcome: Outcome) -> frozenset[Milestone]:
    """The milestones that the root should have brought about, but did not: what waits for them elsewhere must wait."""
    written = {edit.drift.key for action in outcome.written for edit in action.edits}
    undone = [edit for action in outcome.plan.actions for edit in action.edits if edit.drift.key not in written]
    planned = outcome.status is Status.PLANNED
    return outcome.plan.withheld | {milestone for edit in undone for milestone in edit.reaches if not planned}


def drift_json(drift: Drift) -> JsonObject:
    """`want` and `have` are left out if the field is absent."""
    shown: JsonObject = {
        "kind": drift.kind,
        "resource": drift.resource.text,
        "path": "/".join(drift.path),
        "verdict": drift.verdict.value,
    }
    words: JsonObject = {name: value for name, value in (("item", drift.item), ("note", drift.note)) if value}
    return {**shown, **words, **_present("want", drift.want), **_present("have", drift.have)}


def _present(name: str, value: Value) -> JsonObject:
    return {} if value is ABSENT else {name: value}


def held_json(held: Held) -> JsonObject:
    return {"drift": drift_json(held.drift), **hold_json(held.hold)}


def hold_json(hold: Hold) -> JsonObject:
    return {
        "code": hold.code,
        "message": hold.message,
        "numbers": dict(hold.numbers),
        "retryAt": hold.retry_at.isoformat() if hold.retry_at else None,
    }


def action_json(action: Action) -> JsonObject:
    """The write, described by the drifts that it repairs; its body may hold values that must not be shown."""
    return {
        "verb": action.verb.value,
        "resource": action.resource.text,
        "disruption": action.disruption.value,
        "repairs": [drift_json(drift) for drift in {edit.drift.key: edit.drift for edit in action.edits}.values()],
    }


def outcome_json(outcome: Outcome) -> JsonObject:
    return {
        "root": outcome.root.text,
        "status": outcome.status.value,
        "drifts": [drift_json(drift) for drift in outcome.plan.drifts],
        "planned": [action_json(action) for action in outcome.plan.actions],
        "written": [
            {**action_json(action), "correlationId": correlation}
            for action, correlation in zip(outcome.written, outcome.correlations, strict=True)
        ],
        "snapshots": list(outcome.snapshots),
        "held": [held_json(held) for held in outcome.plan.held],
        "error": outcome.error,
        "refused": list(outcome.refused),
        "retryAt": outcome.retry_at.isoformat() if outcome.retry_at else None,
        "tookMs": round(outcome.took.total_seconds() * 1000),
    }


def ledger_entry(
    outcome: Outcome,
    trigger: Trigger,
    targets: Sequence[str],
    now: datetime,
    begun: Intent | None = None,
    changed_by: Mapping[str, Actor] = MappingProxyType({}),
) -> JsonObject:
    """One line of a root's history: what drifted, from what to what, what was done, for whom, how long it took.

    begun: the writes of an earlier reconcile that ended without a line of its own.
    changed_by: by kind, who or what caused the drift.
    """
    unfinished: JsonObject = (
        {"begunAt": begun.at.isoformat(), "actions": list(begun.actions), "snapshots": list(begun.snapshots)}
        if begun
        else {}
    )
    return {
        "at": now.isoformat(),
        "targets": list(targets),
        "trigger": {
            "cause": trigger.cause,
            "hints": list(trigger.hints),
            "caller": trigger.caller,
            "reason": trigger.reason,
            **({"maxWrites": trigger.max_writes} if trigger.max_writes is not None else {}),
        },
        **outcome_json(outcome),
        "changedBy": {kind: actor_json(actor) for kind, actor in changed_by.items()},
        **({"unfinished": unfinished} if unfinished else {}),
    }


def decision_entry(
    decision: Decision, root: ResourceId, targets: Sequence[str], trigger: Trigger, now: datetime
) -> JsonObject:
    """A line of a root's history for a decision without a write."""
    nothing = Outcome(root, Status.IN_SYNC, Plan(root))
    return {**ledger_entry(nothing, trigger, targets, now), "status": decision.value}


def is_worth_a_line(outcome: Outcome) -> bool:
    """Whether to record it: finding everything in order is not recorded, drift and failure are."""
    return outcome.status not in {Status.IN_SYNC, Status.IGNORED, Status.BUSY, Status.PLANNED}
