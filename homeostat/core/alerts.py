"""Which alerts a reconcile causes. Pure: episodes in, episodes and alerts out.

An episode runs from the first detection of a kind's drift on a root to its end. Each of its transitions is reported
once: the alert's id is made of the episode's id and the transition, so that a redelivery repeats the id and a receiver
can drop it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from homeostat.core import json
from homeostat.core.attribution import UNKNOWN, Actor, ForeignWrite, actor_json
from homeostat.core.gate.mass_drift import MASS_DRIFT
from homeostat.core.gate.rollout import ROLLOUT, ROLLOUT_STOPPED
from homeostat.core.gate.standing import MODE_ALERT
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.model import Drift, Verdict
from homeostat.core.outcome import Outcome, Status, action_json, drift_json, held_json, hold_json
from homeostat.core.plan import Held, Hold
from homeostat.core.record import Episode, Failing
from homeostat.core.spec import Root


class AlertType(StrEnum):
    DRIFT_DETECTED = "Homeostat.DriftDetected.v1"
    REMEDIATED = "Homeostat.Remediated.v1"
    HELD = "Homeostat.Held.v1"
    FAILED = "Homeostat.Failed.v1"
    POSSIBLE_OVERWRITE = "Homeostat.PossibleOverwrite.v1"
    TARGET_RETIRED = "Homeostat.TargetRetired.v1"
    NO_LONGER_MANAGED = "Homeostat.NoLongerManaged.v1"
    SWEEP_COMPLETED = "Homeostat.SweepCompleted.v1"


@dataclass(frozen=True, slots=True)
class Alert:
    """The parts of a CloudEvent. subject: the root's id, or FLEET_SUBJECT."""

    id: str
    type: AlertType
    subject: str
    time: datetime
    data: JsonObject


WHOLE_ROOT = "*"
"""In the place of a kind, for an episode of the root itself, which cannot be read or written."""

FLEET_SUBJECT = "fleet"
"""In the place of a root, for an alert about the whole fleet."""

UNTOLD = frozenset({MODE_ALERT, MASS_DRIFT, ROLLOUT, ROLLOUT_STOPPED})
"""Holds without an alert for each root: the detection was the alert, or one alert covers the fleet."""

FAILURES_BEFORE_ALERT = 3
"""How many tries may fail with a passing error before there is an alert."""

type Episodes = Mapping[str, Episode]


def news(drifts: Sequence[Drift], episodes: Episodes) -> frozenset[str]:
    """The kinds whose drift has not been reported yet, or has changed since."""
    return frozenset(
        kind
        for kind, of_kind in by_kind(drifts).items()
        if kind not in episodes or not _is_told(of_kind, episodes[kind])
    )


def _is_told(of_kind: Sequence[Drift], episode: Episode) -> bool:
    return episode.fingerprint.partition("+")[0] == _fingerprint([drift_json(drift) for drift in of_kind])


def opened(
    root: Root,
    drifts: Sequence[Drift],
    episodes: Episodes,
    now: datetime,
    changed_by: Mapping[str, Actor] = MappingProxyType({}),
) -> tuple[Episodes, tuple[Alert, ...]]:
    """The episodes with these drifts, and an alert for each episode that is new or has changed.

    changed_by: by kind, who or what caused the drift, as far as that was not known before.
    """
    after = dict(episodes)
    alerts: list[Alert] = []
    for kind, of_kind in by_kind(drifts).items():
        fingerprint = _fingerprint([drift_json(drift) for drift in of_kind])
        known = after.get(kind)
        actor = changed_by.get(kind, known.changed_by if known else UNKNOWN)
        if known is not None and _is_told(of_kind, known):
            after[kind] = replace(known, changed_by=actor)
            continue
        differed = {*(known.items if known else ()), *(drift.item for drift in of_kind)}
        episode = Episode(
            id=known.id if known else _digest(root.id.key, kind, now.isoformat()),
            opened=known.opened if known else now,
            state=AlertType.DRIFT_DETECTED,
            fingerprint=fingerprint,
            changed_by=actor,
            items=tuple(sorted(differed)),
        )
        after[kind] = episode
        data = {**_common(root, kind, episode), "drifts": [drift_json(drift) for drift in of_kind]}
        # Drift may change and change back: the time makes each of these transitions a new one.
        transition = f"{fingerprint}@{now.isoformat()}" if known else fingerprint
        alerts.append(_alert(AlertType.DRIFT_DETECTED, root.id, episode, transition, now, data))
    return after, tuple(alerts)


