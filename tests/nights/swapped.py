"""The theme of slots: a slot is declared, drifts like any site, and is swapped with its app."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.nights.dice import WHO, Dice, owned, unowned
from tests.nights.place import APPS, SLOT
from tests.nights.schedule import Change, Edit, Entry, Race, Run, Slots, Who

APP: Final = APPS[0]

SWAP: Final = Change("swap", SLOT, "slotsswap", "production")
"""As the portal and the command line swap: the slot into its app."""

FROM_APP: Final = Change("swap", APP, "slotsswap", SLOT.rpartition("--")[2])
"""As Azure's API allows too: the app into its slot."""


def slots(dice: Dice) -> Iterator[Entry]:
    yield Slots()
    for _ in dice.some(1, 2):
        yield _drift(dice, dice.at())
    for _ in dice.some(1, 2):
        at, who = dice.at(), dice.pick(*WHO)
        yield from dice.pick(_swap, _preview, _race)(dice, at, who)
        for _ in dice.some(0, 2):
            yield _drift(dice, dice.after(at, -20, 60))
        if dice.pick(True, False):
            yield Run(dice.after(at, 0, 60), dice.pick(APP, SLOT))


def _drift(dice: Dice, at: float) -> Edit:
    """A drift of the app, its slot, or anything else."""
    change = dice.pick(owned, owned, unowned)(dice)
    where = dice.pick(APP, SLOT, SLOT) if change.where in APPS else change.where
    return Edit(at, dice.pick(*WHO), replace(change, where=where), honest=False)


def _swap(dice: Dice, at: float, who: Who) -> Iterator[Entry]:
    yield Edit(at, who, dice.pick(SWAP, SWAP, FROM_APP), honest=False)


def _preview(dice: Dice, at: float, who: Who) -> Iterator[Entry]:
    """A swap with preview, which is then completed or taken back."""
    yield Edit(at, who, Change("swap", SLOT, "applySlotConfig", "production"), honest=False)
    end = dice.pick("slotsswap", "resetSlotConfig")
    yield Edit(dice.after(at, 30, 400), who, Change("swap", SLOT, end, "production"), honest=False)


def _race(dice: Dice, at: float, who: Who) -> Iterator[Entry]:
    """A swap at the moment at which a drift is repaired."""
    yield Edit(at, who, Change("setting", dice.pick(APP, SLOT), "KEY_VAULT_URI", "1"), honest=False)
    yield Race(at, "/sites/app-flask", who, SWAP, after=dice.pick(True, False))
