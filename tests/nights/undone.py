"""The theme of rollbacks: a person restores the state before a repair, while things drift, crash and race."""

from collections.abc import Iterator

from tests.nights.dice import WHO, Dice, owned, unowned
from tests.nights.governed import PAUSE_TAG
from tests.nights.happenings import crashes, drifts
from tests.nights.place import APPS, ZONES
from tests.nights.schedule import Change, Edit, Entry, Fault, Pausing, Race, Rollback


def rollbacks(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 2):
        start, change = dice.at(), owned(dice)
        target = change.where if change.where in APPS else dice.pick(*APPS)
        yield Edit(start, dice.pick(*WHO), change)
        at = dice.after(start, 20, 300)
        for _ in dice.some(1, 2):
            yield Rollback(dice.after(at, 0, 60), target, dice.pick(30.0, 300.0, 1200.0))
        for happening in dice.random.sample((_drifts, _crash, _race, _fault, _resumed, _tagged), k=dice.pick(0, 1, 2)):
            yield from happening(dice, at, target)


def _drifts(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    del target
    yield from drifts(dice, at, -5, 200)


def _crash(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    """A crash at any of the calls that a rollback makes."""
    del target
    yield from crashes(dice, at - 0.1, 8, 40)


def _race(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    del target
    yield Race(at, "", dice.pick(*WHO), dice.pick(owned, unowned)(dice), after=dice.pick(True, False))


def _fault(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    del target
    kind = dice.pick("reset, executed", "broken, executed", "late", "unavailable", "stuck", "failed", "changed")
    yield Fault(at, "", "write", kind, dice.pick(20.0, 65.0, 200.0))


def _resumed(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    yield Pausing(dice.after(at, 5, 200), target, 0.0)


def _tagged(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    """A repaired link gets a pause tag before its repair is to be undone."""
    zone, end = dice.pick(*ZONES), PAUSE_TAG + "=soon"
    yield Edit(dice.after(at, -130, -100), dice.pick(*WHO), Change("link", zone, "", "registration=true"), honest=False)
    yield Edit(dice.after(at, -9, -2), dice.pick(*WHO), Change("link", zone, "", end), honest=False)
    yield Rollback(dice.after(at, 5, 60), target, 60.0)
