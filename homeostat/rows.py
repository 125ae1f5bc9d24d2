"""Rows of ledger entries and of alerts to send, as they stand in the partition of a root or of the fleet.

A ledger row is never changed. Its name is the entry's id, and ids sort by time, newest first, across all roots.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from homeostat.core import alerts
from homeostat.core.alerts import Alert
from homeostat.core.json import JsonObject
from homeostat.ports.storage import Change, Document, Insert, Upsert

LEDGER: Final = "ledger:"
OUTBOX: Final = "outbox:"

_LAST_INSTANT: Final = datetime(9999, 1, 1, tzinfo=UTC)


def ledger_row(entry: JsonObject, at: datetime, discriminator: UUID) -> Change:
    return Insert(f"{LEDGER}{left_of_time(at)}-{discriminator.hex[-12:]}", entry)


def entry_in(found: Document) -> JsonObject:
    """The ledger entry of a row, with its id."""
    return {"id": found.row.removeprefix(LEDGER), **found.body}


def entry_time(id_: str) -> datetime:
    """When the entry with this id was made. Raises ValueError for anything else."""
    return _LAST_INSTANT - timedelta(microseconds=int(id_.partition("-")[0]))


def left_of_time(at: datetime) -> str:
    """What the ids of entries made at this time begin with."""
    return f"{(_LAST_INSTANT - at) // timedelta(microseconds=1):018d}"


def outbox_rows(pending: Sequence[Alert]) -> tuple[Change, ...]:
    """One row for each id: a batch that names a row twice is refused, which would block the root for good."""
    by_id = {alert.id: alert for alert in pending}
    return tuple(Upsert(OUTBOX + id_, alerts.to_json(alert)) for id_, alert in by_id.items())


def after(prefix: str) -> str:
    """The first row name after all that begin with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
