"""Digests of what is declared, to compare versions of the spec. Pure."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, Final, cast

from pydantic import BaseModel

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Want
from homeostat.core.spec import Root

_OF_AN_ID: Final = ("key", "names", "resource_group", "subscription", "text", "type")
"""The fields of an id that the stored digests are made of, whatever else an id may hold."""

LENGTH: Final = 10
"""Hex digits. A digest is only compared with those of its own root, a few dozen."""


def item_digest(kind: str, name: str, want: Want[Any]) -> str:
    """The digest of one item as it is declared, whoever declares it."""
    declared = want.items[name]
    return _digest([kind, name, canonical(declared.value), declared.mode.value])


def kind_digest(kind: str, want: Want[Any]) -> str:
    """The digest of all that is declared of a kind on a root."""
    items: list[Json] = [item_digest(kind, name, want) for name in sorted(want.items)]
    return _digest([kind, items, want.unmanaged.value, want.mode.value])


def root_digests(root: Root) -> frozenset[str]:
    """The digests of every item that is declared on a root, and of every kind as a whole."""
    kinds = {kind_digest(kind, want) for kind, want in root.wants.items()}
    items = {item_digest(kind, name, want) for kind, want in root.wants.items() for name in want.items}
    return frozenset(kinds | items)


def _digest(value: Json) -> str:
    return hashlib.sha256(json.render(value).encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def canonical(value: Any) -> Json:
    """A declared value as JSON, equal for equal values in any process."""
    return _way(type(value))(value)  # type: ignore[arg-type]  # to mypy a class is not Hashable (its issue 11469)


@cache
def _way(of: type[Any]) -> Callable[[Any], Json]:
    """How values of a type become JSON; cached, since finding that out takes longer than converting."""
    if issubclass(of, Enum):
        return lambda value: canonical(value.value)
    if of is NoneType or issubclass(of, bool | int | float | str):
        return lambda value: cast("Json", value)
    if issubclass(of, Mapping):
        return lambda value: {str(key): canonical(item) for key, item in value.items()}
    if issubclass(of, AbstractSet):
        return lambda value: sorted((canonical(item) for item in value), key=json.render)
    if issubclass(of, Sequence):
        return lambda value: [canonical(item) for item in value]
    names = _fields(of)
    return (lambda value: {name: canonical(getattr(value, name)) for name in names}) if names else repr


def _fields(of: type[Any]) -> Sequence[str]:
    if issubclass(of, ResourceId):
        return _OF_AN_ID
    if issubclass(of, BaseModel):
        return list(of.model_fields)
    return [each.name for each in dataclasses.fields(of)] if dataclasses.is_dataclass(of) else []
