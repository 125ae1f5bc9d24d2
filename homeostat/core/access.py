"""Who may ask for what, and how often. Pure: time is an argument.

The function key is the minimum: the Functions host checks it before any of this runs. On top of it HOMEOSTAT_AUTH
decides whether a caller is anybody who holds a key, or a principal of Microsoft Entra with app roles.
https://learn.microsoft.com/entra/identity-platform/howto-add-app-roles-in-apps
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

HOLDER: Final = "holder of a function key"


class Auth(StrEnum):
    """HOMEOSTAT_AUTH."""

    KEYS = "keys"  # whoever holds a function key may do everything
    ENTRA = "entra"  # callers also need a sign-in by App Service authentication, with the route's role


class AppRole(StrEnum):
    """The app roles of Homeostat's registration, by their values in a token."""

    READ = "Homeostat.Read"  # what is declared, what happened, the dashboard; every other role has it, too
    OPERATE = "Homeostat.Operate"  # force a repair or a sweep, re-test routing, reset a breaker
    PAUSE = "Homeostat.Pause"  # pause and resume
    APPROVE = "Homeostat.Approve"  # let through what waits for a person
    ROLL_BACK = "Homeostat.RollBack"  # restore a snapshot


class CallerKind(StrEnum):
    KEY = "key"
    USER = "user"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. name: what the ledger records. object_id: empty for the holder of a key, who cannot be identified."""

    name: str
    object_id: str
    roles: frozenset[AppRole]
    kind: CallerKind

    def may(self, needed: AppRole) -> bool:
        """Any role includes reading: callers have to see what they did."""
        return needed in self.roles or (needed is AppRole.READ and bool(self.roles))


KEY_HOLDER: Final = Caller(HOLDER, "", frozenset(AppRole), CallerKind.KEY)


# --- how often ---


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests a minute, which may also come at once after a quiet minute."""

    per_minute: int

    @property
    def burst(self) -> float:
        return float(self.per_minute)

    def times(self, factor: int) -> "Rate":
        return Rate(self.per_minute * factor)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The requests that a rate had left at `at`."""

    tokens: float
    at: datetime


def take(bucket: Bucket | None, rate: Rate, now: datetime) -> tuple[Bucket, timedelta | None]:
    """Takes one request. Returns the bucket afterwards, and None or how long to wait until there is a request again.

    A bucket of None is full. If the clock was set back, nothing is added, and counting goes on from the new time.
    """
    tokens = rate.burst if bucket is None else min(rate.burst, bucket.tokens + _grown(bucket, rate, now))
    if tokens >= 1:
        return Bucket(tokens - 1, now), None
    return Bucket(tokens, now), timedelta(minutes=(1 - tokens) / rate.per_minute)


def _grown(bucket: Bucket, rate: Rate, now: datetime) -> float:
    return max(0.0, (now - bucket.at) / timedelta(minutes=1)) * rate.per_minute


@dataclass(frozen=True, slots=True)
class Access:
    """The settings. reads, writes: for each caller; all callers together have EVERYBODY times as much."""

    auth: Auth = Auth.KEYS
    reads: Rate = Rate(120)
    writes: Rate = Rate(30)


DEFAULT_ACCESS: Final = Access()

EVERYBODY: Final = 4
