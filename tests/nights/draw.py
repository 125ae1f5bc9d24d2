"""A night out of a seed: what happens when, drawn so that most nights are about two or three kinds of trouble.

A night of everything at once teaches little and shrinks badly; so each draws its themes first.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Final, cast

from tests.nights.clock import DUSK
from tests.nights.declared import SECRET_SETTING
from tests.nights.faults import KINDS
from tests.nights.place import APPS, NSG, ZONES
from tests.nights.schedule import (
    Again,
    Cap,
    Change,
    Crash,
    Deaf,
    Deploy,
    Edit,
    Entry,
    Fate,
    Fault,
    Fight,
    Govern,
    Jump,
    Mail,
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
    Who,
)

LAST: Final = 2100.0
"""Seconds since dusk, after which nothing new is begun."""

_RULES: Final = ("allow-sql", "allow-redis", "allow-https", "deny-all-outbound")
_SETTINGS: Final = ("SQL_SERVER_FQDN", "REDIS_PORT", "KEY_VAULT_URI")
_WHO: Final[tuple[Who, ...]] = ("anna", "terraform")


PAUSE_TAG: Final = "homeostat-pause-until"


def planted(seed: int) -> str:
    """The secret of a night: it must show nowhere."""
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
        """Some time after, and before the night's last entries can happen."""
        return round(min(start + self.between(least, most), LAST + 100), 1)

    def between(self, least: float, most: float) -> float:
        return round(self.random.uniform(least, most), 1)

    def some(self, least: int, most: int) -> range:
        return range(self.random.randint(least, most))


def draw(seed: int) -> Schedule:
    dice = Dice(seed)
    themes = dice.random.sample(sorted(_THEMES), k=dice.pick(1, 2, 2, 3))
    entries = list(_edits(dice))
    for theme in themes:
        entries.extend(_THEMES[theme](dice))
    ordered = sorted(entries, key=lambda entry: entry.number if isinstance(entry, Mail) else entry.at)
    operations = dice.pick(0.0, 0.0, 2.0, 5.0, 20.0)
    return Schedule(seed, dice.pick(1, 2, 2, 3), operations, tuple(ordered))


# --- what people do anyway ---


def _edits(dice: Dice) -> Iterator[Entry]:
    """Edits in bursts: what comes close together is what races."""
    for _ in dice.some(1, 4):
        start = dice.at()
        for _ in dice.some(1, 3):
            change = dice.pick(_owned, _owned, _unowned)(dice)
            think = dice.pick(0.0, 0.0, dice.between(0, 3), dice.between(5, 60))
            at = dice.after(start, 0, 40)
            yield Edit(at, dice.pick(*_WHO), change, think, honest=dice.pick(True, False))


def _owned(dice: Dice) -> Change:
    """Something that the spec declares becomes different."""
    app, zone, rule = dice.pick(*APPS), dice.pick(*ZONES), dice.pick(*_RULES)
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


def _unowned(dice: Dice) -> Change:
    """Something that is nobody's business but a person's."""
    app, zone, number = dice.pick(*APPS), dice.pick(*ZONES), dice.random.randint(1, 3)
    return dice.pick(
        Change("new rule", NSG, f"human-{number}", str(2000 + number)),
        Change("rule gone", NSG, f"human-{number}"),
        Change("group with rule", NSG, f"human-{number}", str(2100 + number)),
        Change("rule field", NSG, dice.pick(*_RULES), f"description=note {number}"),
        Change("group tag", NSG, "owner", f"team-{number}"),
        Change("setting", app, f"HUMAN_{number}", f"value-{dice.random.randint(1, 99)}"),
        Change("no setting", app, dice.pick("EXTRA_SETTING", f"HUMAN_{number}")),
        Change("setting", app, SECRET_SETTING, planted(dice.seed)),
        Change("link", zone, "", f"owner=team-{number}"),
        Change("record", zone, f"host-{number}", f"10.10.3.{number}"),
        Change("record gone", zone, f"host-{number}"),
    )


# --- themes ---


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
    """One fault, many times over: longer than retries are patient."""
    kind = dice.pick("throttled without a word", "unavailable", "reset", "busy", "gateway timeout", "broken")
    verb = dice.pick(*KINDS[kind].verbs.split())
    start, amount = dice.at(), _amount(dice, kind)
    for _ in dice.some(6, 20):
        yield Fault(start, "", cast("Verb", verb), kind, amount)


