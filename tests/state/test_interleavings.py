"""However the steps of instances interleave, whoever dies, whatever comes twice: no hint is lost, and one writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from homeostat.core.leases import DEFAULT_TERMS
from homeostat.core.marks import LEASE_TIME
from homeostat.core.record import IMMEDIATE, Settle
from homeostat.ports.storage import QueuedMessage
from tests.state.schedules import World

pytestmark = pytest.mark.unit

SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))
MOST = 4  # actors at a time

offsets = st.sampled_from([timedelta(), DEFAULT_TERMS.skew / 2, -DEFAULT_TERMS.skew / 2])


# --- in the orders that Hypothesis picks ---


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(SETTLE)
        self.delivered: list[QueuedMessage] = []

    def _has_room(self) -> bool:
        return len(self.world.actors) < MOST

    @precondition(_has_room)
    @rule()
    def something_changes_and_is_told(self) -> None:
        self.world.tell(self.world.change())

    @precondition(lambda self: self._has_room() and self.world.changes)
    @rule(data=st.data())
    def a_hint_comes_again(self, data: st.DataObject) -> None:
        self.world.tell(data.draw(st.integers(1, self.world.changes)))

    @precondition(_has_room)
    @rule(offset=offsets)
    def a_message_is_delivered(self, offset: timedelta) -> None:
        for message in self.world.receive(limit=1):
            self.delivered.append(message)
            self.world.deliver(message, offset)

    @precondition(lambda self: self._has_room() and self.delivered)
    @rule(data=st.data(), offset=offsets)
    def a_message_is_delivered_twice(self, data: st.DataObject, offset: timedelta) -> None:
        self.world.deliver(data.draw(st.sampled_from(self.delivered)), offset)

    @precondition(_has_room)
    @rule(offset=offsets)
    def somebody_takes_the_lease_by_the_way(self, offset: timedelta) -> None:
        self.world.visit(offset)

    @precondition(_has_room)
    @rule()
    def the_timer_fires(self) -> None:
        self.world.sweep()

    @precondition(lambda self: self.world.actors)
    @rule(data=st.data(), steps=st.integers(1, 8))
    def an_instance_goes_on(self, data: st.DataObject, steps: int) -> None:
        actor = data.draw(st.sampled_from(self.world.actors))
        for _ in range(steps):
            if not actor.over:
                self.world.step(actor)

    @precondition(lambda self: self.world.actors)
    @rule(data=st.data())
    def an_instance_dies(self, data: st.DataObject) -> None:
        self.world.crash(data.draw(st.sampled_from(self.world.actors)))

    @rule(amount=st.sampled_from([1, 15, 60, 190, 299, 301, 600]))
    def time_passes(self, amount: int) -> None:
        self.world.now += timedelta(seconds=amount)

    def teardown(self) -> None:
        try:
            self.world.run_down()
        finally:
            self.world.close()


Interleavings.TestCase.settings = settings(
    max_examples=300, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestInterleavings = Interleavings.TestCase


def test_a_write_sent_at_the_last_moment_has_landed_when_an_instance_whose_clock_is_ahead_takes_over() -> None:
    world = World(IMMEDIATE)
    behind, ahead = -DEFAULT_TERMS.skew / 2, DEFAULT_TERMS.skew / 2
    owner = world.visit(behind)
    for _ in range(3):  # read, take, observe; it stops before it writes
        world.step(owner)
    world.now += LEASE_TIME - DEFAULT_TERMS.after_sending
    world.step(owner)
    assert list(world.sent.values()) == [world.now]
    world.crash(owner)
    for _ in range(LEASE_TIME // timedelta(seconds=1)):
        world.now += timedelta(seconds=1)
        taker = world.visit(ahead)
        while taker in world.actors:
            world.step(taker)  # which looks whether the write may yet take effect
    assert world.record().token > 1
    world.close()


@pytest.mark.parametrize("is_leased", [False, True])
def test_the_mark_of_a_timer_that_died_before_its_message_waits_for_the_next_timer(*, is_leased: bool) -> None:
    world = World(SETTLE)
    timer = world.sweep()
    for _ in range(2):  # read, mark; it dies before it sends
        world.step(timer)
    world.crash(timer)
    visitor = world.visit() if is_leased else None
    while visitor in world.actors:
        world.step(visitor)
    assert (world.record().mark is not None, world.messages()) == (True, 0)
    world.run_down()
    world.close()


def test_the_mark_of_a_timer_that_died_before_its_message_keeps_no_hint_waiting() -> None:
    world = World(SETTLE)
    timer = world.sweep()
    for _ in range(2):
        world.step(timer)
    world.crash(timer)
    hint = world.tell(world.change())
    while hint in world.actors:
        world.step(hint)
    assert world.messages() == 1
    world.run_down()
    world.close()


# --- in every order that there is ---


@dataclass
class Exploration:
    """All schedules of two hints and so many deliveries, with so many jumps of time and crashes at any point.

    Schedules that lead to the same state are gone on with once. `schedules` counts them all the same.
    """

    deliveries: int
    crashes: int
    jumps: int
    states: dict[object, int] = field(default_factory=dict)  # with the number of schedules from there on

    def explore(self, path: tuple[str, ...] = ()) -> int:
        world = self._replayed(path)
        try:
            state = (world.state(), *(path.count(word) for word in ("deliver", "time")), self._crashed(path))
            if state in self.states:
                return self.states[state]
            choices = list(self._choices(world, path))
            if not choices:
                world.run_down()
        except AssertionError as error:
            error.add_note(f"after {', '.join(path)}")
            raise
        finally:
            world.close()
        self.states[state] = sum(self.explore((*path, choice)) for choice in choices) if choices else 1
        return self.states[state]

    def _choices(self, world: World, path: tuple[str, ...]) -> Iterator[str]:
        for number in range(len(world.actors)):
            yield f"step {number}"
            if self._crashed(path) < self.crashes:
                yield f"crash {number}"
        if path.count("deliver") < self.deliveries and world.has_message():
            yield "deliver"
        if path.count("time") < self.jumps:
            yield "time"

    def _crashed(self, path: tuple[str, ...]) -> int:
        return sum(choice.startswith("crash") for choice in path)

    def _replayed(self, path: tuple[str, ...]) -> World:
        world = World(IMMEDIATE)
        for _ in range(2):
            world.tell(world.change())
        for choice in path:
            self._apply(world, choice)
        return world

    def _apply(self, world: World, choice: str) -> None:
        word, _, number = choice.partition(" ")
        match word:
            case "step":
                world.step(world.actors[int(number)])
            case "crash":
                world.crash(world.actors[int(number)])
            case "deliver":
                (message,) = world.receive(limit=1)
                world.deliver(message)
            case _:
                world.now += LEASE_TIME + timedelta(minutes=6)  # leases and locks end


@pytest.mark.parametrize(
    ("deliveries", "crashes", "jumps", "schedules"),
    [(2, 0, 0, 382_644), (1, 1, 1, 686_566), (2, 1, 0, 2_063_594)],
)
def test_in_every_schedule_of_two_hints_and_their_workers_no_hint_is_lost_and_one_writes(
    deliveries: int, crashes: int, jumps: int, schedules: int
) -> None:
    """Another number of schedules means that the protocol has other steps: look at why, then write the new one here."""
    assert Exploration(deliveries, crashes, jumps).explore() == schedules
