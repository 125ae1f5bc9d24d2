"""The random draws of a night, and the ordinary edits that people make."""

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.nights.declared import SECRET_SETTING
from tests.nights.place import APPS, NSG, ZONES
from tests.nights.schedule import Change, Edit, Entry, Who

LAST: Final = 2100.0
"""Seconds since dusk after which nothing new begins."""

RULES: Final = ("allow-sql", "allow-redis", "allow-https", "deny-all-outbound")
_SETTINGS: Final = ("SQL_SERVER_FQDN", "REDIS_PORT", "KEY_VAULT_URI")
WHO: Final[tuple[Who, ...]] = ("anna", "terraform")


def planted(seed: int) -> str:
    """The planted secret of a night, which must show nowhere."""
    return f"planted-{seed}-kept-to-itself"


class Dice:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(f"{seed}/schedule")

    def pick[T](self, *options: T) -> T:
        return options[self.random.randrange(len(options))]

    def at(self) -> float:
        return round(self.random.uniform(5, LAST), 1)

    def after(self, start: float, least: float, most: float) -> float:
        """A random time after `start`, but before the last entries of the night."""
        return round(min(start + self.between(least, most), LAST + 100), 1)

    def between(self, least: float, most: float) -> float:
        return round(self.random.uniform(least, most), 1)

    def some(self, least: int, most: int) -> range:
        return range(self.random.randint(least, most))


def edits(dice: Dice) -> Iterator[Entry]:
    """Edits in bursts, since edits that are close together race."""
    for _ in dice.some(1, 4):
        start = dice.at()
        for _ in dice.some(1, 3):
            change = dice.pick(owned, owned, unowned)(dice)
            think = dice.pick(0.0, 0.0, dice.between(0, 3), dice.between(5, 60))
            at = dice.after(start, 0, 40)
            yield Edit(at, dice.pick(*WHO), change, think, honest=dice.pick(True, False))


def owned(dice: Dice) -> Change:
    """A change of something that the spec declares."""
    app, zone, rule = dice.pick(*APPS), dice.pick(*ZONES), dice.pick(*RULES)
    return dice.pick(
        Change("rule field", NSG, rule, dice.pick("access=Deny", "destinationPortRange=9999", "protocol=Udp")),
        Change("rule field", NSG, rule, f"priority={dice.random.randint(300, 399)}"),
        Change("rule gone", NSG, rule),
        Change("setting", app, dice.pick(*_SETTINGS), dice.pick("1", "elsewhere.example.com")),
        Change("setting", app, dice.pick(*_SETTINGS), f"Server=x;Password={planted(dice.seed)}"),
        Change("no setting", app, dice.pick(*_SETTINGS)),
        Change("link gone", zone),
        Change("link", zone, "", "registration=true"),
        Change("leave network", app),
    )


def unowned(dice: Dice) -> Change:
    """A change of something that the spec does not declare."""
    app, zone, number = dice.pick(*APPS), dice.pick(*ZONES), dice.random.randint(1, 3)
    return dice.pick(
        Change("new rule", NSG, f"human-{number}", str(2000 + number)),
        Change("rule gone", NSG, f"human-{number}"),
        Change("group with rule", NSG, f"human-{number}", str(2100 + number)),
        Change("rule field", NSG, dice.pick(*RULES), f"description=note {number}"),
        Change("group tag", NSG, "owner", f"team-{number}"),
        Change("setting", app, f"HUMAN_{number}", f"value-{dice.random.randint(1, 99)}"),
        Change("no setting", app, dice.pick("EXTRA_SETTING", f"HUMAN_{number}")),
        Change("setting", app, SECRET_SETTING, planted(dice.seed)),
        Change("link", zone, "", f"owner=team-{number}"),
        Change("record", zone, f"host-{number}", f"10.10.3.{number}"),
        Change("record gone", zone, f"host-{number}"),
    )
