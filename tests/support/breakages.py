"""Ways to break the guide's world with the Azure CLI, as a person would.

A breakage knows what it does and which part of the state shows it, so that a test can see through the CLI that the
state is broken, and later that it is whole again. docs/breakages.md is made from this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.azure_cli import AzureCli

type Shown = Mapping[str, Any]
type Show = Callable[[AzureCli], Shown]
type Command = tuple[str, ...]

GROUP = "rg-flask"
APP = "app-flask"
VNET = "vnet-appservice"
SUBNET = "snet-appservice-integration"
NSG = "nsg-appservice-integration"
ROUTES = "rt-appservice-integration"
ZONE = "privatelink.database.windows.net"
LINK = "link-vnet-appservice"
FLOW_LOG = "flow-vnet-appservice"

_IN_GROUP = ("--resource-group", GROUP)
_APP = (*_IN_GROUP, "--name", APP)


@dataclass(frozen=True, slots=True)
class Breakage:
    """`root` is the type of the ARM root resource that is broken, `kind` the remediator whose field it is.

    `show` reads the part of the state that breaks, `broken` is what it then holds of it. `forced`: a container is gone,
    which only a person's word brings back.
    """

    name: str
    root: str
    kind: str
    commands: tuple[Command, ...]
    show: Show
    broken: Shown
    forced: bool = False

    def apply(self, az: AzureCli) -> None:
        for command in self.commands:
            az(*command)

    def is_visible(self, az: AzureCli) -> bool:
        """Whether the CLI sees the state as this breakage leaves it."""
        shown = self.show(az)
        return all(shown.get(name) == value for name, value in self.broken.items())


# --- what the CLI shows of each facet


def app_settings(az: AzureCli) -> Shown:
    """Every app setting's value by its name."""
    return {each["name"]: each["value"] for each in az("webapp", "config", "appsettings", "list", *_APP)}


def rules(az: AzureCli) -> Shown:
    """`RULE.property` of every rule, and `RULE` for its being there."""
    shown: dict[str, Any] = {}
    for rule in az("network", "nsg", "rule", "list", *_IN_GROUP, "--nsg-name", NSG):
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
    found = az("webapp", "vnet-integration", "list", *_APP)
    return {"subnet": found[0]["vnetResourceId"].rpartition("/")[2] if found else None}


def links(az: AzureCli) -> Shown:
    """Whether each link of the SQL zone registers names."""
    found = az("network", "private-dns", "link", "vnet", "list", *_IN_GROUP, "--zone-name", ZONE)
    return {each["name"]: each["registrationEnabled"] for each in found}


def subnet(az: AzureCli) -> Shown:
    found = az("network", "vnet", "subnet", "show", *_IN_GROUP, "--vnet-name", VNET, "--name", SUBNET)
    return {
        "nsg": _last(found.get("networkSecurityGroup")),
        "routes": _last(found.get("routeTable")),
        "prefix": found.get("addressPrefix") or found.get("addressPrefixes"),
    }


def routes(az: AzureCli) -> Shown:
    found = az("network", "route-table", "route", "list", *_IN_GROUP, "--route-table-name", ROUTES)
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
    found = az("network", "private-endpoint", "dns-zone-group", "list", *_IN_GROUP, "--endpoint-name", "pe-sql")
    return {each["name"]: [_tail(zone["privateDnsZoneId"]) for zone in each["privateDnsZoneConfigs"]] for each in found}


def endpoints(az: AzureCli) -> Shown:
    """The approval of each private endpoint's connection."""
    return {
        each["name"]: each["privateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"]
        for each in az("network", "private-endpoint", "list", *_IN_GROUP)
    }


def zones(az: AzureCli) -> Shown:
    return {each["name"]: True for each in az("network", "private-dns", "zone", "list", *_IN_GROUP)}


def containers(az: AzureCli) -> Shown:
    """Which of the guide's NSG and route table are there."""
    found = (*az("network", "nsg", "list", *_IN_GROUP), *az("network", "route-table", "list", *_IN_GROUP))
    return {each["name"]: True for each in found if each["name"] in {NSG, ROUTES}}


def identity(az: AzureCli) -> Shown:
    return {"type": (az("webapp", "identity", "show", *_APP) or {}).get("type")}


def routing(az: AzureCli) -> Shown:
    found: Shown = az("resource", "show", *_site(), "--api-version", "2025-05-01")["properties"]["outboundVnetRouting"]
    return found or {}


