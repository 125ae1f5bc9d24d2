"""Profiles: documents that others inherit from. The merged result knows in which document each part is.

The profiles of a document, inherited ones included, form one list, nearest first: a profile precedes those that it
extends itself, and in one `extends` the later precedes the earlier. Mappings are merged by key, starting with the
farthest; the nearer value wins, and null removes what is inherited. A list or a text replaces what it meets.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from homeostat.core.json import Json
from homeostat.core.model import Place
from homeostat.core.source import Keys, Pool, Source, SpecProblem
from homeostat.core.variables import names_in

TARGET: Final = "target"
PROFILE: Final = "profile"
SELECT: Final = "select"
POLICY: Final = "policy"
MARKS: Final = (TARGET, PROFILE, SELECT, POLICY)
"""The keys by which a document's kind is known; the first that it has counts."""

EXTENDS: Final = "extends"
VARIABLES: Final = "variables"


@dataclass(frozen=True, slots=True)
class Layers:
    """A document and the profiles that it inherits from, nearest first."""

    own: Source
    inherited: tuple[Source, ...] = ()
    mark: Place = field(init=False, compare=False)
    ids: tuple[int, ...] = field(init=False, compare=False, repr=False)  # unique as long as the layers live

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", mark_of(self.own))
        object.__setattr__(self, "ids", tuple(map(id, self)))

    def __iter__(self) -> Iterator[Source]:
        return iter((self.own, *self.inherited))

    def place(self, keys: Keys, values: Mapping[str, str]) -> Place:
        """The place of the innermost of the keys that is written anywhere; if in a profile, with the document's place.

        values: of variables, since keys may contain some.
        """

        def read(key: str) -> str:
            return _filled(key, values)

        best, line, deepest = self.own, *self.own.line(keys, read)
        for layer in self.inherited:
            found, depth = layer.known_line(keys, read)
            if depth > deepest:
                best, line, deepest = layer, found, depth
        if best is self.own:
            return Place(best.file, line)
        return Place(best.file, line, (self.mark,))

    def raw(self, keys: Keys, values: Mapping[str, str]) -> Json:
        """The value before variables are replaced, in the nearest layer that has one; None if none has."""
        for layer in self:
            here: Json = layer.data
            for key in keys:
                here = _at(here, key, values)
            if here is not None:
                return here
        return None


def mark_of(document: Source) -> Place:
    """The place of the key that says what the document is."""
    data = document.data if isinstance(document.data, Mapping) else {}
    return document.place(next(((key,) for key in MARKS if key in data), ()))


def _at(here: Json, key: str | int, values: Mapping[str, str]) -> Json:
    if isinstance(here, Mapping):
        return next((value for name, value in here.items() if _filled(name, values) == key), None)
    return here[key] if isinstance(here, list) and isinstance(key, int) and key < len(here) else None


def _filled(key: str, values: Mapping[str, str]) -> str:
    """A key with its variables replaced, as far as they are known."""
    for name in names_in(key):
        key = key.replace(f"${{{name}}}", values.get(name, ""))
    return key


