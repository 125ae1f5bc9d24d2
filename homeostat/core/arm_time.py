"""ARM's time of day, as far as the `Date` header of one of its answers tells. Pure.

Events carry ARM's times, while this process's clock may be minutes off. So whatever is compared with an event's time is
calculated from ARM's own clock, and from how long ago it was read.
https://www.rfc-editor.org/rfc/rfc9110#name-date
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

GRAIN = timedelta(seconds=1)
"""The resolution of a Date: whole seconds."""


@dataclass(frozen=True, slots=True)
class ArmTime:
    """ARM said `said` at some moment between `asked` and `answered`, both seconds of a monotonic clock."""

    said: datetime
    asked: float
    answered: float

    def earliest(self, moment: float) -> datetime:
        """The earliest time that ARM's clock can show, at a moment of the monotonic clock."""
        return self.said + timedelta(seconds=moment - self.answered)

    def latest(self, moment: float) -> datetime:
        """The latest time that it can show."""
        return self.said + GRAIN + timedelta(seconds=moment - self.asked)


def closer(known: ArmTime | None, heard: ArmTime) -> ArmTime:
    """The more precise one, which puts ARM's time later: a slow or cached answer carries a time that has passed."""
    moment = heard.answered
    return heard if known is None or heard.earliest(moment) >= known.earliest(moment) else known
