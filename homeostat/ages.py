"""How old something is that other instances store, with the time by their clocks: by our own, where that tells.

Clocks on the wall differ, and are set. A clock that does not run backwards tells of what changed under an instance's
eyes: it is no older than the last look that found it otherwise, and no younger than the first that found it so. Only
between the two, and for what was never seen to change, the clock on the wall decides.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from homeostat.ambient import Ambient


@dataclass(frozen=True, slots=True)
class _Sight:
    """at: as it is stored. first: when it was seen so first. before: when it was last seen otherwise, or never."""

    at: datetime
    first: float
    before: float | None


@dataclass(slots=True)
class Ages:
    ambient: Ambient
    _sights: dict[str, _Sight] = field(default_factory=dict, init=False)
    _looks: dict[str, float] = field(default_factory=dict, init=False)  # the last one at each

    def see(self, name: str, at: datetime) -> None:
        """Called at each look at what is stored under this name."""
        now, known = self.ambient.monotonic(), self._sights.get(name)
        if known is None or known.at != at:
            self._sights[name] = _Sight(at, now, self._looks.get(name))
        self._looks[name] = now

    def is_younger(self, name: str, span: timedelta) -> bool:
        """Whether what was seen last under this name is younger than that. One of the future, by more, is not."""
        sight, now = self._sights.get(name), self.ambient.monotonic()
        if sight is None or now - sight.first >= span.total_seconds():
            return False
        if sight.before is not None and now - sight.before < span.total_seconds():
            return True
        return abs(self.ambient.now() - sight.at) < span
