"""What is remembered of a root between two reconciles, and the transitions it goes through. Pure.

The store keeps a record as one document and changes it by compare-and-swap, so that every transition here is atomic
however many instances there are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from homeostat.core.attribution import UNKNOWN, Actor, ForeignWrite
from homeostat.core.flapping import Flap
from homeostat.core.json import JsonObject
from homeostat.core.leases import DEFAULT_TERMS
from homeostat.core.retest import Retest

LEASE_TIME = DEFAULT_TERMS.lasts

MESSAGE_GRACE = timedelta(minutes=5)
"""How long after it was due a work message is still believed to be under way."""

LONGEST_DELAY = timedelta(days=7)
"""No queue message can wait longer."""

GONE_AFTER = timedelta(seconds=30)
"""A container counts as gone when it is still missing this long after it was first missed."""

MAX_FOREIGN_WRITES = 20

OWN_WRITES_KEPT = timedelta(hours=25)
"""How long the event of a write of ours may be on its way: Event Grid tries for a day.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

MAX_OWN_WRITES = 100

MAX_EXAMINED = 100

NOBODY = ""
"""In the place of a hint's name: should its message never have been sent, nobody will send it again."""


@dataclass(frozen=True, slots=True)
class Settle:
    """How long a root is left alone after an event: `after` the last one, but at most `at_most` after the first."""

    after: timedelta = timedelta(seconds=15)
    at_most: timedelta = timedelta(minutes=2)


DEFAULT_SETTLE = Settle()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a root. `token` grows with every owner."""

    owner: str
    token: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """The root may have changed, first at `since`, and is not to be taken up before `settled`.

    A `since` that is still to come is no change: it is when somebody wants to look at the root again.
    """

    since: datetime
    settled: datetime
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The one work message that is under way for the root. `by` is the hint that enqueued it, or NOBODY."""

    due: datetime
    by: str


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """What a write of ours is called, chosen before it is sent: its event can come before its answer."""

    correlation_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BlindWrite:
    """A write of ours that no ETag protected: what was written between the two times may have been overwritten.

    Both are ARM's times, as those of events are.
    """

    resource: str
    read_at: datetime
    written_at: datetime
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Episode:
    """The time from the first detection of a kind's drift on the root to its end. `state` is the last transition.

    changed_by: who brought the drift about that was told last.
    items: what the spec calls that which has differed in it; "" for what belongs to no item.
    """

    id: str
    opened: datetime
    state: str
    fingerprint: str = ""  # of what the last transition told, so that the same is not told twice
    changed_by: Actor = UNKNOWN
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was declared of a kind when the root was last seen to be so, at `at`.

    digest: of what is declared (`homeostat.core.versions.wants_digest`). version: of the spec that declared it.
    """

    digest: str
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret's value as it was last accepted: its digest, the name of the digest's key, and the spec's `rotated`."""

    digest: str
    rotated: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """Writes that were begun. Found unfinished, it means: observe again, never replay.

    unprotected: by resource, since when, by ARM's clock, a write that no ETag protected may have been on its way.
    snapshots: the names of those that are taken of the state before each write, if it comes to them.
    """

    id: str
    at: datetime
    actions: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # whose drifts they repair
    unprotected: Mapping[str, datetime] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failing:
    """Tries of a root that failed in a row. `error` is the last one's, `next_try` None when no try is planned.

    writing: whether it could be read, so that only a write that succeeds, or need not be made, is the end of it.
    """

    since: datetime
    failures: int
    error: str
    next_try: datetime | None = None
    writing: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the last look ended that could judge the root. version: of the spec by which it was judged."""

    version: str
    status: str
    holds: tuple[str, ...] = ()  # codes


@dataclass(frozen=True, slots=True)
class RootRecord:
    """The fields down to `pending` are about whose turn it is, the others about what was found and done."""

    lease: Lease | None = None
    token: int = 0
    mark: Mark | None = None
    working: Mark | None = None  # the mark that the lease's owner took up; an owner that dies leaves it here
    pending: Pending | None = None
    missing_since: datetime | None = None
    retired: bool = False
    failing: Failing | None = None
    settling: int = 0  # looks in a row that found something still settling
    intent: Intent | None = None
    episodes: Mapping[str, Episode] = field(default_factory=dict)  # by kind
    foreign_writes: tuple[ForeignWrite, ...] = ()
    unexplained: tuple[ForeignWrite, ...] = ()  # of earlier looks, which could not tell what had come of them
    examined: tuple[str, ...] = ()  # names of foreign writes of which a look has judged what came of them
    own_writes: tuple[OwnWrite, ...] = ()
    accepted: Mapping[str, Accepted] = field(default_factory=dict)  # by kind
    blind_writes: tuple[BlindWrite, ...] = ()
    retest: Retest | None = None  # the last one of the root's routing
    reserved: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # writes: see `homeostat.core.uses`
    flaps: Mapping[str, Flap] = field(default_factory=dict)  # by drift: see `homeostat.core.flapping`
    judgement: Judgement | None = None
    secrets: Mapping[str, KnownSecret] = field(default_factory=dict)  # by kind and item

    @property
    def failures(self) -> int:
        """In a row."""
        return self.failing.failures if self.failing else 0


_ADAPTER: TypeAdapter[RootRecord] = TypeAdapter(RootRecord)


def to_json(record: RootRecord) -> JsonObject:
    dumped: dict[str, Any] = _ADAPTER.dump_python(record, mode="json", exclude_defaults=True)
    return dumped


def from_json(body: JsonObject) -> RootRecord:
    """Raises ValueError (pydantic.ValidationError) for a document that is not a record."""
    return _ADAPTER.validate_python(body)


SWEEP = re.compile(r"(nightly|resume|release|reset-breaker):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The cause that all marks of one sweep have, by which its writes are counted together."""


