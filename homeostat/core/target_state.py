"""A target as people and programs see it: what is open, fails, flaps, is paused or not known. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from homeostat.core.alerts import WHOLE_ROOT
from homeostat.core.attribution import actor_json
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.record import RootRecord
from homeostat.core.spec import Target

type _Records = Sequence[tuple[ResourceId, RootRecord]]


def target_json(target: Target, known: Mapping[ResourceId, RootRecord], pauses: Sequence[Pause]) -> JsonObject:
    """known: the records of its roots, and perhaps of others. pauses: those in force, of any target."""
    records = [(root, known[root]) for root in target.roots]
    return {
        "name": target.name,
        "webApp": target.web_app.text,
        "declaredAt": str(target.place),
        "kinds": list(target.kinds),
        "flapping": list(_flapping(records)),
        "roots": [root.text for root in target.roots],
        "retired": any(record.retired for _, record in records),
        "episodes": list(_episodes(records)),
        "failing": list(_failing(records)),
        "unsure": list(_unsure(records)),
        "pauses": [pause_json(pause) for pause in pauses if pause.target in {FLEET, target.name}],
    }


def _episodes(records: _Records) -> Iterator[JsonObject]:
    for root, record in records:
        for kind, episode in record.episodes.items():
            yield {
                "root": root.text,
                "kind": kind,
                "state": episode.state,
                "since": episode.opened.isoformat(),
                **({} if kind == WHOLE_ROOT else {"changedBy": actor_json(episode.changed_by)}),
            }


def _failing(records: _Records) -> Iterator[JsonObject]:
    for root, record in records:
        if failing := record.failing:
            yield {
                "root": root.text,
                "since": failing.since.isoformat(),
                "failures": failing.failures,
                "error": failing.error,
                "nextTry": failing.next_try.isoformat() if failing.next_try else None,
            }


def _unsure(records: _Records) -> Iterator[JsonObject]:
    """The roots whose state is not known yet: silence must not read as "as declared"."""
    for root, record in records:
        if record.missing_since is not None and not record.retired and not record.episodes:
            yield {"root": root.text, "why": "not found, looked at again"}
        elif record.settling:
            yield {"root": root.text, "why": "settling"}
        elif record.judgement is None and record.failing is None and not record.retired:
            yield {"root": root.text, "why": "not looked at yet"}


def _flapping(records: _Records) -> Iterator[JsonObject]:
    """What the flap breaker has tripped on and not forgotten."""
    for root, record in records:
        for flap in record.flaps.values():
            if flap.trips:
                yield {
                    "root": root.text,
                    "kind": flap.kind,
                    "what": flap.what,
                    "healed": flap.healed,
                    "trips": flap.trips,
                    "until": flap.until.isoformat() if flap.until else None,
                }


def pause_json(pause: Pause) -> JsonObject:
    return {
        "target": None if pause.target == FLEET else pause.target,
        "until": pause.until.isoformat(),
        "reason": pause.reason,
        "by": pause.by,
        "cause": pause.cause,
    }
