"""How old something is that other instances store with the time of their own clocks.

Wall clocks differ and can be set, so the monotonic clock decides where it can. A value that changed while this instance
watched is no older than the last look that found the value before, and at least as old as the first look that found
it. Between the two, and for a value that was never seen to change, the wall clock decides.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from homeostat.ambient import Ambient


@dataclass(frozen=True, slots=True)
class _Sight:
    """at: the stored time. first: the first look that found it. before: the last look that found another, if any."""

    at: datetime
    first: float
    before: float | None


@dataclass(slots=True)
class Ages:
    ambient: Ambient
    _sights: dict[str, _Sight] = field(default_factory=dict, init=False)
    _looks: dict[str, float] = field(default_factory=dict, init=False)  # the last look at each

    def see(self, name: str, at: datetime) -> None:
        """To be called at each look at what is stored under this name."""
        now, known = self.ambient.monotonic(), self._sights.get(name)
        if known is None or known.at != at:
            self._sights[name] = _Sight(at, now, self._looks.get(name))
        self._looks[name] = now

    def is_younger(self, name: str, span: timedelta) -> bool:
        """Whether what was last seen under this name is younger than `span`. A time too far in the future is not."""
        sight, now = self._sights.get(name), self.ambient.monotonic()
        if sight is None or now - sight.first >= span.total_seconds():
            return False
        if sight.before is not None and now - sight.before < span.total_seconds():
            return True
        return abs(self.ambient.now() - sight.at) < span
