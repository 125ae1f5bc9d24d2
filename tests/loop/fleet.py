"""A fleet of web apps on the test stand, each with a document of its own, and ways to break many of them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from homeostat.core.arm_types import SITE
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Trigger
from homeostat.ports.storage import Documents
from tests.loop.stand import WEB_VERSION, Stand, stand

APPS_PER_GROUP = 25  # of the simulator's world


def name(number: int) -> str:
    return f"app-{number:05}"


def text(ports: Mapping[int, int], policy: str = "") -> str:
    """A document for each app that declares one setting, and the fleet's policy, if one is given."""
    documents = [
        f"target: {name(number)}\nweb_app: {name(number)}\nresource_group: {group(number)}\n"
        f"app_settings: {{settings: {{REDIS_PORT: {port}}}}}\n"
        for number, port in ports.items()
    ]
    return "---\n".join([*documents, *([f"policy: fleet\n{policy}\n"] if policy else [])])


def group(number: int) -> str:
    return f"rg-fleet-{(number - 1) // APPS_PER_GROUP + 1:04}"


def site(world: Stand, number: int) -> ResourceId:
    return ResourceId.of(world.cloud.subscription, group(number), SITE.name, name(number))


def port(world: Stand, number: int) -> str:
    return str(_settings(world, number)["REDIS_PORT"])


def _settings(world: Stand, number: int) -> dict[str, Any]:
    path = site(world, number).child("config", "appsettings").text + "/list"
    found: dict[str, Any] = world.operator("POST", path, {}, WEB_VERSION).body["properties"]
    return found


def break_app(world: Stand, number: int, value: str = "1") -> None:
    values = {**_settings(world, number), "REDIS_PORT": value}
    target = site(world, number).child("config", "appsettings")
    world.operator("PUT", target, {"properties": values}, WEB_VERSION)


def fleet_stand(
    apps: int, policy: str = "", *, documents: Callable[[Documents], Documents] = lambda documents: documents
) -> Stand:
    """A stand with so many apps, each as declared."""
    ports = dict.fromkeys(range(1, apps + 1), 6380)
    return stand(f"fleet:{apps}", spec=text(ports, policy), documents=documents)


async def heal(world: Stand, number: int, **trigger: Any) -> Outcome:
    root = (await world.fleet()).roots[site(world, number)]
    return await world.engine.reconcile(root, Trigger(**{"cause": "manual", **trigger}))


async def heal_all(worlds: list[Stand], numbers: range, **trigger: Any) -> list[Outcome]:
    """Reconciles all of them at once, dealt out to the instances in turn."""
    return await asyncio.gather(
        *(heal(worlds[index % len(worlds)], number, **trigger) for index, number in enumerate(numbers))
    )


def codes(outcome: Outcome) -> list[str]:
    return sorted({held.hold.code for held in outcome.plan.held})
