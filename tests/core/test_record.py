"""Whose turn it is: no hint is lost and no two owners write, whatever is delivered twice, late, or dies half-way."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homeostat.core import record
from homeostat.core.attribution import Actor, ActorKind, ForeignWrite, Source
from homeostat.core.record import (
    LEASE_TIME,
    Accepted,
    BlindWrite,
    Episode,
    Failing,
    Intent,
    Later,
    Lease,
    Mark,
    NothingToDo,
    OwnWrite,
    Pending,
    RootRecord,
    Settle,
)
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


# --- the transitions by themselves ---


def test_the_first_hint_enqueues_a_message_and_others_join_it() -> None:
    after, delay = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    assert delay == SETTLE.after
    after, delay = record.marked(after, hint="b", now=NOW + seconds(10), settle=SETTLE)
    assert delay is None
    assert after.mark == Mark(NOW, NOW + seconds(25), ("a", "b"))


def test_a_hint_that_need_not_settle_is_taken_up_at_once_but_ends_nobody_elses_settling() -> None:
    at_once = Settle(timedelta(), timedelta())
    after, delay = record.marked(RootRecord(), hint="nightly", now=NOW, settle=at_once)
    assert delay == timedelta()
    assert isinstance(record.taken(after, owner="o", now=NOW, settle=SETTLE), RootRecord)
    unsettled, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    after, delay = record.marked(unsettled, hint="nightly", now=NOW + seconds(5), settle=at_once)
    assert delay is None
    assert record.taken(after, owner="o", now=NOW + seconds(5), settle=SETTLE) == Later(
        seconds(10), "it has not settled yet"
    )


def test_a_hint_that_comes_again_enqueues_again_since_its_first_message_may_never_have_been_sent() -> None:
    after, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    _, delay = record.marked(after, hint="a", now=NOW, settle=SETTLE)
    assert delay == SETTLE.after


@pytest.mark.parametrize("comes_again", [True, False])
def test_only_the_message_of_a_hint_that_comes_again_is_relied_on(*, comes_again: bool) -> None:
    after, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE, comes_again=comes_again)
    _, delay = record.marked(after, hint="b", now=NOW, settle=SETTLE)
    assert (delay is None) is comes_again


def test_a_message_that_is_long_overdue_is_no_longer_waited_for() -> None:
    after, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    late = NOW + SETTLE.after + record.MESSAGE_GRACE
    _, delay = record.marked(after, hint="b", now=late, settle=SETTLE)
    assert delay == timedelta()


def test_a_retry_that_is_due_much_later_does_not_delay_a_new_event() -> None:
    waiting, delay = record.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    assert delay == timedelta(hours=1)
    after, delay = record.marked(waiting, hint="a", now=NOW + seconds(1), settle=SETTLE)
    assert delay == SETTLE.after
    assert not isinstance(record.taken(after, owner="o", now=NOW + seconds(17), settle=SETTLE), Later)


@pytest.mark.parametrize("waited", [1, 150, 3590])
def test_an_event_settles_though_a_retry_has_been_waiting_for_long(waited: int) -> None:
    waiting, _ = record.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    after, delay = record.marked(waiting, hint="a", now=NOW + seconds(waited), settle=SETTLE)
    assert (delay, after.mark) == (
        SETTLE.after,
        Mark(NOW + seconds(waited), NOW + seconds(waited) + SETTLE.after, ("retry", "a")),
    )


def test_a_stray_message_does_not_bring_a_look_forward() -> None:
    waiting, _ = record.scheduled(RootRecord(), at=NOW + seconds(60), now=NOW)
    assert record.taken(waiting, owner="o", now=NOW + seconds(1), settle=SETTLE) == Later(
        seconds(59), "it has not settled yet"
    )


def test_of_two_looks_the_earlier_one_is_taken_and_an_event_is_not_hurried_by_either() -> None:
    waiting, _ = record.scheduled(RootRecord(), at=NOW + timedelta(hours=1), now=NOW)
    sooner, delay = record.scheduled(waiting, at=NOW + seconds(30), now=NOW)
    assert (delay, sooner.mark) == (seconds(30), Mark(NOW + seconds(30), NOW + seconds(30), ("retry",)))
    marked, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE, comes_again=False)
    after, delay = record.scheduled(marked, at=NOW + seconds(1), now=NOW)
    assert (delay, after.mark) == (seconds(1), marked.mark)


@pytest.mark.parametrize(("at", "delay"), [(-5, timedelta()), (30 * 86400, record.LONGEST_DELAY)])
def test_a_look_is_never_due_when_no_message_could_come(at: int, delay: timedelta) -> None:
    after, waits = record.scheduled(RootRecord(), at=NOW + seconds(at), now=NOW)
    assert (waits, after.pending) == (delay, Pending(NOW + delay, record.NOBODY))


def test_a_look_does_not_rely_on_a_message_that_is_long_overdue() -> None:
    current, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    late = NOW + SETTLE.after + record.MESSAGE_GRACE
    _, delay = record.scheduled(current, at=late + seconds(60), now=late)
    assert delay == seconds(60)


def test_an_intent_keeps_what_was_begun_before_it_and_not_ended() -> None:
    first = Intent("1", NOW, ("PUT a",), ("app_settings",), {"a": NOW}, ("s1",))
    later = Intent("2", NOW + seconds(60), ("PUT b", "PUT a"), ("nsg_rules",), {"a": NOW + seconds(60)}, ("s2", "s3"))
    both = record.intending(record.intending(RootRecord(), first), later).intent
    assert both == Intent("2", NOW, ("PUT a", "PUT b"), ("app_settings", "nsg_rules"), {"a": NOW}, ("s1", "s2", "s3"))
    end = NOW + seconds(600)
    assert record.left_blind(both, until=end) == (BlindWrite("a", NOW, end, ""),)


def test_what_a_dead_owner_left_does_not_wait_for_a_look_that_is_due_later() -> None:
    marked, _ = record.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    taken = record.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(taken, RootRecord)
    waiting, _ = record.scheduled(taken, at=NOW + timedelta(hours=1), now=NOW)
    again = record.taken(waiting, owner="second", now=NOW + LEASE_TIME, settle=SETTLE)
    assert isinstance(again, RootRecord)
    assert (again.working, again.mark) == (marked.mark, None)
    assert record.abandoned(waiting, now=NOW).mark == marked.mark


def test_a_root_is_left_alone_while_hints_keep_coming_but_not_for_ever() -> None:
    current, now = RootRecord(), NOW
    while now < NOW + SETTLE.at_most:
        current, _ = record.marked(current, hint=now.isoformat(), now=now, settle=SETTLE)
        assert isinstance(record.taken(current, owner="o", now=now + seconds(1), settle=SETTLE), Later)
        now += seconds(10)
    assert isinstance(record.taken(current, owner="o", now=now, settle=SETTLE), RootRecord)


def test_a_look_that_is_due_later_than_one_under_way_needs_no_message_of_its_own() -> None:
    current, _ = record.marked(RootRecord(), hint="a", now=NOW, settle=SETTLE)
    after, delay = record.scheduled(current, at=NOW + timedelta(minutes=1), now=NOW)
    assert (after, delay) == (current, None)


def test_a_retry_whose_message_may_never_have_been_sent_is_sent_again() -> None:
    current, _ = record.scheduled(RootRecord(), at=NOW + seconds(60), now=NOW)
    _, delay = record.scheduled(current, at=NOW + seconds(120), now=NOW + seconds(10))
    assert delay is not None


def test_an_owner_that_died_leaves_its_work_to_the_next() -> None:
    marked, _ = record.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    first = record.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(first, RootRecord)
    assert isinstance(record.taken(first, owner="second", now=NOW + seconds(1), settle=SETTLE), Later)
    second = record.taken(first, owner="second", now=NOW + LEASE_TIME, settle=SETTLE)
    assert isinstance(second, RootRecord)
    assert (second.working, second.lease) == (first.working, Lease("second", 2, NOW + 2 * LEASE_TIME))


def test_work_that_was_put_down_is_marked_again_and_settled() -> None:
    marked, _ = record.marked(RootRecord(), hint="a", now=NOW - seconds(60), settle=SETTLE)
    taken = record.taken(marked, owner="first", now=NOW, settle=SETTLE)
    assert isinstance(taken, RootRecord)
    again = record.taken(record.abandoned(taken, now=NOW), owner="second", now=NOW, settle=SETTLE)
    assert isinstance(again, RootRecord)
    assert again.working == taken.working


def test_there_is_nothing_to_do_on_a_root_that_nobody_marked() -> None:
    assert record.taken(RootRecord(), owner="o", now=NOW, settle=SETTLE) == NothingToDo()


def test_what_came_while_a_reconcile_ran_stays_for_the_next_one() -> None:
    seen, unseen = foreign("r", "op", "someone", NOW, "1"), foreign("r", "op", "someone", NOW, "2")
    before = RootRecord(foreign_writes=(seen,), lease=Lease("o", 1, NOW), token=1)
    current = replace(before, foreign_writes=(seen, unseen), mark=Mark(NOW, NOW), pending=Pending(NOW, "x"))
    failing = Failing(NOW, 3, "no")
    after = record.concluded(current, replace(before, foreign_writes=(), failing=failing), before, releases=True)
    assert after == RootRecord(
        token=1, failing=failing, foreign_writes=(unseen,), mark=Mark(NOW, NOW), pending=Pending(NOW, "x")
    )


def test_a_thousand_hints_cause_one_message_and_one_more_while_it_is_worked_on() -> None:
    current, sent = RootRecord(), 0
    for number in range(1000):
        now = NOW + seconds(number * 0.014)
        current, delay = record.marked(current, hint=f"first-{number}", now=now, settle=SETTLE)
        sent += delay is not None
    assert sent == 1
    taken = record.taken(current, owner="o", now=NOW + seconds(60), settle=SETTLE)
    assert isinstance(taken, RootRecord)
    current = taken
    for number in range(1000):
        now = NOW + seconds(60 + number * 0.014)
        current, delay = record.marked(current, hint=f"second-{number}", now=now, settle=SETTLE)
        sent += delay is not None
    assert sent == 2


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (foreign("r", "op", "someone", NOW + seconds(1), "theirs"), True),
        (foreign("r", "op", "someone", NOW, "theirs"), True),
        (foreign("r", "op", "someone", NOW + seconds(2), "theirs"), True),
        (foreign("r", "op", "someone", NOW - seconds(1), "theirs"), False),
        (foreign("r", "op", "someone", NOW + seconds(3), "theirs"), False),
        (foreign("other", "op", "someone", NOW + seconds(1), "theirs"), False),
    ],
)
def test_only_a_foreign_write_within_the_window_of_ours_may_be_overwritten(
    write: ForeignWrite, *, expected: bool
) -> None:
    blind = BlindWrite("r", NOW, NOW + seconds(2), "ours")
    found = record.possible_overwrites(RootRecord(foreign_writes=(write,), blind_writes=(blind,)))
    assert bool(found) is expected


# --- as JSON and back ---

texts = st.text(max_size=8)
times = st.datetimes(min_value=NOW.replace(tzinfo=None), timezones=st.just(UTC))
marks = st.builds(Mark, times, times, st.lists(texts, max_size=3).map(tuple))
actors = st.builds(
    Actor,
    texts,
    st.sampled_from(ActorKind),
    *[texts] * 2,
    times,
    *[texts] * 3,
    st.sampled_from(Source),
    texts,
)
fields = st.none() | st.lists(texts, max_size=3).map(tuple)
writes = st.lists(st.builds(ForeignWrite, texts, actors, fields), max_size=3).map(tuple)
records = st.builds(
    RootRecord,
    lease=st.none() | st.builds(Lease, texts, st.integers(0, 2**40), times),
    token=st.integers(0, 2**40),
    mark=st.none() | marks,
    working=st.none() | marks,
    pending=st.none() | st.builds(Pending, times, texts),
    missing_since=st.none() | times,
    retired=st.booleans(),
    failing=st.none() | st.builds(Failing, times, st.integers(0, 99), texts, st.none() | times, st.booleans()),
    intent=st.none()
    | st.builds(
        Intent,
        texts,
        times,
        st.lists(texts, max_size=3).map(tuple),
        unprotected=st.dictionaries(texts, times, max_size=2),
        snapshots=st.lists(texts, max_size=2).map(tuple),
    ),
    episodes=st.dictionaries(
        texts,
        st.builds(Episode, texts, times, texts, texts, actors, st.lists(texts, max_size=2).map(tuple)),
        max_size=3,
    ),
    foreign_writes=writes,
    unexplained=writes,
    examined=st.lists(texts, max_size=3).map(tuple),
    own_writes=st.lists(st.builds(OwnWrite, texts, times), max_size=3).map(tuple),
    accepted=st.dictionaries(texts, st.builds(Accepted, texts, texts, times), max_size=3),
    blind_writes=st.lists(st.builds(BlindWrite, texts, times, times, texts), max_size=3).map(tuple),
)


@given(records)
def test_a_record_is_read_back_as_it_was_written(given_record: RootRecord) -> None:
    stored = json.loads(json.dumps(record.to_json(given_record)))
    assert record.from_json(stored) == given_record


@pytest.mark.parametrize("body", [{"lease": {"owner": "o"}}, {"mark": "yes"}, {"failing": {"failures": "many"}}])
def test_a_document_that_is_no_record_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        record.from_json(body)  # type: ignore[arg-type]  # not JSON that the loop would have written


# --- all together, in any order ---


@dataclass
class Message:
    due: datetime


@dataclass
class Worker:
    """Somebody who reconciles. `message` comes again unless the worker ends well; None for a person's own call."""

    lease: Lease
    before: RootRecord
    sees: frozenset[int]
    message: Message | None


