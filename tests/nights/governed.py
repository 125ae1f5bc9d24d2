"""Themes of the gate: policies that allow very few writes, and other reasons that hold a repair."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tests.nights.clock import DUSK
from tests.nights.dice import WHO, Dice, edits, owned
from tests.nights.place import APPS, NSG, ZONES
from tests.nights.schedule import Change, Deploy, Edit, Entry, Fight, Govern, Run

PAUSE_TAG: Final = "homeostat-pause-until"


def caps(dice: Dice) -> Iterator[Entry]:
    """The policy allows very few writes, and there is more to repair."""
    yield Govern(writes_per_resource=dice.random.randint(1, 3), writes_per_hour=dice.pick(2, 3, 5, 500))
    yield from edits(dice)
    for _ in dice.some(0, 2):
        yield Run(dice.at(), dice.pick(*APPS))


def long_fights(dice: Dice) -> Iterator[Entry]:
    """A tool puts the same drift back after each repair. Events trigger it, or it runs at intervals."""
    yield Govern(times=dice.pick(2, 3), backoff=dice.pick(1, 5, 15), stop_after=dice.random.randint(1, 5))
    change, at, who = owned(dice), dice.between(5, 600), dice.pick(*WHO)
    yield Edit(at, who, change, honest=False)
    yield Fight(at, 1800.0, who, change, dice.pick(1.0, 20.0, 60.0))


def pause_tags(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 2):
        at, who = dice.at(), dice.pick(*WHO)
        if dice.pick(True, False):
            end = dice.pick("soon", _clock(at + dice.between(60, 1200)))
            yield Edit(at, who, Change("group tag", NSG, PAUSE_TAG, end), honest=False)
            if end == "soon" or dice.pick(True, False):
                yield Edit(dice.after(at, 20, 400), who, Change("no group tag", NSG, PAUSE_TAG), honest=False)
        else:
            end = _clock(at + dice.between(60, 1200))
            yield Edit(at, who, Change("link", dice.pick(*ZONES), "", f"{PAUSE_TAG}={end}"), honest=False)
        yield Edit(dice.after(at, 1, 60), dice.pick(*WHO), owned(dice))


def _clock(at: float) -> str:
    return (DUSK + timedelta(seconds=round(at))).isoformat()


def deployments(dice: Dice) -> Iterator[Entry]:
    for number in dice.some(1, 2):
        at = dice.at()
        yield Deploy(at, f"release-{number}", dice.pick(30.0, 200.0, 900.0))
        yield Edit(dice.after(at, 0, 90), dice.pick(*WHO), owned(dice))


def windows(dice: Dice) -> Iterator[Entry]:
    first = dice.random.randint(0, 30)
    last = first + dice.random.randint(2, 15)
    yield Govern(shut=(first, last))
    for _ in dice.some(1, 3):
        yield Edit(round(dice.between(max(first, 1), last) * 60, 1), dice.pick(*WHO), owned(dice))
