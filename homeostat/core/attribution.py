"""Who changed something: what is kept of a writer, and which of the known writes can have caused a drift. Pure.

Nothing here decides what is written to Azure. It is for people to read, for telling our own writes from foreign ones,
and for naming the other side of a fight. What is not known is said to be unknown, and never guessed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Drift


class ActorKind(StrEnum):
    USER = "user"
    APPLICATION = "application"
    MANAGED_IDENTITY = "managed identity"
    SPEC = "spec"  # nobody changed Azure: what is declared changed
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where it is known from."""

    EVENT = "event"
    RESOURCE_CHANGES = "resourcechanges"
    SPEC = "spec"
    UNKNOWN = "unknown"


NOBODY: Final = "unknown"
"""In the place of a name that nothing tells."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, with which tool, from where, when, by which operation. What is not known is empty.

    name: of a person, an application or an identity, as far as its claims tell; else one of its ids.
    was: of a spec, the version before.
    """

    name: str = NOBODY
    kind: ActorKind = ActorKind.UNKNOWN
    tool: str = ""
    address: str = ""
    at: datetime | None = None
    operation: str = ""  # in lower case
    correlation_id: str = ""
    object_id: str = ""
    source: Source = Source.UNKNOWN
    was: str = ""

    @property
    def is_known(self) -> bool:
        return self.name != NOBODY


UNKNOWN: Final = Actor()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who we are to Azure ourselves."""

    object_id: str
    app_id: str


@dataclass(frozen=True, slots=True)
class ForeignWrite:
    """A write that Homeostat did not make. `resource` is an id's key.

    fields: which fields of the resource it changed, `properties.securityRules`; None where its teller does not say.
    """

    resource: str
    by: Actor
    fields: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The same however often it is told of; "" where too little is told to know it again."""
        if not self.correlation_id:
            return ""
        parts = (self.resource, self.operation, self.correlation_id, self.at.isoformat())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def at(self) -> datetime:
        assert self.by.at is not None, "whoever tells of a write tells when it was"
        return self.by.at

    @property
    def operation(self) -> str:
        return self.by.operation

    @property
    def correlation_id(self) -> str:
        return self.by.correlation_id


_SHOWN_AS: Final = {"networkconfig": "properties.virtualNetworkSubnetId"}
"""Where a resource's body shows what is below it, if not in a list that is called as the children's type is."""


def cause_of(drifts: Iterable[Drift], writes: Sequence[ForeignWrite]) -> Actor | None:
    """By whose write these drifts came about: of those that can have changed what drifted the nearest, then the latest.

    None when none can (a write to a sibling, such as another rule of the same NSG, explains nothing), and when it may
    have been one or the other: who changed which rule of a list is not told with the list's fields.
    """
    ranked = [
        (rank, write.at, number, write)
        for number, write in enumerate(writes)
        if (rank := max((_nearness(drift, write) for drift in drifts), default=0))
    ]
    if not ranked:
        return None
    nearest, *_, best = max(ranked, key=lambda entry: entry[:3])
    others = {write.by.name for rank, _, _, write in ranked if rank == nearest} - {best.by.name}
    return None if nearest == 1 and best.fields is not None and others else best.by


def _nearness(drift: Drift, write: ForeignWrite) -> int:
    """3 for the very resource, 2 for what is in it, 1 for what it is in, 0 for anything else."""
    near = _relation(drift.resource, write)
    return near if near and (write.fields is None or _is_among(drift, write)) else 0


def _relation(resource: ResourceId, write: ForeignWrite) -> int:
    if resource.key == write.resource:
        return 3
    if write.resource.startswith(f"{resource.key}/"):
        return 2
    # A swap changes what is below the app and below its slots, and names only one of them.
    above = write.resource.partition("/slots/")[0] if write.operation.endswith("/action") else write.resource
    return 1 if f"{resource.key}/".startswith(f"{above}/") else 0


def _is_among(drift: Drift, write: ForeignWrite) -> bool:
    """Whether what drifted is among the fields that the write changed.

    What is in a resource shows in its body as a list, `properties.securityRules`; a creation or an end has no fields.
    """
    assert write.fields is not None, "asked of writes alone that tell their fields"
    if not write.fields:
        return True
    if not drift.resource.key.startswith(f"{write.resource}/"):
        place = ".".join(drift.path)
    else:
        collection = drift.resource.key.removeprefix(f"{write.resource}/").partition("/")[0]
        place = _SHOWN_AS.get(collection, f"properties.{collection}")
    return any(_overlap(place.lower(), changed.lower()) for changed in write.fields)


def _overlap(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return not shorter or (longer.startswith(shorter) and longer[len(shorter) : len(shorter) + 1] in {"", ".", "["})


def end_of(root: ResourceId, writes: Sequence[ForeignWrite]) -> Actor | None:
    """Who deleted a root, by the last deletion of it that is told of."""
    ends = [write for write in writes if write.resource == root.key and write.operation.endswith("/delete")]
    return max(ends, key=lambda write: write.at).by if ends else None


def actor_json(actor: Actor) -> JsonObject:
    """`was` is there for a spec alone."""
    return {
        "name": actor.name,
        "kind": actor.kind.value,
        "tool": actor.tool,
        "address": actor.address,
        "at": actor.at.isoformat() if actor.at else None,
        "operation": actor.operation,
        "correlationId": actor.correlation_id,
        "objectId": actor.object_id,
        "source": actor.source.value,
        **({"was": actor.was} if actor.was else {}),
    }
