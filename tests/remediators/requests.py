"""Requests that were really sent to ARM, as evidence of the shape that a body may have.

A shape is the set of a body's paths with the JSON types found there: `properties.securityRules[].properties.priority`
is a number. Paths are compared in lower case, since ARM takes any; elements of lists, and members whose names are
data, stand for each other.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from homeostat.azure.writer import PATCHED_WITHOUT_SDK, WRITES
from homeostat.core import json
from homeostat.core.arm_types import ARM_TYPES
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject
from homeostat.core.plan import Verb

NAMES_ARE_DATA = frozenset({"tags", "metadata", "userassignedidentities"})
"""Members whose own members are named by users; below `config/appsettings` those of `properties` are, too."""

type Shape = Mapping[str, frozenset[str]]
"""JSON types by path."""


@dataclass(frozen=True, slots=True)
class Request:
    """A PUT or a PATCH that ARM carried out. answer: the resource after it; empty where ARM answers with nothing."""

    id: ResourceId
    verb: Verb
    body: JsonObject
    answer: JsonObject

    @property
    def family(self) -> str:
        return family_of(self.id)


def family_of(id_: ResourceId) -> str:
    """A type's name in lower case. A slot takes what its site takes, so that one tells of the other."""
    return id_.type.lower().replace("/sites/slots", "/sites")


def requests(corpus: Path) -> Iterator[Request]:
    """Each different request to a type that Homeostat writes."""
    seen: set[str] = set()
    for exchange in _exchanges(corpus):
        found = _request(exchange)
        if found is not None and (text := f"{found.verb} {found.id.key} {json.render(found.body)}") not in seen:
            seen.add(text)
            yield found


def _exchanges(corpus: Path) -> Iterator[Json]:
    for path in sorted(corpus.rglob("*.json")):
        yield json.parse(path.read_bytes())
    for path in sorted(corpus.rglob("*.jsonl")):
        yield from map(json.parse, path.read_bytes().splitlines())


def _request(exchange: Json) -> Request | None:
    verb, body = json.text_at(exchange, "request", "method"), _body(json.at(exchange, ("request", "body")))
    if verb not in {Verb.PUT, Verb.PATCH} or not isinstance(body, Mapping) or not _was_understood(exchange):
        return None
    try:
        id_ = ResourceId.parse(unquote(urlsplit(json.text_at(exchange, "request", "url")).path))
    except InvalidResourceId:
        return None
    if not _is_written(id_):
        return None
    answer = json.at(exchange, ("body",))
    return Request(id_, Verb(verb), body, answer if isinstance(answer, Mapping) and "properties" in answer else {})


def _was_understood(exchange: Json) -> bool:
    """Carried out, or refused for its ETag alone."""
    status = json.at(exchange, ("status",))
    return isinstance(status, int) and (200 <= status < 300 or status == 412)


def _body(recorded: json.Value) -> json.Value:
    """Some recorders kept what was sent as the text of a Python bytes literal, or as one of such a text."""
    while isinstance(recorded, str):
        try:
            found = ast.literal_eval(recorded) if recorded.startswith("b'") else json.parse(recorded)
        except (ValueError, SyntaxError):
            return ABSENT
        recorded = found.decode() if isinstance(found, bytes) else found
    return recorded


def _is_written(id_: ResourceId) -> bool:
    """Whether the write table has the type, and where it writes one name only, that name."""
    row = ARM_TYPES.get(id_.type.lower())
    if row is None or row.name in PATCHED_WITHOUT_SDK:
        return row is not None
    operations = [found for verb in Verb if (found := WRITES.get((row.name, verb)))]
    return any(not each.only or each.only.lower() == id_.name.lower() for each in operations)


def shape_of(body: Json, family: str) -> dict[str, frozenset[str]]:
    """Every path of a body with the types that stand there; the body itself is the empty path."""
    found: dict[str, set[str]] = defaultdict(set)
    free = {"properties"} if family.endswith("/config") else set[str]()
    for path, kind in _places(body, "", free):
        found[path].add(kind)
    return {path: frozenset(kinds) for path, kinds in found.items()}


def _places(value: Json, path: str, free: set[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield path, "object"
        are_data = path in free or path.rpartition(".")[2] in NAMES_ARE_DATA
        for name, member in value.items():
            yield from _places(member, f"{path}.{'*' if are_data else name.lower()}".lstrip("."), free)
    elif isinstance(value, list | tuple):
        yield path, "array"
        for element in value:
            yield from _places(element, f"{path}[]", free)
    else:
        yield path, _kind(value)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case _:
            return "number"


def united(shapes: Iterable[Shape]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for shape in shapes:
        for path, kinds in shape.items():
            found[path] = found.get(path, frozenset()) | kinds
    return found


def common(shapes: Iterable[Shape]) -> frozenset[str]:
    """The paths that every one has."""
    sets = [frozenset(shape) for shape in shapes]
    return frozenset.intersection(*sets) if sets else frozenset()
