"""A fleet of selected apps in several subscriptions, for the tests of sweeps. All of its roots were seen once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.ids import ResourceId
from tests.loop.stand import NSG_VERSION, WEB_VERSION, Stand, stand
from tests.support.fleets import APPS

HOUR = timedelta(hours=1)
GRAPH = "Microsoft.ResourceGraph/resources"
PER_GROUP = 25
NEVER = 10_000
"""So many days that in practice nothing is read in full."""


def fleet_of(apps: int, subscriptions: int = 2, days: int = NEVER) -> Stand:
    """A fleet on which nothing has happened yet."""
    world = stand(f"fleet:{apps}", subscriptions=subscriptions)
    world.specs.by_name = {"homeostat.yaml": APPS % ", ".join(world.cloud.subscriptions)}
    world.service = replace(world.service, sweep_access=replace(world.service.sweep_access, full_read_days=days))
    return world


async def seen(apps: int, subscriptions: int = 2, days: int = NEVER) -> Stand:
    """The same fleet, a day after the sweep that saw everything for the first time."""
    world = fleet_of(apps, subscriptions, days)
    await world.sweep()
    await world.work_for(timedelta(hours=24))
    forget(world)
    return world


def forget(world: Stand) -> None:
    world.cloud.exchanges.clear()
    world.inbox.sweeps.clear()


async def swept(world: Stand) -> Any:
    """Runs a sweep from its begin to its end. Returns its summary."""
    await world.sweep()
    await world.work_for(HOUR)
    (summary,) = world.inbox.swept()
    return summary


async def sweeps(world: Stand) -> list[Any]:
    """The running sweep and those that ended, newest first, as the API shows them."""
    return list(await world.service.sweeps.latest(50))


def asked(world: Stand, word: str) -> list[str]:
    """The calls to ARM that contain this word."""
    return [call for call in world.calls() if word in call]


def marks(world: Stand) -> int:
    return len(world.waiting())


def group_of(number: int) -> int:
    return (number - 1) // PER_GROUP + 1


def in_group(world: Stand, number: int, type_: str, name: str) -> ResourceId:
    subscriptions = world.cloud.subscriptions
    group = group_of(number)
    return ResourceId.of(subscriptions[(group - 1) % len(subscriptions)], f"rg-fleet-{group:04}", type_, name)


def site(world: Stand, number: int) -> ResourceId:
    return in_group(world, number, SITE.name, f"app-{number:05}")


def nsg(world: Stand, number: int) -> ResourceId:
    """The security group of the resource group that the app is in."""
    return in_group(world, number, NETWORK_SECURITY_GROUP.name, "nsg-appservice-integration")


def settings(world: Stand, number: int) -> dict[str, Any]:
    path = site(world, number).child("config", "appsettings").text + "/list"
    found: dict[str, Any] = world.operator("POST", path, {}, WEB_VERSION).body["properties"]
    return found


def break_settings(world: Stand, numbers: Iterable[int]) -> None:
    for number in numbers:
        values = {**settings(world, number), "REDIS_PORT": "1"}
        target = site(world, number).child("config", "appsettings")
        world.operator("PUT", target, {"properties": values}, WEB_VERSION)


def leave_network(world: Stand, number: int) -> None:
    world.operator("DELETE", site(world, number).child("networkConfig", "virtualNetwork"), version=WEB_VERSION)


def break_rule(world: Stand, number: int, access: str = "Deny") -> None:
    rule = nsg(world, number).child("securityRules", "allow-sql")
    body = world.operator("GET", rule, version=NSG_VERSION).body
    properties = {**body["properties"], "access": access}
    world.operator("PUT", rule, {"properties": properties}, NSG_VERSION)


def rule_access(world: Stand, number: int) -> str:
    rule = nsg(world, number).child("securityRules", "allow-sql")
    return str(world.operator("GET", rule, version=NSG_VERSION).body["properties"]["access"])