@dataclass
class Call:
    """A person's reconcile, which is carried out again until it ends well."""

    due: datetime


class Turns(RuleBasedStateMachine):
    """Events, messages and owners around one record that changes by compare-and-swap.

    Every step is one atomic change of the record or one message sent, and anybody may die between two steps. Promised
    is only what the platform promises: what was not handled to its end is delivered again, some time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.record = RootRecord()
        self.messages: list[Message] = []
        self.hints: list[int] = []  # not handled to their end
        self.handled: list[int] = []  # which may yet come a second time
        self.unseen: set[int] = set()  # marked, and no reconcile that began later has ended
        self.taken_up: set[int] = set()  # of these, what `record.working` stands for
        self.workers: list[Worker] = []
        self.calls: list[Call] = []
        self.count = 0

    # --- events ---

    @rule(waits=st.booleans())
    def something_changes(self, *, waits: bool) -> None:
        self.count += 1
        self.hints.append(self.count)
        if not waits:
            self._mark(self.count, dies=False)

    @precondition(lambda self: self.hints)
    @rule(data=st.data(), dies=st.booleans())
    def a_hint_is_handled(self, data: st.DataObject, *, dies: bool) -> None:
        self._mark(data.draw(st.sampled_from(self.hints)), dies=dies)

    @precondition(lambda self: self.handled)
    @rule(data=st.data(), dies=st.booleans())
    def a_hint_is_delivered_twice(self, data: st.DataObject, *, dies: bool) -> None:
        hint = data.draw(st.sampled_from(self.handled))
        self.hints.append(hint)
        self._mark(hint, dies=dies)

    def _mark(self, hint: int, *, dies: bool) -> None:
        self.record, delay = record.marked(self.record, hint=str(hint), now=self.now, settle=SETTLE)
        self.unseen.add(hint)
        if dies:
            return
        if delay is not None:
            self.messages.append(Message(self.now + delay))
        self.hints.remove(hint)
        self.handled.append(hint)

    @rule(dies=st.booleans())
    def the_timer_fires(self, *, dies: bool) -> None:
        """Nobody repeats it when it dies, so that it is not promised to be looked at; but it must not harm others."""
        self.record, delay = record.marked(self.record, hint="nightly", now=self.now, settle=SETTLE, comes_again=False)
        if delay is not None and not dies:
            self.messages.append(Message(self.now + delay))

    # --- work messages ---

    @precondition(lambda self: any(message.due <= self.now for message in self.messages))
    @rule(data=st.data(), dies=st.booleans())
    def a_message_is_delivered(self, data: st.DataObject, *, dies: bool) -> None:
        due = [message for message in self.messages if message.due <= self.now]
        self._deliver(data.draw(st.sampled_from(due)), dies=dies)

    @precondition(lambda self: self.messages)
    @rule()
    def the_next_message_comes_in_its_time(self) -> None:
        message = min(self.messages, key=lambda message: message.due)
        self.now = max(self.now, message.due)
        self._deliver(message, dies=False)

    def _deliver(self, message: Message, *, dies: bool) -> None:
        answer = record.taken(self.record, owner="o", now=self.now, settle=SETTLE)
        match answer:
            case RootRecord(lease=Lease() as lease):
                self.messages.remove(message)
                self.record = answer
                self.taken_up = set(self.unseen)
                self.workers.append(Worker(lease, answer, frozenset(self.unseen), message))
            case Later(delay):
                self.record = record.postponed(self.record, due=self.now + delay)
                if not dies:
                    self.messages.remove(message)
                    self.messages.append(Message(self.now + delay))
            case _:
                if not dies:
                    self.messages.remove(message)

    # --- owners ---

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), retry=st.sampled_from([None, 1.0, 60.0, 3600.0]), dies=st.booleans())
    def an_owner_ends(self, data: st.DataObject, retry: float | None, *, dies: bool) -> None:
        self._end(data.draw(st.sampled_from(self.workers)), retry, dies=dies)

    def _end(self, worker: Worker, retry: float | None, *, dies: bool) -> None:
        self.workers.remove(worker)
        if not record.still_holds(self.record, worker.lease):
            return  # the lease is lost, and whoever has it now goes on
        current = record.concluded(self.record, worker.before, worker.before, releases=True)
        delay = None
        if retry is not None:
            current, delay = record.scheduled(current, at=self.now + seconds(retry), now=self.now)
        self.record = current
        self.unseen -= worker.sees
        if dies:
            self._again(worker)
        elif delay is not None:
            self.messages.append(Message(self.now + delay))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def an_owner_dies(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        self._again(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def an_owner_fails(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        if record.still_holds(self.record, worker.lease):
            self.record = record.abandoned(self.record, now=self.now)
        self._again(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def an_owner_renews(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        if record.still_holds(self.record, worker.lease):
            self.record = record.renewed(self.record, now=self.now)
            assert self.record.lease is not None
            worker.lease = self.record.lease

    def _again(self, worker: Worker) -> None:
        if worker.message is not None:
            self.messages.append(worker.message)
        else:
            self.calls.append(Call(self.now))

    # --- people ---

    @rule()
    def a_person_asks(self) -> None:
        self.calls.append(Call(self.now))
        self._call(self.calls[-1])

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_person_is_served_again(self, data: st.DataObject) -> None:
        self._call(data.draw(st.sampled_from(self.calls)))

    def _call(self, call: Call) -> None:
        if record.is_free(self.record, now=self.now):
            self.calls.remove(call)
            self.record = record.leased(self.record, owner="person", now=self.now)
            assert self.record.lease is not None
            sees = self.taken_up if self.record.working else ()  # a dead owner's work goes with its lease
            self.workers.append(Worker(self.record.lease, self.record, frozenset(sees), None))

    # --- time ---

    @rule(amount=st.sampled_from([1, 5, 14, 15, 16, 60, 119, 299, 300, 301, 3600]))
    def time_passes(self, amount: int) -> None:
        self.now += seconds(amount)

    # --- what holds ---

    @invariant()
    def at_most_one_owner_has_a_lease_that_is_good(self) -> None:
        assert sum(worker.lease.expires > self.now for worker in self.workers) <= 1

    @invariant()
    def tokens_tell_owners_apart(self) -> None:
        tokens = [worker.lease.token for worker in self.workers]
        assert len(tokens) == len(set(tokens))

    def teardown(self) -> None:
        """From here on nobody dies and what has to come again comes: then everything is looked at within the hour."""
        end = self.now + timedelta(hours=3)
        while self.now < end:
            for worker in list(self.workers):
                self._end(worker, None, dies=False)
            for hint in list(self.hints):
                self._mark(hint, dies=False)
            for call in list(self.calls):
                self._call(call)
            for message in [message for message in self.messages if message.due <= self.now]:
                self._deliver(message, dies=False)
            self.now += seconds(5)
        assert not self.unseen, f"never looked at: {self.unseen}; left: {self.record}"
        assert not self.messages


# Short runs, and many: a later hint makes good what an earlier one lost, and so hides it.
Turns.TestCase.settings = settings(
    max_examples=600, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTurns = Turns.TestCase
