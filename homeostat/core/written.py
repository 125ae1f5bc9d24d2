"""Writes to a root: others', which are examined once, and our own, which are recognised and never replayed. Pure.

As in `marks`, each function takes a record and returns the next one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from homeostat.core.arm_types import ARM_TYPES, SWAPS
from homeostat.core.attribution import ForeignWrite
from homeostat.core.ids import ResourceId
from homeostat.core.record import BlindWrite, Intent, OwnWrite, RootRecord

MAX_FOREIGN_WRITES = 20

OWN_WRITES_KEPT = timedelta(hours=25)
"""How long the event of a write of ours may take: Event Grid retries for a day.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

MAX_OWN_WRITES = 100

MAX_EXAMINED = 100


# --- foreign writes, told again -------------------------------------------------------------------------------------


def examining(record: RootRecord, *, judged: bool) -> RootRecord:
    """The record after a look that began when all its foreign writes were known, and that may have judged them."""
    told = (*record.unexplained, *record.foreign_writes)
    if not judged:
        return replace(record, foreign_writes=(), unexplained=told[-MAX_FOREIGN_WRITES:])
    names = dict.fromkeys((*record.examined, *(write.name for write in told if write.name)))
    return replace(record, foreign_writes=(), unexplained=(), examined=tuple(names)[-MAX_EXAMINED:])


def is_examined(record: RootRecord, write: ForeignWrite) -> bool:
    """Whether a look has judged the effect of this write: Event Grid delivers at least once, and may do so late."""
    return bool(write.name) and write.name in record.examined


# --- our own writes -------------------------------------------------------------------------------------------------


def about_to_write(record: RootRecord, correlation_ids: Iterable[str], *, now: datetime) -> RootRecord:
    """The record of a root that is about to be written, or was, under these ids."""
    recent = [write for write in record.own_writes if write.at > now - OWN_WRITES_KEPT]
    known = {write.correlation_id for write in recent}
    named = [OwnWrite(correlation_id, now) for correlation_id in correlation_ids if correlation_id not in known]
    return replace(record, own_writes=(*recent, *named)[-MAX_OWN_WRITES:])


def is_own(record: RootRecord, correlation_id: str) -> bool:
    """Whether a write with that id is ours, provided that its author is."""
    return any(write.correlation_id == correlation_id for write in record.own_writes)


# --- intents --------------------------------------------------------------------------------------------------------


def intending(record: RootRecord, intent: Intent) -> RootRecord:
    """The record with what is about to be written, and what was begun before and has no end in the ledger yet."""
    earlier = record.intent
    if earlier is not None:
        intent = replace(
            intent,
            at=earlier.at,
            actions=tuple(dict.fromkeys((*earlier.actions, *intent.actions))),
            kinds=tuple(sorted({*earlier.kinds, *intent.kinds})),
            unprotected={**intent.unprotected, **earlier.unprotected},
            snapshots=(*earlier.snapshots, *intent.snapshots),
        )
    return replace(record, intent=intent)


def left_blind(begun: Intent | None, *, until: datetime) -> tuple[BlindWrite, ...]:
    """The time spans of unprotected writes of which it is unknown when, or whether, they took effect: they end now."""
    since = begun.unprotected if begun else {}
    return tuple(BlindWrite(resource, began, until, "") for resource, began in since.items())


# --- what a reconcile found -----------------------------------------------------------------------------------------


def possible_overwrites(record: RootRecord) -> tuple[ForeignWrite, ...]:
    """Foreign writes during an unprotected write of ours. Where somebody removed something, nothing is overwritten."""
    return tuple(
        foreign
        for foreign in (*record.unexplained, *record.foreign_writes)
        if not foreign.operation.endswith("/delete")
        and any(
            _wrote(foreign, blind.resource) and blind.read_at <= foreign.at <= blind.written_at
            for blind in record.blind_writes
        )
    )


def _wrote(foreign: ForeignWrite, resource: str) -> bool:
    """Whether it wrote the resource, or something that is in its body.

    A swap writes the app and its slots, with what is below them, and names only one of them. A restore writes the one
    that it names.
    """
    if not foreign.operation.endswith("/action"):
        return foreign.resource == resource or _is_embedded(foreign.resource, resource)
    above = foreign.resource.partition("/slots/")[0] if foreign.operation in SWAPS else foreign.resource
    return f"{resource}/".startswith(f"{above}/")


def _is_embedded(child: str, resource: str) -> bool:
    if not child.startswith(f"{resource}/"):
        return False
    row = ARM_TYPES.get(ResourceId.parse(child).type)
    return row is not None and bool(row.embedded)
