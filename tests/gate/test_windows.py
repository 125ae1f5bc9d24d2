"""The calendar of repairs against the clock itself: minute by minute, and across the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.core.model import Disruption
from homeostat.core.windows import Covers, Effect, Window, next_allowed, of_targets, shut

pytestmark = pytest.mark.unit

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
"""In Berlin the clock jumps from 2 to 3 on the one, and from 3 back to 2 on the other, both at 1:00 UTC."""

RESTART, CONNECTIVITY = Disruption.RESTART, Disruption.CONNECTIVITY


def window(
    cron: str, duration: str, zone: str = "UTC", effect: Effect = Effect.ALLOW, covers: Covers = Covers.ANY
) -> Window:
    return Window.model_validate(
        {"effect": effect, "cron": cron, "duration": duration, "zone": zone, "disruption": covers}
    )


def moments(start: datetime, hours: float) -> list[datetime]:
    return [start + MINUTE * minute for minute in range(round(hours * 60))]


# --- what is open ---


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    length=st.integers(1, 40 * 60),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"]),
    start=st.integers(0, 60 * 24 * 28).map(lambda minutes: datetime(2026, 2, 1, tzinfo=UTC) + MINUTE * minutes),
)
@settings(max_examples=40, deadline=None)
def test_where_clocks_never_change_it_is_open_as_the_wall_clock_says(
    minute: int, hour: int, length: int, zone: str, start: datetime
) -> None:
    it = window(f"{minute} {hour} * * *", f"{length}m", zone)
    for now in (start, start + 7 * MINUTE, start + 9 * HOUR):
        local = now.astimezone(ZoneInfo(zone))
        since = min((local - opened) % timedelta(days=1) for opened in [local.replace(hour=hour, minute=minute)])
        assert it.is_open(now) is (since < length * MINUTE)


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", SPRING, ["01:00"]),  # 2:30 is skipped: right after the jump, at 3:00
        ("30 2 * * *", AUTUMN, ["00:30"]),  # 2:30 comes twice: the first
        ("0 3 * * *", SPRING, ["01:00"]),
        ("0 3 * * *", AUTUMN, ["02:00"]),
        ("0 1 * * *", SPRING, ["00:00"]),
        ("*/30 2 * * *", AUTUMN, ["00:00", "00:30", "01:00", "01:30"]),  # by the half hour: in both
    ],
)
def test_openings_on_the_days_when_clocks_change(cron: str, day: datetime, expected: list[str]) -> None:
    opened = [each for each in moments(day - HOUR, 24) if each in set(openings(cron, day))]
    assert [each.strftime("%H:%M") for each in opened] == expected


def openings(cron: str, day: datetime) -> list[datetime]:
    found: list[datetime] = []
    for opening in window(cron, "1m", "Europe/Berlin").openings(day - HOUR - MINUTE):
        if opening > day + timedelta(hours=23):
            return found
        found.append(opening)
    raise AssertionError("cron never ends")


@pytest.mark.parametrize(("day", "closes"), [(SPRING, "07:00"), (AUTUMN, "05:00")])
def test_a_duration_is_time_that_passes_whatever_the_clock_does(day: datetime, closes: str) -> None:
    """From 22:00 for 8 hours: until 6:00 by the clock on other nights."""
    it = window("0 22 * * *", "8h", "Europe/Berlin")
    opened = (day.astimezone(BERLIN).replace(hour=22, minute=0) - timedelta(days=1)).astimezone(UTC)
    assert not it.is_open(opened - MINUTE)
    assert it.is_open(opened)
    assert it.is_open(opened + 8 * HOUR - MINUTE)
    assert not it.is_open(opened + 8 * HOUR)
    assert (opened + 8 * HOUR).astimezone(BERLIN).strftime("%H:%M") == closes


def test_the_second_of_two_equal_hours_finds_no_opening_of_the_first() -> None:
    it = window("30 2 * * *", "10m", "Europe/Berlin")
    second = AUTUMN + HOUR + 20 * MINUTE  # 2:20 for the second time
    assert list(zip(range(1), it.openings(second), strict=False)) == [
        (0, AUTUMN + timedelta(days=1, hours=1, minutes=30))
    ]


# --- what passes, and when next ---

CRONS = ["0 22 * * *", "30 2 * * *", "*/20 * * * *", "0 */3 * * *", "15 1,13 * * 0,6", "0 0 29 3 *", "5 4 25 10 *"]
windows = st.builds(
    window,
    st.sampled_from(CRONS),
    st.sampled_from(["1m", "25m", "2h", "7h", "1d"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from(Effect),
    st.sampled_from([Covers.ANY, Covers.RESTART, Covers.CONNECTIVITY]),
)
calendars = st.dictionaries(st.sampled_from("abc"), windows, max_size=3)
around = st.sampled_from([SPRING, AUTUMN, datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 4, 5, tzinfo=UTC)])


@given(
    each=st.lists(calendars, max_size=2).map(tuple),
    day=around,
    offset=st.integers(-600, 600),
    seconds=st.integers(0, 59),
)
@settings(max_examples=60, deadline=None)
def test_the_next_allowed_moment_is_the_first_minute_at_which_nothing_is_shut(
    each: tuple[dict[str, Window], ...], day: datetime, offset: int, seconds: int
) -> None:
    """Brute force: every minute of the next hours is asked."""
    now = day + MINUTE * offset + timedelta(seconds=seconds)
    hours = 5
    minutes = (now, *moments(now.replace(second=0) + MINUTE, hours))
    first = next((it for it in minutes if not any(shut(calendar, RESTART, it) for calendar in each)), None)
    found = next_allowed(each, RESTART, now)
    assert found == first or (first is None and (found is None or found > now + (hours - 1) * HOUR))


def test_a_window_that_never_ends_has_no_next_moment_and_takes_no_time_to_say_so() -> None:
    for deny in (window("* * * * *", "1m", effect=Effect.DENY), window("* * * * *", "2d", effect=Effect.DENY)):
        found = next_allowed(({"always": deny},), RESTART, SPRING)
        assert found is None


def test_classes_that_no_window_covers_pass_at_any_time() -> None:
    nights = {"nights": window("0 22 * * *", "6h", covers=Covers.RESTART)}
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert shut(nights, RESTART, noon) is not None
    assert shut(nights, CONNECTIVITY, noon) is None
    assert shut(nights, RESTART, noon + 11 * HOUR) is None


def test_of_allow_windows_one_that_is_open_suffices_and_a_deny_wins() -> None:
    day, night = window("0 8 * * *", "4h"), window("0 22 * * *", "4h")
    freeze = window("0 9 * * *", "1h", effect=Effect.DENY)
    nine = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)
    assert shut({"day": day, "night": night}, RESTART, nine) is None
    stopped = shut({"day": day, "night": night, "freeze": freeze}, RESTART, nine)
    assert stopped is not None
    assert (stopped.window, stopped.effect, stopped.until) == ("freeze", Effect.DENY, nine + 30 * MINUTE)


def test_a_targets_windows_replace_the_fleets_but_for_what_the_fleet_denies() -> None:
    nights, freeze = window("0 22 * * *", "6h"), window("0 0 24 12 *", "10d", effect=Effect.DENY)
    fleet = {"nights": nights, "freeze": freeze}
    denies = {"freeze": freeze}
    assert of_targets(fleet, {}, ("a", "b")) == (denies, fleet, fleet)
    assert of_targets(fleet, {"a": {}}, ("a",)) == (denies,)
    assert of_targets(fleet, {"a": {"noon": nights}}, ("a", "b")) == (denies, {"noon": nights}, fleet)
    assert of_targets({}, {}, ("a",)) == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cron", "0 22 * *"),
        ("cron", "0 0 22 * * *"),
        ("cron", "0 0 30 2 *"),
        ("cron", "at night"),
        ("duration", "6"),
        ("duration", "6 h"),
        ("duration", "30s"),
        ("duration", "32d"),
        ("zone", "Europe/Atlantis"),
        ("zone", "Europe"),
        ("zone", "../../etc/passwd"),
        ("zone", ""),
        ("effect", "maybe"),
        ("disruption", "reboot"),
    ],
)
def test_a_wrong_window_is_refused(key: str, value: str) -> None:
    good = {"effect": "allow", "cron": "0 22 * * *", "duration": "6h"}
    Window.model_validate(good)
    with pytest.raises(ValidationError):
        Window.model_validate({**good, key: value})
