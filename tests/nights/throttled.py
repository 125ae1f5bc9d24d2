"""The theme of ARM's quotas: Homeostat's part of each is so small that a night can use it up."""

from collections.abc import Iterator
from typing import Final

from tests.nights.dice import WHO, Dice, edits, owned
from tests.nights.place import APPS
from tests.nights.schedule import Edit, Entry, Quotas, Run, Spend, Sweep

SPENT: Final = (
    "subscription-reads",
    "subscription-reads",
    "subscription-writes",
    "app-settings-listings",
    "private-dns-reads",
    "network-reads",
    "network-writes",
)


def quotas(dice: Dice) -> Iterator[Entry]:
    """ARM throttles. People and sweeps need more at once than the part allows, and other tools draw as well.

    Some of those tools keep to the owner's share, and some take the whole quota.
    """
    yield Quotas(dice.pick(0.9, 0.95, 0.97, 0.98))
    yield from edits(dice)
    for _ in dice.some(1, 2):
        start = dice.at()
        yield from (Run(dice.after(start, 0, 5), app, dry=dice.pick(True, False)) for app in APPS * dice.pick(1, 2))
        yield Edit(dice.after(start, 0, 5), dice.pick(*WHO), owned(dice))
        for _ in dice.some(0, 3):
            yield Spend(dice.after(start, 0, 30), dice.pick(*SPENT), dice.pick(0.2, 0.5, 1.0))
    for _ in dice.some(0, 2):
        yield Sweep(dice.at())
