"""Deletes what is old: ledger entries, snapshots, finished runs and reports, a limited number in one night.

What may still explain an open episode or an unfinished write is kept, however old. A night that ends half-way loses
nothing: the next one goes on with what is left.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeostat.config import DEFAULT_RETENTION
from homeostat.core import snapshot
from homeostat.core.record import RootRecord
from homeostat.operations.run_store import RunStore
from homeostat.ports.storage import Blobs
from homeostat.rows import entry_time
from homeostat.snapshots import CONTAINER
from homeostat.store import Store
from homeostat.sweeps.store import REPORTS

AT_MOST: Final = 5000
"""Of each sort in one night, which takes some minutes; the rest waits for the next."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many of each were deleted, and whether more are left that are old enough."""

    entries: int = 0
    snapshots: int = 0
    runs: int = 0
    reports: int = 0
    is_all: bool = True

    def __str__(self) -> str:
        blobs = f"{self.snapshots} snapshots and {self.reports} reports"
        words = f"{self.entries} ledger entries, {self.runs} runs, {blobs} forgotten"
        return words if self.is_all else f"{words}; the next night goes on"


@dataclass(frozen=True, slots=True)
class Retention:
    store: Store
    retention_period: timedelta = DEFAULT_RETENTION
    at_most: int = AT_MOST

    async def run(self) -> Deleted:
        """Raises StorageError."""
        until = self.store.ambient.now() - self.retention_period
        needed = _Needed(self.store, {})
        entries = await self._entries(until, needed)
        snapshots = await self._snapshots(until, needed)
        runs = await RunStore(self.store.documents, self.store.blobs).forget(until, self.at_most)
        reports = await self._reports(until)
        is_all = max(entries, snapshots, runs, reports) < self.at_most
        return Deleted(entries, snapshots, runs, reports, is_all)

    async def _entries(self, until: datetime, needed: "_Needed") -> int:
        by_root: dict[str, list[str]] = defaultdict(list)
        count = 0
        async for root_key, id_ in self.store.entries_until(until):
            if count == self.at_most:
                break
            if not await needed.at(root_key, entry_time(id_)):
                by_root[root_key].append(id_)
                count += 1
        for root_key, ids in by_root.items():
            await self.store.forget_entries(root_key, ids)
        return count

    async def _snapshots(self, until: datetime, needed: "_Needed") -> int:
        blobs: Blobs = self.store.blobs
        old: list[str] = []
        async for info in blobs.list(CONTAINER):
            found = snapshot.parsed(info.name)
            if found is None or found[1] > until or await needed.at(*found):
                continue
            old.append(info.name)
            if len(old) == self.at_most:
                break
        for name in old:
            await blobs.delete(CONTAINER, name)
        return len(old)

    async def _reports(self, until: datetime) -> int:
        blobs: Blobs = self.store.blobs
        old = [info.name async for info in blobs.list(REPORTS) if info.modified <= until][: self.at_most]
        for name in old:
            await blobs.delete(REPORTS, name)
        return len(old)


@dataclass(frozen=True, slots=True)
class _Needed:
    """From which time on a root's past is still needed; each root's record is read once."""

    store: Store
    since: dict[str, datetime | None]

    async def at(self, root_key: str, time: datetime) -> bool:
        if root_key not in self.since:
            self.since[root_key] = _needed_since(await self.store.record_of(root_key))
        since = self.since[root_key]
        return since is not None and time >= since


def _needed_since(record: RootRecord) -> datetime | None:
    times: Iterable[datetime] = (
        *(episode.opened for episode in record.episodes.values()),
        *((record.intent.at,) if record.intent else ()),
    )
    return min(times, default=None)
