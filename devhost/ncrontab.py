"""The six-field schedules of timer triggers, strictly parsed and evaluated in UTC.

The language is NCrontab's, which the Functions host uses: `{second} {minute} {hour} {day} {month} {day-of-week}` with
`*`, lists, ranges, steps and English names. General cron libraries differ from it where it matters: they join day and
day-of-week with "or" where NCrontab joins them with "and", and accept 7 for Sunday, `L` and `#`.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_HORIZON_YEARS = 9  # 29 February recurs within eight years, across a century year that is not a leap year


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        body, slash, step_text = part.partition("/")
        step = self._step(step_text) if slash else 1
        if body == "*":
            return range(self.low, self.high + 1, step)
        first_text, dash, last_text = body.partition("-")
        first = self._value(first_text)
        last = self._value(last_text) if dash else self.high if slash else first
        if last < first:
            raise ValueError(f"{self.name}: the range {body!r} runs backwards")
        return range(first, last + 1, step)

    def _step(self, text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) == 0:
            raise ValueError(f"{self.name}: {text!r} is not a step")
        return int(text)

    def _value(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            value = int(text)
            if self.low <= value <= self.high:
                return value
            raise ValueError(f"{self.name}: {value} is not between {self.low} and {self.high}")
        for offset, name in enumerate(self.names):
            if len(text) >= 3 and name.startswith(text.lower()):
                return self.low + offset
        raise ValueError(f"{self.name}: {text!r} is not a value")


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed NCRONTAB expression."""

    expression: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Self:
        """Raises ValueError naming the field at fault, also for a date that never comes (30 February)."""
        parts = expression.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(f"{expression!r} has {len(parts)} fields; a schedule has {len(_FIELDS)}, seconds first")
        schedule = cls(expression, *(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))
        if not any(day <= monthrange(2024, month)[1] for month in schedule.months for day in schedule.days):
            raise ValueError(f"{expression!r} names a date that never comes")
        return schedule

    @property
    def more_than_once_a_minute(self) -> bool:
        return len(self.seconds) > 1

    def after(self, moment: datetime) -> datetime:
        """The first occurrence strictly later than `moment`; both in UTC, to the second."""
        earliest = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for day in self._dates(earliest.date()):
            floor = earliest.time() if day == earliest.date() else time()
            if (found := self._time_from(floor)) is not None:
                return datetime.combine(day, found, UTC)
        raise ValueError(f"{self.expression!r} has no occurrence within {_HORIZON_YEARS} years of {moment:%Y-%m-%d}")

    def _dates(self, first: date) -> Iterator[date]:
        for offset in range(_HORIZON_YEARS * 366):
            day = first + timedelta(days=offset)
            if day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                yield day

    def _time_from(self, floor: time) -> time | None:
        candidates = (
            time(hour, minute, second)
            for hour in sorted(self.hours)
            if hour >= floor.hour
            for minute in sorted(self.minutes)
            if (hour, minute) >= (floor.hour, floor.minute)
            for second in sorted(self.seconds)
        )
        return next((candidate for candidate in candidates if candidate >= floor), None)
