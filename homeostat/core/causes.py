"""To whom or what each drift of a root is put down: to a write that an event told of, else to a new spec. Pure.

What neither explains is left to Azure's own memory, which is asked once and only then (`Causes.open`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from homeostat.core import alerts
from homeostat.core.attribution import UNKNOWN, Actor, ForeignWrite, cause_of
from homeostat.core.model import Drift
from homeostat.core.outcome import Outcome
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.core.versions import cause_in_spec
from homeostat.core.written import is_own


@dataclass(frozen=True, slots=True)
class Causes:
    """known: by kind, who or what brought its drift about.

    open: the kinds of which it is news that they drifted, and of which it is not known who did it.
    since: when all of these were last seen to be as declared; None where one never was, so that no change is to blame.
    """

    known: Mapping[str, Actor] = field(default_factory=dict)
    open: frozenset[str] = frozenset()
    since: datetime | None = None


def causes(root: Root, drifts: Sequence[Drift], record: RootRecord) -> Causes:
    """What the record of a root can tell of these drifts."""
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
    """The causes with what Azure remembers, which is asked of changes by anybody: our own explain no drift."""
    foreign = [change for change in changes if not is_own(record, change.correlation_id)]
    by_kind = alerts.by_kind(drifts)
    told = {kind: cause for kind in found.open if (cause := cause_of(by_kind[kind], foreign))}
    return {**found.known, **told}


def of_entry(outcome: Outcome, *episodes: alerts.Episodes) -> Mapping[str, Actor]:
    """By kind, who or what brought about the drift that a reconcile found or repaired."""
    found = {drift.kind for drift in outcome.plan.drifts}
    repaired = {edit.drift.kind for action in outcome.written for edit in action.edits}
    told = {kind: episode.changed_by for each in episodes for kind, episode in each.items()}
    return {kind: actor for kind, actor in sorted(told.items()) if kind in found | repaired}


def _writes(record: RootRecord, kind: str) -> Sequence[ForeignWrite]:
    """An earlier look's writes are blamed no more once the kind was seen to be as declared after them."""
    accepted = record.accepted.get(kind)
    left = [write for write in record.unexplained if accepted is None or write.at >= accepted.at]
    return [*left, *record.foreign_writes]
