"""Ways to break the guide's world with the Azure CLI, as a person would.

A breakage knows what it does and which part of the state shows it, so that a test can see through the CLI that the
state is broken, and later that it is whole again. docs/breakages.md is made from this table.
"""

from dataclasses import dataclass

from tests.support.azure_cli import AzureCli
from tests.support.shown import (
    FLOW_LOG,
    IN_GROUP,
    LINK,
    NSG,
    ON_APP,
    ON_SITE,
    ROUTES,
    SUBNET,
    VNET,
    ZONE,
    Show,
    Shown,
    app_settings,
    containers,
    endpoints,
    flow_log,
    identity,
    integration,
    links,
    public_access,
    routes,
    routing,
    rules,
    subnet,
    zone_groups,
    zones,
)

type Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breakage:
    """One way to break something.

    `root` is the type of the ARM root that is broken, `kind` the remediator that keeps it. `show` reads the part of the
    state that breaks, and `broken` is its broken value. `forced`: a container is gone, which only a person brings back.
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


@dataclass(frozen=True, slots=True)
class _Facet:
    """A part of the state: the type of its root, the kind that repairs it, and the command that shows it."""

    root: str
    kind: str
    show: Show

    def broken(self, name: str, *commands: Command, leaves: Shown, forced: bool = False) -> Breakage:
        return Breakage(name, self.root, self.kind, commands, self.show, leaves, forced)


# --- what can break

_WEB = "Microsoft.Web/sites"
_NSG = "Microsoft.Network/networkSecurityGroups"
_ZONE = "Microsoft.Network/privateDnsZones"
_VNET = "Microsoft.Network/virtualNetworks"
_ROUTES = "Microsoft.Network/routeTables"
_WATCHER = "Microsoft.Network/networkWatchers"
_ENDPOINT = "Microsoft.Network/privateEndpoints"

_SETTINGS = _Facet(_WEB, "app_settings", app_settings)
_RULES = _Facet(_NSG, "nsg_rules", rules)
_INTEGRATION = _Facet(_WEB, "vnet_integration", integration)
_LINKS = _Facet(_ZONE, "dns_links", links)
_SUBNET = _Facet(_VNET, "subnet", subnet)
_ROUTE_TABLE = _Facet(_ROUTES, "route_table", routes)
_FLOW_LOG = _Facet(_WATCHER, "flow_logs", flow_log)
_ZONE_GROUPS = _Facet(_ENDPOINT, "private_endpoints", zone_groups)
_ENDPOINTS = _Facet(_ENDPOINT, "private_endpoints", endpoints)
_ROUTING = _Facet(_WEB, "route_all", routing)
_IDENTITY = _Facet(_WEB, "identity", identity)
_ZONES = _Facet(_ZONE, "zones", zones)
_GROUP_ITSELF = _Facet(_NSG, "nsg", containers)
_TABLE_ITSELF = _Facet(_ROUTES, "route_table", containers)
_SQL = _Facet("Microsoft.Sql/servers", "backend_access", public_access)
_VAULT = _Facet("Microsoft.KeyVault/vaults", "backend_access", public_access)
_REDIS = _Facet("Microsoft.Cache/redis", "backend_access", public_access)


# --- what a person does


def _set(*settings: str) -> Command:
    return ("webapp", "config", "appsettings", "set", *ON_APP, "--settings", *settings)


def _unset(*names: str) -> Command:
    return ("webapp", "config", "appsettings", "delete", *ON_APP, "--setting-names", *names)


def _rule(name: str, *change: str) -> Command:
    return ("network", "nsg", "rule", "update", *IN_GROUP, "--nsg-name", NSG, "--name", name, *change)


def _without_rule(name: str) -> Command:
    return ("network", "nsg", "rule", "delete", *IN_GROUP, "--nsg-name", NSG, "--name", name)


def _subnet(*change: str) -> Command:
    return ("network", "vnet", "subnet", "update", *IN_GROUP, "--vnet-name", VNET, "--name", SUBNET, *change)


def _route(verb: str, *change: str) -> Command:
    return ("network", "route-table", "route", verb, *IN_GROUP, "--route-table-name", ROUTES, *change)


def _flow_log(verb: str, *change: str) -> Command:
    return ("network", "watcher", "flow-log", verb, "--location", "westeurope", "--name", FLOW_LOG, *change)


def _link(verb: str, *change: str) -> Command:
    return ("network", "private-dns", "link", "vnet", verb, *IN_GROUP, "--zone-name", ZONE, "--name", LINK, *change)


def _site_property(change: str) -> Command:
    return ("resource", "update", *ON_SITE, "--api-version", "2025-05-01", "--set", change)


_DELETE_ZONE_GROUP = (
    *("network", "private-endpoint", "dns-zone-group", "delete", *IN_GROUP),
    *("--endpoint-name", "pe-sql", "--name", "default"),
)


def _changed(name: str, value: str) -> Breakage:
    return _SETTINGS.broken(f"{name} changed", _set(f"{name}={value}"), leaves={name: value})


def _deleted(name: str) -> Breakage:
    return _SETTINGS.broken(f"{name} deleted", _unset(name), leaves={name: None})


def _altered(what: str, rule: str, option: str, value: str, shown: str) -> Breakage:
    broken = {f"{rule}.{shown}": int(value) if shown == "priority" else value}
    return _RULES.broken(f"{rule}: {what}", _rule(rule, option, value), leaves=broken)


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
    _SETTINGS.broken(
        "all five settings deleted",
        _unset("SQL_SERVER_FQDN", "SQL_DATABASE_NAME", "REDIS_HOST", "REDIS_PORT", "KEY_VAULT_URI"),
        leaves=dict.fromkeys(("SQL_SERVER_FQDN", "SQL_DATABASE_NAME", "REDIS_HOST", "REDIS_PORT", "KEY_VAULT_URI")),
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
    _RULES.broken("rule deleted", _without_rule("allow-sql"), leaves={"allow-sql": None}),
    _RULES.broken("deny rule deleted", _without_rule("deny-all-outbound"), leaves={"deny-all-outbound": None}),
    _RULES.broken(
        "every rule deleted",
        *(_without_rule(name) for name in ("deny-all-outbound", "allow-sql", "allow-redis", "allow-https")),
        leaves=dict.fromkeys(("deny-all-outbound", "allow-sql", "allow-redis", "allow-https")),
    ),
    _RULES.broken(
        "priorities swapped",
        # through a third, since two rules cannot hold the same priority for a moment
        _rule("allow-sql", "--priority", "4000"),
        _rule("allow-redis", "--priority", "100"),
        _rule("allow-sql", "--priority", "110"),
        leaves={"allow-sql.priority": 110, "allow-redis.priority": 100},
    ),
)

INTEGRATION = (
    _INTEGRATION.broken(
        "integration removed", ("webapp", "vnet-integration", "remove", *ON_APP), leaves={"subnet": None}
    ),
)

LINKS = (
    _LINKS.broken("link deleted", _link("delete", "--yes"), leaves={LINK: None}),
    _LINKS.broken("link registers names", _link("update", "--registration-enabled", "true"), leaves={LINK: True}),
)

FOUR_KINDS = (*SETTINGS, *RULES, *INTEGRATION, *LINKS)

SUBNETS = (
    _SUBNET.broken("NSG taken off the subnet", _subnet("--network-security-group", "null"), leaves={"nsg": None}),
    _SUBNET.broken("route table taken off the subnet", _subnet("--route-table", "null"), leaves={"routes": None}),
    _SUBNET.broken(
        "another NSG on the subnet",
        ("network", "nsg", "create", *IN_GROUP, "--name", "nsg-open"),
        _subnet("--network-security-group", "nsg-open"),
        leaves={"nsg": "nsg-open"},
    ),
)

ROUTING_TABLES = (
    _ROUTE_TABLE.broken(
        "next hop changed",
        _route("update", "--name", "to-vnet", "--next-hop-type", "None"),
        leaves={"to-vnet": ("10.10.0.0/16", "None")},
    ),
    _ROUTE_TABLE.broken(
        "route's prefix changed",
        _route("update", "--name", "to-vnet", "--address-prefix", "10.10.2.0/24"),
        leaves={"to-vnet": ("10.10.2.0/24", "VnetLocal")},
    ),
    _ROUTE_TABLE.broken("route deleted", _route("delete", "--name", "to-vnet"), leaves={"to-vnet": None}),
)

FLOW_LOGS = (
    _FLOW_LOG.broken("flow log off", _flow_log("update", "--enabled", "false"), leaves={"log.enabled": False}),
    _FLOW_LOG.broken("flow log's retention cut", _flow_log("update", "--retention", "1"), leaves={"log.days": 1}),
    _FLOW_LOG.broken("flow log's format changed", _flow_log("update", "--log-version", "1"), leaves={"log.version": 1}),
    _FLOW_LOG.broken("flow log deleted", _flow_log("delete"), leaves={"log": None}),
)

ENDPOINTS = (
    _ZONE_GROUPS.broken("zone group deleted", _DELETE_ZONE_GROUP, leaves={"default": None}),
    _ENDPOINTS.broken(
        "private endpoint deleted",
        ("network", "private-endpoint", "delete", *IN_GROUP, "--name", "pe-redis"),
        leaves={"pe-redis": None},
        forced=True,
    ),
)

CONTAINERS = (
    _GROUP_ITSELF.broken(
        "NSG deleted",
        _subnet("--network-security-group", "null"),
        ("network", "nsg", "delete", *IN_GROUP, "--name", NSG),
        leaves={NSG: None},
        forced=True,
    ),
    _TABLE_ITSELF.broken(
        "route table deleted",
        _subnet("--route-table", "null"),
        ("network", "route-table", "delete", *IN_GROUP, "--name", ROUTES),
        leaves={ROUTES: None},
        forced=True,
    ),
    _ZONES.broken(
        "zone deleted",
        _link("delete", "--yes"),
        ("network", "private-dns", "zone", "delete", *IN_GROUP, "--name", ZONE, "--yes"),
        leaves={ZONE: None},
        forced=True,
    ),
)

WEB_APP = (
    _ROUTING.broken(
        "traffic off the VNet, in every place",  # either place alone routes it
        _set("WEBSITE_VNET_ROUTE_ALL=0"),
        _site_property("properties.outboundVnetRouting.applicationTraffic=false"),
        leaves={"applicationTraffic": False},
    ),
    _IDENTITY.broken("identity removed", ("webapp", "identity", "remove", *ON_APP), leaves={"type": None}, forced=True),
)

BACKENDS = (
    _SQL.broken(
        "SQL opened to the public",
        ("sql", "server", "update", *IN_GROUP, "--name", "sql-flask", "--enable-public-network", "true"),
        leaves={"sql": "Enabled"},
    ),
    _VAULT.broken(
        "key vault opened to the public",
        ("keyvault", "update", *IN_GROUP, "--name", "kv-flask", "--public-network-access", "Enabled"),
        leaves={"key vault": "Enabled"},
    ),
    _REDIS.broken(
        "Redis opened to the public",
        ("redis", "update", *IN_GROUP, "--name", "redis-flask", "--set", "publicNetworkAccess=Enabled"),
        leaves={"redis": "Enabled"},
    ),
)

BREAKAGES = (*FOUR_KINDS, *SUBNETS, *ROUTING_TABLES, *FLOW_LOGS, *ENDPOINTS, *CONTAINERS, *WEB_APP, *BACKENDS)


def page() -> str:
    """The text of docs/breakages.md."""
    lines = [
        "# Ways to break a web app's network, and what repairs them",
        "",
        "`python -m tests.support.breakages` makes this page from `tests/support/breakages.py`. For each row,",
        "`tests/end_to_end/test_self_healing.py` breaks the guide's world with the real Azure CLI, waits until the",
        "function app has repaired it, and confirms that with the CLI. A container that is gone waits for a person: a",
        "forced remediation with `create` brings it back.",
        "",
        "| # | what somebody does | repaired by | when |",
        "|---|---|---|---|",
    ]
    for number, breakage in enumerate(BREAKAGES, start=1):
        healed = "when a person says so" if breakage.forced else "without anyone asking"
        lines.append(f"| {number} | {breakage.name} | `{breakage.kind}` | {healed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
