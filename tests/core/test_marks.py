"""Whose turn it is, transition by transition: when a message is sent, what an owner takes up, and what it leaves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homeostat.core import marks
from homeostat.core.marks import LEASE_TIME, Later, NothingToDo
from homeostat.core.record import Failing, Lease, Mark, Pending, RootRecord, Settle
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


def test_the_first_hint_enqueues_a_message_and_others_join_it() -> None:
    after, delay = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    assert delay == SETTLE.after
    after, delay = marks.marked(after, hint="b", now=NOW + seconds(10), settle=SETTLE)
    assert delay is None
    assert after.mark == Mark(NOW, NOW + seconds(25), ("a", "b"))


def test_a_hint_that_need_not_settle_is_taken_up_at_once_but_ends_nobody_elses_settling() -> None:
    at_once = Settle(timedelta(), timedelta())
    after, delay = marks.marked(RootRecord(), hint="nightly", now=NOW, settle=at_once)
    assert delay == timedelta()
    assert isinstance(marks.taken(after, owner="o", now=NOW, settle=SETTLE), RootRecord)
    unsettled, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    after, delay = marks.marked(unsettled, hint="nightly", now=NOW + seconds(5), settle=at_once)
    assert delay is None
    assert marks.taken(after, owner="o", now=NOW + seconds(5), settle=SETTLE) == Later(
        seconds(10), "it has not settled yet"
    )


def test_a_hint_that_comes_again_enqueues_again_since_its_first_message_may_never_have_been_sent() -> None:
    after, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    _, delay = marks.marked(after, hint="a", now=NOW, settle=SETTLE)
    assert delay == SETTLE.after


@pytest.mark.parametrize("comes_again", [True, False])
def test_only_the_message_of_a_hint_that_comes_again_is_relied_on(*, comes_again: bool) -> None:
    after, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE, comes_again=comes_again)
    _, delay = marks.marked(after, hint="b", now=NOW, settle=SETTLE)
    assert (delay is None) is comes_again


def test_a_message_that_is_long_overdue_is_no_longer_waited_for() -> None:
    after, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    late = NOW + SETTLE.after + marks.MESSAGE_GRACE
    _, delay = marks.marked(after, hint="b", now=late, settle=SETTLE)
    assert delay == timedelta()


def test_a_retry_that_is_due_much_later_does_not_delay_a_new_event() -> None:
    waiting, delay = marks.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    assert delay == timedelta(hours=1)
    after, delay = marks.marked(waiting, hint="a", now=NOW + seconds(1), settle=SETTLE)
    assert delay == SETTLE.after
    assert not isinstance(marks.taken(after, owner="o", now=NOW + seconds(17), settle=SETTLE), Later)


@pytest.mark.parametrize("waited", [1, 150, 3590])
def test_an_event_settles_though_a_retry_has_been_waiting_for_long(waited: int) -> None:
    waiting, _ = marks.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    after, delay = marks.marked(waiting, hint="a", now=NOW + seconds(waited), settle=SETTLE)
    assert (delay, after.mark) == (
        SETTLE.after,
        Mark(NOW + seconds(waited), NOW + seconds(waited) + SETTLE.after, ("retry", "a")),
    )


def test_a_stray_message_does_not_bring_a_look_forward() -> None:
    waiting, _ = marks.scheduled(RootRecord(), at=NOW + seconds(60), now=NOW)
    assert marks.taken(waiting, owner="o", now=NOW + seconds(1), settle=SETTLE) == Later(
        seconds(59), "it has not settled yet"
    )


def test_of_two_looks_the_earlier_one_is_taken_and_an_event_is_not_hurried_by_either() -> None:
    waiting, _ = marks.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    sooner, delay = marks.scheduled(waiting, at=NOW + seconds(30), now=NOW)
    assert (delay, sooner.mark) == (seconds(30), Mark(NOW + seconds(30), NOW + seconds(30), ("retry",)))
    marked, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE, comes_again=False)
    after, delay = marks.scheduled(marked, at=NOW + seconds(1), now=NOW)
    assert (delay, after.mark) == (seconds(1), marked.mark)


@pytest.mark.parametrize(("at", "delay"), [(-5, timedelta()), (30 * 86400, marks.LONGEST_DELAY)])
def test_a_look_is_never_due_when_no_message_could_come(at: int, delay: timedelta) -> None:
    after, waits = marks.scheduled(RootRecord(), at=NOW + seconds(at), now=NOW)
    assert (waits, after.pending) == (delay, Pending(NOW + delay, marks.NOBODY))


def test_a_look_does_not_rely_on_a_message_that_is_long_overdue() -> None:
    current, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    late = NOW + SETTLE.after + marks.MESSAGE_GRACE
    _, delay = marks.scheduled(current, at=late + seconds(60), now=late)
    assert delay == seconds(60)


def test_what_a_dead_owner_left_does_not_wait_for_a_look_that_is_due_later() -> None:
    marked, _ = marks.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    taken = marks.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(taken, RootRecord)
    waiting, _ = marks.scheduled(taken, at=NOW + timedelta(hours=1), now=NOW)
    again = marks.taken(waiting, owner="second", now=NOW + LEASE_TIME, settle=SETTLE)
    assert isinstance(again, RootRecord)
    assert (again.working, again.mark) == (marked.mark, None)
    assert marks.abandoned(waiting, now=NOW).mark == marked.mark


def test_a_root_is_left_alone_while_hints_keep_coming_but_not_for_ever() -> None:
    current, now = RootRecord(), NOW
    while now < NOW + SETTLE.at_most:
        current, _ = marks.marked(current, hint=now.isoformat(), now=now, settle=SETTLE)
        assert isinstance(marks.taken(current, owner="o", now=now + seconds(1), settle=SETTLE), Later)
        now += seconds(10)
    assert isinstance(marks.taken(current, owner="o", now=now, settle=SETTLE), RootRecord)


def test_a_look_that_is_due_later_than_one_under_way_needs_no_message_of_its_own() -> None:
    current, _ = marks.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    after, delay = marks.scheduled(current, at=NOW + timedelta(minutes=1), now=NOW)
    assert (after, delay) == (current, None)


def test_a_retry_whose_message_may_never_have_been_sent_is_sent_again() -> None:
    current, _ = marks.scheduled(RootRecord(), at=NOW + seconds(60), now=NOW)
    _, delay = marks.scheduled(current, at=NOW + seconds(120), now=NOW + seconds(10))
    assert delay is not None


def test_an_owner_that_died_leaves_its_work_to_the_next() -> None:
    marked, _ = marks.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    first = marks.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(first, RootRecord)
    assert isinstance(marks.taken(first, owner="second", now=NOW + seconds(1), settle=SETTLE), Later)
    second = marks.taken(first, owner="second", now=NOW + LEASE_TIME, settle=SETTLE)
    assert isinstance(second, RootRecord)
    assert (second.working, second.lease) == (first.working, Lease("second", 2, NOW + 2 * LEASE_TIME))


def test_work_that_was_put_down_is_marked_again_and_settled() -> None:
    marked, _ = marks.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    taken = marks.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(taken, RootRecord)
    again = marks.taken(marks.abandoned(taken, now=NOW), owner="second", now=NOW, settle=SETTLE)
    assert isinstance(again, RootRecord)
    assert again.working == taken.working


def test_there_is_nothing_to_do_on_a_root_that_nobody_marked() -> None:
    assert marks.taken(RootRecord(), owner="o", now=NOW, settle=SETTLE) == NothingToDo()


def test_what_came_while_a_reconcile_ran_stays_for_the_next_one() -> None:
    seen, unseen = foreign("r", "op", "someone", NOW, "1"), foreign("r", "op", "someone", NOW, "2")
    before = RootRecord(foreign_writes=(seen,), lease=Lease("o", 1, NOW), token=1)
    current = replace(before, foreign_writes=(seen, unseen), mark=Mark(NOW, NOW), pending=Pending(NOW, "x"))
    failing = Failing(NOW, 3, "no")
    after = marks.concluded(current, replace(before, foreign_writes=(), failing=failing), before, releases=True)
    assert after == RootRecord(
        token=1, failing=failing, foreign_writes=(unseen,), mark=Mark(NOW, NOW), pending=Pending(NOW, "x")
    )


def test_a_thousand_hints_cause_one_message_and_one_more_while_it_is_worked_on() -> None:
    current, sent = RootRecord(), 0
    for number in range(1000):
        now = NOW + seconds(number * 0.014)
        current, delay = marks.marked(current, hint=f"first-{number}", now=now, settle=SETTLE)
        sent += delay is not None
    assert sent == 1
    taken = marks.taken(current, owner="o", now=NOW + seconds(60), settle=SETTLE)
    assert isinstance(taken, RootRecord)
    current = taken
    for number in range(1000):
        now = NOW + seconds(60 + number * 0.014)
        current, delay = marks.marked(current, hint=f"second-{number}", now=now, settle=SETTLE)
        sent += delay is not None
    assert sent == 2