def sweep_in(causes: Iterable[str]) -> str:
    """The latest sweep among the causes of a mark; "" when there is none."""
    return next((cause for cause in reversed(tuple(causes)) if SWEEP.fullmatch(cause)), "")


@dataclass(frozen=True, slots=True)
class Told:
    """A hint that a root may have changed, by its name, and the foreign write that it tells of, if it names one."""

    hint: str
    foreign: ForeignWrite | None = None


# --- marks and messages ---------------------------------------------------------------------------------------------


def marked(
    record: RootRecord,
    *,
    hint: str,
    now: datetime,
    settle: Settle,
    foreign: ForeignWrite | None = None,
    comes_again: bool = True,
) -> tuple[RootRecord, timedelta | None]:
    """The record after a hint, and the delay of the message to enqueue, or None when one is surely under way already.

    A message that is due much later (a retry) is not waited for: it will find nothing to do. A hint that comes again
    (its first handling may have died between the mark and the message) enqueues again, with the same effect. On the
    message of a hint that does not, such as a timer's, no other hint relies (`comes_again`).
    """
    mark = record.mark
    causes = (hint,) if mark is None else tuple(dict.fromkeys((*mark.causes, hint)))[-MAX_FOREIGN_WRITES:]
    hinted = mark if mark and mark.since <= now else Mark(now, now)
    settled = max(hinted.settled, min(now + settle.after, hinted.since + settle.at_most))
    after = replace(record, mark=Mark(hinted.since, settled, causes))
    if foreign is not None and foreign not in record.foreign_writes:
        after = replace(after, foreign_writes=(*record.foreign_writes, foreign)[-MAX_FOREIGN_WRITES:])
    if _is_under_way(record.pending, hint, now, by=max(now, settled)):
        return after, None
    due = max(now, settled)
    return replace(after, pending=Pending(due, hint if comes_again else NOBODY)), due - now


def _is_under_way(pending: Pending | None, hint: str, now: datetime, *, by: datetime) -> bool:
    """Whether a message was surely sent, is not yet overdue for long, and comes in time."""
    if pending is None or pending.by in {hint, NOBODY}:
        return False
    return now - MESSAGE_GRACE < pending.due <= by


