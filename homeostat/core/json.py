"""JSON as ARM uses it: its types, and how the loop reads, changes and compares it.

A `Path` leads to a place inside a body by its keys, `("properties", "priority")`; the empty path is the whole body.

A text that is or may be secret is held in a body as a `Secret`, which nothing renders: `sealed` wraps texts where a
body is read, `revealed` unwraps them where it is sent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, Literal, Never, cast

from homeostat.core.secret_value import MASK, Secret

type Json = bool | int | float | str | Secret | Sequence[Json] | Mapping[str, Json] | None
type JsonObject = Mapping[str, Json]
type Path = tuple[str, ...]


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""The value of a field that is not there. It differs from `None`, which is JSON's null."""

MIN_QUOTED: Final = 4

type Absent = Literal[_Absent.ABSENT]
type Value = Json | Absent


def at(body: Json, path: Path) -> Value:
    """The value at `path`, or `ABSENT` if a step of the path is missing or not an object."""
    here: Value = body
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return ABSENT
        here = here[key]
    return here


def text_at(body: Json, *path: str) -> str:
    """The string at `path`, or `""` if there is none."""
    found = at(body, path)
    return found if isinstance(found, str) else ""


def objects_at(body: Json, *path: str) -> tuple[JsonObject, ...]:
    """The objects of the list at `path`; empty if there is no list."""
    found = at(body, path)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return ()
    return tuple(item for item in found if isinstance(item, Mapping))


def texts_at(body: Json, *path: str) -> tuple[str, ...]:
    """The items of the list at `path`, as texts; empty if there is no list."""
    found = at(body, path)
    return tuple(map(str, found)) if isinstance(found, Sequence) and not isinstance(found, str) else ()


def secrets_at(body: Json, *path: str) -> dict[str, Secret]:
    """The texts of the object at `path`, by name; a text that was not sealed, as in a recording, is sealed now."""
    found = at(body, path)
    members = found.items() if isinstance(found, Mapping) else ()
    return {
        name: value if isinstance(value, Secret) else Secret(value)
        for name, value in members
        if isinstance(value, str | Secret)
    }


def with_value(body: Json, path: Path, value: Value) -> Json:
    """A copy of `body` with `value` at `path`; `ABSENT` removes it. Missing objects on the way are created.

    Only the objects along the path are copied. Raises ValueError if the whole body would be removed, since a resource
    is deleted by a request of its own, never by an empty body.
    """
    if not path:
        if value is ABSENT:
            raise ValueError("a whole body cannot be removed by an edit: delete the resource")
        return value
    if value is ABSENT and at(body, path) is ABSENT:
        return body
    head, rest = path[0], path[1:]
    parent = dict(body) if isinstance(body, Mapping) else {}
    if rest:
        parent[head] = with_value(parent.get(head, {}), rest, value)
    elif value is ABSENT:
        parent.pop(head, None)
    else:
        parent[head] = value
    return parent


def without_keys(body: Json, names: frozenset[str]) -> Json:
    """A copy of `body` without the members called `names`, at every depth."""
    if isinstance(body, Mapping):
        return {key: without_keys(value, names) for key, value in body.items() if key not in names}
    if isinstance(body, Sequence) and not isinstance(body, str):
        return [without_keys(item, names) for item in body]
    return body


def sealed(body: Json) -> Json:
    """A copy of `body` in which every text is a Secret, at every depth; names stay as they are."""
    match body:
        case str():
            return Secret(body)
        case Mapping():
            return {key: sealed(value) for key, value in body.items()}
        case Sequence():
            return [sealed(item) for item in body]
        case _:
            return body


def revealed(body: Json) -> Json:
    """A copy of `body` with the text of every Secret: to be called right before it is sent."""
    match body:
        case Secret():
            return body.reveal()
        case Mapping():
            return {key: revealed(value) for key, value in body.items()}
        case Sequence() if not isinstance(body, str):
            return [revealed(item) for item in body]
        case _:
            return body


def secrets_in(body: Json) -> Iterator[Secret]:
    """Every Secret of a body, at every depth."""
    match body:
        case Secret():
            yield body
        case Mapping():
            for value in body.values():
                yield from secrets_in(value)
        case Sequence() if not isinstance(body, str):
            for item in body:
                yield from secrets_in(item)
        case _:
            return


def without_secrets(text: str, body: Json) -> str:
    """The text with a mask for each secret of `body` that it quotes: an error may quote what was sent.

    Values shorter than MIN_QUOTED are not masked: `1` is in many a text by chance, and protects nothing.
    """
    quoted = {secret.reveal() for secret in secrets_in(body)}
    for value in sorted((value for value in quoted if len(value) >= MIN_QUOTED), key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def parse(text: str | bytes) -> Json:
    """The parsed document. Raises ValueError for anything that is not JSON, or is nested too deeply.

    Python's own parser accepts NaN and Infinity, which are not JSON (RFC 8259, 6) and cannot be stored.
    """
    try:
        return cast("Json", json.loads(text, parse_constant=refuse))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def refuse(constant: str) -> Never:
    """The parser's hook for NaN and Infinity."""
    raise ValueError(f"{constant} is no number of JSON")


def is_deeper(body: Json, levels: int) -> bool:
    """Whether objects and lists are nested in more than `levels` levels."""
    match body:
        case Mapping():
            return levels == 0 or any(is_deeper(value, levels - 1) for value in body.values())
        case Sequence() if not isinstance(body, str):
            return levels == 0 or any(is_deeper(item, levels - 1) for item in body)
        case _:
            return False


def render(body: Json) -> str:
    """One canonical line: sorted keys, no spaces. Equal bodies give equal text."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
