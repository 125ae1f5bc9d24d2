"""Windows: when a disruptive repair may be made. Cron times with a duration, in a time zone. Pure.

An allow window says when repairs of a class may be made, a deny window when not. A calendar is all windows of one
owner: a repair passes it if no deny window for its class is open and, where there are allow windows for its class, one
of them is open. Classes without any window pass at any time.

A window opens at the times of its cron expression on the local wall clock, and stays open for its duration of elapsed
time: on the day when clocks change, `0 22 * * *` for 8h ends an hour earlier or later by the clock. Times that the
change skips happen right after it, times that it repeats happen once, as in Debian's cron.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from homeostat.core.durations import Duration
from homeostat.core.model import Disruption, Section

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=31)

MAX_STEPS: Final = 100
"""How many barriers, and openings of one, are searched for the next allowed moment: a limit for any cron."""

NOT_CRON: Final = "cron_form"
NOT_A_ZONE: Final = "zone_form"
NOT_A_WINDOW: Final = "window_length"

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


class Covers(StrEnum):
    """The class of disruption that a window applies to."""

    NONE = Disruption.NONE.value
    RESTART = Disruption.RESTART.value
    CONNECTIVITY = Disruption.CONNECTIVITY.value
    ANY = "any"


def _cron(text: str) -> str:
    try:
        happens = len(text.split()) == 5 and next(CronSim(text, _ANY_DAY), None) is not None
    except CronSimError:
        happens = False
    if not happens:
        raise PydanticCustomError(NOT_CRON, "must be a cron expression of five fields that happens at all")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:  # not found; not a name; a folder of the database
        raise PydanticCustomError(NOT_A_ZONE, "must be a time zone of the IANA database") from error
    return text


def _length(length: timedelta) -> timedelta:
    if not SHORTEST <= length <= LONGEST:
        raise PydanticCustomError(NOT_A_WINDOW, "must be from one minute to 31 days")
    return length


class Window(Section):
    """Opens at the times of `cron`, and stays open for `duration`."""

    effect: Effect = Field(description="allow: only while one such window is open. deny: never while it is open.")
    cron: Annotated[str, AfterValidator(_cron)] = Field(
        description="When it opens: minute, hour, day of the month, month, day of the week.", examples=["0 22 * * 1-5"]
    )
    duration: Annotated[Duration, AfterValidator(_length)] = Field(
        description="How long it stays open: 30m, 6h, 2d; at most 31d.", examples=["6h"]
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="The time zone of `cron`, by its IANA name.", examples=["Europe/Berlin"]
    )
    disruption: Covers = Field(
        default=Covers.ANY,
        description="Which repairs it is about: those that disturb nothing (none), restart the app, cut connectivity.",
    )

    def covers(self, disruption: Disruption) -> bool:
        return self.disruption is Covers.ANY or self.disruption.value == disruption.value

    def openings(self, after: datetime) -> Iterator[datetime]:
        """The times at which it opens after `after`, in UTC, practically endless."""
        for local in CronSim(self.cron, after.astimezone(ZoneInfo(self.zone))):
            opening = local.astimezone(UTC)
            if opening > after:  # of an hour that comes twice, cronsim gives only the first
                yield opening

    def is_open(self, now: datetime) -> bool:
        opening = next(self.openings(now - self.duration), None)
        return opening is not None and opening <= now

    def closes(self, now: datetime) -> datetime:
        """When a window that is open now closes; its next opening may be within the current one."""
        end = now
        for opening in islice(self.openings(now - self.duration), MAX_STEPS):
            if opening > end:
                break
            end = opening + self.duration
        return end


type Windows = Mapping[str, Window]
"""A calendar: windows by their names."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Why a calendar holds a repair now. until: the earliest moment at which that can have changed."""

    window: str
    effect: Effect
    until: datetime | None


def shut(calendar: Windows, disruption: Disruption, now: datetime) -> Shut | None:
    """What holds a repair of this class now; None if it passes."""
    covering = {name: window for name, window in calendar.items() if window.covers(disruption)}
    for name, window in covering.items():
        if window.effect is Effect.DENY and window.is_open(now):
            return Shut(name, Effect.DENY, window.closes(now))
    allowing = {name: window for name, window in covering.items() if window.effect is Effect.ALLOW}
    if not allowing or any(window.is_open(now) for window in allowing.values()):
        return None
    openings = [opening for window in allowing.values() if (opening := next(window.openings(now), None))]
    return Shut(", ".join(sorted(allowing)), Effect.ALLOW, min(openings, default=None))


def next_allowed(calendars: tuple[Windows, ...], disruption: Disruption, now: datetime) -> datetime | None:
    """The first moment from `now` on at which all calendars let a repair of the class pass; None if none is found."""
    moment = now
    for _ in range(MAX_STEPS):
        barriers = [barrier for each in calendars if (barrier := shut(each, disruption, moment))]
        if not barriers:
            return moment
        ends = [barrier.until for barrier in barriers if barrier.until is not None]
        if len(ends) < len(barriers):
            return None
        moment = max(ends)
    return None


def of_targets(fleet: Windows, own: Mapping[str, Windows], targets: tuple[str, ...]) -> tuple[Windows, ...]:
    """The calendars of a root with these targets; all of them must let a repair pass.

    A target's own windows replace the fleet's, except the fleet's deny windows, which hold for everybody.
    """
    denies = {name: window for name, window in fleet.items() if window.effect is Effect.DENY}
    calendars = [own.get(target, fleet) for target in targets]
    return tuple(calendar for calendar in (denies, *calendars) if calendar)
