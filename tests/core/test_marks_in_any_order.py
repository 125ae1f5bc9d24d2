"""Events, messages, deaths and late answers in any order: no hint is lost, and no two owners write."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homeostat.core import marks
from homeostat.core.marks import Later
from homeostat.core.record import Lease, RootRecord, Settle

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


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
        self.record, delay = marks.marked(self.record, hint=str(hint), now=self.now, settle=SETTLE)
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
        self.record, delay = marks.marked(self.record, hint="nightly", now=self.now, settle=SETTLE, comes_again=False)
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
        answer = marks.taken(self.record, owner="o", now=self.now, settle=SETTLE)
        match answer:
            case RootRecord(lease=Lease() as lease):
                self.messages.remove(message)
                self.record = answer
                self.taken_up = set(self.unseen)
                self.workers.append(Worker(lease, answer, frozenset(self.unseen), message))
            case Later(delay):
                self.record = marks.postponed(self.record, due=self.now + delay)
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
        if not marks.still_holds(self.record, worker.lease):
            return  # the lease is lost, and whoever has it now goes on
        current = marks.concluded(self.record, worker.before, worker.before, releases=True)
        delay = None
        if retry is not None:
            current, delay = marks.scheduled(current, at=self.now + seconds(retry), now=self.now)
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
        if marks.still_holds(self.record, worker.lease):
            self.record = marks.abandoned(self.record, now=self.now)
        self._again(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def an_owner_renews(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        if marks.still_holds(self.record, worker.lease):
            self.record = marks.renewed(self.record, now=self.now)
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
        if marks.is_free(self.record, now=self.now):
            self.calls.remove(call)
            self.record = marks.leased(self.record, owner="person", now=self.now)
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
