"""ASP.NET route templates, as the host matches them: `things/{id:int?}/{*rest}`.

The worker library does not look at routes, so that a misspelt constraint or two functions on one route would only
show in Azure; both are errors here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from devhost.errors import DevHostError

_PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<constraints>(?::[^:{}?]+)*)(?P<optional>\??)\}")
_CONSTRAINT = re.compile(r"(?P<name>\w+)(?:\((?P<argument>.*)\))?")
_PATTERNS = {
    "int": r"[+-]?\d+",
    "long": r"[+-]?\d+",
    "bool": r"(?i:true|false)",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}",
    "decimal": r"[+-]?\d+(?:\.\d+)?",
    "double": r"[+-]?\d+(?:\.\d+)?",
    "float": r"[+-]?\d+(?:\.\d+)?",
}
_LITERAL, _CONSTRAINED, _FREE, _CATCH_ALL = range(4)


@dataclass(frozen=True, slots=True)
class _Segment:
    rank: int
    pattern: re.Pattern[str]
    name: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A template and the methods it answers; an empty set of methods answers all."""

    template: str
    methods: frozenset[str]
    segments: tuple[_Segment, ...]

    @classmethod
    def parse(cls, template: str, methods: frozenset[str] = frozenset()) -> Self:
        """Raises DevHostError for an unknown constraint or a parameter that is not a segment of its own."""
        parts = [part for part in template.strip("/").split("/") if part]
        segments = tuple(_segment(part, template) for part in parts)
        for earlier, later in pairwise(segments):
            if earlier.rank == _CATCH_ALL or (earlier.optional and not later.optional and later.rank != _CATCH_ALL):
                raise DevHostError(f"route '{template}': an optional or catch-all parameter must come last")
        return cls(template, methods, segments)

    @property
    def precedence(self) -> tuple[int, ...]:
        """Smaller is tried first: literals, then constrained parameters, then free ones, then catch-all."""
        return tuple(segment.rank for segment in self.segments)

    @property
    def shape(self) -> tuple[str, ...]:
        """What the route looks like with its parameters' names taken away; two equal shapes answer the same URLs."""
        return tuple(segment.pattern.pattern + "?" * segment.optional for segment in self.segments)

    def match(self, path: str) -> Mapping[str, str] | None:
        """The parameters of `path` (without prefix, URL-decoded), or None where the route does not fit."""
        parts = [part for part in path.strip("/").split("/") if part]
        found: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.rank == _CATCH_ALL:
                return found | {str(segment.name): "/".join(parts[index:])}
            if index >= len(parts):
                if segment.optional:
                    continue
                return None
            if segment.pattern.fullmatch(parts[index]) is None:
                return None
            if segment.name is not None:
                found[segment.name] = parts[index]
        return found if len(parts) <= len(self.segments) else None


def _segment(part: str, template: str) -> _Segment:
    if "{" not in part:
        return _Segment(_LITERAL, re.compile(re.escape(part.lower()), re.IGNORECASE))
    match = _PARAMETER.fullmatch(part)
    if match is None:
        raise DevHostError(f"route '{template}': cannot read '{part}' (one whole segment is literal or {{parameter}})")
    if match["star"]:
        return _Segment(_CATCH_ALL, re.compile(".*"), match["name"])
    constraints = [_constraint(each, template) for each in match["constraints"].split(":") if each]
    pattern = "".join(f"(?={each}$)" for each in constraints) + "[^/]+"
    rank = _CONSTRAINED if constraints else _FREE
    return _Segment(rank, re.compile(pattern), match["name"], bool(match["optional"]))


def _constraint(text: str, template: str) -> str:
    match = _CONSTRAINT.fullmatch(text)
    name, argument = (match["name"].lower(), match["argument"]) if match else ("", None)
    if argument is None and name in _PATTERNS:
        return _PATTERNS[name]
    if argument is not None and name == "regex":
        return f"(?:{argument})"
    if argument is not None and re.fullmatch(r"\d+(,\d+)?", argument):
        low, _, high = argument.partition(",")
        match name:
            case "length":
                return f".{{{low},{high or low}}}"
            case "minlength" if not high:
                return f".{{{low},}}"
            case "maxlength" if not high:
                return f".{{0,{low}}}"
    raise DevHostError(f"route '{template}': unknown constraint '{text}'")
