"""Our part of a quota: never more than it, never the owner's share, healing first, and headers only lower it."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.budget import Budget, Lane, reserve_of, shared_part
from homeostat.core.quotas import ARM, PRIVATE_DNS_READS, QUERIES, SETTINGS, Quota

pytestmark = pytest.mark.unit

READS = ARM["subscription", "reads"][0]
WRITES = ARM["subscription", "writes"][0]
TOLERANCE = 1e-3

quotas = st.sampled_from([READS, WRITES, SETTINGS, PRIVATE_DNS_READS, QUERIES, Quota("small", 3, 10.0, window=True)])
shares = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])
pauses = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.1, 1.0, 7.5, 60.0, 4000.0]), min_size=1, max_size=40)
lanes = st.sampled_from(list(Lane))


def granted(budget: Budget, arrivals: list[float], lane: Lane, burst: int = 60) -> list[float]:
    """When requests went that came in bursts, after these pauses, and did not wait."""
    now, times = 0.0, []
    for pause in arrivals:
        now += pause
        for _ in range(burst):
            if budget.wait(lane, now):
                break
            budget.answered(budget.draw(now), now)
            times.append(now)
    return times


def most_in(quota: Quota, most: float, share_left: float, seconds: float) -> float:
    if not quota.window:
        return most + seconds * (1 - share_left) * quota.size / quota.seconds
    return most * (math.floor(seconds / quota.seconds) + 1)


@given(quotas, shares, pauses, lanes)
def test_no_stretch_of_time_sees_more_requests_than_our_part_and_what_refills(
    quota: Quota, share_left: float, arrivals: list[float], lane: Lane
) -> None:
    budget = Budget(quota, share_left, 0.0)
    times = granted(budget, arrivals, lane)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            allowed = most_in(quota, budget.most, share_left, times[last] - start)
            assert last - first + 1 <= allowed + TOLERANCE


@given(quotas, shares, pauses)
def test_the_owners_share_is_never_touched_by_us_alone(quota: Quota, share_left: float, arrivals: list[float]) -> None:
    budget = Budget(quota, share_left, 0.0)
    times = granted(budget, arrivals, Lane.HEALING)
    left, at = float(quota.size), 0.0
    for number, now in enumerate(times):
        if quota.window:
            left = quota.size - sum(1 for each in times[: number + 1] if each > now - quota.seconds)
        else:
            left, at = min(quota.size, left + (now - at) * quota.size / quota.seconds) - 1, now
        assert left >= budget.owners - TOLERANCE


@given(quotas, shares, pauses)
def test_a_sweep_leaves_the_reserve_to_healing_at_any_time(
    quota: Quota, share_left: float, arrivals: list[float]
) -> None:
    budget = Budget(quota, share_left, 0.0)
    for now in granted(budget, arrivals, Lane.SWEEPING)[-1:]:
        assert budget.left(now) >= budget.reserve - TOLERANCE
        assert budget.reserve < 1 or not budget.wait(Lane.HEALING, now)


@given(quotas, shares, pauses, lanes, st.data())
def test_what_an_answer_says_only_ever_lowers_what_is_left(
    quota: Quota, share_left: float, arrivals: list[float], lane: Lane, data: st.DataObject
) -> None:
    told, alone = Budget(quota, share_left, 0.0), Budget(quota, share_left, 0.0)
    now = 0.0
    for pause in arrivals:
        now += pause
        if not told.wait(lane, now):
            told.answered(told.draw(now), now, data.draw(st.integers(0, 2 * quota.size)))
            alone.answered(alone.draw(now), now)
        assert told.left(now) <= alone.left(now) + TOLERANCE
        assert told.wait(lane, now) >= alone.wait(lane, now) - TOLERANCE


@given(quotas, shares, st.integers(0, 100), st.floats(0, 5000))
def test_who_waits_for_as_long_as_told_goes_then(quota: Quota, share_left: float, drawn: int, now: float) -> None:
    budget = Budget(quota, share_left, 0.0)
    for _ in range(drawn):
        if not budget.wait(Lane.HEALING, now):
            budget.draw(now)
    now += budget.wait(Lane.HEALING, now)
    assert budget.wait(Lane.HEALING, now) <= TOLERANCE


def test_what_another_tool_spent_is_missing_from_ours() -> None:
    budget = Budget(READS, 0.25, 0.0)
    number = budget.draw(0.0)
    budget.answered(number, 0.0, 100)
    assert budget.left(0.0) == pytest.approx(101 - 62.5)


@pytest.mark.parametrize("share_left", [0.25, 0.9])
@pytest.mark.parametrize("quota", [READS, SETTINGS, PRIVATE_DNS_READS])
def test_a_quota_that_others_emptied_is_not_waited_for_longer_than_it_takes_to_fill(
    quota: Quota, share_left: float
) -> None:
    budget = Budget(quota, share_left, 0.0)
    budget.answered(budget.draw(0.0), 0.0, 0)
    assert share_left * quota.seconds <= budget.wait(Lane.HEALING, 0.0) <= 1.01 * quota.seconds


def test_others_who_go_on_drawing_are_told_by_the_next_answer_and_waited_for_again() -> None:
    budget = Budget(SETTINGS, 0.9, 0.0)
    budget.answered(budget.draw(0.0), 0.0, 0)
    later = budget.wait(Lane.HEALING, 0.0)
    budget.answered(budget.draw(later), later, 0)
    assert budget.wait(Lane.HEALING, later) == pytest.approx(later, rel=0.01)


def test_what_we_drew_ourselves_comes_back_by_our_part_alone() -> None:
    budget = Budget(SETTINGS, 0.9, 0.0)
    for drawn in range(1, 1201):
        budget.answered(budget.draw(0.0), 0.0, SETTINGS.size - drawn)
    budget.answered(1200, 0.0, SETTINGS.size - 1200 - 600)
    assert budget.left(0.0) == pytest.approx(-600, abs=3)
    assert budget.left(180.0) == pytest.approx(0.0, abs=3)
    assert budget.left(360.0) == pytest.approx(60.0, abs=3)


def test_requests_under_way_are_missing_from_what_an_answer_says() -> None:
    budget = Budget(READS, 0.25, 0.0)
    numbers = [budget.draw(0.0) for _ in range(10)]
    budget.answered(numbers[0], 0.0, 100)
    assert budget.left(0.0) == pytest.approx(101 - 62.5 - 9)


def test_a_full_bucket_that_only_we_use_is_not_lowered_by_its_headers() -> None:
    budget = Budget(READS, 0.25, 0.0)
    numbers = [budget.draw(0.0) for _ in range(50)]
    for drawn, number in enumerate(numbers, 1):
        budget.answered(number, 0.0, READS.size - drawn)
    assert budget.left(0.0) == pytest.approx(187.5 - 50)


def test_a_refused_budget_is_empty_until_arm_says_and_has_a_token_then() -> None:
    for quota in (READS, PRIVATE_DNS_READS):
        budget = Budget(quota, 0.25, 0.0)
        budget.shut(17, 0.0)
        assert budget.left(16.0) == 0.0
        assert budget.wait(Lane.HEALING, 5.0) == pytest.approx(12.0)
        assert budget.wait(Lane.HEALING, 17.0) == 0.0
        assert budget.wait(Lane.SWEEPING, 17.0) > 1.0


def test_an_untouched_budget_is_full_and_one_that_waits_for_an_answer_is_not() -> None:
    budget = Budget(READS, 0.25, 0.0)
    number = budget.draw(0.0)
    assert not budget.is_full(1000.0)
    budget.answered(number, 1000.0)
    assert budget.is_full(1000.0)


def test_a_place_further_back_waits_longer() -> None:
    for quota in (READS, PRIVATE_DNS_READS):
        budget = Budget(quota, 0.25, 0.0)
        waits = [budget.wait(Lane.HEALING, 0.0, place) for place in range(1, 3000, 50)]
        assert all(before <= after for before, after in pairwise(waits))
        assert waits[-1] > 60


@given(quotas, shares, st.lists(st.tuples(st.sampled_from([0.0, 0.05, 1.0, 30.0]), st.integers(0, 2)), max_size=60))
def test_what_instances_with_wrong_clocks_take_together_stays_within_our_part(
    quota: Quota, share_left: float, asked: list[tuple[float, int]]
) -> None:
    skew = (0.0, 1.5, -1.5)
    row, now, spent = None, 10_000.0, []
    for pause, instance in asked:
        now += pause
        theirs = now + skew[instance]
        part = shared_part(quota, share_left, theirs, row)
        wait = part.due(1, theirs)
        part.draw(1, theirs, after=wait)
        row = part.to_json()
        spent.append(now + wait)
    most, window = shared_part(quota, share_left, 0.0).most, max(skew) - min(skew)
    spent.sort()
    for first, start in enumerate(spent):
        for last in range(first, len(spent)):
            between = spent[last] - start + 2 * window
            assert last - first + 1 <= most_in(quota, most, share_left, between) + TOLERANCE


windows = st.sampled_from([PRIVATE_DNS_READS, QUERIES, Quota("small", 5, 10.0, window=True)])
takes = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.05, 1.0, 3.0, 30.0]), lanes), max_size=120)


@given(windows, takes)
def test_both_lanes_together_stay_within_our_part_and_a_sweep_within_its_own(
    quota: Quota, asked: list[tuple[float, Lane]]
) -> None:
    row, now, spent = None, 10_000.0, list[tuple[float, Lane]]()
    for pause, lane in asked:
        now += pause
        part = shared_part(quota, 0.25, now, row)
        wait = part.due(reserve_of(quota, 0.25, lane) + 1, now)
        if wait <= 20.0:
            part.draw(1, now, after=wait)
            row = part.to_json()
            spent.append((now + wait, lane))
    spent.sort()
    for start, _ in spent:
        within = [lane for at, lane in spent if start <= at < start + quota.seconds - TOLERANCE]
        assert len(within) <= shared_part(quota, 0.25, 0.0).most
        sweeps = within.count(Lane.SWEEPING)
        assert sweeps <= shared_part(quota, 0.25, 0.0).most - reserve_of(quota, 0.25, Lane.SWEEPING)


@given(windows, st.integers(1, 40))
def test_healing_goes_at_once_though_a_sweep_has_taken_all_it_may_for_a_while_to_come(quota: Quota, ahead: int) -> None:
    part, reserve = shared_part(quota, 0.25, 0.0), reserve_of(quota, 0.25, Lane.SWEEPING)
    for _ in range(ahead):
        part.draw(1, 0.0, after=part.due(reserve + 1, 0.0))
    for _ in range(int(reserve)):
        assert part.due(1, 0.0) == 0.0
        part.draw(1, 0.0)
