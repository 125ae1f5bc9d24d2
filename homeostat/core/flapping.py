"""The memory of the flap breaker: how often each drift was repaired, and since when it has stayed away. Pure.

After `times` repairs of one drift `within` a period the breaker trips: the drift is left alone for the `backoff`. If it
is back after the next repair, the breaker trips again, for twice as long; after `stop_after` trips it stays open. A
drift that stays away for the `stable` time is forgotten. The memory of a root is pruned by time, and bounded.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from homeostat.core.limits import Flapping
from homeostat.core.model import Drift

MAX_FLAPS: Final = 500
"""Drifts of one root that are remembered; those that never tripped, and the oldest, are dropped first."""


@dataclass(frozen=True, slots=True)
class Flap:
    """One drift's repairs. heals: those that still count. until: when the backoff of the last trip ends.

    gone_since: since when it has been found gone; None while it is there. by: who was last known to have caused it.
    """

    kind: str
    what: str  # the item, or the field if it belongs to no item
    heals: tuple[datetime, ...] = ()
    healed: int = 0  # repairs since it was first remembered
    trips: int = 0
    until: datetime | None = None
    gone_since: datetime | None = None
    by: str = ""

    def is_stable(self, limits: Flapping, now: datetime) -> bool:
        return self.gone_since is not None and now - self.gone_since >= limits.stable

    def is_stopped(self, limits: Flapping, now: datetime) -> bool:
        return self.trips >= limits.stop_after and not self.is_stable(limits, now)

    def is_tripped(self, limits: Flapping, now: datetime) -> bool:
        """Whether the drift is not repaired at the moment."""
        if self.is_stable(limits, now):
            return False
        return self.is_stopped(limits, now) or (self.until is not None and now < self.until)


type Flaps = Mapping[str, Flap]
"""By the drift's name (`name_of`)."""


def name_of(drift: Drift) -> str:
    """A drift's key as a short text: the same difference has the same name each time."""
    kind, resource, path, item = drift.key
    whole = "\0".join((kind, resource, item, *path))
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def healed(flaps: Flaps, drifts: Iterable[Drift], limits: Flapping, now: datetime) -> Flaps:
    """The memory after each of these drifts was repaired once."""
    after = dict(flaps)
    for name, drift in {name_of(drift): drift for drift in drifts}.items():
        known = after.get(name)
        if known is None or known.is_stable(limits, now):
            known = Flap(drift.kind, drift.item or "/".join(drift.path))
        heals = (*(at for at in known.heals if now - at < limits.within), now)
        after[name] = replace(known, heals=heals[-limits.times :], healed=known.healed + 1, gone_since=None)
        if known.trips or len(heals) >= limits.times:
            pause = limits.backoff * 2**known.trips
            after[name] = replace(after[name], trips=known.trips + 1, until=now + pause)
    return _bounded(after)


def looked(flaps: Flaps, drifts: Iterable[Drift], unjudged: Collection[str], limits: Flapping, now: datetime) -> Flaps:
    """The memory after a look that found these drifts, and could judge all but the `unjudged` kinds."""
    there = {name_of(drift) for drift in drifts}
    after: dict[str, Flap] = {}
    for name, flap in flaps.items():
        if flap.is_stable(limits, now) and name not in there:
            continue
        if not flap.trips and not any(now - at < limits.within for at in flap.heals):
            continue
        gone_since = None if name in there else flap.gone_since or (None if flap.kind in unjudged else now)
        # A drift that comes back after the stable time is a new one: its memory must still show that it was away.
        after[name] = flap if flap.is_stable(limits, now) else replace(flap, gone_since=gone_since)
    return after


def named(flaps: Flaps, writers: Mapping[str, str]) -> Flaps:
    """The memory with the writers, by kind, that are known now: later they may be unknown."""
    return {name: replace(flap, by=writers.get(flap.kind, flap.by)) for name, flap in flaps.items()}


def _bounded(flaps: Flaps) -> Flaps:
    if len(flaps) <= MAX_FLAPS:
        return flaps
    by_weight = sorted(flaps.items(), key=lambda entry: (entry[1].trips, entry[1].heals[-1:]), reverse=True)
    return dict(by_weight[:MAX_FLAPS])
