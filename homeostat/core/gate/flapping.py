"""The flap breaker: what comes back after every repair is left alone, ever longer, at last until a person resets it."""

from typing import Final

from homeostat.core.flapping import name_of
from homeostat.core.gate.situation import Situation
from homeostat.core.measures import duration_text
from homeostat.core.model import Edit
from homeostat.core.plan import Hold

FLAPPING: Final = "flapping"


def not_flapping(edit: Edit, situation: Situation) -> Hold | None:
    limits, now = situation.policy.flapping, situation.now
    flap = situation.history.flaps.get(name_of(edit.drift))
    if flap is None or not flap.is_tripped(limits, now):
        return None
    writers = situation.history.writers
    by = writers.get(edit.drift.kind) or flap.by or writers.get("", "unknown")
    within = duration_text(limits.within)
    numbers: dict[str, int | str] = {"healed": flap.healed, "within": within, "trips": flap.trips, "by": by}
    message = f"{flap.what} was repaired {flap.healed} times and comes back; the other writer: {by}"
    if flap.is_stopped(limits, now):
        stable = duration_text(limits.stable)
        remedy = f"it is repaired again after `reset-breaker`, or after {stable} without this drift"
        return Hold(FLAPPING, f"{message}; {remedy}", numbers)
    assert flap.until is not None, "a breaker that tripped and has not stopped has an end"
    return Hold(FLAPPING, f"{message}; left alone until {flap.until.isoformat()}", numbers, flap.until)