def is_owed(record: RootRecord, hint: str) -> bool:
    """Whether a message was promised for this very hint and may never have been sent: its handling can have died."""
    return record.pending is not None and record.pending.by == hint


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: ask again after `delay`."""

    delay: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The message came twice, or somebody else did its work."""


def taken(
    record: RootRecord, *, owner: str, now: datetime, settle: Settle, lasts: timedelta = LEASE_TIME
) -> RootRecord | Later | NothingToDo:
    """The record after `owner` took up the marked work: leased, its mark and message cleared."""
    work = _work_of(record, now=now)
    if work is None:
        return NothingToDo()
    if not is_free(record, now=now):
        assert record.lease is not None, "a record without a lease is free"
        return Later(min(record.lease.expires - now, settle.after or timedelta(seconds=1)), "another owner holds it")
    if work.settled > now:
        return Later(work.settled - now, "it has not settled yet")
    return replace(leased(record, owner=owner, now=now, lasts=lasts), working=work, mark=None, pending=None)


def _work_of(record: RootRecord, *, now: datetime) -> Mark | None:
    """What there is to do: the change that was told last, else what an owner left undone, else a look in its time."""
    mark = record.mark
    return mark if mark and mark.since <= now else record.working or mark


def postponed(record: RootRecord, *, due: datetime) -> RootRecord:
    """The record while its message waits for another time."""
    return replace(record, pending=Pending(due, record.pending.by if record.pending else NOBODY))


# --- the lease ------------------------------------------------------------------------------------------------------


def is_free(record: RootRecord, *, now: datetime) -> bool:
    return record.lease is None or record.lease.expires <= now


def leased(record: RootRecord, *, owner: str, now: datetime, lasts: timedelta = LEASE_TIME) -> RootRecord:
    """The record with a new lease. Only for a record that `is_free`."""
    token = record.token + 1
    return replace(record, token=token, lease=Lease(owner, token, now + lasts))


def renewed(record: RootRecord, *, now: datetime, lasts: timedelta = LEASE_TIME) -> RootRecord:
    """The record with its lease prolonged. Only for its owner."""
    assert record.lease is not None, "only a held lease is renewed"
    return replace(record, lease=replace(record.lease, expires=now + lasts))


def abandoned(record: RootRecord, *, now: datetime) -> RootRecord:
    """The record after its owner failed half-way: the work is marked again and free for the next owner."""
    return replace(record, lease=None, mark=_work_of(record, now=now), working=None)


def released(record: RootRecord) -> RootRecord:
    """The record after its owner put the work down without having learned anything."""
    return replace(record, lease=None, working=None)


def still_holds(record: RootRecord, lease: Lease) -> bool:
    return record.lease is not None and record.lease.token == lease.token


def scheduled(record: RootRecord, *, at: datetime, now: datetime) -> tuple[RootRecord, timedelta | None]:
    """The record with a look to be taken at `at`, and the delay of the message to enqueue, if it needs one.

    What is further away than a message can wait is looked at before, and put off again.
    """
    at = max(now, min(at, now + LONGEST_DELAY))
    if _is_under_way(record.pending, NOBODY, now, by=at):
        return record, None
    return _to_look_at(record, "retry", at=at, now=now), at - now


def _to_look_at(record: RootRecord, cause: str, *, at: datetime, now: datetime) -> RootRecord:
    """The record with a look at `at`. A change that waits to be taken up, or an earlier look, includes it."""
    mark = record.mark
    if mark is None or mark.since > max(at, now):
        causes = (*mark.causes, cause) if mark else (cause,)
        mark = Mark(at, at, tuple(dict.fromkeys(causes)))
    return replace(record, mark=mark, pending=Pending(at, NOBODY))


def concluded(current: RootRecord, after: RootRecord, before: RootRecord, *, releases: bool) -> RootRecord:
    """The record when a reconcile that began with `before` ends with `after`, whatever hints came meanwhile.

    releases: whether the reconcile had the lease, and with it the marked work.
    """
    return replace(
        after,
        lease=None if releases else current.lease,
        token=current.token,
        mark=current.mark,
        working=None if releases else current.working,
        pending=current.pending,
        foreign_writes=tuple(write for write in current.foreign_writes if write not in before.foreign_writes),
        retest=after.retest if current.retest == before.retest else current.retest,
    )


