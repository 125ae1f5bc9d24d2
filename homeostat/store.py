"""The memory of the loop: root records, ledger, outbox and pauses, on top of the storage ports.

Everything about one root is in one partition, so that a reconcile ends with one atomic batch: its record, its ledger
entry and the alerts to send change together or not at all. The rules are in `homeostat.core.marks` and
`homeostat.core.written`; here they are applied by compare-and-swap.

Rows of a root's partition: `root` (the record), `ledger:ID` (newest first, never changed), `outbox:ID`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import alerts, json, marks, record
from homeostat.core.alerts import Alert
from homeostat.core.attribution import ForeignWrite
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.leases import DEFAULT_TERMS, LeaseTerms
from homeostat.core.marks import Later, NothingToDo, Notice
from homeostat.core.record import Lease, RootRecord, Settle
from homeostat.deployment_keys import DIGESTS, deployment_key
from homeostat.ports.storage import (
    MAX_CHANGES,
    MAX_DELAY,
    Blobs,
    Change,
    Conflict,
    Documents,
    Insert,
    Queues,
    Remove,
    Replace,
    Upsert,
)
from homeostat.rows import LEDGER, OUTBOX, after, entry_in, left_of_time

WORK_QUEUE: Final = "homeostat-work"
EVENT_QUEUE: Final = "homeostat-events"
SWEEP_QUEUE: Final = "homeostat-sweeps"

_ROOT = "root"
_PAUSES = "pauses"

_TRIES = 50
_PAUSE_BETWEEN_TRIES = 0.02  # seconds, growing, with jitter


class LeaseLost(HomeostatError):
    """Another owner took the root over because this one was too slow: nothing more may be written."""


class TooMuchContention(HomeostatError):
    """The record changed during every one of many tries: the work goes back to the queue."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was read. version: None if there is none yet."""

    record: RootRecord
    version: str | None


