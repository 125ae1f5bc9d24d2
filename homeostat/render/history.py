"""A target's ledger in plain words: for each entry, what differed and what was done, or what was decided by whom."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Decision
from homeostat.render import text
from homeostat.render.report import root_part
from homeostat.render.words import actor_words, counted, printable


def pages(entries: Iterable[JsonObject], *, colour: bool = False) -> Iterator[str]:
    """The entries one after another; one decision about several roots is one line."""
    for said, alike in groupby(entries, _word):
        first, *others = alike
        if said is None or not others:
            yield from (render(entry, colour=colour) for entry in (first, *others))
        else:
            yield _said(first, counted(len(others) + 1, "root"))


def _word(entry: JsonObject) -> tuple[str, ...] | None:
    """What was decided when, by whom and why; None for the entry of a look."""
    if json.text_at(entry, "status") not in set(Decision):
        return None
    trigger = (json.text_at(entry, "trigger", name) for name in ("caller", "reason"))
    return (json.text_at(entry, "at"), json.text_at(entry, "status"), *trigger)


def render(entry: JsonObject, *, colour: bool = False) -> str:
    """One entry, as the service returns it. Raises InvalidResourceId."""
    if json.text_at(entry, "status") in set(Decision):
        return _said(entry, ResourceId.parse(json.text_at(entry, "root")).short)
    cause, caller = (json.text_at(entry, "trigger", name) for name in ("cause", "caller"))
    by = f"{cause}, {caller}" if caller else cause
    heading = f"{json.text_at(entry, 'at')} by {by} ({json.text_at(entry, 'id')})"
    return text.render_entry(heading, root_part(entry), _changes(entry), colour=colour)


def _said(entry: JsonObject, of: str) -> str:
    caller, reason = (json.text_at(entry, "trigger", name) for name in ("caller", "reason"))
    by, why = f" by {caller}" if caller else "", f": {reason}" if reason else ""
    words = f"{json.text_at(entry, 'at')} {of} {json.text_at(entry, 'status')}{by}{why}"
    return f"{printable(words)}\n"


def _changes(entry: JsonObject) -> tuple[str, ...]:
    """Who changed what, one line for each kind."""
    by_kind = entry.get("changedBy")
    actors = by_kind.items() if isinstance(by_kind, Mapping) else ()
    return tuple(f"{kind} changed by {actor_words(actor)}" for kind, actor in actors if isinstance(actor, Mapping))
