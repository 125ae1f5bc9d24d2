"""Writes of other people, as their events describe them."""

from datetime import datetime

from homeostat.core.attribution import Actor, ActorKind, ForeignWrite, Source


def foreign(
    resource: str,
    operation: str,
    name: str,
    at: datetime,
    correlation_id: str = "theirs",
    *,
    fields: tuple[str, ...] | None = None,
) -> ForeignWrite:
    """A foreign write. With `fields` it is one that Resource Graph reported."""
    actor = Actor(
        name,
        ActorKind.USER,
        "Azure CLI",
        "192.0.2.7",
        at,
        operation,
        correlation_id,
        source=Source.EVENT if fields is None else Source.RESOURCE_CHANGES,
    )
    return ForeignWrite(resource, actor, fields)
