"""What each drift of a root is attributed to: a write that an event reported, else a new spec. Pure.

What neither explains is left to Azure's change history, which is queried once, and only then (`Causes.open`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from homeostat.core import alerts
from homeostat.core.attribution import UNKNOWN, Actor, ForeignWrite, Source, cause_of
from homeostat.core.model import Drift
from homeostat.core.outcome import Outcome, Trigger
from homeostat.core.plan import Plan
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.core.versions import cause_in_spec
from homeostat.core.written import is_own


@dataclass(frozen=True, slots=True)
class Causes:
    """known: by kind, who or what caused its drift.

    open: the kinds whose drift is new and whose cause is unknown.
    since: when all of these were last seen as declared; None if one never was, so that no change can be blamed.
    """

    known: Mapping[str, Actor] = field(default_factory=dict)
    open: frozenset[str] = frozenset()
    since: datetime | None = None


def causes(root: Root, drifts: Sequence[Drift], record: RootRecord) -> Causes:
    """The causes of these drifts, as far as the root's record tells."""
    news = alerts.news(drifts, record.episodes)
    known: dict[str, Actor] = {}
    for kind, of_kind in alerts.by_kind(drifts).items():
        episode = record.episodes.get(kind)
        before = episode.changed_by if episode else UNKNOWN
        if kind not in news and before.is_known:
            continue
        told = cause_of(of_kind, _writes(record, kind))
        if told and told.is_known:
            known[kind] = told
        elif not before.is_known:
            known[kind] = cause_in_spec(root, kind, record) or told or before
    unknown = frozenset(kind for kind, actor in known.items() if kind in news and not actor.is_known)
    looks = [accepted.at if (accepted := record.accepted.get(kind)) else None for kind in unknown]
    since = min((at for at in looks if at), default=None)
    return Causes(known, unknown, None if None in looks else since)


def completed(
    found: Causes, drifts: Sequence[Drift], record: RootRecord, changes: Iterable[ForeignWrite]
) -> Mapping[str, Actor]:
    """The causes, completed from Azure's change history. It includes our own writes, which explain no drift."""
    foreign = [change for change in changes if not is_own(record, change.correlation_id)]
    by_kind = alerts.by_kind(drifts)
    told = {kind: cause for kind in found.open if (cause := cause_of(by_kind[kind], foreign))}
    return {**found.known, **told}


def asked_here(found: Mapping[str, Actor], first: Plan | None, trigger: Trigger, now: datetime) -> Mapping[str, Actor]:
    """The causes, with the person who asked Homeostat for the writes of `first`: a rollback, or a re-test."""
    kinds = {edit.drift.kind for edit in first.edits} if first else frozenset[str]()
    who = Actor(trigger.caller, tool="Homeostat", at=now, operation=trigger.cause, source=Source.HOMEOSTAT)
    return {kind: who if kind in kinds and not actor.is_known else actor for kind, actor in found.items()}


def of_entry(outcome: Outcome, *episodes: alerts.Episodes) -> Mapping[str, Actor]:
    """By kind, who or what caused the drift that a reconcile found or repaired."""
    found = {drift.kind for drift in outcome.plan.drifts}
    repaired = {edit.drift.kind for action in outcome.written for edit in action.edits}
    told = {kind: episode.changed_by for each in episodes for kind, episode in each.items()}
    return {kind: actor for kind, actor in sorted(told.items()) if kind in found | repaired}


def _writes(record: RootRecord, kind: str) -> Sequence[ForeignWrite]:
    """The writes that may be blamed: those before the kind was last seen as declared may not."""
    accepted = record.accepted.get(kind)
    left = [write for write in record.unexplained if accepted is None or write.at >= accepted.at]
    return [*left, *record.foreign_writes]