def _races(dice: Dice) -> Iterator[Entry]:
    """The same moment: somebody's write lands between Homeostat's look and its write."""
    for _ in dice.some(1, 4):
        change = dice.pick(_owned, _unowned, _unowned)(dice)
        at = dice.pick(0.0, dice.at())
        yield Race(at, _where(change), dice.pick(*_WHO), change, after=dice.pick(False, False, True))


def _where(change: Change) -> Where:
    if change.where == NSG:
        return "networksecuritygroups"
    return "privatednszones" if change.where in ZONES else "/sites/"


def _lost_answers(dice: Dice) -> Iterator[Entry]:
    """Writes that took effect and were never acknowledged, and the writes of others at that moment."""
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
    """An edit, and an instance that dies in what it leads to, with others writing around it."""
    for _ in dice.some(1, 2):
        at, change = dice.at(), _owned(dice)
        yield Edit(at, dice.pick(*_WHO), change)
        for number in range(3):
            yield Crash(at + 10, number, dice.random.randint(6, 22), after=dice.pick(True, False))
        if dice.pick(True, False):
            other = _unowned(dice)
            yield Race(at, _where(other), dice.pick(*_WHO), other, after=dice.pick(True, False))


def _stale_reads(dice: Dice) -> Iterator[Entry]:
    """Reads that a cache answers, soon after something was written."""
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
    change = _owned(dice)
    at = dice.at()
    yield Edit(at, "terraform", change)
    yield Fight(at, dice.pick(60.0, 300.0, 900.0), "terraform", change, dice.pick(0.0, 0.3, 5.0, 45.0))


def _caps(dice: Dice) -> Iterator[Entry]:
    """A policy that allows next to nothing, and more to repair than that."""
    yield Govern(writes_per_resource=dice.random.randint(1, 3), writes_per_hour=dice.pick(2, 3, 5, 500))
    yield from _edits(dice)
    for _ in dice.some(0, 2):
        yield Run(dice.at(), dice.pick(*APPS))


def _long_fights(dice: Dice) -> Iterator[Entry]:
    """The same drift after each repair, by a tool that is told by events, or runs every so often."""
    yield Govern(times=dice.pick(2, 3), backoff=dice.pick(1, 5, 15), stop_after=dice.random.randint(1, 5))
    change, at, who = _owned(dice), dice.between(5, 600), dice.pick(*_WHO)
    yield Edit(at, who, change, honest=False)
    yield Fight(at, 1800.0, who, change, dice.pick(1.0, 20.0, 60.0))


def _pause_tags(dice: Dice) -> Iterator[Entry]:
    for _ in dice.some(1, 2):
        at, who = dice.at(), dice.pick(*_WHO)
        if dice.pick(True, False):
            end = dice.pick("soon", _clock(at + dice.between(60, 1200)))
            yield Edit(at, who, Change("group tag", NSG, PAUSE_TAG, end), honest=False)
            if end == "soon" or dice.pick(True, False):
                yield Edit(dice.after(at, 20, 400), who, Change("no group tag", NSG, PAUSE_TAG), honest=False)
        else:
            end = _clock(at + dice.between(60, 1200))
            yield Edit(at, who, Change("link", dice.pick(*ZONES), "", f"{PAUSE_TAG}={end}"), honest=False)
        yield Edit(dice.after(at, 1, 60), dice.pick(*_WHO), _owned(dice))


def _clock(at: float) -> str:
    return (DUSK + timedelta(seconds=round(at))).isoformat()


def _deployments(dice: Dice) -> Iterator[Entry]:
    for number in dice.some(1, 2):
        at = dice.at()
        yield Deploy(at, f"release-{number}", dice.pick(30.0, 200.0, 900.0))
        yield Edit(dice.after(at, 0, 90), dice.pick(*_WHO), _owned(dice))


def _windows(dice: Dice) -> Iterator[Entry]:
    first = dice.random.randint(0, 30)
    last = first + dice.random.randint(2, 15)
    yield Govern(shut=(first, last))
    for _ in dice.some(1, 3):
        yield Edit(round(dice.between(max(first, 1), last) * 60, 1), dice.pick(*_WHO), _owned(dice))


_THEMES: Final[Mapping[str, Callable[[Dice], Iterator[Entry]]]] = {
    "ARM trouble": _arm_trouble,
    "a storm": _storm,
    "races": _races,
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
    "store trouble": _store_trouble,
    "fights": _fights,
    "caps": _caps,
    "long fights": _long_fights,
    "pause tags": _pause_tags,
    "deployments": _deployments,
    "windows": _windows,
}