def settled(
    root: Root, outcome: Outcome, episodes: Episodes, now: datetime, begun: Collection[str] = ()
) -> tuple[Episodes, tuple[Alert, ...]]:
    """The episodes after the outcome, and alerts: remediated for those that ended, held for those that are held.

    begun: the kinds whose repair an earlier reconcile began without seeing its end.
    """
    after = dict(episodes)
    alerts: list[Alert] = []
    remaining = by_kind(outcome.plan.drifts)
    for kind, episode in episodes.items():
        if kind == WHOLE_ROOT or is_unjudged(kind, outcome):
            continue
        if kind not in remaining:
            del after[kind]
            data = {**_common(root, kind, episode), **_repair(kind, outcome, begun)}
            alerts.append(_alert(AlertType.REMEDIATED, root.id, episode, "", now, data))
        elif held := _held(kind, outcome):
            codes = sorted({_told(entry) for entry in held})
            fingerprint = f"{episode.fingerprint.partition('+')[0]}+{','.join(codes)}"
            if fingerprint != episode.fingerprint:
                after[kind] = replace(episode, state=AlertType.HELD, fingerprint=fingerprint)
                data = {**_common(root, kind, episode), "held": [held_json(entry) for entry in held]}
                # What is held may change and be held as before: as above, the time makes each transition a new one.
                transition = f"{fingerprint}@{now.isoformat()}"
                alerts.append(_alert(AlertType.HELD, root.id, episode, transition, now, data))
    return after, tuple(alerts)


def failing(
    root: Root, outcome: Outcome, episodes: Episodes, failing: Failing | None, now: datetime
) -> tuple[Episodes, tuple[Alert, ...]]:
    """A root that cannot be read or written: an alert at a final error or after some tries, and one at its end."""
    known = episodes.get(WHOLE_ROOT)
    if failing is None:
        if known is None:
            return episodes, ()
        data: JsonObject = {**_common(root, WHOLE_ROOT, known), "by": "retry"}
        without = {kind: episode for kind, episode in episodes.items() if kind != WHOLE_ROOT}
        return without, (_alert(AlertType.REMEDIATED, root.id, known, "", now, data),)
    if known is not None or not (outcome.final or failing.failures >= FAILURES_BEFORE_ALERT):
        return episodes, ()
    episode = Episode(_digest(root.id.key, WHOLE_ROOT, now.isoformat()), now, AlertType.FAILED)
    data = {**_common(root, WHOLE_ROOT, episode), "error": failing.error, "failures": failing.failures}
    return {**episodes, WHOLE_ROOT: episode}, (_alert(AlertType.FAILED, root.id, episode, "", now, data),)


def fleet_held(hold: Hold, now: datetime) -> Alert:
    """The alert for a hold of the whole fleet that begins now."""
    episode = Episode(_digest(FLEET_SUBJECT, hold.code, now.isoformat()), now, AlertType.HELD)
    data: JsonObject = {
        "root": FLEET_SUBJECT,
        "targets": [],
        "kind": WHOLE_ROOT,
        "episode": episode.id,
        "openedAt": now.isoformat(),
        "held": [hold_json(hold)],
    }
    return Alert(_digest(episode.id, AlertType.HELD), AlertType.HELD, FLEET_SUBJECT, now, data)


def overwrites(root: Root, foreign: Iterable[ForeignWrite], now: datetime) -> tuple[Alert, ...]:
    """One alert for each foreign write that a write of ours may have undone unseen."""
    return tuple(
        Alert(
            id=_digest(root.id.key, write.resource, write.correlation_id, write.at.isoformat(), "overwrite"),
            type=AlertType.POSSIBLE_OVERWRITE,
            subject=root.id.text,
            time=now,
            data={
                "root": root.id.text,
                "targets": list(root.targets),
                "resource": write.resource,
                "actor": write.by.name,
                "changedBy": actor_json(write.by),
                "operation": write.operation,
                "writtenAt": write.at.isoformat(),
                "correlationId": write.correlation_id,
                "remedy": "Compare the resource with what this actor meant to write, and write it again if it is lost.",
            },
        )
        for write in dict.fromkeys(foreign)  # an event may come twice before anything is examined
    )


