"""Reads YAML text into data that remembers its lines.

Every scalar stays the text that was written: `REDIS_PORT: 6380` is "6380" and `FLAG: on` is "on", so that YAML's
guesses never change a declared value; the schema turns text into numbers and booleans where it expects them. A plain
empty value, `~` or `null` is None. The tree is built from parser events with limits on depth and size, aliases
included, so that no document can exhaust the process.

Equal parts of documents from one `Pool` are one object: what is computed for one of them is known for all, and a fleet
of equal documents is as small as one.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Never

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
    """Everything that is wrong with the specs, sorted by place, each problem once: a profile's names its first user,
    and how many there are besides.
    """

    def __init__(self, problems: tuple[SpecProblem, ...]) -> None:
        self.problems = told_once(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def told_once(problems: Iterable[SpecProblem]) -> tuple[SpecProblem, ...]:
    told: dict[tuple[str, int, str, str], list[SpecProblem]] = {}
    for each in sorted(set(problems)):
        told.setdefault((each.place.file, each.place.line, each.message, each.remedy), []).append(each)
    return tuple(
        replace(first, place=replace(first.place, others=len(others))) if others else first
        for first, *others in told.values()
    )


class Members(dict[str, "Json"]):
    """A mapping that is never changed. size: the number of values in it at every depth, itself included."""

    __slots__ = ("size",)

    size: int


class Elements(list["Json"]):
    """The same for a list."""

    __slots__ = ("size",)

    size: int


class Pool:
    """Mappings and lists by their content, so that equal ones are one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Json] = {}
        self._held = 0

    def __len__(self) -> int:
        """The number of values in it."""
        return self._held

    def mapping(self, found: Members, size: int) -> Json:
        """Its values must be from the pool."""
        found.size = size
        return self._one_of((*found, None, *map(_token, found.values())), found)

    def sequence(self, found: Elements, size: int) -> Json:
        found.size = size
        return self._one_of((_SEQUENCE, *map(_token, found)), found)

    def _one_of(self, key: tuple[object, ...], found: "Members | Elements") -> Json:
        known = self._known.setdefault(key, found)
        if known is found:
            self._held += 1 + len(found)
        return known

    def pooled(self, data: Json) -> Json:
        """The pool's own object for data that was built elsewhere, of parts that may or may not be in the pool."""
        if isinstance(data, Mapping):
            members = Members((key, self.pooled(value)) for key, value in data.items())
            return self.mapping(members, 1 + sum(map(size_of, members.values())))
        if isinstance(data, Sequence) and not isinstance(data, str):
            elements = Elements(map(self.pooled, data))
            return self.sequence(elements, 1 + sum(map(size_of, elements)))
        return data


_SEQUENCE = object()


def _token(data: Json) -> object:
    return data if data is None or isinstance(data, str) else id(data)


def is_pooled(data: Json) -> bool:
    """Whether the data is from a pool, so that its id identifies it."""
    return isinstance(data, Members | Elements)


def size_of(data: Json) -> int:
    return data.size if isinstance(data, Members | Elements) else 1


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML document.

    lines: of each value in the order of the text, a mapping or list before what is in it. A value's line is that of its
    key, if it has one.
    problems: errors in the text itself that still leave a document to check, such as a duplicate key.
    found: lines that were looked up, since thousands ask for the same.
    """

    file: str
    data: Json
    lines: Sequence[int]
    problems: tuple[SpecProblem, ...] = ()
    found: dict[Keys, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    def place(self, keys: Keys) -> Place:
        """The line of the innermost of `keys` that is in the text."""
        return Place(self.file, self.line(keys)[0])

    def line(self, keys: Keys, read: Callable[[str], str] = str) -> tuple[int, int]:
        """The same, and how many of the keys lead there. read: which key a written one stands for."""
        here, at, depth = self.data, 0, 0
        for key in keys:
            step = _step(here, key, read)
            if step is None:
                break
            here, at, depth = step[0], at + step[1], depth + 1
        return self.lines[at], depth

    def known_line(self, keys: Keys, read: Callable[[str], str]) -> tuple[int, int]:
        """The same, remembered if `read` had no part in it."""
        line = self.found.get(keys)
        if line is None:
            asked: list[str] = []

            def noting(key: str) -> str:
                asked.append(key)
                return read(key)

            line = self.line(keys, noting)
            if not asked:
                self.found[keys] = line
        return line

    def every_line(self) -> Iterator[tuple[Keys, int]]:
        """Everything that is written, each before what is in it."""
        return zip(_every_key((), self.data), self.lines, strict=True)


def _step(here: Json, key: str | int, read: Callable[[str], str]) -> tuple[Json, int] | None:
    """The value under the key, and how many values after its owner it is."""
    later = 1
    if isinstance(here, Mapping) and isinstance(key, str):
        for name, value in here.items():
            if name == key or ("${" in name and key not in here and read(name) == key):
                return value, later
            later += size_of(value)
    if isinstance(here, list) and isinstance(key, int) and key < len(here):
        return here[key], later + sum(map(size_of, here[:key]))
    return None


def _every_key(keys: Keys, data: Json) -> Iterator[Keys]:
    yield keys
    inner = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from _every_key((*keys, key), value)


def parse_documents(text: str, file: str, pool: Pool | None = None) -> tuple[Source, ...]:
    """The documents of one YAML text. Raises SpecError if nothing is left to check: syntax, depth, size."""
    if len(text) > MAX_CHARACTERS:
        raise _refusal(file, 1, f"the file has {len(text)} characters, more than {MAX_CHARACTERS}", "Split the file.")
    if (odd := _LONE_SURROGATE.search(text)) is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise _refusal(file, line, "half a character stands here, which no file can hold", "Write it anew.")
    loader = _loader()(text)
    try:
        return tuple(_Builder(file, loader.get_event, Pool() if pool is None else pool).documents())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refusal(file, line, f"not YAML: {error.problem}", "Check indentation, quotes and colons.") from error
    except yaml.YAMLError as error:
        raise _refusal(file, 1, f"not YAML: {error}", "Save the file as UTF-8 text.") from error
    finally:
        loader.dispose()


def _loader() -> Callable[[str], Any]:
    """The parser of libyaml if it is compiled in: several times faster than Python's."""
    return getattr(yaml, "CLoader", yaml.Loader)  # only its parser is used: no tag is ever constructed