@dataclass(slots=True)
class Profiles:
    """The profiles of a fleet by name.

    complete: whether every text could be read; if not, a missing profile may be in one that could not.
    """

    pool: Pool
    by_name: Mapping[str, Source]
    complete: bool = True
    _rows: dict[tuple[str, ...], "tuple[Source, ...] | None"] = field(default_factory=dict)  # by what is extended
    _merged: dict[tuple[int, ...], Mapping[str, Json]] = field(default_factory=dict)  # by ids of the layers

    def layers(self, document: Source, problems: list[SpecProblem]) -> Layers | None:
        """The document with its profiles; None if one of them is missing or wrong."""
        names = extended(document)
        if not names:
            return Layers(document)
        unknown = [(at, name) for at, name in enumerate(names) if name not in self.by_name]
        if unknown and self.complete:
            problems.extend(self._unknown(document, at, name) for at, name in unknown)
        row = None if unknown else self._row(names)
        return None if row is None else Layers(document, row)

    def _row(self, names: tuple[str, ...]) -> tuple[Source, ...] | None:
        if names not in self._rows:
            order: dict[str, None] = {}
            usable = all(self._visit(name, order, ()) for name in names)
            self._rows[names] = tuple(self.by_name[name] for name in reversed(order)) if usable else None
        return self._rows[names]

    def _visit(self, name: str, order: dict[str, None], above: tuple[str, ...]) -> bool:
        """Adds a profile after those that it extends. False if that is impossible, which `problems` reports."""
        if name in above or name not in self.by_name:
            return False
        if name in order:
            return True
        usable = all(self._visit(far, order, (*above, name)) for far in extended(self.by_name[name]))
        order[name] = None
        return usable

    def problems(self) -> Iterator[SpecProblem]:
        """The problems in how profiles extend each other."""
        for name, profile in self.by_name.items():
            for at, far in enumerate(extended(profile)):
                if far not in self.by_name:
                    if self.complete:
                        yield self._unknown(profile, at, far)
                elif circle := self._circle(name, far):
                    message = f"profiles extend each other in a circle: {' > '.join(circle)}"
                    yield SpecProblem(_extends_at(profile, at), message, "Take one of them out of `extends`.")

    def _circle(self, name: str, far: str) -> tuple[str, ...]:
        """The path from a profile through one that it extends back to itself, if there is one."""
        seen: set[str] = set()
        ways: list[tuple[str, ...]] = [(name, far)]
        while ways:
            way = ways.pop()
            if way[-1] == name:
                return way
            if way[-1] not in seen and way[-1] in self.by_name:
                seen.add(way[-1])
                ways.extend((*way, further) for further in extended(self.by_name[way[-1]]))
        return ()

    def _unknown(self, document: Source, at: int, name: str) -> SpecProblem:
        near = difflib.get_close_matches(name, self.by_name, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Write a document that begins with `{PROFILE}: {name}`."
        return SpecProblem(_extends_at(document, at), f"there is no profile {name!r}", remedy)

    def merged(self, layers: Layers) -> Mapping[str, Json]:
        """All layers merged."""
        own = layers.own.data
        assert isinstance(own, Mapping), "only mappings are documents"
        if not layers.inherited:
            return own
        ids = tuple(map(id, layers.inherited))
        if ids not in self._merged:
            self._merged[ids] = self._together(reversed(layers.inherited))
        far = self._merged[ids]
        return {
            key: self.pool.pooled(value) if key in far and key in own else value
            for key, value in _over(far, own).items()
        }

    def meet(self, layers: Layers, in_keys: Callable[[Json], frozenset[str]]) -> bool:
        """Whether two layers have keys with variables in the same section."""
        meeting: dict[str, list[Json]] = {}
        for layer in layers:
            for key, value in layer.data.items() if isinstance(layer.data, Mapping) else ():
                meeting.setdefault(key, []).append(value)
        return any(len(values) > 1 and any(map(in_keys, values)) for values in meeting.values())

    def merged_as_spelled(self, layers: Layers, spelled: Callable[[Json], Json]) -> Mapping[str, Json]:
        """As `merged`, with keys compared after their variables are replaced."""
        found: Mapping[str, Json] = {}
        for layer in reversed(tuple(layers)):
            assert isinstance(layer.data, Mapping), "only mappings are documents"
            own = {key: spelled(value) for key, value in layer.data.items() if layer is layers.own or key != PROFILE}
            found = _over(found, own)
        return {key: self.pool.pooled(value) for key, value in found.items()}

    def _together(self, far_first: Iterable[Source]) -> Mapping[str, Json]:
        found: Mapping[str, Json] = {}
        for layer in far_first:
            assert isinstance(layer.data, Mapping), "only mappings are profiles"
            found = _over(found, layer.data)
        return {key: self.pool.pooled(value) for key, value in found.items() if key != PROFILE}


def extended(document: Source) -> tuple[str, ...]:
    """The names under `extends`; the document's schema reports what is no text."""
    found = document.data.get(EXTENDS) if isinstance(document.data, Mapping) else None
    if isinstance(found, str):
        return (found,)
    return tuple(name for name in found if isinstance(name, str)) if isinstance(found, Sequence) else ()


def _extends_at(document: Source, at: int) -> Place:
    return document.place((EXTENDS, at))


def _over(far: Mapping[str, Json], near: Mapping[str, Json]) -> dict[str, Json]:
    found = dict(far)
    for key, value in near.items():
        if key not in far:
            found[key] = value
        elif value is None:
            del found[key]
        else:
            found[key] = merge(far[key], value)
    return found


def merge(far: Json, near: Json) -> Json:
    """Two values merged, where both are given."""
    return _over(far, near) if isinstance(far, Mapping) and isinstance(near, Mapping) else near
