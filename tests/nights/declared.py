"""The declarations of a night's two documents, as data: YAML for Homeostat, and paths for the oracle.

Both web apps declare the same NSG rules and zone links, so that three of the five roots have two owners.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Self

from tests.nights.clock import DUSK
from tests.nights.place import (
    APPS,
    LEGACY,
    LINK,
    NETWORK,
    NSG,
    ROOTS,
    SITES,
    SLOT,
    SLOT_SETTINGS,
    SUBNET,
    TABLE,
    THERE,
    VNET,
    ZONES,
    Path,
    State,
)
from tests.nights.schedule import Contain, Govern, Respec, Routing

SECRET_SETTING: Final = "DB_PASSWORD"
"""Declared `secret: true`. Its presence is enforced, and a value that differs from the first one seen is reported."""

_RULES: Final = (
    ("allow-sql", 100, "Allow", "Tcp", "1433"),
    ("allow-redis", 110, "Allow", "Tcp", "6380"),
    ("allow-https", 120, "Allow", "Tcp", "443"),
    ("deny-all-outbound", 4096, "Deny", "*", "*"),
)
_SETTINGS: Final = (
    ("SQL_SERVER_FQDN", "sql-flask.database.windows.net"),
    ("REDIS_PORT", "6380"),
    ("KEY_VAULT_URI", "https://kv-flask.vault.azure.net/"),
)

RANGE: Final = "10.10.1.0/24"
DELEGATION: Final = "Microsoft.Web/serverFarms"
"""The delegation of the subnet that the apps are joined to."""

ROUTE: Final = "to-vnet"
ROUTE_PREFIX: Final = "10.10.0.0/16"


@dataclass(frozen=True, slots=True)
class Item:
    """One declared thing: its root, kind and mode, and the values that it has once it is as declared.

    instead: values that are as good.
    """

    root: str
    kind: str
    name: str
    mode: str
    wanted: Mapping[Path, Any]
    instead: Mapping[Path, Any] | None = None

    def holds(self, state: State) -> bool:
        return any(
            all(state.get(path) == value for path, value in wanted.items())
            for wanted in (self.wanted, self.instead)
            if wanted is not None
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """The spec of a night. modes: by kind, if not `enforce`. ports: of rules, if not the usual ones."""

    settings: tuple[tuple[str, str], ...] = _SETTINGS
    ports: tuple[tuple[str, str], ...] = ()
    undeclared: tuple[str, ...] = ()  # rules that are not declared any more
    modes: tuple[tuple[str, str], ...] = ()
    defends_secret: bool = False
    policy: Govern | None = None
    containers: Contain | None = None
    has_slot: bool = False
    routing: Routing | None = None

    def after(self, change: Respec) -> Self:
        """The next version of the spec."""
        match change.what:
            case "setting":
                return replace(self, settings=_with(self.settings, change.name, change.value))
            case "no setting":
                return replace(self, settings=tuple(each for each in self.settings if each[0] != change.name))
            case "port":
                return replace(self, ports=_with(self.ports, change.name, change.value))
            case "no rule":
                return replace(self, undeclared=(*self.undeclared, change.name))
            case "mode":
                return replace(self, modes=_with(self.modes, change.name, change.value))
            case "secret":
                return replace(self, defends_secret=True)
            case other:
                raise AssertionError(f"there is no such change of a spec: {other}")

    @property
    def sites(self) -> tuple[str, ...]:
        return (*APPS, SLOT) if self.has_slot else APPS

    def settings_of(self, site: str) -> tuple[tuple[str, str], ...]:
        """The declared settings of a site. The slot has its own values for two of them."""
        own = SLOT_SETTINGS if site == SLOT else {}
        legacy = ((LEGACY, "1"),) if self.routing and self.routing.by_setting else ()
        return tuple((name, own.get(name, value)) for name, value in (*self.settings, *legacy))

    def mode(self, kind: str) -> str:
        return dict(self.modes).get(kind, "enforce")

    @property
    def rules(self) -> Iterator[tuple[str, int, str, str, str]]:
        ports = dict(self.ports)
        for name, priority, access, protocol, port in _RULES:
            if name not in self.undeclared:
                yield name, priority, access, protocol, ports.get(name, port)

    def targets(self, root: str) -> tuple[str, ...]:
        """The targets that own a root."""
        if root == NETWORK:
            return self.sites
        return (root,) if root in SITES else APPS


def _with(pairs: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(pairs), name: value}.items())


@lru_cache(maxsize=512)
def texts(declared: Declared) -> Mapping[str, str]:
    """The documents, by file name."""
    documents = {f"{app}.yaml": _document(app, declared) for app in APPS}
    if declared.has_slot:
        containers = declared.containers if declared.containers and declared.containers.declared else None
        subnet = _subnet(containers) if containers else ()
        documents[f"{SLOT}.yaml"] = "\n".join([*_site(SLOT, declared), *subnet, ""])
    return documents | {"policy.yaml": _policy(declared.policy)} if declared.policy else documents


def _policy(policy: Govern) -> str:
    lines = ["policy: fleet", "caps:", f"  writes_per_resource_and_hour: {policy.writes_per_resource}"]
    lines += [f"  writes_per_hour: {policy.writes_per_hour}", "flapping:", f"  times: {policy.times}"]
    lines += [f"  backoff: {policy.backoff}m", f"  stop_after: {policy.stop_after}"]
    if policy.shut:
        first, last = policy.shut
        lines += ["windows:", "  evening:", "    effect: deny", f'    cron: "{first} {DUSK.hour} * * *"']
        lines += [f"    duration: {last - first}m"]
    return "\n".join([*lines, ""])


def _site(app: str, declared: Declared) -> list[str]:
    """The YAML of a site's own sections."""
    web_app = app.replace("--", "/")
    lines = [f"target: {app}", f"web_app: {web_app}", "resource_group: rg-flask", "vnet_integration:"]
    lines += [f"  mode: {declared.mode('vnet_integration')}", "  subnet: vnet-appservice/snet-appservice-integration"]
    lines += ["app_settings:", f"  mode: {declared.mode('app_settings')}", "  settings:"]
    lines += [f'    {name}: "{value}"' for name, value in declared.settings_of(app)]
    if declared.defends_secret:
        lines.append(f"    {SECRET_SETTING}: {{secret: true}}")
    if declared.routing:
        lines.append("route_all: {application_traffic: true}")
    return lines