def public_access(az: AzureCli) -> Shown:
    shown = {
        "sql": az("sql", "server", "show", *_IN_GROUP, "--name", "sql-flask")["publicNetworkAccess"],
        "redis": az("redis", "show", *_IN_GROUP, "--name", "redis-flask")["publicNetworkAccess"],
    }
    vault = az("keyvault", "show", *_IN_GROUP, "--name", "kv-flask")["properties"]["publicNetworkAccess"]
    return {**shown, "key vault": vault}


def _last(reference: Mapping[str, str] | None) -> str | None:
    return _tail(reference["id"]) if reference else None


def _tail(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]


def _site() -> Command:
    return (*_IN_GROUP, "--name", APP, "--resource-type", "Microsoft.Web/sites")


# --- what a person does


def _set(*settings: str) -> Command:
    return ("webapp", "config", "appsettings", "set", *_APP, "--settings", *settings)


def _unset(*names: str) -> Command:
    return ("webapp", "config", "appsettings", "delete", *_APP, "--setting-names", *names)


def _rule(name: str, *change: str) -> Command:
    return ("network", "nsg", "rule", "update", *_IN_GROUP, "--nsg-name", NSG, "--name", name, *change)


def _without_rule(name: str) -> Command:
    return ("network", "nsg", "rule", "delete", *_IN_GROUP, "--nsg-name", NSG, "--name", name)


def _subnet(*change: str) -> Command:
    return ("network", "vnet", "subnet", "update", *_IN_GROUP, "--vnet-name", VNET, "--name", SUBNET, *change)


def _route(verb: str, *change: str) -> Command:
    return ("network", "route-table", "route", verb, *_IN_GROUP, "--route-table-name", ROUTES, *change)


def _flow_log(verb: str, *change: str) -> Command:
    return ("network", "watcher", "flow-log", verb, "--location", "westeurope", "--name", FLOW_LOG, *change)


def _link(verb: str, *change: str) -> Command:
    return ("network", "private-dns", "link", "vnet", verb, *_IN_GROUP, "--zone-name", ZONE, "--name", LINK, *change)


def _site_property(change: str) -> Command:
    return ("resource", "update", *_site(), "--api-version", "2025-05-01", "--set", change)


_WEB = "Microsoft.Web/sites"
_NSG = "Microsoft.Network/networkSecurityGroups"
_ZONE = "Microsoft.Network/privateDnsZones"
_VNET = "Microsoft.Network/virtualNetworks"
_ROUTES = "Microsoft.Network/routeTables"
_WATCHER = "Microsoft.Network/networkWatchers"
_ENDPOINT = "Microsoft.Network/privateEndpoints"

_DELETE_ZONE_GROUP = (
    *("network", "private-endpoint", "dns-zone-group", "delete", *_IN_GROUP),
    *("--endpoint-name", "pe-sql", "--name", "default"),
)


def _changed(name: str, value: str) -> Breakage:
    return Breakage(f"{name} changed", _WEB, "app_settings", (_set(f"{name}={value}"),), app_settings, {name: value})


def _deleted(name: str) -> Breakage:
    return Breakage(f"{name} deleted", _WEB, "app_settings", (_unset(name),), app_settings, {name: None})


def _altered(what: str, rule: str, option: str, value: str, shown: str) -> Breakage:
    broken = {f"{rule}.{shown}": int(value) if shown == "priority" else value}
    return Breakage(f"{rule}: {what}", _NSG, "nsg_rules", (_rule(rule, option, value),), rules, broken)


SETTINGS = (
    _changed("REDIS_PORT", "6379"),
    _changed("SQL_SERVER_FQDN", "sql-other.database.windows.net"),
    _changed("SQL_DATABASE_NAME", "master"),
    _changed("REDIS_HOST", "10.0.0.4"),
    _changed("KEY_VAULT_URI", "https://kv-other.vault.azure.net/"),
    _changed("WEBSITE_VNET_ROUTE_ALL", "0"),
    _deleted("SQL_SERVER_FQDN"),
    _deleted("REDIS_HOST"),
    _deleted("WEBSITE_VNET_ROUTE_ALL"),
    Breakage(
        "all five settings deleted",
        _WEB,
        "app_settings",
        (_unset("SQL_SERVER_FQDN", "SQL_DATABASE_NAME", "REDIS_HOST", "REDIS_PORT", "KEY_VAULT_URI"),),
        app_settings,
        dict.fromkeys(("SQL_SERVER_FQDN", "SQL_DATABASE_NAME", "REDIS_HOST", "REDIS_PORT", "KEY_VAULT_URI")),
    ),
)

