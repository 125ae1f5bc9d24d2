"""Who may ask for what, and how often: the rules, without HTTP."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.access import KEY_HOLDER, AppRole, Bucket, Caller, CallerKind, Rate, take

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
RATE = Rate(6)  # one each ten seconds


def caller(*roles: AppRole) -> Caller:
    return Caller("anna@contoso.example", "object-id", frozenset(roles), CallerKind.USER)


def test_the_holder_of_a_key_may_do_all() -> None:
    assert all(KEY_HOLDER.may(role) for role in AppRole)


def test_a_role_lets_do_what_it_names_and_read_and_nothing_else() -> None:
    for role in AppRole:
        assert {needed for needed in AppRole if caller(role).may(needed)} == {role, AppRole.READ}


def test_without_a_role_nothing_may_be_read_either() -> None:
    assert not any(caller().may(role) for role in AppRole)


def spent(times: int, now: datetime = NOW) -> tuple[Bucket | None, int]:
    """The bucket after so many requests at once, and how many of them were let through."""
    bucket, admitted = None, 0
    for _ in range(times):
        bucket, wait = take(bucket, RATE, now)
        admitted += wait is None
    return bucket, admitted


def test_a_burst_is_let_through_and_no_more() -> None:
    assert spent(100)[1] == RATE.per_minute


def test_who_is_refused_hears_when_there_is_room_again() -> None:
    bucket, _ = spent(RATE.per_minute)
    bucket, wait = take(bucket, RATE, NOW)
    assert wait == timedelta(seconds=10)
    assert take(bucket, RATE, NOW + timedelta(seconds=9))[1] is not None
    assert take(bucket, RATE, NOW + timedelta(seconds=10))[1] is None


def test_to_be_refused_costs_nothing() -> None:
    bucket, _ = spent(1000)
    assert take(bucket, RATE, NOW + timedelta(seconds=10))[1] is None


def test_a_clock_that_goes_back_fills_nothing_and_locks_nobody_out() -> None:
    bucket, _ = spent(RATE.per_minute)
    earlier = NOW - timedelta(days=1)
    bucket, wait = take(bucket, RATE, earlier)
    assert wait is not None
    assert take(bucket, RATE, earlier + timedelta(seconds=10))[1] is None


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=200), st.integers(min_value=1, max_value=600))
def test_within_any_time_no_more_is_let_through_than_a_burst_and_the_rate(gaps: list[float], per_minute: int) -> None:
    rate, bucket, now, admitted = Rate(per_minute), None, NOW, 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        bucket, wait = take(bucket, rate, now)
        admitted += wait is None
    minutes = (now - NOW) / timedelta(minutes=1)
    assert admitted <= rate.burst + minutes * per_minute + 1e-6