def _document(app: str, declared: Declared) -> str:
    lines = _site(app, declared)
    lines += ["nsg_rules:", f"  mode: {declared.mode('nsg_rules')}", "  nsg-appservice-integration:", "    rules:"]
    lines += [
        f"      {name}: {{priority: {priority}, direction: Outbound, access: {access}, "
        f'protocol: "{protocol}", ports: "{port}"}}'
        for name, priority, access, protocol, port in declared.rules
    ]
    lines += ["dns_links:", f"  mode: {declared.mode('dns_links')}"]
    for zone in ZONES.values():
        lines += [f"  {zone}:", f"    links: {{{LINK}: {{vnet: vnet-appservice, registration: false}}}}"]
    if declared.containers and declared.containers.declared:
        lines += _containers(declared.containers)
    return "\n".join([*lines, ""])


def _containers(containers: Contain) -> Iterator[str]:
    yield f"nsg: {{{_name(NSG)}: {{location: westeurope, {_again(containers, NSG)}}}}}"
    yield "route_table:"
    yield f"  {_name(TABLE)}:"
    yield f"    {_again(containers, TABLE)}"
    yield "    location: westeurope"
    yield f"    routes: {{{ROUTE}: {{address_prefix: {ROUTE_PREFIX}, next_hop_type: VnetLocal}}}}"
    yield "zones:"
    yield from (f"  {name}: {{{_again(containers, zone)}}}" for zone, name in ZONES.items())
    yield from _subnet(containers)


def _subnet(containers: Contain) -> Iterator[str]:
    """The YAML of the subnet that the apps and the slot are joined to."""
    yield "subnet:"
    yield f"  {_name(NETWORK)}/{SUBNET.rpartition('/')[2]}:"
    yield f"    {{{_again(containers, NETWORK)}, address_prefix: {RANGE}, delegation: {DELEGATION}}}"


def _again(containers: Contain, name: str) -> str:
    return f"recreate: {'true' if name in containers.recreated else 'false'}"


def _name(root: str) -> str:
    return ROOTS[root].rpartition("/")[2]


@lru_cache(maxsize=512)
def items(declared: Declared) -> tuple[Item, ...]:
    """All declared items, with their places in the world."""
    return tuple(_items(declared))


def _items(declared: Declared) -> Iterator[Item]:
    for app in declared.sites:
        mode = declared.mode("app_settings")
        for name, value in declared.settings_of(app):
            yield Item(app, "app_settings", name, mode, {(app, f"settings/{name}"): value})
        yield Item(
            app, "vnet_integration", "integration", declared.mode("vnet_integration"), {(app, "integration"): SUBNET}
        )
        if declared.routing:
            flag, setting = {(app, "routing/applicationTraffic"): True}, {(app, f"settings/{LEGACY}"): "1"}
            yield Item(app, "route_all", "application_traffic", "enforce", flag, setting)
    for name, priority, access, protocol, port in declared.rules:
        fields = {
            "priority": priority,
            "direction": "Outbound",
            "access": access,
            "protocol": protocol,
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": port,
        }
        wanted = {(NSG, f"rules/{name}/{key}"): value for key, value in fields.items()}
        yield Item(NSG, "nsg_rules", name, declared.mode("nsg_rules"), wanted)
    for zone in ZONES:
        link = {"registrationEnabled": False, "virtualNetwork": (("id", VNET),)}
        wanted = {(zone, f"links/{LINK}/{key}"): value for key, value in link.items()}
        yield Item(zone, "dns_links", LINK, declared.mode("dns_links"), wanted)
    if declared.containers and declared.containers.declared:
        yield Item(NSG, "nsg", "group", "enforce", {(NSG, THERE): True})
        yield Item(TABLE, "route_table", "table", "enforce", {(TABLE, THERE): True})
        route = {"addressPrefix": ROUTE_PREFIX, "nextHopType": "VnetLocal"}
        wanted = {(TABLE, f"routes/{ROUTE}/{key}"): value for key, value in route.items()}
        yield Item(TABLE, "route_table", ROUTE, "enforce", wanted)
        yield from (Item(zone, "zones", "zone", "enforce", {(zone, THERE): True}) for zone in ZONES)
        subnet = {"addressPrefix": RANGE, "delegations": (DELEGATION,)}
        wanted = {(NETWORK, f"subnets/integration/{key}"): value for key, value in subnet.items()}
        yield Item(NETWORK, "subnet", SUBNET.rpartition("/")[2], "enforce", {(NETWORK, THERE): True, **wanted})


@lru_cache(maxsize=512)
def owned(declared: Declared) -> frozenset[Path]:
    """Every path that Homeostat may write to. Names of settings are compared without regard to case."""
    return frozenset(
        (root, path.lower()) for item in items(declared) if item.mode == "enforce" for root, path in item.wanted
    )
