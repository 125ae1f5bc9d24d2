"""The theme of re-tests: a person has an app's routing switched off for a while, while things drift, crash and race."""

from collections.abc import Iterator

from tests.nights.dice import WHO, Dice, owned, unowned
from tests.nights.happenings import crashes, drifts
from tests.nights.place import APPS, LEGACY
from tests.nights.schedule import Change, Edit, EndRetest, Entry, Fault, Pausing, Race, Retest, Routing


def retests(dice: Dice) -> Iterator[Entry]:
    by_setting = dice.pick(True, True, False)
    yield Routing(by_setting)
    if not by_setting:  # one that nobody declares would keep the traffic routed, and so a re-test is refused
        yield from (
            Edit(2.0, "anna", Change("no setting", app, LEGACY)) for app in APPS if dice.pick(True, True, False)
        )
    for _ in dice.some(1, 2):
        at, target = dice.at(), dice.pick(*APPS)
        for _ in dice.some(1, 2):
            yield Retest(dice.after(at, 0, 60), target, dice.pick(60.0, 300.0, 900.0))
        if dice.pick(True, False):
            yield _beside(dice, at, target)
        for happening in dice.random.sample(_HAPPENINGS, k=dice.pick(0, 1, 2)):
            yield from happening(dice, at, target)


def _ended(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    yield EndRetest(dice.after(at, 5, 400), target)


def _switched(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    """Somebody else switches routing as well: before, meanwhile or afterwards."""
    for _ in dice.some(1, 2):
        yield Edit(dice.after(at, -100, 1000), dice.pick(*WHO), routing(dice, target), honest=False)


def routing(dice: Dice, target: str) -> Change:
    return dice.pick(
        Change("routing", target, "applicationTraffic", dice.pick("on", "off")),
        Change("setting", target, LEGACY, dice.pick("1", "0")),
        Change("routing", target, "contentShareTraffic", dice.pick("on", "off")),
    )


def _drifts(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    del target
    yield from drifts(dice, at, -5, 400)


def _crash(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    """A crash at any of the calls that a re-test makes."""
    del target
    yield from crashes(dice, at - 0.1, 5, 45)


def _race(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    change = dice.pick(routing(dice, target), owned(dice), unowned(dice))
    yield Race(at, "/sites/", dice.pick(*WHO), change, after=dice.pick(True, False))


def _fault(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    del target
    kind = dice.pick("reset, executed", "broken, executed", "late", "unavailable", "locked", "denied")
    yield Fault(at, "/sites/", "write", kind, dice.pick(20.0, 65.0))


def _beside(dice: Dice, at: float, target: str) -> Race:
    """A change of another flag, which is sent along with the one that the re-test means."""
    change = Change("routing", target, "contentShareTraffic", dice.pick("on", "off"))
    return Race(at, "/sites/", dice.pick(*WHO), change, after=dice.pick(True, False))


def _paused(dice: Dice, at: float, target: str) -> Iterator[Entry]:
    yield Pausing(dice.after(at, -60, 300), dice.pick(target, "*"), dice.pick(60.0, 300.0))


_HAPPENINGS = (_ended, _switched, _drifts, _crash, _race, _fault, _paused)
