"""The guide's app with a deployment slot beside it, each declared as a target of its own."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from homeostat.core.arm_types import SLOT
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Trigger
from remediators import WITHOUT_PROBES
from tests.loop.stand import WEB_VERSION, Stand, stand
from tests.support.function_app import PROJECT

APP, STAGING = "app-flask", "app-flask--staging"
STICKY = "STAGE"
HEAD = "resource_group: rg-flask"


def endings_in_readme() -> tuple[tuple[str, ...], ...]:
    """Of each event subscription that README has people make: how the operations end that pass its filter."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return tuple(tuple(found.split()) for found in re.findall(r"data\.operationName StringEndsWith (.*)", text))


def both(production: str, staging: str) -> str:
    """Two documents in one file: what the app declares, and what its slot does."""
    return "\n---\n".join(
        f"target: {target}\nweb_app: {app}\n{HEAD}\n{sections}"
        for target, app, sections in ((APP, "app-flask", production), (STAGING, "app-flask/staging", staging))
    )


def settings(**values: str | dict[str, str]) -> str:
    return yaml.safe_dump({"app_settings": {"settings": values}})


def whole_example() -> str:
    """The example's document, and the same for the slot: everything that is private is shared by the two."""
    text = (PROJECT / "examples/flask-app/homeostat.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    slot = {**document, "target": STAGING, "web_app": "app-flask/staging"}
    return "\n---\n".join(map(yaml.safe_dump, (document, slot)))


def slotted(spec: str, **values: str) -> Stand:
    """The guide's world with a slot that holds these settings. The setting STICKY stays on a swap."""
    world = _without_probes(stand("guide", spec=spec))
    world.operator("PUT", slot(world), {"location": "westeurope", "properties": {}}, WEB_VERSION)
    world.operator("PUT", slot(world).child("config", "appsettings"), {"properties": values}, WEB_VERSION)
    names = {"properties": {"appSettingNames": [STICKY]}}
    world.operator("PUT", world.id("site").child("config", "slotConfigNames"), names, WEB_VERSION)
    world.cloud.exchanges.clear()
    return world


def _without_probes(world: Stand) -> Stand:
    """As in a process that stands outside the network."""
    engine = replace(world.engine, registry=WITHOUT_PROBES)
    return replace(world, engine=engine, service=replace(world.service, engine=engine))


def slot(world: Stand) -> ResourceId:
    return ResourceId.of(world.cloud.subscription, "rg-flask", SLOT.name, "app-flask", "staging")


def body(world: Stand, site: ResourceId) -> Any:
    return world.operator("GET", site, version=WEB_VERSION).body


def settings_of(world: Stand, site: ResourceId) -> dict[str, str]:
    listed = world.operator("POST", f"{site.child('config', 'appsettings').text}/list", {}, WEB_VERSION)
    return dict(listed.body["properties"])


def set_settings(world: Stand, site: ResourceId, values: Mapping[str, str]) -> None:
    world.operator("PUT", site.child("config", "appsettings"), {"properties": dict(values)}, WEB_VERSION)


def sticky_names(world: Stand) -> list[str]:
    found = world.operator("GET", world.id("site").child("config", "slotConfigNames"), version=WEB_VERSION)
    return list(found.body["properties"]["appSettingNames"])


def act(world: Stand, action: str, **options: Any) -> None:
    """Swaps the slot with production, or does one half of it (`applySlotConfig`, `resetSlotConfig`)."""
    options = {"targetSlot": "production", "preserveVnet": True, **options}
    world.operator("POST", f"{slot(world).text}/{action}", options, WEB_VERSION)


def swap_event(world: Stand, site: ResourceId, action: str = "slotsswap") -> dict[str, Any]:
    told = world.event(site, f"{site.type}/{action}/action")
    return {**told, "eventType": "Microsoft.Resources.ResourceActionSuccess"}


async def reconcile(world: Stand, site: ResourceId, **trigger: Any) -> Outcome:
    return await world.engine.reconcile(await world.root(site), Trigger("manual", **trigger))
