"""Draws a night from a seed, so that most nights are about two or three kinds of trouble.

A night with everything at once teaches little and shrinks badly. So each night draws its themes first.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

from tests.nights import gone, governed, retested, swapped, throttled, undone
from tests.nights.dice import RULES, WHO, Dice, edits, owned, unowned
from tests.nights.faults import KINDS
from tests.nights.happenings import crashes
from tests.nights.place import APPS, NSG, ZONES
from tests.nights.schedule import (
    Again,
    Cap,
    Change,
    Crash,
    Deaf,
    Edit,
    Entry,
    Fate,
    Fault,
    Fight,
    Jump,
    Mail,
    OldRows,
    Pausing,
    Port,
    Race,
    Respec,
    Run,
    Schedule,
    StoreFault,
    StoreKind,
    Sweep,
    Verb,
    Where,
)


def draw(seed: int) -> Schedule:
    dice = Dice(seed)
    themes = dice.random.sample(sorted(_THEMES), k=dice.pick(1, 2, 2, 3))
    entries = list(edits(dice))
    for theme in themes:
        entries.extend(_THEMES[theme](dice))
    ordered = sorted(entries, key=lambda entry: entry.number if isinstance(entry, Mail) else entry.at)
    operations = dice.pick(0.0, 0.0, 2.0, 5.0, 20.0)
    return Schedule(seed, dice.pick(1, 2, 2, 3), operations, tuple(ordered))


def _arm_trouble(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(2, 8):
        kind = dice.pick(*KINDS)
        strike = KINDS[kind]
        verb = dice.pick(*strike.verbs.split())
        yield Fault(dice.at(), dice.pick(*_places(verb)), cast("Verb", verb), kind, _amount(dice, kind))


def _places(verb: str) -> tuple[Where, ...]:
    return ("",) if verb == "poll" else ("", "", "appsettings", "networksecuritygroups", "privatednszones", "/sites/")


def _amount(dice: Dice, kind: str) -> float:
    match kind:
        case "stuck" | "failed":
            return dice.pick(10.0, 90.0, 200.0, 900.0)
        case "throttled" | "throttled in HTML" | "busy":
            return dice.pick(1.0, 5.0, 30.0, 300.0)
        case "slow" | "late":
            return dice.pick(3.0, 20.0, 65.0)
        case _:
            return 0.0


def _storm(dice: Dice) -> Iterator[Entry]:
    """One fault, many times in a row, for longer than the retries last."""
    kind = dice.pick("throttled without a word", "unavailable", "reset", "busy", "gateway timeout", "broken")
    verb = dice.pick(*KINDS[kind].verbs.split())
    start, amount = dice.at(), _amount(dice, kind)
    for _ in dice.some(6, 20):
        yield Fault(start, "", cast("Verb", verb), kind, amount)


def _races(dice: Dice) -> Iterator[Entry]:
    """Somebody's write lands between Homeostat's read and its write."""
    for _ in dice.some(1, 4):
        change = dice.pick(owned, unowned, unowned)(dice)
        at = dice.pick(0.0, dice.at())
        yield Race(at, _where(change), dice.pick(*WHO), change, after=dice.pick(False, False, True))


def _made_again(dice: Dice) -> Iterator[Entry]:
    """Something is deleted, and somebody recreates it at the same moment as Homeostat."""
    at, zone, rule = dice.at(), dice.pick(*ZONES), dice.pick(*RULES)
    gone, made = dice.pick(
        (Change("link gone", zone), Change("link", zone, "", "owner=team-1")),
        (Change("rule gone", NSG, rule), Change("rule field", NSG, rule, "description=made again")),
    )
    yield Edit(at, dice.pick(*WHO), gone)
    yield Race(at, _where(made), dice.pick(*WHO), made)


def _where(change: Change) -> Where:
    if change.where == NSG:
        return "networksecuritygroups"
    return "privatednszones" if change.where in ZONES else "/sites/"


def _lost_answers(dice: Dice) -> Iterator[Entry]:
    """Writes that take effect and are never acknowledged, and the writes of others at that moment."""
    for _ in dice.some(1, 3):
        kind = dice.pick(
            "reset, executed", "time-out, executed", "gateway timeout, executed", "broken, executed", "late"
        )
        yield Fault(dice.pick(0.0, dice.at()), "", "write", kind, _amount(dice, kind))
    yield from _races(dice)


def _crashes(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 4):
        yield Crash(dice.at(), dice.random.randrange(3), dice.random.randint(1, 25), after=dice.pick(True, False))


def _crash_in_a_repair(dice: Dice) -> Iterator[Entry]:
    """An edit, and an instance that dies while it handles the edit, with others writing at the same time."""
    for _ in dice.some(1, 2):
        at, change = dice.at(), owned(dice)
        yield Edit(at, dice.pick(*WHO), change)
        yield from crashes(dice, at + 10, 6, 22)
        if dice.pick(True, False):
            other = unowned(dice)
            yield Race(at, _where(other), dice.pick(*WHO), other, after=dice.pick(True, False))


def _stale_reads(dice: Dice) -> Iterator[Entry]:
    """Reads that a cache answers soon after a write."""
    for _ in dice.some(2, 6):
        yield Fault(dice.pick(0.0, dice.at()), "", "read", "stale")
    yield from _races(dice)


def _clocks(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 3):
        seconds = dice.pick(-25.0, 25.0, dice.between(-600, 600), dice.between(-7200, 7200))
        yield Jump(dice.at(), dice.random.randrange(3), seconds)


def _mail(dice: Dice) -> Iterator[Entry]:
    for number in dice.random.sample(range(14), k=dice.random.randint(1, 6)):
        fate: Fate = dice.pick("lost", "twice", "late")
        yield Mail(number, fate, dice.between(5, 300) if fate == "late" else 0.0)


def _no_mail(dice: Dice) -> Iterator[Entry]:
    for number in dice.some(40, 41):
        yield Mail(number, "lost")


def _pauses(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 3):
        at, target = dice.at(), dice.pick("*", *APPS)
        yield Pausing(at, target, dice.pick(60.0, 300.0, 1200.0))
        if dice.pick(True, False):
            yield Pausing(dice.after(at, 20, 200), target, 0.0)


def _specs(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 3):
        yield dice.pick(
            Respec(dice.at(), "setting", dice.pick("REDIS_PORT", "NEW_SETTING"), str(dice.random.randint(1, 9))),
            Respec(dice.at(), "no setting", "REDIS_PORT"),
            Respec(dice.at(), "port", dice.pick("allow-sql", "allow-redis"), str(dice.random.randint(2000, 2003))),
            Respec(dice.at(), "no rule", "allow-https"),
            Respec(dice.at(), "mode", dice.pick("nsg_rules", "app_settings", "dns_links", "vnet_integration"), "alert"),
            Respec(dice.at(), "secret"),
        )


def _switch(dice: Dice) -> Iterator[Entry]:
    at = dice.at()
    yield Cap(at, dice.pick("alert", "ignore"))
    if dice.pick(True, False):
        yield Cap(dice.after(at, 30, 900), "enforce")


def _requests(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 4):
        yield Run(dice.at(), dice.pick(*APPS), dry=dice.pick(False, False, True))
    for _ in dice.some(0, 2):
        yield Sweep(dice.at())


def _old_rows(dice: Dice) -> Iterator[Entry]:
    """Resource Graph lags, by hours or for as long as the night lasts, and no event reports what changes."""
    yield OldRows(dice.pick(300.0, 3600.0, 30 * 86_400.0))
    yield from _no_mail(dice)
    for _ in dice.some(1, 3):
        yield Edit(dice.at(), dice.pick(*WHO), owned(dice))
        yield Sweep(dice.at())


def _store_trouble(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(2, 8):
        kind: StoreKind = dice.pick("unavailable", "answer lost")
        told: tuple[Port, ...] = ("apply", "send", "publish")  # of a read no answer is worth losing
        asked: tuple[Port, ...] = ("read", "scan", "apply", "send")
        port = dice.pick(*(told if kind == "answer lost" else asked))
        yield StoreFault(dice.at(), port, kind)
    if dice.pick(True, False):
        yield Deaf(dice.at(), dice.pick(60.0, 900.0))
    for _ in dice.some(0, 2):
        yield Again(dice.at())


def _fights(dice: Dice) -> Iterator[Entry]:
    change = owned(dice)
    at = dice.at()
    yield Edit(at, "terraform", change)
    yield Fight(at, dice.pick(60.0, 300.0, 900.0), "terraform", change, dice.pick(0.0, 0.3, 5.0, 45.0))


_THEMES: Final[Mapping[str, Callable[[Dice], Iterator[Entry]]]] = {
    "ARM trouble": _arm_trouble,
    "a storm": _storm,
    "races": _races,
    "made again": _made_again,
    "lost answers": _lost_answers,
    "crashes": _crashes,
    "a crash in a repair": _crash_in_a_repair,
    "clocks": _clocks,
    "stale reads": _stale_reads,
    "mail": _mail,
    "no mail": _no_mail,
    "pauses": _pauses,
    "specs": _specs,
    "the switch": _switch,
    "requests": _requests,
    "old rows": _old_rows,
    "store trouble": _store_trouble,
    "fights": _fights,
    "caps": governed.caps,
    "long fights": governed.long_fights,
    "pause tags": governed.pause_tags,
    "deployments": governed.deployments,
    "windows": governed.windows,
    "containers": gone.containers,
    "quotas": throttled.quotas,
    "rollbacks": undone.rollbacks,
    "re-tests": retested.retests,
    "slots": swapped.slots,
}