def retired(root: Root, missing_since: datetime, now: datetime, by: Actor | None = None) -> tuple[Alert, ...]:
    """One alert for each target whose web app is gone."""
    return tuple(
        Alert(
            id=_digest(root.id.key, target, missing_since.isoformat(), "retired"),
            type=AlertType.TARGET_RETIRED,
            subject=root.id.text,
            time=now,
            data={
                "target": target,
                "root": root.id.text,
                "missingSince": missing_since.isoformat(),
                "changedBy": actor_json(by or UNKNOWN),
                "remedy": "Remove the target from the spec, or create the web app again.",
            },
        )
        for target in root.targets
    )


def unmanaged(target: str, web_app: ResourceId, since: str, now: datetime) -> Alert:
    """The alert for a target that no spec declares any more. since: identifies this end; a target can end again."""
    return Alert(
        id=_digest(web_app.key, target, since, "unmanaged"),
        type=AlertType.NO_LONGER_MANAGED,
        subject=web_app.text,
        time=now,
        data={
            "target": target,
            "root": web_app.text,
            "remedy": "If that was not meant, declare it again, or give the app the tags that the selector asks for.",
        },
    )


def sweep_completed(id_: str, summary: JsonObject, now: datetime) -> Alert:
    """One alert for each sweep, however often its end is found."""
    return Alert(_digest(FLEET_SUBJECT, id_, "swept"), AlertType.SWEEP_COMPLETED, FLEET_SUBJECT, now, summary)


def to_json(alert: Alert) -> JsonObject:
    return {
        "id": alert.id,
        "type": alert.type.value,
        "subject": alert.subject,
        "time": alert.time.isoformat(),
        "data": alert.data,
    }


def from_json(body: JsonObject) -> Alert:
    data = body["data"]
    assert isinstance(data, Mapping), "an alert's data is an object"
    return Alert(
        id=json.text_at(body, "id"),
        type=AlertType(json.text_at(body, "type")),
        subject=json.text_at(body, "subject"),
        time=datetime.fromisoformat(json.text_at(body, "time")),
        data=data,
    )


def by_kind(drifts: Iterable[Drift]) -> Mapping[str, Sequence[Drift]]:
    """The certain drifts, by kind: those that are worth an alert."""
    grouped: dict[str, list[Drift]] = defaultdict(list)
    for drift in drifts:
        if drift.verdict in {Verdict.DRIFTED, Verdict.UNMANAGED}:
            grouped[drift.kind].append(drift)
    return grouped


def is_unjudged(kind: str, outcome: Outcome) -> bool:
    """Whether nothing can be said about the kind: it could not be read, or a write is still under way."""
    if outcome.status is Status.BUSY:
        return True
    if outcome.status in {Status.FAILED, Status.SETTLING} and not outcome.plan.drifts:
        return True
    return any(
        drift.kind == kind and drift.verdict in {Verdict.UNKNOWN, Verdict.SETTLING} for drift in outcome.plan.drifts
    )


def _held(kind: str, outcome: Outcome) -> list[Held]:
    return [entry for entry in outcome.plan.held if entry.drift.kind == kind and entry.hold.code not in UNTOLD]


def _told(entry: Held) -> str:
    """What a hold is reported by: a change of its code, or of the request that it waits for, is reported again."""
    numbers = entry.hold.numbers
    asked = [str(numbers[name]) for name in ("approval", "expires") if name in numbers]
    return " ".join((entry.hold.code, *asked))


def _repair(kind: str, outcome: Outcome, begun: Collection[str]) -> JsonObject:
    actions = [action for action in outcome.written if any(edit.drift.kind == kind for edit in action.edits)]
    return {
        "by": "homeostat" if actions or kind in begun else "somebody else",
        "actions": [action_json(action) for action in actions],
    }


def _common(root: Root, kind: str, episode: Episode) -> dict[str, Json]:
    return {
        "root": root.id.text,
        "targets": list(root.targets),
        "kind": kind,
        "episode": episode.id,
        "openedAt": episode.opened.isoformat(),
        **({} if kind == WHOLE_ROOT else {"changedBy": actor_json(episode.changed_by)}),
    }


def _alert(
    type_: AlertType, root: ResourceId, episode: Episode, fingerprint: str, now: datetime, data: JsonObject
) -> Alert:
    return Alert(_digest(episode.id, type_, fingerprint), type_, root.text, now, data)


def _fingerprint(value: Json) -> str:
    return _digest(json.render(value))


def _digest(*parts: str) -> str:
    # A value of a resource may hold a lone surrogate, which JSON allows and UTF-8 does not.
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]