def is_overtaken(current: RootRecord, before: RootRecord, *, now: datetime) -> bool:
    """Whether a reconcile without lease, which began with `before`, must not conclude: another is at work, or was."""
    others_turn = {name: getattr(current, name) for name in ("mark", "working", "pending", "foreign_writes", "lease")}
    return not is_free(current, now=now) or current != replace(before, **others_turn)


# --- a re-test of routing -------------------------------------------------------------------------------------------


def retesting(record: RootRecord, retest: Retest, *, now: datetime) -> tuple[RootRecord, timedelta]:
    """The record with a retest, and the delay of the message that leads to the look at its end.

    That look is due whatever becomes of this process, so its message is sent before anything is switched off.
    """
    after = _to_look_at(record, "retest", at=retest.deadline, now=now)
    return replace(after, retest=retest), retest.deadline - now


def retest_ended(record: RootRecord, *, now: datetime, by: str) -> RootRecord:
    """The record with its retest ended early, if one runs: from now on its routing is drift."""
    if record.retest is None or not record.retest.runs(now):
        return record
    return replace(record, retest=replace(record.retest, deadline=now, ended_by=by))


# --- foreign writes, told again -------------------------------------------------------------------------------------


def examining(record: RootRecord, *, judged: bool) -> RootRecord:
    """The record after a look that began when all its foreign writes had been told of, and may have judged them."""
    told = (*record.unexplained, *record.foreign_writes)
    if not judged:
        return replace(record, foreign_writes=(), unexplained=told[-MAX_FOREIGN_WRITES:])
    names = dict.fromkeys((*record.examined, *(write.name for write in told if write.name)))
    return replace(record, foreign_writes=(), unexplained=(), examined=tuple(names)[-MAX_EXAMINED:])


def is_examined(record: RootRecord, write: ForeignWrite) -> bool:
    """Whether a look has judged what came of this very write: Event Grid delivers at least once, and may do so late."""
    return bool(write.name) and write.name in record.examined


# --- our own writes -------------------------------------------------------------------------------------------------


def about_to_write(record: RootRecord, correlation_ids: Iterable[str], *, now: datetime) -> RootRecord:
    """The record of a root that is about to be written to under these names, or that was."""
    recent = [write for write in record.own_writes if write.at > now - OWN_WRITES_KEPT]
    known = {write.correlation_id for write in recent}
    named = [OwnWrite(correlation_id, now) for correlation_id in correlation_ids if correlation_id not in known]
    return replace(record, own_writes=(*recent, *named)[-MAX_OWN_WRITES:])


def is_own(record: RootRecord, correlation_id: str) -> bool:
    """Whether a write of that name is ours, if its author is."""
    return any(write.correlation_id == correlation_id for write in record.own_writes)


# --- intents --------------------------------------------------------------------------------------------------------


def intending(record: RootRecord, intent: Intent) -> RootRecord:
    """The record with what is about to be written, and with what was begun before and has no end in the ledger yet."""
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
    """The windows of unprotected writes of which nobody knows when, or whether, they took effect: they end now."""
    since = begun.unprotected if begun else {}
    return tuple(BlindWrite(resource, began, until, "") for resource, began in since.items())


# --- what a reconcile found -----------------------------------------------------------------------------------------


def possible_overwrites(record: RootRecord) -> tuple[ForeignWrite, ...]:
    """Foreign writes that fell into the window of a write of ours which no ETag protected."""
    return tuple(
        foreign
        for foreign in record.foreign_writes
        if any(
            _wrote(foreign, blind.resource) and blind.read_at <= foreign.at <= blind.written_at
            for blind in record.blind_writes
        )
    )


def _wrote(foreign: ForeignWrite, resource: str) -> bool:
    """Whether it wrote the resource. A swap writes what is below the app and its slots, and names only one of them."""
    if not foreign.operation.endswith("/action"):
        return foreign.resource == resource
    app, _, _ = foreign.resource.partition("/slots/")
    return resource.startswith(f"{app}/")