RULES = (
    _altered("denies", "allow-sql", "--access", "Deny", "access"),
    _altered("allows all", "deny-all-outbound", "--access", "Allow", "access"),
    _altered("ports widened", "allow-https", "--destination-port-ranges", "0-65535", "destinationPortRange"),
    _altered("port changed", "allow-redis", "--destination-port-ranges", "6379", "destinationPortRange"),
    _altered(
        "destination narrowed",
        "allow-sql",
        "--destination-address-prefixes",
        "203.0.113.0/24",
        "destinationAddressPrefix",
    ),
    _altered("source narrowed", "allow-sql", "--source-address-prefixes", "10.99.0.0/16", "sourceAddressPrefix"),
    _altered("source ports narrowed", "allow-https", "--source-port-ranges", "1024", "sourcePortRange"),
    _altered("protocol changed", "allow-redis", "--protocol", "Udp", "protocol"),
    _altered("protocol narrowed", "deny-all-outbound", "--protocol", "Tcp", "protocol"),
    _altered("inbound now", "allow-https", "--direction", "Inbound", "direction"),
    _altered("reprioritised", "deny-all-outbound", "--priority", "4000", "priority"),
    Breakage("rule deleted", _NSG, "nsg_rules", (_without_rule("allow-sql"),), rules, {"allow-sql": None}),
    Breakage(
        "deny rule deleted",
        _NSG,
        "nsg_rules",
        (_without_rule("deny-all-outbound"),),
        rules,
        {"deny-all-outbound": None},
    ),
    Breakage(
        "every rule deleted",
        _NSG,
        "nsg_rules",
        tuple(_without_rule(name) for name in ("deny-all-outbound", "allow-sql", "allow-redis", "allow-https")),
        rules,
        dict.fromkeys(("deny-all-outbound", "allow-sql", "allow-redis", "allow-https")),
    ),
    Breakage(
        "priorities swapped",
        _NSG,
        "nsg_rules",
        # through a third, since two rules cannot hold the same priority for a moment
        (
            _rule("allow-sql", "--priority", "4000"),
            _rule("allow-redis", "--priority", "100"),
            _rule("allow-sql", "--priority", "110"),
        ),
        rules,
        {"allow-sql.priority": 110, "allow-redis.priority": 100},
    ),
)

INTEGRATION = (
    Breakage(
        "integration removed",
        _WEB,
        "vnet_integration",
        (("webapp", "vnet-integration", "remove", *_APP),),
        integration,
        {"subnet": None},
    ),
)

LINKS = (
    Breakage("link deleted", _ZONE, "dns_links", (_link("delete", "--yes"),), links, {LINK: None}),
    Breakage(
        "link registers names",
        _ZONE,
        "dns_links",
        (_link("update", "--registration-enabled", "true"),),
        links,
        {LINK: True},
    ),
)

FOUR_KINDS = (*SETTINGS, *RULES, *INTEGRATION, *LINKS)

SUBNETS = (
    Breakage(
        "NSG taken off the subnet",
        _VNET,
        "subnet",
        (_subnet("--network-security-group", "null"),),
        subnet,
        {"nsg": None},
    ),
    Breakage(
        "route table taken off the subnet",
        _VNET,
        "subnet",
        (_subnet("--route-table", "null"),),
        subnet,
        {"routes": None},
    ),
    Breakage(
        "another NSG on the subnet",
        _VNET,
        "subnet",
        (
            ("network", "nsg", "create", *_IN_GROUP, "--name", "nsg-open"),
            _subnet("--network-security-group", "nsg-open"),
        ),
        subnet,
        {"nsg": "nsg-open"},
    ),
)

ROUTING_TABLES = (
    Breakage(
        "next hop changed",
        _ROUTES,
        "route_table",
        (_route("update", "--name", "to-vnet", "--next-hop-type", "None"),),
        routes,
        {"to-vnet": ("10.10.0.0/16", "None")},
    ),
    Breakage(
        "route's prefix changed",
        _ROUTES,
        "route_table",
        (_route("update", "--name", "to-vnet", "--address-prefix", "10.10.2.0/24"),),
        routes,
        {"to-vnet": ("10.10.2.0/24", "VnetLocal")},
    ),
    Breakage(
        "route deleted", _ROUTES, "route_table", (_route("delete", "--name", "to-vnet"),), routes, {"to-vnet": None}
    ),
)

