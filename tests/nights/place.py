"""The place where every night happens: two web apps on one network, and what of it is looked at.

The world is built once a process and copied for each night. It is looked at flat, `(root, path)` to value, straight in
what the simulated ARM stores: an oracle that shares no code with what Homeostat reads and compares.
"""

import pickle
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from simulator import worlds
from simulator.cloud import SUBSCRIPTION, Cloud, Resource, Timing
from tests.nights.clock import DUSK

APPS: Final = ("app-flask", "app-two")
ZONES: Final = {"sql": "privatelink.database.windows.net", "vault": "privatelink.vaultcore.azure.net"}
LINK: Final = "link-vnet-appservice"
NSG: Final = "nsg"

GROUP: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask"
_NETWORK: Final = f"{GROUP}/providers/Microsoft.Network"
VNET: Final = f"{_NETWORK}/virtualNetworks/vnet-appservice"
SUBNET: Final = f"{VNET}/subnets/snet-appservice-integration"

ROOTS: Final[Mapping[str, str]] = {
    **{app: f"{GROUP}/providers/Microsoft.Web/sites/{app}" for app in APPS},
    NSG: f"{_NETWORK}/networkSecurityGroups/nsg-appservice-integration",
    **{zone: f"{_NETWORK}/privateDnsZones/{name}" for zone, name in ZONES.items()},
}
"""Every root by its name, with its id."""

type Path = tuple[str, str]
type State = Mapping[Path, Any]
"""By root and path within it. What is absent, or null, has no entry."""


@cache
def _built() -> bytes:
    cloud = Cloud()
    site = worlds.Site(SUBSCRIPTION, "flask", APPS)
    worlds._build(cloud, [*worlds.prerequisites(site), *worlds.guide(site)], DUSK)
    cloud.advance(DUSK.replace(year=DUSK.year + 1))
    return pickle.dumps(list(cloud))


def fresh(seed: int, operation_seconds: float) -> Cloud:
    """The place at dusk, where nothing differs from what is declared."""
    cloud = Cloud(seed=seed, timing=Timing(operation_seconds=operation_seconds, retry_after=None))
    for resource in pickle.loads(_built()):
        cloud.put(resource)
    return cloud


def root_at(path: str) -> str | None:
    """The root that an ARM path lies in, by name."""
    lowered = path.lower()
    return next((name for name, id_ in ROOTS.items() if f"{lowered}/".startswith(f"{id_.lower()}/")), None)


def state(cloud: Cloud) -> State:
    """All that a person could lose, or miss, at this place."""
    found: dict[Path, Any] = {}
    for app in APPS:
        site = _at(cloud, ROOTS[app])
        settings = site.body.get("dictionaries", {}).get("appsettings", {})
        found.update({(app, f"settings/{name}"): value for name, value in settings.items()})
        found[app, "integration"] = site.properties.get("virtualNetworkSubnetId")
        found[app, "tags"] = _frozen(site.body.get("tags"))
    group = _at(cloud, ROOTS[NSG])
    found[NSG, "tags"] = _frozen(group.body.get("tags"))
    for rule in cloud.children(group.id):
        found.update({(NSG, f"rules/{rule.name}/{key}"): _frozen(value) for key, value in rule.properties.items()})
    for zone in ZONES:
        for child in cloud.children(ROOTS[zone]):
            kind = "links" if child.type.endswith("Links") else child.type.rpartition("/")[2]
            found.update(
                {(zone, f"{kind}/{child.name}/{key}"): _frozen(value) for key, value in child.properties.items()}
            )
            found[zone, f"{kind}/{child.name}/tags"] = _frozen(child.body.get("tags"))
    return {path: value for path, value in found.items() if value not in (None, ())}


def changes(before: State, after: State) -> Mapping[Path, tuple[Any, Any]]:
    """What differs, with both values."""
    paths = sorted(before.keys() | after.keys())
    return {path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)}


def _at(cloud: Cloud, resource_id: str) -> Resource:
    found = cloud.get(resource_id)
    assert found is not None, f"nobody takes {resource_id} away in these nights"
    return found


def _frozen(value: Any) -> Any:
    """Lists and objects as tuples, so that a later change of the body does not change what was seen."""
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(each)) for key, each in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
