"""What is remembered after a reconcile, and which alerts it causes. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from homeostat.core import alerts, flapping
from homeostat.core.alerts import WHOLE_ROOT, Alert, Episodes, is_unjudged
from homeostat.core.approvals import Reason
from homeostat.core.attribution import Actor, ActorKind, end_of
from homeostat.core.decision import looked_at
from homeostat.core.flapping import Flaps
from homeostat.core.gate.standing import CONTAINER_GONE
from homeostat.core.model import Drift, Mode, Verdict, Want
from homeostat.core.outcome import JUDGED, Outcome, Status
from homeostat.core.record import BlindWrite, Failing, Intent, Judgement, RootRecord
from homeostat.core.spec import Root
from homeostat.core.versions import accepted
from homeostat.core.written import MAX_FOREIGN_WRITES, examining, possible_overwrites


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reconcile knows of its work besides the outcome.

    begun: the writes that an earlier reconcile left unfinished; what they have repaired by now counts as ours.
    blind: the writes that no ETag protected, that reconcile's among them.
    judged: the kinds that were looked at.
    changed_by: by kind, who or what caused the drifts.
    healed: drifts that were repaired and are not counted in the record yet.
    """

    begun: Intent | None = None
    blind: tuple[BlindWrite, ...] = ()
    judged: Collection[str] = ()
    changed_by: Mapping[str, Actor] = field(default_factory=dict)
    healed: Sequence[Drift] = ()


def conclude(
    root: Root, outcome: Outcome, before: RootRecord, evidence: Evidence, now: datetime
) -> tuple[RootRecord, tuple[Alert, ...]]:
    """The record after the outcome, and the alerts to send. Lease and marks are left as they were."""
    after = _remembered(root, outcome, before, evidence, now)
    overwritten = _overwritten(root, before, after, now)
    if outcome.status is Status.MISSING:
        return after, overwritten
    if outcome.status is Status.RETIRED:
        by = end_of(root.id, (*before.unexplained, *before.foreign_writes))
        told = () if before.retired else alerts.retired(root, after.missing_since or now, now, by)
        return replace(after, episodes={}, retired=True), (*overwritten, *told)
    begun = evidence.begun.kinds if evidence.begun else ()
    watched = _watched(root, outcome, before.episodes)
    episodes, detected = alerts.opened(root, outcome.plan.drifts, watched, now, evidence.changed_by)
    episodes, ended_or_held = alerts.settled(root, outcome, episodes, now, begun)
    episodes, of_failure = alerts.failing(root, outcome, episodes, after.failing, now)
    as_declared = [kind for kind in evidence.judged if _is_as_declared(kind, outcome)]
    after = replace(after, episodes=episodes, accepted=accepted(root, as_declared, before, now))
    return after, (*overwritten, *detected, *ended_or_held, *of_failure)


def _remembered(root: Root, outcome: Outcome, before: RootRecord, evidence: Evidence, now: datetime) -> RootRecord:
    """The record after the outcome, but for its episodes and what they depend on."""
    is_settling = outcome.status is Status.SETTLING
    return replace(
        examining(before, judged=_is_judged(outcome)),
        failing=_failing(outcome, before.failing, now),
        settling=before.settling + 1 if is_settling else 0,
        missing_since=(before.missing_since or now) if _was_missed(outcome) else None,
        blind_writes=(*before.blind_writes, *evidence.blind)[-MAX_FOREIGN_WRITES:],
        intent=_unfinished(before.intent) if is_settling else None,
        retired=False,
        flaps=_flaps(root, outcome, before, evidence.healed, now),
        judgement=_judgement(root, outcome, before),
    )


def _overwritten(root: Root, before: RootRecord, after: RootRecord, now: datetime) -> tuple[Alert, ...]:
    """What the foreign writes known so far may have lost to the blind writes, the newest included."""
    possible = possible_overwrites(replace(before, blind_writes=after.blind_writes))
    return alerts.overwrites(root, possible, now)


def _is_as_declared(kind: str, outcome: Outcome) -> bool:
    return not is_unjudged(kind, outcome) and all(drift.kind != kind for drift in outcome.plan.drifts)


def _is_judged(outcome: Outcome) -> bool:
    """Whether the state of everything on the root is known."""
    unclear = {Verdict.UNKNOWN, Verdict.SETTLING} & {drift.verdict for drift in outcome.plan.drifts}
    return not unclear and outcome.status not in {Status.MISSING, Status.FAILED, Status.UNKNOWN, Status.SETTLING}


def _unfinished(intent: Intent | None) -> Intent | None:
    """What ARM is still carrying out. When it was sent is known by now, and recorded in the blind writes."""
    return intent and replace(intent, unprotected={})


def _flaps(root: Root, outcome: Outcome, before: RootRecord, repaired: Sequence[Drift], now: datetime) -> Flaps:
    limits = root.policy.flapping
    counted = flapping.named(flapping.healed(before.flaps, repaired, limits, now), _writers(before.episodes))
    if outcome.status not in JUDGED:
        return counted
    unclear = {drift.kind for drift in outcome.plan.drifts if drift.verdict in {Verdict.UNKNOWN, Verdict.SETTLING}}
    return flapping.looked(counted, outcome.plan.drifts, unclear, limits, now)


def _writers(episodes: Episodes) -> Mapping[str, str]:
    """By kind, who else caused what was there before this reconcile ended."""
    changed_by = {kind: episode.changed_by for kind, episode in episodes.items()}
    return {kind: by.name for kind, by in changed_by.items() if by.is_known and by.kind is not ActorKind.SPEC}


def _judgement(root: Root, outcome: Outcome, before: RootRecord) -> Judgement | None:
    if outcome.status not in {*JUDGED, Status.RETIRED} or not root.spec_version:
        return before.judgement
    holds = tuple(sorted({held.hold.code for held in outcome.plan.held}))
    return Judgement(root.spec_version, outcome.status.value, holds)


def _failing(outcome: Outcome, before: Failing | None, now: datetime) -> Failing | None:
    """A hold or a wait does not end a series of failed writes: nothing has shown that they would succeed now."""
    if outcome.status in {Status.FAILED, Status.UNKNOWN}:
        since, failures = (before.since, before.failures) if before else (now, 0)
        writing = outcome.status is Status.FAILED
        return Failing(since, failures + 1, outcome.error, outcome.retry_at, writing)
    waits = outcome.status in {Status.HELD, Status.DRIFTED, Status.SETTLING, Status.MISSING} and not outcome.written
    return replace(before, next_try=outcome.retry_at) if waits and before and before.writing else None


def _watched(root: Root, outcome: Outcome, episodes: Episodes) -> Episodes:
    """Without the episodes that are no longer watched: how they ended cannot be said.

    Their kind or items are no longer declared, or declared with mode ignore.
    """
    differing = {drift.kind for drift in outcome.plan.drifts}
    kinds = {WHOLE_ROOT, *looked_at(root)}
    return {
        kind: episode
        for kind, episode in episodes.items()
        if kind in kinds and (kind in differing or _is_looked_at(root.wants.get(kind), episode.items))
    }


def _is_looked_at(want: Want[Any] | None, items: Sequence[str]) -> bool:
    if want is None or not items:
        return True
    declared = (item for item in items if not item or item in want.items)
    return any(want.mode_of(item) is not Mode.IGNORE for item in declared)


def _was_missed(outcome: Outcome) -> bool:
    return outcome.status in {Status.MISSING, Status.RETIRED} or any(
        held.hold.code == CONTAINER_GONE or held.hold.numbers.get("reason") == Reason.CONTAINER
        for held in outcome.plan.held
    )
