"""Why a target is in its state: from what is declared, remembered and recorded of it, in one answer. Pure.

It reads nothing of Azure: it says what Homeostat knows, since when, and what it is going to do.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from homeostat.core import json
from homeostat.core.alerts import WHOLE_ROOT, AlertType
from homeostat.core.attribution import actor_json
from homeostat.core.decision import looked_at
from homeostat.core.json import Json, JsonObject
from homeostat.core.model import Mode
from homeostat.core.record import Episode, RootRecord
from homeostat.core.spec import Root, Target
from homeostat.core.versions import is_new

NOT_ASKED = "not asked: HOMEOSTAT_PROBES is off"
"""For probes, if the service is not configured as inside the app's network."""

RECENT = 5
"""How many ledger entries of a root an explanation contains."""


@dataclass(frozen=True, slots=True)
class KnownRoot:
    """What is known of one root. entries: of its ledger, newest first."""

    root: Root
    record: RootRecord
    entries: Sequence[JsonObject]


def explain(target: Target, roots: Sequence[KnownRoot], cap: Mode, now: datetime, asked: Collection[str]) -> JsonObject:
    """The explanation as JSON; `homeostat.render.explanation` has it in words. cap: HOMEOSTAT_MODE.

    asked: the kinds that this service can judge from its place in the network.
    """
    return {
        "target": target.name,
        "webApp": target.web_app.text,
        "declaredAt": str(target.place),
        "mode": cap.value,
        "asOf": now.isoformat(),
        "roots": [_root(known, target.name, now, asked) for known in roots],
    }


def _root(known: KnownRoot, target: str, now: datetime, asked: Collection[str]) -> JsonObject:
    root, record = known.root, known.record
    whole = record.episodes.get(WHOLE_ROOT)
    return {
        "root": root.id.text,
        "specVersion": root.spec_version,
        "sharedWith": [name for name in root.targets if name != target],
        "failing": _failing(whole, known) if whole else None,
        "retired": record.retired,
        "kinds": [_kind(kind, known, asked) for kind in root.wants],
        "recent": [_entry(entry) for entry in known.entries[:RECENT]],
        "next": _next(record, now),
    }


def _failing(episode: Episode, known: KnownRoot) -> JsonObject:
    error = next((found for entry in known.entries if (found := json.text_at(entry, "error"))), "")
    return {"since": episode.opened.isoformat(), "failures": known.record.failures, "error": error}


def _kind(kind: str, known: KnownRoot, asked: Collection[str]) -> JsonObject:
    root, record = known.root, known.record
    want, episode, accepted = root.wants[kind], record.episodes.get(kind), record.accepted.get(kind)
    last = next((entry for entry in known.entries if _concerns(entry, kind)), {})
    return {
        "kind": kind,
        "declared": [
            {"item": name, "mode": item.mode.value, "by": list(item.owners), "at": str(item.place)}
            for name, item in want.items.items()
        ],
        "state": _state(kind, known) if kind in asked else NOT_ASKED,
        "since": episode.opened.isoformat() if episode else accepted.at.isoformat() if accepted else None,
        "changedBy": actor_json(episode.changed_by) if episode else None,
        "newInSpec": is_new(root, kind, record),
        "drifts": _of_kind(last, "drifts", kind) if episode else [],
        "held": _held(last, kind) if episode else [],
        "repaired": _repaired(known.entries, kind),
    }


def _state(kind: str, known: KnownRoot) -> str:
    """In a word or two. An open episode outweighs earlier findings."""
    record, episode = known.record, known.record.episodes.get(kind)
    if kind not in looked_at(known.root):
        return "not looked at"
    if episode is not None:
        return "held" if episode.state == AlertType.HELD else "drifted"
    return "as declared" if kind in record.accepted else "not seen as declared yet"


def _next(record: RootRecord, now: datetime) -> JsonObject:
    """When it is looked at again, and why then. Without a time it is left to the next event or sweep."""
    if record.lease is not None and record.lease.expires > now:
        return {"at": now.isoformat(), "why": "it is being worked on"}
    if record.mark is not None and record.pending is not None:
        causes = ", ".join(record.mark.causes)
        return {"at": max(record.pending.due, record.mark.settled).isoformat(), "why": f"marked by {causes}"}
    return {"at": None, "why": "the next event, or the nightly sweep"}


def _entry(entry: JsonObject) -> JsonObject:
    names = ("at", "status", "trigger", "error", "refused", "changedBy")
    told: dict[str, Json] = {name: entry[name] for name in names if name in entry}
    return {**told, "written": _written(entry), "held": [_hold(held) for held in json.objects_at(entry, "held")]}


def _written(entry: JsonObject) -> list[Json]:
    names = ("verb", "resource", "correlationId")
    return [{name: json.text_at(write, name) for name in names} for write in json.objects_at(entry, "written")]


def _hold(held: JsonObject) -> JsonObject:
    drift = json.at(held, ("drift",))
    what = {"kind": json.text_at(held, "drift", "kind"), "item": json.text_at(held, "drift", "item")}
    names = ("code", "message", "numbers", "retryAt")
    assert isinstance(drift, Mapping), "a hold is of a drift"
    return {**what, **{name: held[name] for name in names if name in held}}


def _held(entry: JsonObject, kind: str) -> list[Json]:
    return [_hold(held) for held in json.objects_at(entry, "held") if json.text_at(held, "drift", "kind") == kind]


def _of_kind(entry: JsonObject, part: str, kind: str) -> list[Json]:
    return [found for found in json.objects_at(entry, part) if json.text_at(found, "kind") == kind]


def _repaired(entries: Sequence[JsonObject], kind: str) -> JsonObject | None:
    """The newest repair of the kind: when it was, and who had changed it."""
    for entry in entries:
        if any(_of_kind(write, "repairs", kind) for write in json.objects_at(entry, "written")):
            by = json.at(entry, ("changedBy", kind))
            return {"at": json.text_at(entry, "at"), "changedBy": by if isinstance(by, Mapping) else None}
    return None


def _concerns(entry: JsonObject, kind: str) -> bool:
    return bool(_of_kind(entry, "drifts", kind)) or bool(_held(entry, kind))
