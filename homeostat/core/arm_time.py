"""What time it is for ARM, as far as the `Date` of one of its answers tells. Pure.

Events bear ARM's times, while the clock of the process that compares them may be minutes off. So what is compared with
an event's time is reckoned from ARM's own clock, and from how long ago it was heard.
https://www.rfc-editor.org/rfc/rfc9110#name-date
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

GRAIN = timedelta(seconds=1)
"""A Date counts whole seconds."""


@dataclass(frozen=True, slots=True)
class ArmTime:
    """ARM said `said` at some moment between `asked` and `answered`, which are seconds of a monotonic clock."""

    said: datetime
    asked: float
    answered: float

    def earliest(self, moment: float) -> datetime:
        """What ARM's clock shows at least, at a moment of the monotonic clock."""
        return self.said + timedelta(seconds=moment - self.answered)

    def latest(self, moment: float) -> datetime:
        """What it shows at most."""
        return self.said + GRAIN + timedelta(seconds=moment - self.asked)


def closer(known: ArmTime | None, heard: ArmTime) -> ArmTime:
    """The one by which it is later: a slow answer, or one out of a cache, bears a time that has passed by then."""
    moment = heard.answered
    return heard if known is None or heard.earliest(moment) >= known.earliest(moment) else known
