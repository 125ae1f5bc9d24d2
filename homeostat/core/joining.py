"""Joins what several targets want of one root: equal declarations become one, with all their owners.

Documents that say the same share their parts, so that a part is joined once for all its users.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from homeostat.core.compiled import Compiled
from homeostat.core.ids import ResourceId
from homeostat.core.model import (
    Declared,
    Item,
    Joinable,
    Mode,
    Place,
    Unmanaged,
    Want,
    most_cautious,
)
from homeostat.core.sections import Part
from homeostat.core.source import SpecProblem

_CAUTION_UNMANAGED = (Unmanaged.REMOVE, Unmanaged.REPORT, Unmanaged.KEEP)

type Owners = list[str]
"""Names of the targets that declare the same."""


@dataclass(frozen=True, slots=True)
class _Bundle:
    """A part and all documents that have it under the same mode."""

    part: Part
    mode: Mode  # of the documents
    first: Compiled
    users: Owners
    placed: bool

    @property
    def needs_approval(self) -> bool:
        return self.first.approval or self.part.section.approval is not None

    @property
    def section_mode(self) -> Mode:
        return self.part.section.mode or self.mode

    def place(self, item: Item[Any]) -> Place:
        return self.first.place((self.part.kind, *item.path)) if self.placed else self.first.target.place


@dataclass(slots=True)
class _Joined:
    value: Any
    mode: Mode
    place: Place
    owners: list[Owners]


@dataclass(slots=True)
class _Wanted:
    """What is wanted of one kind on one root. spellings: each item's name by its lower case."""

    items: dict[str, _Joined] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    mode: Mode = Mode.ENFORCE
    unmanaged: Unmanaged | None = None


@dataclass(frozen=True, slots=True)
class JoinedWants:
    """By root, sorted: what is wanted of it, by kind; the sorted names of the targets that depend on it; and the kinds
    for which an owner requires approval.
    """

    wants: Mapping[ResourceId, Mapping[str, Want[Any]]]
    targets: Mapping[ResourceId, tuple[str, ...]]
    marked: Mapping[ResourceId, frozenset[str]]


def joined(
    documents: Iterable[Compiled], problems: list[SpecProblem], *, of_web_apps: bool, placed: bool = True
) -> JoinedWants:
    """Joins what is wanted of the web apps themselves, or of everything else; these are independent of each other.

    placed: whether places are needed, which cost the most time.
    Raises nothing: a contradiction becomes a problem that names both places, and the first declaration stays.
    """
    bundles: dict[tuple[int, Mode, bool], _Bundle] = {}
    users: dict[ResourceId, list[Owners]] = defaultdict(list)
    for document in documents:
        if of_web_apps:
            users[document.web_app].append([document.target.name])
        for part in document.parts:
            if (key := (id(part), document.mode, document.approval)) not in bundles:
                bundles[key] = _Bundle(part, document.mode, document, [], placed)
            bundles[key].users.append(document.target.name)
    wanted: dict[tuple[ResourceId, str], _Wanted] = defaultdict(_Wanted)
    marked: dict[ResourceId, frozenset[str]] = defaultdict(frozenset)
    for bundle in bundles.values():
        roots = {root for root in bundle.part.roots if (root == bundle.first.web_app) is of_web_apps}
        _add(bundle, roots, wanted, problems)
        for root in roots:
            users[root].append(bundle.users)
            if bundle.needs_approval:
                marked[root] |= {bundle.part.kind}
    names = _Names()
    wants: dict[ResourceId, dict[str, Want[Any]]] = defaultdict(dict)
    for (root, kind), found in wanted.items():
        items = {
            name: Declared(item.value, item.mode, names.of(item.owners), item.place)
            for name, item in sorted(found.items.items())
        }
        wants[root][kind] = Want(root, items, found.unmanaged or Unmanaged.KEEP, found.mode)
    order = sorted(users, key=lambda root: root.key)
    return JoinedWants({root: wants[root] for root in order}, {root: names.of(users[root]) for root in order}, marked)


class _Names:
    """Sorted names of owners. Equal tuples are shared: thousands of items have the same owners."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[str, ...]] = {}

    def of(self, owners: list[Owners]) -> tuple[str, ...]:
        key = tuple(map(id, owners))
        if key not in self._known:
            self._known[key] = tuple(sorted(set().union(*owners)))
        return self._known[key]


def _add(
    bundle: _Bundle,
    roots: set[ResourceId],
    wanted: dict[tuple[ResourceId, str], _Wanted],
    problems: list[SpecProblem],
) -> None:
    part = bundle.part
    for item in part.items:
        if item.root not in roots:
            continue
        there = wanted[item.root, part.kind]
        there.mode = most_cautious((there.mode, bundle.section_mode))
        _join(there, bundle, item, problems)
    for root, rest in part.unmanaged.items():
        if root not in roots:
            continue
        there = wanted[root, part.kind]  # even a section without items has a policy for unmanaged ones
        there.unmanaged = max(there.unmanaged or rest, rest, key=_CAUTION_UNMANAGED.index)


def _join(there: _Wanted, bundle: _Bundle, item: Item[Any], problems: list[SpecProblem]) -> None:
    """Joins equal declarations of an item under both owners; unequal ones are a problem that names both places."""
    mode = item.mode or bundle.section_mode  # the most specific wins
    other = there.items.get(item.name)
    if other is None:
        problems.extend(_other_spelling(there, bundle, item))
        there.items[item.name] = _Joined(item.value, mode, bundle.place(item), [bundle.users])
        there.spellings.setdefault(item.name.lower(), item.name)
        return
    value = _joined(other.value, item.value)
    if value is None:
        message = f"{bundle.part.kind}: {item.name!r} of {item.root.short} is declared otherwise at {other.place}"
        problems.append(SpecProblem(bundle.place(item), message, "Make the two equal, or declare it in one place."))
        return
    other.value, other.mode = value, most_cautious((other.mode, mode))
    if other.owners[-1] is not bundle.users:
        other.owners.append(bundle.users)


def _joined(one: Any, other: Any) -> Any:
    """What two declarations of an item's value say together; None if they contradict each other."""
    if isinstance(one, Joinable):
        return one.joined(other)
    return one if one == other else None


def _other_spelling(there: _Wanted, bundle: _Bundle, item: Item[Any]) -> Iterator[SpecProblem]:
    """To ARM, names that differ in case are the same. Inside one document the remediator reports that."""
    name = there.spellings.get(item.name.lower())
    if name is not None and there.items[name].owners[-1] is not bundle.users:
        kind, place = bundle.part.kind, there.items[name].place
        message = f"{kind}: {item.name!r} of {item.root.short} is spelled {name!r} at {place}"
        yield SpecProblem(bundle.place(item), message, "Spell both the same: they are one name to Azure.")
