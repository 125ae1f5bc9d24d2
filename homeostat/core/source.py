"""YAML text as data that remembers its lines.

Every scalar stays the text that was written: `REDIS_PORT: 6380` is "6380" and `FLAG: on` is "on", so that YAML's
guesses never change what is defended; the schema turns text into numbers and booleans where it wants them. A plain
empty value, `~` or `null` is None. The tree is built from parser events with bounds on depth and size, aliases
included, so that no document can exhaust the process.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json
from homeostat.core.model import Place

MAX_DEPTH = 24
MAX_NODES = 500_000
MAX_CHARACTERS = 8_000_000

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")

type Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class SpecProblem:
    """One thing that is wrong with a spec: where, what, and what to do."""

    place: Place
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}. {self.remedy}"


class SpecError(HomeostatError):
    """Everything that is wrong with the specs, sorted by place."""

    def __init__(self, problems: tuple[SpecProblem, ...]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML document. `lines` has the line of every key and list element that was written out.

    problems: what is wrong with the text itself and yet leaves a document to check, such as a key that stands twice.
    """

    file: str
    data: Json
    lines: Mapping[Keys, int]
    problems: tuple[SpecProblem, ...] = ()

    def place(self, keys: Keys) -> Place:
        """The line of the innermost of `keys` that stands in the text."""
        for length in range(len(keys), -1, -1):
            line = self.lines.get(keys[:length])
            if line is not None:
                return Place(self.file, line)
        return Place(self.file, 1)


def parse_documents(text: str, file: str) -> tuple[Source, ...]:
    """The documents of one YAML text. Raises SpecError where nothing is left to check: syntax, depth, size."""
    if len(text) > MAX_CHARACTERS:
        raise _refusal(file, 1, f"the file has {len(text)} characters, more than {MAX_CHARACTERS}", "Split the file.")
    if (odd := _LONE_SURROGATE.search(text)) is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise _refusal(file, line, "half a character stands here, which no file can hold", "Write it anew.")
    try:
        events = yaml.parse(text, Loader=_loader())
        return tuple(_Builder(file, events).documents())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refusal(file, line, f"not YAML: {error.problem}", "Check indentation, quotes and colons.") from error
    except yaml.YAMLError as error:
        raise _refusal(file, 1, f"not YAML: {error}", "Save the file as UTF-8 text.") from error


def _loader() -> type:
    """The parser of libyaml, where it is compiled in: several times faster than the one in Python."""
    return getattr(yaml, "CLoader", yaml.Loader)  # only its parser is used: no tag is ever constructed


def _refusal(file: str, line: int, message: str, remedy: str) -> SpecError:
    return SpecError((SpecProblem(Place(file, line), message, remedy),))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


@dataclass(slots=True)
class _Builder:
    file: str
    events: Iterator[yaml.Event]
    lines: dict[Keys, int] = field(default_factory=dict)
    anchors: dict[str, tuple[Json, int]] = field(default_factory=dict)  # with the number of nodes each stands for
    problems: list[SpecProblem] = field(default_factory=list)
    nodes: int = 0

    def documents(self) -> Iterator[Source]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.lines, self.anchors, self.problems = {(): _line(event)}, {}, []
                data = self._node(next(self.events), ())
                if data is not None:
                    yield Source(self.file, data, self.lines, tuple(self.problems))

    def _node(self, event: yaml.Event, keys: Keys) -> Json:
        line = _line(event)
        self.lines.setdefault(keys, line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        before = self.nodes
        self._count(1, line)
        if len(keys) > MAX_DEPTH:
            raise _refusal(self.file, line, f"nested more than {MAX_DEPTH} levels deep", "Flatten the document.")
        data = self._content(event, keys)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self.anchors[event.anchor] = (data, self.nodes - before)
        return data

    def _content(self, event: yaml.Event, keys: Keys) -> Json:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(keys)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(keys)
        assert isinstance(event, yaml.ScalarEvent), "a node is a mapping, a sequence, a scalar or an alias"
        plain = not event.style and event.tag is None
        return None if plain and event.value in {"", "~", "null"} else str(event.value)

    def _mapping(self, keys: Keys) -> Json:
        found: dict[str, Json] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _refusal(self.file, line, "a key must be plain text", "Write the key as a word.")
            key = str(event.value)
            if key in found:
                first = self.lines[*keys, key]
                message = f"{key!r} stands twice, first on line {first}"
                self.problems.append(SpecProblem(Place(self.file, line), message, "Remove one of the two."))
            self.lines[*keys, key] = line
            found[key] = self._node(next(self.events), (*keys, key))
        return found

    def _sequence(self, keys: Keys) -> Json:
        found: list[Json] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self._node(event, (*keys, len(found))))
        return found

    def _alias(self, event: yaml.AliasEvent, line: int) -> Json:
        if event.anchor not in self.anchors:
            raise _refusal(self.file, line, f"alias *{event.anchor} has no anchor before it", "Define it first.")
        data, size = self.anchors[event.anchor]
        self._count(size, line)
        return data

    def _count(self, size: int, line: int) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise _refusal(self.file, line, f"more than {MAX_NODES} values, aliases included", "Split the file.")
