"""Event Grid's resource events, in both schemas, as hints. Pure.

A hint names a resource that may have changed; nothing else of an event is trusted. What it says of the caller is for
people to read and for recognising our own writes, never for deciding what to write.
https://learn.microsoft.com/azure/event-grid/event-schema-subscriptions
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from homeostat.core import json
from homeostat.core.arm_types import ARM_TYPES, SWAPS, ArmType, root_of
from homeostat.core.attribution import NOBODY, Actor, ForeignWrite, Principal, Source
from homeostat.core.claims import OBJECT_ID, kind_of, name_of, object_in, tool_of
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject
from homeostat.core.model import Registry
from homeostat.core.spec import Fleet, Root

SUCCESSES = frozenset(
    {
        "microsoft.resources.resourcewritesuccess",
        "microsoft.resources.resourcedeletesuccess",
        "microsoft.resources.resourceactionsuccess",
    }
)
"""Events of changes. Failures and cancellations change nothing; other topics have other types."""

_DELETES_SLOTS = "microsoft.web/sites/delete"

MAX_TEXT = 512
MAX_ID = 2048
MAX_WORD = 128  # of ids, addresses and the names of tools
"""Limits for what a forged event can make us store."""


class MalformedEvent(HomeostatError):
    """The event is neither in Event Grid's schema nor a CloudEvent about a resource."""


@dataclass(frozen=True, slots=True)
class Hint:
    """`resource` may have been changed by `by`, as the event claims. app_id: of the application that was used."""

    id: str
    resource: ResourceId
    by: Actor
    app_id: str = ""

    @property
    def operation(self) -> str:
        return self.by.operation

    @property
    def correlation_id(self) -> str:
        return self.by.correlation_id

    def as_foreign_write(self) -> ForeignWrite:
        return ForeignWrite(self.resource.key, self.by)

    def is_by(self, principal: Principal | None) -> bool | None:
        """Whether the event says that this principal did it; None if either is unknown."""
        if principal is None or not self.by.object_id:
            return None
        same_app = not self.app_id or not principal.app_id or self.app_id.lower() == principal.app_id.lower()
        return same_app and self.by.object_id.lower() == principal.object_id.lower()


def parse_event(event: Json, now: datetime) -> Hint | None:
    """The hint in one event, or None if the event reports no change. Raises MalformedEvent.

    `now` replaces a time that is missing or malformed.
    """
    if not isinstance(event, Mapping):
        raise MalformedEvent(f"an event is a JSON object, not {type(event).__name__}")
    event_type = json.text_at(event, "eventType") or json.text_at(event, "type")
    if not event_type:
        raise MalformedEvent("the event has neither eventType (Event Grid schema) nor type (CloudEvents)")
    if event_type.lower() not in SUCCESSES:
        return None
    resource_text = json.text_at(event, "data", "resourceUri") or json.text_at(event, "subject")
    try:
        resource = ResourceId.parse(_without_extension(_bounded(resource_text, MAX_ID)))
    except InvalidResourceId:
        return None  # a subscription, a resource group or a tenant resource: no spec can declare those
    if json.text_at(event, "data", "operationName").lower().endswith("/action"):
        resource = root_of(resource) or resource  # of a restore the subject is the backup, which only says from where
    claims = object_in(_part(event, "claims"))
    return Hint(
        id=_bounded(json.text_at(event, "id")) or "unnamed",
        resource=resource,
        by=_actor(event, claims, now),
        app_id=_bounded(json.text_at(claims, "appid"), MAX_WORD),
    )


def route(fleet: Fleet, hint: Hint, registry: Registry) -> tuple[Root, ...]:
    """The declared roots that the hint concerns; none if nothing declared can have changed.

    A swap exchanges what a site and a slot hold, and its event names only one of them: it concerns the site and all its
    slots. So does the deletion of a site, which deletes its slots.
    """
    if hint.operation in SWAPS or hint.operation == _DELETES_SLOTS:
        site = hint.resource.lineage[-1]
        below = f"{site.key}/"  # by their ids, since a fleet builds a root only when it is asked for
        return tuple(fleet.roots[id_] for id_ in fleet.roots if id_ == site or id_.key.startswith(below))
    root = fleet.route(hint.resource)
    if root is None:
        return ()
    if not hint.operation:
        return (root,)
    cared_for = {row.name for kind in root.wants if kind in registry for row in registry[kind].touches} | {
        row.name for row in ARM_TYPES.values() if row.root and root.id.is_type(row.name)
    }
    rows = (ARM_TYPES[name.lower()] for name in cared_for)
    wrote = tuple(_wrote(hint, root))
    return (root,) if any(hint.operation in row.operations or _is_of(row, wrote) for row in rows) else ()


def _wrote(hint: Hint, root: Root) -> Iterator[ResourceId]:
    """What was written, and what that is a part of, below the root. An action writes nothing that it names.

    Not every operation is named after the type that it writes: a single app setting has operations of its own. An
    extension resource, such as a lock, has those of its own namespace.
    """
    namespace = hint.resource.type.partition("/")[0].lower()
    if hint.operation.startswith(f"{namespace}/") and hint.operation.endswith(("/write", "/delete")):
        yield hint.resource
        yield from takewhile(lambda each: each != root.id, hint.resource.lineage)


def _is_of(row: ArmType, resources: Iterable[ResourceId]) -> bool:
    return any(each.is_type(row.name) for each in resources)


def _without_extension(text: str) -> str:
    """The resource that an extension resource (a lock, a diagnostic setting) belongs to."""
    parts = text.split("/")
    providers = [index for index, part in enumerate(parts) if part.lower() == "providers"]
    return "/".join(parts[: providers[1]]) if len(providers) > 1 else text


def _bounded(text: str, limit: int = MAX_TEXT) -> str:
    """The text as it can be stored: not too long, and without the lone surrogates that JSON allows."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def _time(text: str, now: datetime) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return now


def _actor(event: JsonObject, claims: JsonObject, now: datetime) -> Actor:
    """Who did it, according to the event; unknown without legible claims."""
    return Actor(
        name=_bounded(name_of(claims)) or NOBODY,
        kind=kind_of(claims),
        tool=_bounded(tool_of(json.text_at(claims, "appid")), MAX_WORD),
        address=_bounded(json.text_at(object_in(_part(event, "httpRequest")), "clientIpAddress"), MAX_WORD),
        at=_time(json.text_at(event, "eventTime") or json.text_at(event, "time"), now),
        operation=_bounded(json.text_at(event, "data", "operationName")).lower(),
        correlation_id=_bounded(json.text_at(event, "data", "correlationId"), MAX_WORD),
        object_id=_bounded(json.text_at(claims, OBJECT_ID), MAX_WORD),
        source=Source.EVENT,
    )


def _part(event: JsonObject, name: str) -> Json:
    found = json.at(event, ("data", name))
    return None if found is ABSENT else found
