"""How many roots of the fleet drift at the same time. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Mass:
    """The drifting roots of the fleet, counted until there are more than `threshold`.

    anew: how many of them have a changed declaration. released_until: the end of a person's release.
    """

    drifting: int
    threshold: int
    anew: int = 0
    version: str = ""
    in_force_since: datetime | None = None  # of a version that replaced another
    released_until: datetime | None = None

    @property
    def is_one(self) -> bool:
        return self.drifting > self.threshold

    def is_released(self, now: datetime) -> bool:
        return self.released_until is not None and now < self.released_until

    def suspects_spec(self, within: timedelta, now: datetime) -> bool:
        recent = self.in_force_since is not None and now - self.in_force_since < within
        return recent or 2 * self.anew > self.drifting