@dataclass(frozen=True, slots=True)
class Store:
    documents: Documents
    queues: Queues
    blobs: Blobs
    ambient: Ambient
    terms: LeaseTerms = DEFAULT_TERMS

    # --- records ---

    async def load(self, root: ResourceId) -> Stored:
        found = await self.documents.read(root.key, _ROOT)
        if found is None:
            return Stored(RootRecord(), None)
        return Stored(record.from_json(found.body), found.version)

    async def record_of(self, root_key: str) -> RootRecord:
        """The record of a root that need not be declared any more."""
        found = await self.documents.read(root_key, _ROOT)
        return record.from_json(found.body) if found else RootRecord()

    async def change(
        self,
        root: ResourceId,
        transition: Callable[[RootRecord], RootRecord],
        *,
        rows: Sequence[Change] = (),
        known: Stored | None = None,
    ) -> Stored:
        """Applies a transition to the current record, in one batch with `rows`.

        known: saves the first read. The transition may be called several times. Raises TooMuchContention.
        """
        stored = known
        for tries in range(_TRIES):
            stored = stored or await self.load(root)
            after = transition(stored.record)
            if after == stored.record and not rows:
                return stored
            body = record.to_json(after)
            change: Change = Insert(_ROOT, body) if stored.version is None else Replace(_ROOT, body, stored.version)
            try:
                versions = await self.documents.apply(root.key, (change, *rows))
            except Conflict:
                stored = None
                await self.ambient.sleep(_PAUSE_BETWEEN_TRIES * self.ambient.random() * min(tries + 1, 10))
                continue
            return Stored(after, versions[_ROOT])
        raise TooMuchContention(f"{root.short}: its record changed under {_TRIES} tries; it is tried again later")

    async def mark(
        self,
        root: ResourceId,
        hint: str,
        settle: Settle,
        foreign: ForeignWrite | None = None,
        *,
        comes_again: bool = True,
        rows: Sequence[Change] = (),
    ) -> bool:
        """Marks the root dirty for one hint, as `mark_for` does."""
        return await self.mark_for(root, [Notice(hint, foreign)], settle, comes_again=comes_again, rows=rows)

    async def mark_for(
        self,
        root: ResourceId,
        told: Sequence[Notice],
        settle: Settle,
        *,
        comes_again: bool = True,
        known: Stored | None = None,
        rows: Sequence[Change] = (),
    ) -> bool:
        """Marks the root dirty and enqueues at most one message. Returns whether one was enqueued.

        comes_again: whether the hints are delivered again if this fails half-way, as events are and timers are not.
        known: saves the first read. rows: stored in one batch with the mark.
        """
        delay: timedelta | None = None

        def transition(current: RootRecord) -> RootRecord:
            nonlocal delay
            now, delay = self.ambient.now(), None
            for each in told:
                current, owed = marks.marked(
                    current, hint=each.hint, now=now, settle=settle, foreign=each.foreign, comes_again=comes_again
                )
                delay = delay if owed is None else owed
            return current

        await self.change(root, transition, rows=rows, known=known)
        if delay is None:
            return False
        await self.enqueue(root, delay)
        return True

    async def enqueue(self, root: ResourceId, delay: timedelta, hint: str = "") -> None:
        """Enqueues a look. If that is due later than a message can wait, it comes earlier and is put off again.

        hint: of a message that marks the root when it comes, instead of doing work that is marked already.
        """
        body = {"root": root.text, "hint": hint} if hint else {"root": root.text}
        await self.queues.send(WORK_QUEUE, json.render(body), delay=min(delay, MAX_DELAY))

    def is_due(self, stored: Stored, settle: Settle) -> bool:
        """Whether `take` would lease the root if this were still its record."""
        due = marks.taken(stored.record, owner="", now=self.ambient.now(), settle=settle, lasts=self.terms.lasts)
        return isinstance(due, RootRecord)

    async def take(
        self, root: ResourceId, owner: str, settle: Settle, known: Stored | None = None
    ) -> "Leased | Later | NothingToDo":
        """Takes up the marked work of a root under a lease; the message of a root that must wait is enqueued again.

        known: saves the first read.
        """
        answer: RootRecord | Later | NothingToDo = NothingToDo()
        began, found = 0.0, RootRecord()

        def transition(current: RootRecord) -> RootRecord:
            nonlocal answer, began, found
            began, now, found = self.ambient.monotonic(), self.ambient.now(), current
            answer = marks.taken(current, owner=owner, now=now, settle=settle, lasts=self.terms.lasts)
            match answer:
                case RootRecord():
                    return answer
                case Later(delay):
                    return marks.postponed(current, due=now + delay)
                case NothingToDo():
                    return current

        stored = await self.change(root, transition, known=known)
        match answer:
            case RootRecord(lease=Lease() as lease):
                return Leased(self, root, lease, stored, began, found)
            case Later(delay):
                await self.enqueue(root, delay)
                return answer
            case _:
                return NothingToDo()

    async def lease(self, root: ResourceId, owner: str, known: Stored | None = None) -> "Leased | None":
        """Leases a root. None while another owner holds the lease."""
        free = False
        began, found = 0.0, RootRecord()

        def transition(current: RootRecord) -> RootRecord:
            nonlocal free, began, found
            began, now, found = self.ambient.monotonic(), self.ambient.now(), current
            free = marks.is_free(current, now=now)
            return marks.leased(current, owner=owner, now=now, lasts=self.terms.lasts) if free else current

        stored = await self.change(root, transition, known=known)
        if not free or stored.record.lease is None:
            return None
        return Leased(self, root, stored.record.lease, stored, began, found)

    async def look_when_free(self, root: ResourceId) -> None:
        """Makes sure that the root is looked at if the owner of its lease is dead and left work undone."""
        delay: timedelta | None = None

        def transition(current: RootRecord) -> RootRecord:
            nonlocal delay
            now, delay = self.ambient.now(), None
            if current.lease is None:
                return current
            after, delay = marks.scheduled(current, at=current.lease.expires, now=now)
            return after

        await self.change(root, transition)
        if delay is not None:
            await self.enqueue(root, delay)

    # --- ledger and outbox ---

    async def history(self, root: ResourceId, limit: int, before: str = "") -> list[JsonObject]:
        """The newest ledger entries of a root, newest first. before: only entries older than the one with this id."""
        first = f"{LEDGER}{before}0" if before else LEDGER  # all ids have one length, so this is right after it
        entries = self.documents.scan(root.key, first=first, last=after(LEDGER), limit=limit)
        return [entry_in(entry) async for entry in entries]

    async def entries(self, partition: str) -> AsyncIterator[JsonObject]:
        """All ledger entries of a root, by its key, or of the fleet, newest first."""
        async for found in self.documents.scan(partition, first=LEDGER, last=after(LEDGER)):
            yield entry_in(found)

    async def entry(self, root: ResourceId, id_: str) -> JsonObject | None:
        """One ledger entry of a root."""
        found = await self.documents.read(root.key, LEDGER + id_)
        return entry_in(found) if found else None

    async def entries_until(self, until: datetime) -> AsyncIterator[tuple[str, str]]:
        """(key of its root, id) of every ledger entry that is at least as old as this."""
        first = LEDGER + left_of_time(until)
        async for found in self.documents.scan_all(first=first, last=after(LEDGER)):
            yield found.partition, found.row.removeprefix(LEDGER)

    async def forget_entries(self, root_key: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), MAX_CHANGES):
            await self.documents.apply(root_key, [Remove(LEDGER + id_) for id_ in ids[start : start + MAX_CHANGES]])

    async def outbox(self, root_key: str) -> list[Alert]:
        rows = self.documents.scan(root_key, first=OUTBOX, last=after(OUTBOX))
        return [alerts.from_json(row.body) async for row in rows]

    async def outboxes(self) -> AsyncIterator[tuple[str, Alert]]:
        """Every alert that has not been sent yet, with the key of its root."""
        async for row in self.documents.scan_all(first=OUTBOX, last=after(OUTBOX)):
            yield row.partition, alerts.from_json(row.body)

    async def sent(self, root_key: str, sent: Sequence[Alert]) -> None:
        for start in range(0, len(sent), MAX_CHANGES):
            await self.documents.apply(
                root_key, [Remove(OUTBOX + alert.id) for alert in sent[start : start + MAX_CHANGES]]
            )

    # --- pauses ---

    async def pauses(self) -> tuple[Pause, ...]:
        return tuple(
            [
                Pause(
                    target=row.row.partition(":")[0],
                    until=datetime.fromisoformat(json.text_at(row.body, "until")),
                    reason=json.text_at(row.body, "reason"),
                    by=json.text_at(row.body, "by"),
                    cause=json.text_at(row.body, "cause"),
                )
                async for row in self.documents.scan(_PAUSES)
            ]
        )

    async def pause(self, pause: Pause) -> None:
        body = {"until": pause.until.isoformat(), "reason": pause.reason, "by": pause.by, "cause": pause.cause}
        await self.documents.apply(_PAUSES, [Upsert(_pause_row(pause.target, pause.cause), body)])

    async def lift(self, pause: Pause) -> None:
        """Ends this pause, and no other of its target."""
        await self.documents.apply(_PAUSES, [Remove(_pause_row(pause.target, pause.cause))])

    async def resume(self, target: str = FLEET) -> tuple[Pause, ...]:
        """Ends every pause of the target, or of the fleet as a whole. Returns those that it ended."""
        ended = tuple(pause for pause in await self.pauses() if pause.target == target)
        await self.documents.apply(_PAUSES, [Remove(_pause_row(pause.target, pause.cause)) for pause in ended])
        return ended

    # --- the key of digests ---

    async def digest_key(self) -> bytes:
        """The key of the digests by which secrets are recognised."""
        return await deployment_key(self.documents, self.ambient, DIGESTS)


