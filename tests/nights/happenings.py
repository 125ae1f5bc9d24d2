"""What several themes draw around the moment that they are about."""

from collections.abc import Iterator

from tests.nights.dice import WHO, Dice, owned, unowned
from tests.nights.schedule import Crash, Edit, Entry


def drifts(dice: Dice, at: float, first: float, last: float) -> Iterator[Entry]:
    """Some edits of things that are declared or not, between `first` and `last` seconds after a moment."""
    for _ in dice.some(1, 3):
        yield Edit(dice.after(at, first, last), dice.pick(*WHO), dice.pick(owned, unowned)(dice), honest=False)


def crashes(dice: Dice, at: float, first: int, last: int) -> Iterator[Entry]:
    """Each instance dies at one of its calls after a moment, the number of which is between `first` and `last`."""
    for number in range(3):
        yield Crash(at, number, dice.random.randint(first, last), after=dice.pick(True, False))
