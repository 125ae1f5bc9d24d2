"""The result of every section's function, and the helpers that they share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeostat.core import json
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json, JsonObject, Path
from homeostat.core.model import Scope


@dataclass(frozen=True, slots=True)
class Part:
    """One kind's section; an empty one is not written. comments: above what they are about.

    left_out: what the section does not declare, and why.
    """

    section: Mapping[str, Json] = field(default_factory=dict)
    comments: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def reference(scope: Scope, resource: ResourceId) -> str:
    """A resource in the shortest form that `Scope.resource` understands."""
    if resource.subscription.lower() != scope.web_app.subscription.lower():
        return resource.text
    names = "/".join(resource.names)
    same_group = resource.resource_group.lower() == scope.web_app.resource_group.lower()
    return names if same_group else f"{resource.resource_group}:{names}"


def reference_of(scope: Scope, text: str) -> str:
    """The same for an id in a body; anything else stays as it is."""
    try:
        return reference(scope, ResourceId.parse(text))
    except InvalidResourceId:
        return text


def properties_at(body: JsonObject) -> JsonObject:
    found = json.at(body, ("properties",))
    return found if isinstance(found, Mapping) else {}


def texts_at(body: JsonObject, *path: str) -> tuple[str, ...]:
    found = json.at(body, path)
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def some(names: list[str], at_most: int = 10) -> str:
    return ", ".join(names[:at_most]) + (f" and {len(names) - at_most} more" if len(names) > at_most else "")
