"""The state of the guide's world, one facet at a time, as the Azure CLI shows it to a person."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.azure_cli import AzureCli

type Shown = Mapping[str, Any]
type Show = Callable[[AzureCli], Shown]

GROUP = "rg-flask"
APP = "app-flask"
VNET = "vnet-appservice"
SUBNET = "snet-appservice-integration"
NSG = "nsg-appservice-integration"
ROUTES = "rt-appservice-integration"
ZONE = "privatelink.database.windows.net"
LINK = "link-vnet-appservice"
FLOW_LOG = "flow-vnet-appservice"

IN_GROUP = ("--resource-group", GROUP)
ON_APP = (*IN_GROUP, "--name", APP)
ON_SITE = (*ON_APP, "--resource-type", "Microsoft.Web/sites")


def app_settings(az: AzureCli) -> Shown:
    """Every app setting's value by its name."""
    return {each["name"]: each["value"] for each in az("webapp", "config", "appsettings", "list", *ON_APP)}


def rules(az: AzureCli) -> Shown:
    """`RULE.property` of every rule, and `RULE` for its existence."""
    shown: dict[str, Any] = {}
    for rule in az("network", "nsg", "rule", "list", *IN_GROUP, "--nsg-name", NSG):
        shown[rule["name"]] = True
        for name in (
            "access",
            "priority",
            "protocol",
            "direction",
            "sourcePortRange",
            "sourceAddressPrefix",
            "destinationPortRange",
            "destinationAddressPrefix",
        ):
            shown[f"{rule['name']}.{name}"] = rule.get(name)
    return shown


def integration(az: AzureCli) -> Shown:
    found = az("webapp", "vnet-integration", "list", *ON_APP)
    return {"subnet": found[0]["vnetResourceId"].rpartition("/")[2] if found else None}


def links(az: AzureCli) -> Shown:
    """Whether each link of the SQL zone registers names."""
    found = az("network", "private-dns", "link", "vnet", "list", *IN_GROUP, "--zone-name", ZONE)
    return {each["name"]: each["registrationEnabled"] for each in found}


def subnet(az: AzureCli) -> Shown:
    found = az("network", "vnet", "subnet", "show", *IN_GROUP, "--vnet-name", VNET, "--name", SUBNET)
    return {
        "nsg": _last(found.get("networkSecurityGroup")),
        "routes": _last(found.get("routeTable")),
        "prefix": found.get("addressPrefix") or found.get("addressPrefixes"),
    }


def routes(az: AzureCli) -> Shown:
    found = az("network", "route-table", "route", "list", *IN_GROUP, "--route-table-name", ROUTES)
    return {each["name"]: (each["addressPrefix"], each["nextHopType"]) for each in found}


def flow_log(az: AzureCli) -> Shown:
    for found in az("network", "watcher", "flow-log", "list", "--location", "westeurope"):
        if found["name"] == FLOW_LOG:
            return {
                "log": True,
                "log.enabled": found["enabled"],
                "log.days": found["retentionPolicy"]["days"],
                "log.version": found["format"]["version"],
            }
    return {}


def zone_groups(az: AzureCli) -> Shown:
    found = az("network", "private-endpoint", "dns-zone-group", "list", *IN_GROUP, "--endpoint-name", "pe-sql")
    return {each["name"]: [_tail(zone["privateDnsZoneId"]) for zone in each["privateDnsZoneConfigs"]] for each in found}


def endpoints(az: AzureCli) -> Shown:
    """The approval of each private endpoint's connection."""
    return {
        each["name"]: each["privateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"]
        for each in az("network", "private-endpoint", "list", *IN_GROUP)
    }


def zones(az: AzureCli) -> Shown:
    return {each["name"]: True for each in az("network", "private-dns", "zone", "list", *IN_GROUP)}


def containers(az: AzureCli) -> Shown:
    """Whether the guide's NSG and route table exist."""
    found = (*az("network", "nsg", "list", *IN_GROUP), *az("network", "route-table", "list", *IN_GROUP))
    return {each["name"]: True for each in found if each["name"] in {NSG, ROUTES}}


def identity(az: AzureCli) -> Shown:
    return {"type": (az("webapp", "identity", "show", *ON_APP) or {}).get("type")}


def routing(az: AzureCli) -> Shown:
    found: Shown = az("resource", "show", *ON_SITE, "--api-version", "2025-05-01")["properties"]["outboundVnetRouting"]
    return found or {}


def public_access(az: AzureCli) -> Shown:
    shown = {
        "sql": az("sql", "server", "show", *IN_GROUP, "--name", "sql-flask")["publicNetworkAccess"],
        "redis": az("redis", "show", *IN_GROUP, "--name", "redis-flask")["publicNetworkAccess"],
    }
    vault = az("keyvault", "show", *IN_GROUP, "--name", "kv-flask")["properties"]["publicNetworkAccess"]
    return {**shown, "key vault": vault}


def _last(reference: Mapping[str, str] | None) -> str | None:
    return _tail(reference["id"]) if reference else None


def _tail(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
