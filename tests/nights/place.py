"""The place of every night: two web apps on one network, and the parts of it that are judged.

The world is built once in a process and copied for each night. Its state is a flat mapping from `(root, path)` to
value, read directly from what the simulated ARM stores. This oracle shares no code with Homeostat's own reading.
"""

import pickle
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from simulator import worlds
from simulator.cloud import SUBSCRIPTION, Cloud, Resource, Timing
from tests.nights.clock import DUSK

APPS: Final = ("app-flask", "app-two")
SLOT: Final = "app-flask--staging"
"""The first app's slot, named like its target. It is a site of its own, declared in nights with slots."""

SITES: Final = (SLOT, *APPS)
STICKY: Final = "SQL_SERVER_FQDN"
"""The setting that stays with its slot in a swap."""

LEGACY: Final = "WEBSITE_VNET_ROUTE_ALL"
"""The setting that routes an app's traffic as the flag does."""

ZONES: Final = {"sql": "privatelink.database.windows.net", "vault": "privatelink.vaultcore.azure.net"}
LINK: Final = "link-vnet-appservice"
NSG: Final = "nsg"
TABLE: Final = "routes"
NETWORK: Final = "network"
THERE: Final = "there"
"""The path whose value says that a container exists."""

GROUP: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask"
_NETWORK: Final = f"{GROUP}/providers/Microsoft.Network"
VNET: Final = f"{_NETWORK}/virtualNetworks/vnet-appservice"
SUBNET: Final = f"{VNET}/subnets/snet-appservice-integration"

ROOTS: Final[Mapping[str, str]] = {
    SLOT: f"{GROUP}/providers/Microsoft.Web/sites/app-flask/slots/staging",  # before the app that it is below
    **{app: f"{GROUP}/providers/Microsoft.Web/sites/{app}" for app in APPS},
    NSG: f"{_NETWORK}/networkSecurityGroups/nsg-appservice-integration",
    TABLE: f"{_NETWORK}/routeTables/rt-appservice-integration",
    **{zone: f"{_NETWORK}/privateDnsZones/{name}" for zone, name in ZONES.items()},
    NETWORK: VNET,
}
"""Every root by its name, with its id."""

CONTAINERS: Final[Mapping[str, str]] = {name: ROOTS[name] for name in (NSG, TABLE, *ZONES)} | {NETWORK: SUBNET}
"""The containers that can be deleted with everything in them, by their roots. Of the network it is a subnet."""

_KINDS: Final[Mapping[str, str]] = {"securityRules": "rules", "virtualNetworkLinks": "links"}
"""The name of children in a path, if it is not the last part of their type."""

SLOT_SETTINGS: Final[Mapping[str, str]] = {STICKY: "sql-staging.database.windows.net", "REDIS_PORT": "6381"}

WITHOUT_ETAG: Final = ("settings/", "routing/")
"""The beginnings of paths for which ARM has no precondition. A loss there cannot be prevented, and is told."""

type Path = tuple[str, str]
type State = Mapping[Path, Any]
"""Values by root and path within it. What is absent or null has no entry."""


@cache
def _built() -> bytes:
    cloud = Cloud()
    site = worlds.Site(SUBSCRIPTION, "flask", APPS)
    worlds._build(cloud, [*worlds.prerequisites(site), *worlds.guide(site)], DUSK)
    worlds._build(cloud, _slot(cloud), DUSK)
    cloud.advance(DUSK.replace(year=DUSK.year + 1))
    return pickle.dumps(list(cloud))


def _slot(cloud: Cloud) -> Iterator[worlds.Step]:
    """The first app's slot. It is like the app, except for its own values of two settings."""
    app = cloud.get(ROOTS[APPS[0]])
    assert app is not None, "the guide has been followed"
    properties = {name: app.properties[name] for name in ("serverFarmId", "virtualNetworkSubnetId")}
    yield ROOTS[SLOT], {"location": worlds.LOCATION, "kind": "app,linux", "properties": properties}, "2025-05-01"
    settings = {**app.body["dictionaries"]["appsettings"], **SLOT_SETTINGS}
    yield f"{ROOTS[SLOT]}/config/appsettings", {"properties": settings}, "2025-05-01"
    names = {"properties": {"appSettingNames": [STICKY]}}
    yield f"{ROOTS[APPS[0]]}/config/slotConfigNames", names, "2025-05-01"


def fresh(seed: int, operation_seconds: float) -> Cloud:
    """The place at dusk, with everything as declared."""
    cloud = Cloud(seed=seed, timing=Timing(operation_seconds=operation_seconds, retry_after=None))
    for resource in pickle.loads(_built()):
        cloud.put(resource)
    return cloud


def root_at(path: str) -> str | None:
    """The name of the root that an ARM path lies in."""
    lowered = path.lower()
    return next((name for name, id_ in ROOTS.items() if f"{lowered}/".startswith(f"{id_.lower()}/")), None)


def state(cloud: Cloud) -> State:
    """Everything at this place that a person could lose or miss."""
    found: dict[Path, Any] = {}
    for app in SITES:
        site = cloud.get(ROOTS[app])
        assert site is not None, "nobody takes a web app away in these nights"
        settings = site.body.get("dictionaries", {}).get("appsettings", {})
        found.update({(app, f"settings/{name}"): value for name, value in settings.items()})
        found[app, "integration"] = site.properties.get("virtualNetworkSubnetId")
        found[app, "tags"] = _frozen(site.body.get("tags"))
        found.update({(app, f"routing/{flag}"): on or None for flag, on in site.body["routing"].items()})
        found[app, "swap"] = site.body.get("swap", {}).get("into")
    for name, id_ in CONTAINERS.items():
        container = cloud.get(id_)
        if container is None:
            continue
        found[name, THERE] = True
        if name == NETWORK:
            found.update(_subnet(container))
            continue
        found[name, "tags"] = _frozen(container.body.get("tags"))
        for child in cloud.children(container.id):
            if child.type.endswith("/SOA"):
                continue  # the zone's own
            kind = _KINDS.get(child.type.rpartition("/")[2], child.type.rpartition("/")[2])
            found.update(
                {(name, f"{kind}/{child.name}/{key}"): _frozen(value) for key, value in child.properties.items()}
            )
            found[name, f"{kind}/{child.name}/tags"] = _frozen(child.body.get("tags"))
    return {path: value for path, value in found.items() if value not in (None, ())}


def _subnet(subnet: Resource) -> Iterator[tuple[Path, Any]]:
    """The delegations by their services. Their names mean nothing."""
    for key, value in subnet.properties.items():
        shown = [each["serviceName"] for each in value] if key == "delegations" else value
        yield (NETWORK, f"subnets/integration/{key}"), _frozen(shown)


def changes(before: State, after: State) -> Mapping[Path, tuple[Any, Any]]:
    """The differences, with both values."""
    paths = sorted(before.keys() | after.keys())
    return {path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)}


def _frozen(value: Any) -> Any:
    """Lists and objects as tuples, so that a later change of the body does not change what was recorded."""
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(each)) for key, each in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
