"""Who changed something: what is known of a writer, and which of the known writes can have caused a drift. Pure.

Nothing here decides what is written to Azure. It serves people who read it, tells our own writes from foreign ones, and
names the other side of a fight. What is not known is reported as unknown, and never guessed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from homeostat.core.arm_types import SWAPS
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
    """Where the actor is known from."""

    EVENT = "event"
    RESOURCE_CHANGES = "resourcechanges"
    SPEC = "spec"
    HOMEOSTAT = "homeostat"  # a person asked for the write here: a rollback, a re-test
    UNKNOWN = "unknown"


NOBODY: Final = "unknown"
"""In the place of an unknown name."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, with which tool, from where, when, by which operation. What is unknown is empty.

    name: of a person, an application or an identity, if its claims have one; else one of its ids.
    was: of a spec, its version before.
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
    """Our own principal in Azure."""

    object_id: str
    app_id: str


@dataclass(frozen=True, slots=True)
class ForeignWrite:
    """A write that Homeostat did not make. resource: an id's key.

    fields: the resource's fields that it changed, such as `properties.securityRules`; None if they are unknown.
    """

    resource: str
    by: Actor
    fields: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The same for every report of this write; "" if a report says too little to recognise the write."""
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
"""Where a resource's body shows a child, if not in a list that is named as the child's type is."""


def cause_of(drifts: Iterable[Drift], writes: Sequence[ForeignWrite]) -> Actor | None:
    """Whose write caused these drifts: of the writes that can have changed what drifted, the nearest, then the latest.

    None if no write can have: a write to a sibling, such as another rule of the same NSG, explains nothing. None also
    if several people wrote to the parent: the fields of a list do not say who changed which of its rules.
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
    """3 for the resource itself, 2 for something in it, 1 for something that it is in, 0 for anything else."""
    near = _relation(drift.resource, write)
    return near if near and (write.fields is None or _is_among(drift, write)) else 0


def _relation(resource: ResourceId, write: ForeignWrite) -> int:
    if resource.key == write.resource:
        return 3
    if write.resource.startswith(f"{resource.key}/"):
        return 2
    # A swap changes what is below the app and below its slots, but names only one of them.
    above = write.resource.partition("/slots/")[0] if write.operation in SWAPS else write.resource
    return 1 if f"{resource.key}/".startswith(f"{above}/") else 0


def _is_among(drift: Drift, write: ForeignWrite) -> bool:
    """Whether the drift is among the fields that the write changed.

    A child shows in its parent's body as a list, `properties.securityRules`. A creation or deletion has no fields.
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
    """Who deleted a root, by its last known deletion."""
    ends = [write for write in writes if write.resource == root.key and write.operation.endswith("/delete")]
    return max(ends, key=lambda write: write.at).by if ends else None


def actor_json(actor: Actor) -> JsonObject:
    """`was` is only there for a spec."""
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