def _refusal(file: str, line: int, message: str, remedy: str) -> SpecError:
    return SpecError((SpecProblem(Place(file, line), message, remedy),))


def _no_lines() -> array[int]:
    return array("I")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


@dataclass(slots=True)
class _Builder:
    file: str
    next: Callable[[], Any]  # the next event
    pool: Pool
    lines: array[int] = field(default_factory=_no_lines)
    anchors: dict[str, Json] = field(default_factory=dict)
    problems: list[SpecProblem] = field(default_factory=list)
    nodes: int = 0  # of all documents

    def documents(self) -> Iterator[Source]:
        while not isinstance(event := self.next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self.lines, self.anchors, self.problems = _no_lines(), {}, []
                data = self._value(self.next(), _line(event), 0)
                if data is not None:
                    yield Source(self.file, data, self.lines, tuple(self.problems))

    def _value(self, event: Any, line: int, depth: int) -> Json:
        """line: that of its key, if it has one."""
        if type(event) is yaml.AliasEvent:
            return self._alias(event, line)
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            self._refuse_excess(event, depth)
        self.lines.append(line)
        data: Json
        if type(event) is yaml.ScalarEvent:
            plain = not event.style and event.tag is None
            data = None if plain and event.value in _NOTHING else event.value
        elif type(event) is yaml.MappingStartEvent:
            data = self._mapping(depth + 1)
        else:
            data = self._sequence(depth + 1)
        if event.anchor:
            self.anchors[event.anchor] = data
        return data

    def _mapping(self, depth: int) -> Json:
        found, first, own = Members(), dict[str, int](), len(self.lines) - 1
        while type(event := self.next()) is not yaml.MappingEndEvent:
            line = event.start_mark.line + 1
            if type(event) is not yaml.ScalarEvent:
                raise _refusal(self.file, line, "a key must be plain text", "Write the key as a word.")
            key = event.value
            before = len(self.lines)
            value = self._value(self.next(), line, depth)
            if key in found:
                del self.lines[before:]
                message = f"{key!r} stands twice, first on line {first[key]}"
                self.problems.append(SpecProblem(Place(self.file, line), message, "Remove one of the two."))
            else:
                found[key], first[key] = value, line
        return self.pool.mapping(found, len(self.lines) - own)

    def _sequence(self, depth: int) -> Json:
        found, own = Elements(), len(self.lines) - 1
        while type(event := self.next()) is not yaml.SequenceEndEvent:
            found.append(self._value(event, event.start_mark.line + 1, depth))
        return self.pool.sequence(found, len(self.lines) - own)

    def _alias(self, event: yaml.AliasEvent, line: int) -> Json:
        """A copy of all that the alias stands for, at the alias's own line."""
        if event.anchor not in self.anchors:
            message = f"alias *{event.anchor} has no anchor before it"
            raise _refusal(self.file, _line(event), message, "Define it first.")
        data = self.anchors[event.anchor]
        self.nodes += size_of(data)
        if self.nodes > MAX_NODES:
            self._refuse_excess(event, 0)
        self.lines.extend((line,) * size_of(data))
        return data

    def _refuse_excess(self, event: yaml.Event, depth: int) -> Never:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise _refusal(self.file, line, f"nested more than {MAX_DEPTH} levels deep", "Flatten the document.")
        raise _refusal(self.file, line, f"more than {MAX_NODES} values, aliases included", "Split the file.")


_NOTHING = frozenset({"", "~", "null"})