FLOW_LOGS = (
    Breakage(
        "flow log off",
        _WATCHER,
        "flow_logs",
        (_flow_log("update", "--enabled", "false"),),
        flow_log,
        {"log.enabled": False},
    ),
    Breakage(
        "flow log's retention cut",
        _WATCHER,
        "flow_logs",
        (_flow_log("update", "--retention", "1"),),
        flow_log,
        {"log.days": 1},
    ),
    Breakage(
        "flow log's format changed",
        _WATCHER,
        "flow_logs",
        (_flow_log("update", "--log-version", "1"),),
        flow_log,
        {"log.version": 1},
    ),
    Breakage("flow log deleted", _WATCHER, "flow_logs", (_flow_log("delete"),), flow_log, {"log": None}),
)

ENDPOINTS = (
    Breakage(
        "zone group deleted", _ENDPOINT, "private_endpoints", (_DELETE_ZONE_GROUP,), zone_groups, {"default": None}
    ),
    Breakage(
        "private endpoint deleted",
        _ENDPOINT,
        "private_endpoints",
        (("network", "private-endpoint", "delete", *_IN_GROUP, "--name", "pe-redis"),),
        endpoints,
        {"pe-redis": None},
        forced=True,
    ),
)

CONTAINERS = (
    Breakage(
        "NSG deleted",
        _NSG,
        "nsg",
        (
            _subnet("--network-security-group", "null"),
            ("network", "nsg", "delete", *_IN_GROUP, "--name", NSG),
        ),
        containers,
        {NSG: None},
        forced=True,
    ),
    Breakage(
        "route table deleted",
        _ROUTES,
        "route_table",
        (
            _subnet("--route-table", "null"),
            ("network", "route-table", "delete", *_IN_GROUP, "--name", ROUTES),
        ),
        containers,
        {ROUTES: None},
        forced=True,
    ),
    Breakage(
        "zone deleted",
        _ZONE,
        "zones",
        (
            _link("delete", "--yes"),
            ("network", "private-dns", "zone", "delete", *_IN_GROUP, "--name", ZONE, "--yes"),
        ),
        zones,
        {ZONE: None},
        forced=True,
    ),
)

WEB_APP = (
    Breakage(
        "traffic off the VNet, in every place",  # either place alone routes it
        _WEB,
        "route_all",
        (
            _set("WEBSITE_VNET_ROUTE_ALL=0"),
            _site_property("properties.outboundVnetRouting.applicationTraffic=false"),
        ),
        routing,
        {"applicationTraffic": False},
    ),
    Breakage(
        "identity removed",
        _WEB,
        "identity",
        (("webapp", "identity", "remove", *_APP),),
        identity,
        {"type": None},
        forced=True,
    ),
)

BACKENDS = (
    Breakage(
        "SQL opened to the public",
        "Microsoft.Sql/servers",
        "backend_access",
        (("sql", "server", "update", *_IN_GROUP, "--name", "sql-flask", "--enable-public-network", "true"),),
        public_access,
        {"sql": "Enabled"},
    ),
    Breakage(
        "key vault opened to the public",
        "Microsoft.KeyVault/vaults",
        "backend_access",
        (("keyvault", "update", *_IN_GROUP, "--name", "kv-flask", "--public-network-access", "Enabled"),),
        public_access,
        {"key vault": "Enabled"},
    ),
    Breakage(
        "Redis opened to the public",
        "Microsoft.Cache/redis",
        "backend_access",
        (("redis", "update", *_IN_GROUP, "--name", "redis-flask", "--set", "publicNetworkAccess=Enabled"),),
        public_access,
        {"redis": "Enabled"},
    ),
)

BREAKAGES = (*FOUR_KINDS, *SUBNETS, *ROUTING_TABLES, *FLOW_LOGS, *ENDPOINTS, *CONTAINERS, *WEB_APP, *BACKENDS)


def page() -> str:
    """docs/breakages.md."""
    lines = [
        "# Ways to break a web app's network, each healed",
        "",
        "Made from `tests/support/breakages.py` by `python -m tests.support.breakages`. Each row is done with the real",
        "Azure CLI to the guide's world, healed by the function app, and confirmed by the CLI again",
        "(`tests/end_to_end/test_self_healing.py`). A container that is gone waits for a person: it comes back by a",
        "forced remediation with `create`.",
        "",
        "| # | what somebody does | found and repaired by | healed |",
        "|---|---|---|---|",
    ]
    for number, breakage in enumerate(BREAKAGES, start=1):
        healed = "when a person says so" if breakage.forced else "without anyone asking"
        lines.append(f"| {number} | {breakage.name} | `{breakage.kind}` | {healed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
