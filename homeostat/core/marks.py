"""Whose turn it is: a root's marks, its one message, and its lease. Pure.

Each function takes a record and returns the next one; the store applies it by compare-and-swap, so that no hint is lost
and no two owners write, even if messages come twice or late.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from homeostat.core.attribution import ForeignWrite
from homeostat.core.leases import DEFAULT_TERMS
from homeostat.core.record import Lease, Mark, Pending, RootRecord, Settle
from homeostat.core.retest import Retest
from homeostat.core.written import MAX_FOREIGN_WRITES

LEASE_TIME = DEFAULT_TERMS.lasts

MESSAGE_GRACE = timedelta(minutes=5)
"""How long after it was due a work message is still believed to be in the queue."""

LONGEST_DELAY = timedelta(days=7)
"""The longest that a queue message can wait."""

NOBODY = ""
"""In the place of a hint's id, where nobody would send the message again if it was never sent."""

SWEEP = re.compile(r"(nightly|manual|resume|release|reset-breaker):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The cause that all marks of one sweep share, by which its writes are counted together."""


def sweep_in(causes: Iterable[str]) -> str:
    """The latest sweep among the causes of a mark; "" if there is none."""
    return next((cause for cause in reversed(tuple(causes)) if SWEEP.fullmatch(cause)), "")


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint that a root may have changed, by its id, and the foreign write that it reports, if any."""

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
    """The record after a hint, and the delay of the message to enqueue; None if one is surely under way.

    A message that is due much later (a retry) is not relied on: it will find nothing to do. A hint that is delivered
    again enqueues again, with the same effect, since its first handling may have died between mark and message. The
    message of a hint that is not delivered again (`comes_again` is False), such as a timer's, is not relied on by other
    hints.
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
    """Whether a message was surely sent, is not long overdue, and comes in time."""
    if pending is None or pending.by in {hint, NOBODY}:
        return False
    return now - MESSAGE_GRACE < pending.due <= by


def is_owed(record: RootRecord, hint: str) -> bool:
    """Whether this hint promised a message that may never have been sent, as its handling may have died."""
    return record.pending is not None and record.pending.by == hint


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: ask again after `delay`."""

    delay: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The message is a duplicate, or somebody else did its work."""


def taken(
    record: RootRecord, *, owner: str, now: datetime, settle: Settle, lasts: timedelta = LEASE_TIME
) -> RootRecord | Later | NothingToDo:
    """The record after `owner` took up the marked work: leased, with mark and message cleared."""
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
    """The work to be done: the latest change, else what a dead owner left undone, else a look that is due."""
    mark = record.mark
    return mark if mark and mark.since <= now else record.working or mark


def postponed(record: RootRecord, *, due: datetime) -> RootRecord:
    """The record whose message is put off."""
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
    """The record after its owner failed half-way: the work is marked again, and free for the next owner."""
    return replace(record, lease=None, mark=_work_of(record, now=now), working=None)


def released(record: RootRecord) -> RootRecord:
    """The record after its owner gave up the work without having learned anything."""
    return replace(record, lease=None, working=None)


def still_holds(record: RootRecord, lease: Lease) -> bool:
    return record.lease is not None and record.lease.token == lease.token


def scheduled(record: RootRecord, *, at: datetime, now: datetime) -> tuple[RootRecord, timedelta | None]:
    """The record with a look due at `at`, and the delay of the message to enqueue, if one is needed.

    If that is further away than a message can wait, the message comes earlier and is put off again.
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
    """The record when a reconcile that began with `before` ends with `after`, with the hints that came meanwhile.

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
    """Whether a reconcile without lease, which began with `before`, must not conclude: another works, or has worked."""
    others_turn = {name: getattr(current, name) for name in ("mark", "working", "pending", "foreign_writes", "lease")}
    return not is_free(current, now=now) or current != replace(before, **others_turn)


# --- a re-test of routing -------------------------------------------------------------------------------------------


def retesting(record: RootRecord, retest: Retest, *, now: datetime) -> tuple[RootRecord, timedelta]:
    """The record with a retest, and the delay of the message for the look at its end.

    That look is due whatever happens to this process, so its message is sent before anything is switched off.
    """
    after = _to_look_at(record, "retest", at=retest.deadline, now=now)
    return replace(after, retest=retest), retest.deadline - now


def retest_ended(record: RootRecord, *, now: datetime, by: str) -> RootRecord:
    """The record with a running retest ended early: from now on its routing is drift."""
    if record.retest is None or not record.retest.runs(now):
        return record
    return replace(record, retest=replace(record.retest, deadline=now, ended_by=by))
