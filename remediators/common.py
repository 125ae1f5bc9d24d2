"""What several remediators share: parts of the spec, names, references, verdicts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations

from pydantic import ConfigDict

from homeostat.core import json
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.backends import BACKENDS
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Path, Value
from homeostat.core.model import (
    Conflict,
    Declared,
    Drift,
    Fact,
    Found,
    KindSection,
    Problem,
    Read,
    Scope,
    Section,
    Unmanaged,
    Unreadable,
    Verdict,
)

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork"""

_SERVICE_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)?")


class ByName[Entry: Section](KindSection):
    """A section whose other keys are what it declares: each a resource's name, RESOURCE-GROUP:NAME, or full id."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Entry]

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self.__pydantic_extra__


def keep_the_rest(_self: object, _section: KindSection, _scope: Scope) -> Mapping[ResourceId, Unmanaged]:
    """The `unmanaged` of a kind that leaves alone what its sections do not name."""
    return {}


def reference_problems(scope: Scope, reference: str, type_: str, path: tuple[str | int, ...]) -> tuple[Problem, ...]:
    """The problem with a reference that names no resource of `type_`, if it does not."""
    names = "/".join(level.removesuffix("s").upper() for level in type_.split("/")[1:])
    remedy = f"Write {names}, RESOURCE-GROUP:{names}, or the full id of a {type_}."
    try:
        resource = scope.resource(reference, type_)
    except InvalidResourceId:
        return (Problem(path, f"{reference!r} names no {type_}", remedy),)
    if not resource.is_type(type_):
        return (Problem(path, f"{reference!r} is the id of a {resource.type}, not of a {type_}", remedy),)
    if not all((*resource.names, resource.resource_group)):
        return (Problem(path, f"{reference!r} has an empty name in it", remedy),)
    return ()


def twice(names: Mapping[str, object], path: tuple[str | int, ...]) -> tuple[Problem, ...]:
    """The names that differ only in case, which ARM treats as one."""
    first: dict[str, str] = {}
    return tuple(
        Problem((*path, name), f"{name!r} and {other!r} are one name to Azure", "Keep one of the two.")
        for name in names
        if (other := first.setdefault(name.lower(), name)) != name
    )


def between_targets[T](
    kind: str, items: Mapping[str, Declared[T]], remedy: str, clash: Callable[[T, T], str]
) -> Iterator[Conflict]:
    """What items of different targets declare together and Azure refuses.

    clash: in words what two items' values cannot both have, or "". Items that one target declares are not compared:
    what it says against itself is a problem of its own section. Nor are two spellings of one name.
    """
    if len({id(item.owners) for item in items.values()}) < 2:
        return  # one set of owners, as in nearly every root of a large fleet
    for (one, first), (other, second) in combinations(items.items(), 2):
        apart = one.lower() != other.lower() and set(first.owners).isdisjoint(second.owners)
        if apart and (words := clash(first.value, second.value)):
            message = f"{kind}: {other!r} has {words} {one!r} at {first.place}"
            yield Conflict(second.place, message, remedy)


def name_problems(name: str, what: str, path: tuple[str | int, ...]) -> tuple[Problem, ...]:
    """The problem with a name that no network resource can have, if so. what: the resource, for the message."""
    if _NAME.fullmatch(name):
        return ()
    remedy = "Use up to 80 letters, digits, `_`, `.` and `-`; begin with a letter or digit."
    return (Problem(path, f"{name!r} is no name of a {what}", remedy),)


def is_service_tag(text: str) -> bool:
    """Whether it has the form of a service tag: `Internet`, `Sql.WestEurope`."""
    return bool(_SERVICE_TAG.fullmatch(text))


def by_key(drifts: Iterable[Drift]) -> tuple[Drift, ...]:
    """The drifts sorted by their keys, as a diff must be."""
    return tuple(sorted(drifts, key=lambda drift: drift.key))


def verdict_of(*, under_way: bool) -> Verdict:
    """Of a field that differs: while a write is under way, it may still become as declared."""
    return Verdict.SETTLING if under_way else Verdict.DRIFTED


def unknown(kind: str, resource: ResourceId, path: Path, item: str, want: Value, reason: str) -> Drift:
    """A drift for an item that could not be read, which says nothing about it: it is not absent either."""
    return Drift(kind, resource, path, item, want, None, Verdict.UNKNOWN, f"could not be read: {reason}")


def why_unread(fact: Fact | None) -> str:
    """Why a fact that was read holds no body, in a word."""
    if isinstance(fact, Unreadable):
        return str(fact.error.error_class)
    return "not there" if fact is not None else "not read"


def site_of(root: ResourceId) -> Read:
    """The read of a web app, or of a slot, itself."""
    return Read(SLOT if root.is_type(SLOT.name) else SITE, root)


def in_operation(site: Found) -> bool:
    """Whether a write to the web app is still under way."""
    return bool(json.text_at(site.body, "properties", "inProgressOperationId"))


def same_location(left: str, right: str) -> bool:
    """Whether two spellings name one region: `West Europe` and `westeurope` do."""
    return left.replace(" ", "").lower() == right.replace(" ", "").lower()


def backend_kind_problems(kind: str, path: tuple[str | int, ...]) -> tuple[Problem, ...]:
    """The problem with a `kind` that is no row of the table of backends."""
    if kind in BACKENDS:
        return ()
    return (Problem(path, f"{kind!r} is no kind of backend", f"Use one of {', '.join(BACKENDS)}."),)
