"""An explanation as lines for a terminal: the answer to an operator's question at night, in plain words."""

from collections.abc import Iterator, Mapping

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject
from homeostat.core.model import Verdict
from homeostat.render.words import actor_words, counted, printable, root_words, value_text


def render(told: JsonObject) -> str:
    """The explanation in words, ending in a newline."""
    return "".join(f"{printable(line)}\n" for line in _lines(told))


def _lines(told: JsonObject) -> Iterator[str]:
    app = ResourceId.parse(json.text_at(told, "webApp"))
    yield f"{json.text_at(told, 'target')} ({root_words(app)}), declared at {json.text_at(told, 'declaredAt')}"
    if (mode := json.text_at(told, "mode")) != "enforce":
        yield f"HOMEOSTAT_MODE is {mode}: nothing is written, whatever the spec says."
    for pause in json.objects_at(told, "pauses"):
        reason = json.text_at(pause, "reason") or "no reason given"
        yield f"paused until {json.text_at(pause, 'until')} by {json.text_at(pause, 'by')}: {reason}"
    for part in json.objects_at(told, "roots"):
        yield ""
        yield from _root(part)


def _root(part: JsonObject) -> Iterator[str]:
    yield root_words(ResourceId.parse(json.text_at(part, "root")))
    if shared := _texts(part.get("sharedWith")):
        yield f"  shared with {', '.join(shared)}"
    if part.get("retired") is True:
        yield "  The web app is gone: nothing of it is created again."
    if isinstance(failing := part.get("failing"), Mapping):
        yield f"  failing since {json.text_at(failing, 'since')}, {failing['failures']} times in a row:"
        yield f"    {json.text_at(failing, 'error')}"
    for kind in json.objects_at(part, "kinds"):
        yield from _kind(kind, json.text_at(part, "specVersion"))
    if recent := json.objects_at(part, "recent"):
        yield "  lately:"
        yield from (f"    {_entry(entry)}" for entry in recent)
    yield f"  next: {_next(part)}"


def _kind(kind: JsonObject, version: str) -> Iterator[str]:
    since = json.text_at(kind, "since")
    verb = "seen" if json.text_at(kind, "state") == "as declared" else "since"
    yield f"  {json.text_at(kind, 'kind')}: {json.text_at(kind, 'state')}{f', {verb} {since}' if since else ''}"
    declared = json.objects_at(kind, "declared")
    places = sorted({json.text_at(item, "at") for item in declared}, key=lambda place: (len(place), place))
    if places:
        more = f" and {counted(len(places) - 1, 'more place')}" if len(places) > 1 else ""
        yield f"    declares {counted(len(declared), 'item')}, at {places[0]}{more}"
    if kind.get("newInSpec") is True:
        yield f"    declared otherwise than when it was last seen so; now by spec version {version}"
    if isinstance(by := kind.get("changedBy"), Mapping):
        yield f"    changed by {actor_words(by)}"
    for drift in json.objects_at(kind, "drifts"):
        yield f"    {json.text_at(drift, 'item') or json.text_at(drift, 'path')}: {_values(drift)}"
        if note := json.text_at(drift, "note"):
            yield f"      {note}"
        if json.text_at(drift, "verdict") == Verdict.UNMANAGED:
            yield "      nobody declares it"
    for held in json.objects_at(kind, "held"):
        item = json.text_at(held, "item")
        yield f"    not written{f' ({item})' if item else ''}, {_hold(held)}"
    if isinstance(repaired := kind.get("repaired"), Mapping):
        cause = repaired.get("changedBy")
        by_whom = f" after a change by {actor_words(cause)}" if isinstance(cause, Mapping) else ""
        yield f"    last repaired {json.text_at(repaired, 'at')}{by_whom}"


def _values(drift: JsonObject) -> str:
    want, have = json.at(drift, ("want",)), json.at(drift, ("have",))
    words = [f"want {value_text(want)}" if want is not ABSENT else "", f"have {value_text(have)}"]
    return ", ".join(word for word in words if word)


def _hold(held: JsonObject) -> str:
    numbers = held.get("numbers")
    told = ", ".join(f"{name} {value}" for name, value in numbers.items()) if isinstance(numbers, Mapping) else ""
    again = json.text_at(held, "retryAt")
    words = f"{json.text_at(held, 'code')}: {json.text_at(held, 'message')}"
    return f"{words}{f' ({told})' if told else ''}{f'; looked at again at {again}' if again else ''}"


def _entry(entry: JsonObject) -> str:
    cause, caller = json.text_at(entry, "trigger", "cause"), json.text_at(entry, "trigger", "caller")
    written = [f"{json.text_at(w, 'verb')} {_short(w)}" for w in json.objects_at(entry, "written")]
    did = f", wrote {', '.join(written)}" if written else ""
    error = json.text_at(entry, "error")
    by = f"{cause}{f', {caller}' if caller else ''}"
    lacks = f"; the role lacks {', '.join(refused)}" if (refused := _texts(entry.get("refused"))) else ""
    why = f": {error}" if error else ""
    return f"{json.text_at(entry, 'at')} {json.text_at(entry, 'status')} by {by}{did}{why}{lacks}"


def _short(write: JsonObject) -> str:
    return ResourceId.parse(json.text_at(write, "resource")).short


def _next(part: JsonObject) -> str:
    at, why = json.text_at(part, "next", "at"), json.text_at(part, "next", "why")
    return f"{at}, {why}" if at else why


def _texts(value: Json) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
