"""Schedules: what they mean, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.ncrontab import Schedule

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 2 * * *", "2026-03-01T01:59:59", "2026-03-01T02:00:00"),
        ("0 0 2 * * *", "2026-03-01T02:00:00", "2026-03-02T02:00:00"),
        ("*/20 * * * * *", "2026-03-01T00:00:40", "2026-03-01T00:01:00"),
        ("0 */5 * * * *", "2026-12-31T23:57:00", "2027-01-01T00:00:00"),
        ("5,8 30 9-10 * Jan Mon", "2026-02-01T00:00:00", "2027-01-04T09:30:05"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 30 9 * * 1-5", "2026-11-20T09:30:00", "2026-11-23T09:30:00"),
        ("0 10/20 * * * *", "2026-03-01T00:31:00", "2026-03-01T00:50:00"),
    ],
)
def test_the_next_occurrence_is_the_first_later_moment_that_fits(expression: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule.parse(expression).after(moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_day_and_day_of_week_must_both_fit() -> None:
    friday_the_13th = Schedule.parse("0 0 0 13 * Friday").after(datetime(2026, 4, 1, tzinfo=UTC))
    assert friday_the_13th == datetime(2026, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "0 2 * * *",
        "0 0 2 * * * *",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 * * 7",
        "0 0 0 L * *",
        "0 0 0 30 2 *",
        "0 */0 * * * *",
        "0 5-1 * * * *",
        "0 1, * * * *",
        "0 ² * * * *",
        "",
    ],
)
def test_a_wrong_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Schedule.parse(expression)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # bounds are naive by contract
    st.sampled_from(["0 0 2 * * *", "*/7 * * * * *", "0 */13 3-5 * * 0,6", "30 15 */6 1 */2 *", "59 59 23 31 * *"]),
)
def test_an_occurrence_is_later_fits_and_nothing_fits_in_between(moment: datetime, expression: str) -> None:
    schedule = Schedule.parse(expression)
    found = schedule.after(moment)
    assert found > moment
    assert found.second in schedule.seconds
    assert found.minute in schedule.minutes
    assert found.hour in schedule.hours
    assert found.day in schedule.days
    assert found.month in schedule.months
    assert found.isoweekday() % 7 in schedule.weekdays
    assert schedule.after(found - timedelta(seconds=1)) == found
    midpoint = moment + (found - moment) / 2
    assert schedule.after(midpoint) == found
