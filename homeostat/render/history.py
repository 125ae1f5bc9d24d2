"""A target's ledger in plain words: for each entry, what differed and what was done, or what was decided by whom."""

from collections.abc import Mapping

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Word
from homeostat.render import text
from homeostat.render.report import root_part
from homeostat.render.words import actor_words, printable


def render(entry: JsonObject, *, colour: bool = False) -> str:
    """One entry, as the service returns it. Raises InvalidResourceId."""
    cause, caller, reason = (json.text_at(entry, "trigger", name) for name in ("cause", "caller", "reason"))
    if (word := json.text_at(entry, "status")) in set(Word):
        root = ResourceId.parse(json.text_at(entry, "root")).short
        at, by, why = json.text_at(entry, "at"), f" by {caller}" if caller else "", f": {reason}" if reason else ""
        return f"{printable(f'{at} {root} {word}{by}{why}')}\n"
    by = f"{cause}, {caller}" if caller else cause
    heading = f"{json.text_at(entry, 'at')} by {by} ({json.text_at(entry, 'id')})"
    return text.render_entry(heading, root_part(entry), _changes(entry), colour=colour)


def _changes(entry: JsonObject) -> tuple[str, ...]:
    """Who changed what, one line for each kind."""
    by_kind = entry.get("changedBy")
    actors = by_kind.items() if isinstance(by_kind, Mapping) else ()
    return tuple(f"{kind} changed by {actor_words(actor)}" for kind, actor in actors if isinstance(actor, Mapping))
