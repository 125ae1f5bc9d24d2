"""The clouds that a simulator starts with, and how one is written down and read back.

A built world is the list of requests that makes it, sent through `handle`, so that it cannot disagree with the
providers. A dumped world is JSON: what every resource holds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.cloud import EPOCH, OPERATOR, PUBLIC, Cloud, Resource, Timing, subscription_ids
from simulator.gateway import handle
from simulator.ids import address
from simulator.messages import Json, Request
from simulator.places import Place

type Step = tuple[str, Json, str]  # id of what is PUT, body, api-version

LOCATION = "westeurope"
PRIVATE_LINKS = {
    "sql": ("Microsoft.Sql/servers", "sqlServer", "privatelink.database.windows.net"),
    "keyvault": ("Microsoft.KeyVault/vaults", "vault", "privatelink.vaultcore.azure.net"),
    "redis": ("Microsoft.Cache/redis", "redisCache", "privatelink.redis.cache.windows.net"),
}
APPS_PER_NETWORK = 25
FLEET_TAGS: Mapping[str, str] = {"homeostat": "prod"}
PASSWORD = "simulated-Pw-9rT2xVq7Lk4ZmB8s"  # of every web app: a secret among its settings, as most apps have one

_GROUPS, _NETWORK, _DNS, _WEB = "2024-03-01", "2024-05-01", "2024-06-01", "2025-05-01"
_SQL, _VAULT, _REDIS, _STORAGE = "2021-11-01", "2023-07-01", "2024-03-01", "2023-05-01"


class WorldError(ValueError):
    """A world that is unknown, cannot be read, or that the providers refuse to build."""


@dataclass(frozen=True, slots=True)
class Site:
    """One resource group of the guide. `suffix` distinguishes its resources from another group's."""

    subscription: str
    suffix: str
    apps: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)  # of the apps

    @property
    def group(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/rg-{self.suffix}"

    def id(self, kind: str, name: str) -> str:
        return f"{self.group}/providers/{kind}/{name}"

    @property
    def vnet(self) -> str:
        return self.id("Microsoft.Network/virtualNetworks", "vnet-appservice")

    @property
    def watcher(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/NetworkWatcherRG"
        return f"{group}/providers/Microsoft.Network/networkWatchers/NetworkWatcher_{LOCATION}"

    def backend(self, kind: str) -> str:
        prefix = {"sql": "sql", "keyvault": "kv", "redis": "redis"}[kind]
        return self.id(PRIVATE_LINKS[kind][0], f"{prefix}-{self.suffix}")

    @property
    def storage(self) -> str:
        return self.id("Microsoft.Storage/storageAccounts", f"st{self.suffix.replace('-', '')}")


def create(
    name: str = "prerequisites",
    *,
    seed: int = 0,
    timing: Timing | None = None,
    now: datetime = EPOCH,
    subscriptions: int = 1,
    place: Place = PUBLIC,
) -> Cloud:
    """A Cloud with the named world: empty, prerequisites, guide, fleet:N, or the path of a dumped one.

    Its operations are quick while it is built; `timing` applies from then on. Of its subscriptions a fleet uses all,
    the other worlds the first. WorldError when it cannot be had.
    """
    cloud = Cloud(seed=seed, subscriptions=subscription_ids(subscriptions, place), place=place)
    if name in {"prerequisites", "guide"}:
        site = Site(cloud.subscription, "flask", ("app-flask",))
        _build(cloud, [*prerequisites(site), *(guide(site) if name == "guide" else ())], now)
    elif name.startswith("fleet:"):
        _build(cloud, fleet(cloud.subscriptions, _count(name)), now)
    elif name != "empty":
        load(cloud, _read(name))
    cloud.timing = timing or Timing()
    cloud.forget_history()
    return cloud


def _count(name: str) -> int:
    number = name.partition(":")[2]
    if not number.isdecimal() or int(number) < 1:
        raise WorldError(f"{name!r}: a positive number of web apps is expected after fleet:")
    return int(number)


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise WorldError(
            f"{name!r} is not a world: prerequisites, guide, fleet:N, empty, or a readable file"
        ) from error


def _build(cloud: Cloud, steps: Iterator[Step] | list[Step], now: datetime) -> None:
    for resource_id, body, version in steps:
        request = Request.of("PUT", resource_id, body, api_version=version, caller=OPERATOR)
        response = handle(cloud, request, now)
        if response.status >= 300:
            raise WorldError(f"building the world: PUT {resource_id}: {response.status} {response.body.decode()}")
        failed = [each for each in cloud.operations.values() if each.error]
        if failed:
            raise WorldError(f"building the world: PUT {resource_id}: {failed[0].error}")


# --- what the guide presupposes, and what it does


def prerequisites(site: Site) -> Iterator[Step]:
    """Plan, web app, VNet with the private endpoints' subnet, three backends, storage, the region's network watcher."""
    yield site.group, {"location": LOCATION}, _GROUPS
    yield site.watcher.partition("/providers/")[0], {"location": LOCATION}, _GROUPS
    yield site.watcher, {"location": LOCATION, "properties": {}}, _NETWORK
    plan = site.id("Microsoft.Web/serverfarms", f"plan-{site.suffix}")
    sku = {"name": "P1v3", "tier": "PremiumV3", "size": "P1v3", "family": "Pv3", "capacity": 1}
    yield plan, {"location": LOCATION, "kind": "linux", "sku": sku, "properties": {"reserved": True}}, _WEB
    subnet = {"name": "snet-private-endpoints", "properties": {"addressPrefix": "10.10.2.0/24"}}
    space = {"addressPrefixes": ["10.10.0.0/16"]}
    yield site.vnet, {"location": LOCATION, "properties": {"addressSpace": space, "subnets": [subnet]}}, _NETWORK
    yield from _backends(site)
    for app in site.apps:
        yield site.id("Microsoft.Web/sites", app), _app(plan, site.tags), _WEB
        settings = {"EXTRA_SETTING": "keep", "DB_PASSWORD": PASSWORD}
        yield f"{site.id('Microsoft.Web/sites', app)}/config/appsettings", {"properties": settings}, _WEB


def _app(plan: str, tags: Mapping[str, str]) -> Json:
    config = {"linuxFxVersion": "PYTHON|3.12", "alwaysOn": True}
    properties = {"serverFarmId": plan, "reserved": True, "httpsOnly": True, "siteConfig": config}
    body: Json = {"location": LOCATION, "kind": "app,linux", "properties": properties}
    return {**body, "tags": dict(tags)} if tags else body


def _backends(site: Site) -> Iterator[Step]:
    entra = {
        "administratorType": "ActiveDirectory",
        "azureADOnlyAuthentication": True,
        "login": OPERATOR.name,
        "sid": OPERATOR.object_id,
        "tenantId": OPERATOR.tenant_id,
    }
    server = {"version": "12.0", "administrators": entra, "publicNetworkAccess": "Disabled"}
    yield site.backend("sql"), {"location": LOCATION, "properties": server}, _SQL
    database = {"location": LOCATION, "sku": {"name": "S0", "tier": "Standard"}, "properties": {}}
    yield f"{site.backend('sql')}/databases/flaskdb", database, _SQL
    vault = {
        "tenantId": OPERATOR.tenant_id,
        "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": True,
        "publicNetworkAccess": "Disabled",
    }
    yield site.backend("keyvault"), {"location": LOCATION, "properties": vault}, _VAULT
    redis = {"sku": {"name": "Basic", "family": "C", "capacity": 0}, "publicNetworkAccess": "Disabled"}
    yield site.backend("redis"), {"location": "West Europe", "properties": redis}, _REDIS
    account = {"location": LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
    yield site.storage, account, _STORAGE


def guide(site: Site) -> Iterator[Step]:
    """The guide's eight steps, in its order, for every app of the site."""
    subnet = f"{site.vnet}/subnets/snet-appservice-integration"
    delegation = {"name": "0", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}
    shape: Json = {"addressPrefixes": ["10.10.1.0/24"], "delegations": [delegation]}
    yield subnet, {"properties": shape}, _NETWORK
    plan = site.id("Microsoft.Web/serverfarms", f"plan-{site.suffix}")
    for app in site.apps:
        joined = _app(plan, site.tags)
        joined["identity"] = {"type": "SystemAssigned"}
        joined["properties"] |= {"virtualNetworkSubnetId": subnet, "outboundVnetRouting": {"applicationTraffic": True}}
        yield site.id("Microsoft.Web/sites", app), joined, _WEB
        yield f"{site.id('Microsoft.Web/sites', app)}/config/appsettings", {"properties": _settings(site)}, _WEB
    nsg = site.id("Microsoft.Network/networkSecurityGroups", "nsg-appservice-integration")
    yield nsg, {"location": LOCATION, "properties": {"securityRules": _rules()}}, _NETWORK
    table = site.id("Microsoft.Network/routeTables", "rt-appservice-integration")
    route = {"name": "to-vnet", "properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "VnetLocal"}}
    yield table, {"location": LOCATION, "properties": {"routes": [route]}}, _NETWORK
    yield subnet, {"properties": {**shape, "networkSecurityGroup": {"id": nsg}, "routeTable": {"id": table}}}, _NETWORK
    yield from _flow_log(site)
    yield from _private_endpoints(site)


def _rules() -> list[Json]:
    allowed = (("allow-sql", "1433", 100), ("allow-redis", "6380", 110), ("allow-https", "443", 120))
    rules = [_rule(name, "Allow", "Tcp", port, priority) for name, port, priority in allowed]
    return [*rules, _rule("deny-all-outbound", "Deny", "*", "*", 4096)]


def _rule(name: str, access: str, protocol: str, port: str, priority: int) -> Json:
    properties = {
        "access": access,
        "direction": "Outbound",
        "priority": priority,
        "protocol": protocol,
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
    }
    return {"name": name, "properties": properties}


def _settings(site: Site) -> Json:
    return {
        "EXTRA_SETTING": "keep",
        "DB_PASSWORD": PASSWORD,
        "WEBSITE_VNET_ROUTE_ALL": "1",
        "SQL_SERVER_FQDN": f"sql-{site.suffix}.database.windows.net",
        "SQL_DATABASE_NAME": "flaskdb",
        "REDIS_HOST": f"redis-{site.suffix}.redis.cache.windows.net",
        "REDIS_PORT": "6380",
        "KEY_VAULT_URI": f"https://kv-{site.suffix}.vault.azure.net/",
    }


def _flow_log(site: Site) -> Iterator[Step]:
    name = "flow-vnet-appservice" if site.suffix == "flask" else f"flow-vnet-{site.suffix}"
    properties = {
        "targetResourceId": site.vnet,
        "storageId": site.storage,
        "enabled": True,
        "retentionPolicy": {"days": 7, "enabled": True},
        "format": {"type": "JSON", "version": 2},
    }
    yield f"{site.watcher}/flowLogs/{name}", {"location": LOCATION, "properties": properties}, _NETWORK


def _private_endpoints(site: Site) -> Iterator[Step]:
    subnet = {"id": f"{site.vnet}/subnets/snet-private-endpoints"}
    for kind, (_, group, zone_name) in PRIVATE_LINKS.items():
        zone = site.id("Microsoft.Network/privateDnsZones", zone_name)
        yield zone, {"location": "global"}, _DNS
        link = {"virtualNetwork": {"id": site.vnet}, "registrationEnabled": False}
        yield f"{zone}/virtualNetworkLinks/link-vnet-appservice", {"location": "global", "properties": link}, _DNS
        endpoint = site.id("Microsoft.Network/privateEndpoints", f"pe-{kind}")
        target = {"privateLinkServiceId": site.backend(kind), "groupIds": [group]}
        connection = {"name": f"pe-{kind}", "properties": target}
        properties = {"subnet": subnet, "privateLinkServiceConnections": [connection]}
        yield endpoint, {"location": LOCATION, "properties": properties}, _NETWORK
        config = {"name": zone_name.replace(".", "-"), "properties": {"privateDnsZoneId": zone}}
        yield f"{endpoint}/privateDnsZoneGroups/default", {"properties": {"privateDnsZoneConfigs": [config]}}, _NETWORK


def fleet(subscriptions: Sequence[str], apps: int) -> Iterator[Step]:
    """`apps` web apps after the guide, 25 to a resource group, plan, VNet and NSG: app-00001, app-00002, ...

    The groups are dealt out to the subscriptions in turn. Every app has the tags of FLEET_TAGS.
    """
    for number, start in enumerate(range(0, apps, APPS_PER_NETWORK)):
        names = tuple(f"app-{each + 1:05}" for each in range(start, min(start + APPS_PER_NETWORK, apps)))
        site = Site(subscriptions[number % len(subscriptions)], f"fleet-{number + 1:04}", names, FLEET_TAGS)
        yield from prerequisites(site)
        yield from guide(site)


# --- worlds on paper


def dump(cloud: Cloud) -> Json:
    """Every resource. Operations still running and the logs are not part of a world."""
    return {"subscriptions": cloud.subscriptions, "resources": [asdict(resource) for resource in cloud]}


def load(cloud: Cloud, document: bytes) -> None:
    """Replace all resources by those of a dumped world. WorldError, and nothing changed, when it is malformed."""
    try:
        resources = [_resource(cloud, each) for each in json.loads(document)["resources"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorldError(f"not a world: {type(error).__name__}: {error}") from error
    for resource in list(cloud):
        cloud.remove(resource.id)
    for resource in resources:
        cloud.put(resource)


def _resource(cloud: Cloud, record: Any) -> Resource:
    where = address(record["id"])
    if where.subscription.lower() not in cloud.subscriptions:
        raise WorldError(f"{record['id']} is not in subscription {' or '.join(cloud.subscriptions)}")
    return Resource(
        id=record["id"],
        type=record["type"],
        body=record.get("body", {}),
        etag=record["etag"] if "etag" in record else cloud.guid(),
        provisioning=record.get("provisioning", "Succeeded"),
    )
