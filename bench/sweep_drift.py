"""What drifts in the measured fleet: one in a hundred apps and network security groups."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from bench.rows import Row
from homeostat.core.ids import ResourceId
from tests.support.fleets import WEB_VERSION, Night, Swept

DAY: Final = 86_400.0
DRIFTED: Final = 0.01

GROUP: Final = 25
"""How many apps a resource group of the simulated fleet has."""


@dataclass(frozen=True, slots=True)
class Breakage:
    """One drift. write: what repairs it, as the request log shows it."""

    write: str
    do: Callable[[], Any]
    is_right: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Healed:
    """A night's repairs. planned: the writes that they take. wrong: how many are not as declared afterwards."""

    swept: Swept
    planned: Counter[str]
    wrong: int

    @property
    def made(self) -> Counter[str]:
        writes = (call for call in self.swept.calls if call.method in {"PUT", "PATCH", "DELETE"})
        return Counter(f"{call.method} {'/'.join(call.path.partition('?')[0].split('/')[-2:])}" for call in writes)


def healed_rows(what: str, healed: Healed) -> Iterator[Row]:
    planned, made, swept = healed.planned.total(), healed.made, healed.swept
    right = planned - healed.wrong
    yield Row(f"{what}: drifts that end as declared", str(right), f"of {planned}", None, "all", healed.wrong == 0)
    yield Row(
        f"{what}: writes", str(made.total()), f"planned: {planned}", None, "exactly these", made == healed.planned
    )
    yield Row(f"{what}: refused with 429", str(swept.refused), "", None, "none", swept.refused == 0)
    yield Row(f"{what}: until all is healed and told", f"{swept.seconds:.0f} s")


def breakages_of(night: Night, apps: int) -> Iterator[Breakage]:
    """Breaks one in a hundred apps: three in four get a wrong setting, the others leave their network. One in a hundred
    network security groups denies what it must allow.
    """
    every = round(1 / DRIFTED)
    for index, number in enumerate(range(every, apps + 1, every)):
        yield moved_out(night, number) if index % 4 == 3 else _set_wrong(night, number)
    for number in range(1, apps + 1, every * GROUP):
        yield _denied(night, number)


def _id(night: Night, number: int, rest: str) -> ResourceId:
    group = (number - 1) // GROUP
    subscription = night.cloud.subscriptions[group % len(night.cloud.subscriptions)]
    return ResourceId.parse(f"/subscriptions/{subscription}/resourceGroups/rg-fleet-{group + 1:04}/providers/{rest}")


def site_of(night: Night, number: int) -> ResourceId:
    return _id(night, number, f"Microsoft.Web/sites/app-{number:05}")


def _set_wrong(night: Night, number: int) -> Breakage:
    settings = site_of(night, number).child("config", "appsettings")

    def now() -> dict[str, str]:
        shown: dict[str, str] = night.operator("POST", f"{settings.text}/list", {}, WEB_VERSION).body["properties"]
        return shown

    def do() -> None:
        night.operator("PUT", settings.text, {"properties": {**now(), "REDIS_PORT": "1"}}, WEB_VERSION)

    return Breakage("PUT config/appsettings", do, lambda: now()["REDIS_PORT"] == "6380")


def moved_out(night: Night, number: int) -> Breakage:
    site = site_of(night, number)
    network = site.child("networkConfig", "virtualNetwork")

    def is_right() -> bool:
        shown = night.operator("GET", site.text, version=WEB_VERSION).body["properties"]
        return bool(shown["virtualNetworkSubnetId"])

    return Breakage(
        "PUT networkConfig/virtualNetwork",
        lambda: night.operator("DELETE", network.text, version=WEB_VERSION),
        is_right,
    )


def _denied(night: Night, number: int) -> Breakage:
    group = _id(night, number, "Microsoft.Network/networkSecurityGroups/nsg-appservice-integration")
    rule = group.child("securityRules", "allow-sql")

    def now() -> dict[str, Any]:
        shown: dict[str, Any] = night.operator("GET", rule.text).body["properties"]
        return shown

    return Breakage(
        "PUT securityRules/allow-sql",
        lambda: night.operator("PUT", rule.text, {"properties": {**now(), "access": "Deny"}}),
        lambda: now()["access"] == "Allow",
    )
