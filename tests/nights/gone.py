"""The theme of containers: a security group, a route table, a zone or a subnet is deleted, with all that is in it."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.nights.dice import WHO, Dice, owned
from tests.nights.place import APPS, CONTAINERS, NETWORK, NSG, SITES, TABLE
from tests.nights.schedule import Approve, Change, Contain, Edit, Entry, Race, Run, Sweep, Where

_WORDS: Final[Mapping[str, str]] = {NSG: "group", TABLE: "table"}


def containers(dice: Dice) -> Iterator[Entry]:
    """Some are recreated unattended, some after a person allows it. Somebody else may recreate one meanwhile."""
    names = tuple(CONTAINERS)
    recreated = tuple(sorted(dice.random.sample(names, k=dice.random.randint(0, len(names)))))
    yield Contain(recreated, declared=dice.pick(True, True, True, False))
    for _ in dice.some(1, 2):
        at, name = dice.at(), dice.pick(*names)
        yield from _goes(dice, at, name)
        for _ in dice.some(0, 2):
            yield from dice.pick(_made, _raced, _asked, _approved, _drifts)(dice, at, name)


def _goes(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    """Deletes a container; of a zone first the link, of a subnet the apps: Azure refuses while they are there."""
    who = dice.pick(*WHO)
    if name in _WORDS:
        yield Edit(at, who, Change(f"{_WORDS[name]} gone", name), honest=False)
        return
    if name == NETWORK:
        yield from (Edit(at, who, Change("leave network", site), honest=False) for site in SITES)
    else:
        yield Edit(at, who, Change("link gone", name), honest=False)
    what = "subnet gone" if name == NETWORK else "zone gone"
    for seconds in (3.0, 8.0, 21.0):
        yield Edit(dice.after(at, seconds, seconds), who, Change(what, name), honest=False)


def _made(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    yield Edit(dice.after(at, 5, 200), dice.pick(*WHO), _maker(dice, name), honest=False)


def _raced(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    """Somebody recreates it at the same moment as Homeostat."""
    places: Mapping[str, Where] = {NSG: "networksecuritygroups", TABLE: "routetables", NETWORK: "/subnets/"}
    yield Race(at + 1, places.get(name, "privatednszones"), dice.pick(*WHO), _maker(dice, name))


def _maker(dice: Dice, name: str) -> Change:
    if name == NETWORK:
        service = dice.pick("Microsoft.Storage", "Microsoft.KeyVault")
        return Change("subnet made", name, dice.pick("", "undelegated", "undelegated"), service)
    return Change(f"{_WORDS.get(name, 'zone')} made", name, "", f"team-{dice.random.randint(1, 3)}")


def _asked(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    del name
    yield Run(dice.after(at, 10, 300), dice.pick(*APPS), dry=dice.pick(True, False, False), create=True)


def _approved(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    del name
    yield Approve(dice.after(at, 60, 400))


def _drifts(dice: Dice, at: float, name: str) -> Iterator[Entry]:
    del name
    yield Edit(dice.after(at, 0, 100), dice.pick(*WHO), owned(dice), honest=False)
    yield Sweep(dice.after(at, 0, 100))
