"""The guide, step by step, as Azure CLI commands with the arguments that the CLI insists on."""

from collections.abc import Iterator

type Command = tuple[str, ...]

GROUP = "rg-flask"
APP = "app-flask"
VNET = "vnet-appservice"
SUBNET = "snet-appservice-integration"
NSG = "nsg-appservice-integration"
ROUTES = "rt-appservice-integration"
LOCATION = "westeurope"
SETTINGS = (
    "SQL_SERVER_FQDN=sql-flask.database.windows.net",
    "SQL_DATABASE_NAME=flaskdb",
    "REDIS_HOST=redis-flask.redis.cache.windows.net",
    "REDIS_PORT=6380",
    "KEY_VAULT_URI=https://kv-flask.vault.azure.net/",
)
BACKENDS = (
    ("sql", "Microsoft.Sql/servers/sql-flask", "sqlServer", "privatelink.database.windows.net"),
    ("keyvault", "Microsoft.KeyVault/vaults/kv-flask", "vault", "privatelink.vaultcore.azure.net"),
    ("redis", "Microsoft.Cache/redis/redis-flask", "redisCache", "privatelink.redis.cache.windows.net"),
)

_IN_GROUP = ("--resource-group", GROUP)


def commands(subscription: str) -> Iterator[Command]:
    """Every command of the guide, in its order."""
    yield from _integration()
    yield from _egress_baseline()
    for backend in BACKENDS:
        yield from _private_endpoint(f"/subscriptions/{subscription}/resourceGroups/{GROUP}/providers/", *backend)
    yield "webapp", "config", "appsettings", "set", *_IN_GROUP, "--name", APP, "--settings", *SETTINGS
    yield "webapp", "identity", "assign", *_IN_GROUP, "--name", APP


def _integration() -> Iterator[Command]:
    """Steps 1 to 3: the delegated subnet, the app in it, all its traffic through it."""
    subnet = ("--vnet-name", VNET, "--name", SUBNET, "--address-prefixes", "10.10.1.0/24")
    yield "network", "vnet", "subnet", "create", *_IN_GROUP, *subnet, "--delegations", "Microsoft.Web/serverFarms"
    yield "webapp", "vnet-integration", "add", *_IN_GROUP, "--name", APP, "--vnet", VNET, "--subnet", SUBNET
    yield "webapp", "config", "appsettings", "set", *_IN_GROUP, "--name", APP, "--settings", "WEBSITE_VNET_ROUTE_ALL=1"


def _egress_baseline() -> Iterator[Command]:
    """Step 4: what may leave, how it is routed, and a record of it."""
    yield "network", "nsg", "create", *_IN_GROUP, "--name", NSG
    for name, port, priority in (
        ("allow-sql", "1433", "100"),
        ("allow-redis", "6380", "110"),
        ("allow-https", "443", "120"),
    ):
        yield _rule(name, "Allow", "Tcp", port, priority)
    yield _rule("deny-all-outbound", "Deny", "*", "*", "4096")
    yield "network", "route-table", "create", *_IN_GROUP, "--name", ROUTES
    route = ("--name", "to-vnet", "--address-prefix", "10.10.0.0/16", "--next-hop-type", "VnetLocal")
    yield "network", "route-table", "route", "create", *_IN_GROUP, "--route-table-name", ROUTES, *route
    joined = ("--network-security-group", NSG, "--route-table", ROUTES)
    yield "network", "vnet", "subnet", "update", *_IN_GROUP, "--vnet-name", VNET, "--name", SUBNET, *joined
    kept = ("--retention", "7", "--format", "JSON", "--log-version", "2", "--enabled", "true")
    target = ("--vnet", VNET, "--storage-account", "stflask")
    flow_log = ("network", "watcher", "flow-log", "create", "--location", LOCATION, "--name", "flow-vnet-appservice")
    yield *flow_log, *_IN_GROUP, *target, *kept


def _rule(name: str, access: str, protocol: str, port: str, priority: str) -> Command:
    what = ("--access", access, "--protocol", protocol, "--destination-port-ranges", port, "--priority", priority)
    where = (*_IN_GROUP, "--nsg-name", NSG, "--name", name, "--direction", "Outbound")
    return ("network", "nsg", "rule", "create", *where, *what)


def _private_endpoint(providers: str, kind: str, backend: str, group_id: str, zone: str) -> Iterator[Command]:
    """Step 5 for one backend: zone, link, endpoint, and the zone group that keeps the A record."""
    yield "network", "private-dns", "zone", "create", *_IN_GROUP, "--name", zone
    link = ("--name", "link-vnet-appservice", "--virtual-network", VNET, "--registration-enabled", "false")
    yield "network", "private-dns", "link", "vnet", "create", *_IN_GROUP, "--zone-name", zone, *link
    name = f"pe-{kind}"
    target = ("--private-connection-resource-id", f"{providers}{backend}", "--group-id", group_id)
    subnet = ("--vnet-name", VNET, "--subnet", "snet-private-endpoints")
    yield (
        "network",
        "private-endpoint",
        "create",
        *_IN_GROUP,
        "--name",
        name,
        "--connection-name",
        name,
        *target,
        *subnet,
    )
    config = ("--zone-name", zone.replace(".", "-"), "--private-dns-zone", zone)
    group = ("--endpoint-name", name, "--name", "default")
    yield "network", "private-endpoint", "dns-zone-group", "create", *_IN_GROUP, *group, *config