@dataclass(slots=True)
class Leased:
    """A root under its lease: the only way to change its record while it is being written to.

    began: when the lease was taken or last renewed, on the monotonic clock, since the wall clock may be set.
    found: the record that the lease was taken on.
    """

    store: Store
    root: ResourceId
    lease: Lease
    stored: Stored
    began: float
    found: RootRecord

    async def save(self, transition: Callable[[RootRecord], RootRecord], rows: Sequence[Change] = ()) -> None:
        """Raises LeaseLost if the root has another owner by now; then nothing is saved."""

        def guarded(current: RootRecord) -> RootRecord:
            if not marks.still_holds(current, self.lease):
                raise LeaseLost(f"{self.root.short}: the lease was taken over; the new owner goes on")
            return transition(current)

        self.stored = await self.store.change(self.root, guarded, rows=rows, known=self.stored)

    async def ensure(self) -> None:
        """Renews the lease if too little of it is left for a write. Raises LeaseLost."""
        if self._left() < self.store.terms.for_a_write:
            began, now = self.store.ambient.monotonic(), self.store.ambient.now()
            await self.save(lambda current: marks.renewed(current, now=now, lasts=self.store.terms.lasts))
            self.lease, self.began = self.stored.record.lease or self.lease, began

    @property
    def send_by(self) -> float:
        """Until when, on the monotonic clock, a write may be sent: later it could take effect under another's lease."""
        left = self._left() - self.store.terms.after_sending
        return self.store.ambient.monotonic() + left.total_seconds()

    def _left(self) -> timedelta:
        """The remaining time, by the clock that leaves less of it."""
        ambient = self.store.ambient
        spent = timedelta(seconds=ambient.monotonic() - self.began)
        return min(self.lease.expires - ambient.now(), self.store.terms.lasts - spent)

    async def abandon(self) -> None:
        """Gives the work back after a failure that is not an outcome, if it is not concluded or another owner's."""
        now = self.store.ambient.now()
        with suppress(LeaseLost):
            await self.save(lambda current: marks.abandoned(current, now=now))


def _pause_row(target: str, cause: str) -> str:
    return f"{target}:{cause}" if cause else target
