"""Whose turn it is among those who wait for the same budgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.budget import Budget, Lane
from homeostat.core.quotas import ARM, NETWORK_WRITES
from homeostat.core.turns import Turns

pytestmark = pytest.mark.unit

READS, EVERYONES = ARM["subscription", "reads"]
HEALING, SWEEPING = Lane.HEALING, Lane.SWEEPING


def emptied(now: float = 0.0) -> Budget:
    budget = Budget(READS, 0.25, now)
    while not budget.wait(HEALING, now):
        budget.draw(now)
    return budget


def served(turns: Turns[str], now: float) -> list[str]:
    return [waiter.ticket for waiter in turns.serve(now)]


def test_healing_that_came_last_goes_before_all_sweeping() -> None:
    budget, turns = emptied(), Turns[str]()
    for name in ("first", "second"):
        turns.join(SWEEPING, (budget,), name)
    turns.join(HEALING, (budget,), "repair")
    assert served(turns, 0.1) == ["repair"]
    assert served(turns, 60.0) == ["first", "second"]


def test_within_a_lane_who_came_first_goes_first_whatever_else_they_need() -> None:
    reads, writes, turns = emptied(), Budget(NETWORK_WRITES, 0.25, 0.0), Turns[str]()
    turns.join(HEALING, (reads, writes), "first")
    turns.join(HEALING, (reads,), "second")
    turns.join(HEALING, (reads, writes), "third")
    order = [name for step in range(1, 60) for name in served(turns, step * 0.02)]
    assert order == ["first", "second", "third"]


def test_who_lacks_one_budget_holds_up_nobody_who_needs_only_another() -> None:
    reads, writes, turns = emptied(), Budget(NETWORK_WRITES, 0.25, 0.0), Turns[str]()
    turns.join(HEALING, (reads, writes), "waits for reads")
    turns.join(HEALING, (writes,), "writes")
    assert served(turns, 0.0) == ["writes"]


def test_nobody_takes_from_one_budget_while_waiting_for_the_other() -> None:
    reads, writes, turns = emptied(), Budget(NETWORK_WRITES, 0.25, 0.0), Turns[str]()
    left = writes.left(0.0)
    turns.join(HEALING, (reads, writes), "waits for reads")
    assert served(turns, 0.0) == []
    assert writes.left(0.0) == left


def test_a_place_that_was_given_up_is_nobodys() -> None:
    budget, turns = emptied(), Turns[str]()
    gone = turns.join(HEALING, (budget,), "gone")
    turns.join(HEALING, (budget,), "next")
    before = turns.expected(HEALING, (budget,), 0.0)
    turns.leave(gone)
    turns.leave(gone)
    assert turns.expected(HEALING, (budget,), 0.0) < before
    assert served(turns, 0.1) == ["next"]
    assert not turns
    assert turns.next_turn(0.1) == float("inf")


def test_who_has_waited_for_as_long_as_they_would_is_gone() -> None:
    budget, turns = emptied(), Turns[str]()
    turns.join(HEALING, (budget,), "patient", until=30.0)
    turns.join(SWEEPING, (budget,), "hasty", until=0.5)
    assert turns.next_turn(0.0) <= 0.5
    assert turns.next_turn(0.4) <= 0.1 + 1e-9
    assert [waiter.ticket for waiter in turns.overdue(0.5)] == ["hasty"]
    assert served(turns, 10.0) == ["patient"]


def test_healing_expects_to_wait_behind_healing_alone_and_sweeping_behind_all() -> None:
    budget, turns = emptied(), Turns[str]()
    for _ in range(50):
        turns.join(SWEEPING, (budget,), "sweep")
    assert turns.expected(HEALING, (budget,), 0.0) == budget.wait(HEALING, 0.0)
    turns.join(HEALING, (budget,), "repair")
    assert turns.expected(SWEEPING, (budget,), 0.0) == budget.wait(SWEEPING, 0.0, 52)


@given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(0, 2), st.booleans()), max_size=60))
def test_everybody_who_stays_is_served_once_in_the_order_of_their_lane_and_route(
    arrivals: list[tuple[Lane, int, bool]],
) -> None:
    budgets = (emptied(), Budget(EVERYONES, 0.25, 0.0), Budget(NETWORK_WRITES, 0.25, 0.0))
    routes = ((budgets[0],), budgets[:2], (budgets[2], budgets[0]))
    turns, staying = Turns[int](), []
    for number, (lane, route, leaves) in enumerate(arrivals):
        waiter = turns.join(lane, routes[route], number)
        if leaves:
            turns.leave(waiter)
        else:
            staying.append(waiter)
    now, done = 0.0, []
    while turns:
        now += max(turns.next_turn(now), 0.001)
        done.extend(turns.serve(now))
    assert {id(waiter) for waiter in done} == {id(waiter) for waiter in staying}
    for lane in Lane:
        came = [waiter.came for waiter in done if waiter.lane is lane]
        assert came == sorted(came)
    assert all(len(waiter.numbers) == len(waiter.route) for waiter in done)
