"""One row per ARM resource type: all that the loop must know about a type, so that remediators need not.

Spec, event routing, reads, the merging of edits and the write table derive from these rows. Reads and writes of a type
use one api-version, so that a body that was read can be the base of a body that is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeostat.core.ids import ResourceId
from homeostat.core.json import Path


class Concurrency(StrEnum):
    """How a provider treats `If-Match`."""

    NONE = "none"  # ignored: the last writer wins (Microsoft.Web)
    IF_MATCH = "if-match"  # 412 at once (Microsoft.Network, record sets)
    IF_MATCH_ON_POLL = "if-match-on-poll"  # 202, and the operation fails (private DNS zones and links)


class Shape(StrEnum):
    """What a PUT does with what its body leaves out."""

    REPLACE = "replace"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class ArmType:
    """name: the full type, `Microsoft.Network/networkSecurityGroups/securityRules`.

    embedded: where the parent's body lists the children in full; they then share the parent's ETag, and several
        writes to them are merged into one PUT of the parent.
    listed: names, lower case, of resources whose body only the POST action `list` shows, not a GET.
    container: holds other resources: it is created again only if a spec or a person says so.
    if_none_match: whether `If-None-Match: *` keeps a PUT from replacing what is there already.
    read_only: members that the provider adds and that a write leaves out, at any depth.
    operations: ARM operations, lower case, whose success event means that the resource may have changed.
    root: whether events, ETags, locks and writes belong to it, not to an ancestor.
    row: where Azure Resource Graph shows what a GET shows: `()` in a row of its own, a path in its parent's row, None
        nowhere. https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
    """

    name: str
    api_version: str
    concurrency: Concurrency
    put: Shape
    operations: frozenset[str]
    embedded: Path = ()
    listed: frozenset[str] = frozenset()
    container: bool = False
    if_none_match: bool = False
    read_only: frozenset[str] = frozenset()
    root: bool = False
    row: Path | None = None

    @property
    def collection(self) -> str:
        """The last segment of the type, which is the collection's name in the resource's URL."""
        return self.name.rpartition("/")[2]

    def __str__(self) -> str:
        return self.name


def _writes(*resources: str) -> frozenset[str]:
    return frozenset(f"{resource}/{verb}".lower() for resource in resources for verb in ("write", "delete"))


SWAPS = frozenset(
    f"microsoft.web/{site}/{action}/action"
    for site in ("sites", "sites/slots")
    for action in ("slotsswap", "applyslotconfig", "resetslotconfig")
)
"""POST actions that change a site and a slot without a write: a swap, a swap's preview, and the end of a preview.

https://learn.microsoft.com/azure/role-based-access-control/permissions/web-and-mobile#microsoftweb
"""

_RESTORES = (
    *("backups/restore", "recover", "restoresnapshot", "restorefrombackupblob", "restorefromdeletedapp"),
    "config/snapshots/recover",
)
"""Those that put a site's content, configuration, or both back as they once were, from the same page and from
https://learn.microsoft.com/rest/api/appservice/web-apps/recover-site-configuration-snapshot
"""


def _restores(site: str) -> frozenset[str]:
    return frozenset(f"{site}/{action}/action".lower() for action in _RESTORES)


NETWORK_VERSION = "2025-03-01"
WEB_VERSION = "2025-05-01"
DNS_VERSION = "2024-06-01"

_NETWORK_READ_ONLY = frozenset(
    {
        "etag",
        "provisioningState",
        "resourceGuid",
        "defaultSecurityRules",
        "networkInterfaces",
        "subnets",
        "flowLogs",
        "type",  # of rules and routes inside their parent's body
        "hasBgpOverride",
    }
)
_DNS_READ_ONLY = frozenset(
    {
        "etag",
        "provisioningState",
        "virtualNetworkLinkState",
        "internalId",
        "maxNumberOfRecordSets",
        "maxNumberOfVirtualNetworkLinks",
        "maxNumberOfVirtualNetworkLinksWithRegistration",
        "numberOfRecordSets",
        "numberOfVirtualNetworkLinks",
        "numberOfVirtualNetworkLinksWithRegistration",
    }
)


def _site_types(site: str) -> tuple[ArmType, ArmType, ArmType, ArmType, ArmType]:
    """A deployment slot is a site of its own, with twins of everything below it."""
    return (
        ArmType(
            name=site,
            api_version=WEB_VERSION,
            concurrency=Concurrency.NONE,
            put=Shape.MERGE,
            operations=_writes(site) | _restores(site),
            root=True,
            row=(),
        ),
        ArmType(
            name=f"{site}/config",
            api_version=WEB_VERSION,
            concurrency=Concurrency.NONE,
            put=Shape.REPLACE,
            operations=_writes(f"{site}/config"),
            listed=frozenset({"appsettings"}),
        ),
        ArmType(
            name=f"{site}/networkConfig",
            api_version=WEB_VERSION,
            concurrency=Concurrency.NONE,
            put=Shape.REPLACE,
            operations=_writes(f"{site}/networkConfig"),
        ),
        ArmType(  # its listing is a bare JSON array, without the usual `value`
            name=f"{site}/virtualNetworkConnections",
            api_version=WEB_VERSION,
            concurrency=Concurrency.NONE,
            put=Shape.REPLACE,
            operations=_writes(f"{site}/virtualNetworkConnections"),
        ),
        ArmType(  # whether each Key Vault reference among the app settings resolves; only its listing is read
            name=f"{site}/config/appsettings",
            api_version=WEB_VERSION,
            concurrency=Concurrency.NONE,
            put=Shape.REPLACE,
            operations=frozenset(),
        ),
    )


SITE, SITE_CONFIG, SITE_NETWORK_CONFIG, SITE_NETWORK_CONNECTION, SITE_REFERENCE = _site_types("Microsoft.Web/sites")
SLOT, SLOT_CONFIG, SLOT_NETWORK_CONFIG, SLOT_NETWORK_CONNECTION, SLOT_REFERENCE = _site_types(
    "Microsoft.Web/sites/slots"
)


def _network(
    name: str,
    *,
    root: bool = False,
    container: bool = False,
    embedded: Path = (),
    read_only: frozenset[str] = frozenset(),
    row: Path | None = None,
) -> ArmType:
    return ArmType(
        name=name,
        api_version=NETWORK_VERSION,
        concurrency=Concurrency.IF_MATCH,
        put=Shape.REPLACE,
        operations=_writes(name),
        root=root,
        container=container,
        embedded=embedded,
        read_only=read_only,
        row=embedded or row,
    )


def _private_dns(name: str, *, root: bool = False, container: bool = False) -> ArmType:
    """A zone or a link. Record sets behave differently."""
    return ArmType(
        name=name,
        api_version=DNS_VERSION,
        concurrency=Concurrency.IF_MATCH_ON_POLL,
        put=Shape.REPLACE,
        operations=_writes(name),
        if_none_match=True,
        root=root,
        container=container,
        read_only=_DNS_READ_ONLY,
        row=(),
    )


NETWORK_SECURITY_GROUP = _network(
    "Microsoft.Network/networkSecurityGroups",
    container=True,
    read_only=_NETWORK_READ_ONLY,
    root=True,
    row=(),
)
SECURITY_RULE = _network(
    "Microsoft.Network/networkSecurityGroups/securityRules",
    embedded=("properties", "securityRules"),
    read_only=_NETWORK_READ_ONLY,
)
PRIVATE_DNS_ZONE = _private_dns("Microsoft.Network/privateDnsZones", root=True, container=True)
VIRTUAL_NETWORK_LINK = _private_dns("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
A_RECORD = ArmType(
    name="Microsoft.Network/privateDnsZones/A",
    api_version=DNS_VERSION,
    concurrency=Concurrency.IF_MATCH,
    put=Shape.REPLACE,
    operations=_writes("Microsoft.Network/privateDnsZones/A"),
    if_none_match=True,
    read_only=frozenset({"etag", "fqdn", "isAutoRegistered"}),
)
VIRTUAL_NETWORK = _network("Microsoft.Network/virtualNetworks", root=True, container=True, row=())
SUBNET = _network(  # in the VNet's body too, but never written through it: a PUT removes the subnets it does not list
    "Microsoft.Network/virtualNetworks/subnets",
    container=True,
    read_only=frozenset(
        {
            "etag",
            "provisioningState",
            "ipConfigurations",
            "ipConfigurationProfiles",
            "privateEndpoints",
            "purpose",
            "resourceNavigationLinks",
            "serviceAssociationLinks",
            "actions",
            "interfaceEndpoints",
        }
    ),
    row=("properties", "subnets"),
)
ROUTE_TABLE = _network(
    "Microsoft.Network/routeTables",
    container=True,
    read_only=_NETWORK_READ_ONLY,
    root=True,
    row=(),
)
ROUTE = _network(
    "Microsoft.Network/routeTables/routes",
    embedded=("properties", "routes"),
    read_only=_NETWORK_READ_ONLY,
)
NETWORK_WATCHER = _network("Microsoft.Network/networkWatchers", root=True, container=True, row=())
FLOW_LOG = _network(
    "Microsoft.Network/networkWatchers/flowLogs",
    read_only=frozenset({"etag", "provisioningState", "targetResourceGuid"}),
    row=(),
)
PRIVATE_ENDPOINT = _network(
    "Microsoft.Network/privateEndpoints",
    container=True,
    read_only=frozenset({"etag", "provisioningState", "resourceGuid", "networkInterfaces"}),
    root=True,
    row=(),
)
PRIVATE_DNS_ZONE_GROUP = _network(
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    read_only=frozenset({"etag", "provisioningState", "recordSets"}),
)


def _backend(name: str, api_version: str, row: Path | None = ()) -> ArmType:
    """A service behind a private endpoint, of which only its public network access is watched."""
    return ArmType(
        name=name,
        api_version=api_version,
        concurrency=Concurrency.NONE,
        put=Shape.MERGE,
        operations=_writes(name, f"{name}/privateEndpointConnections"),
        container=True,
        root=True,
        row=row,
    )


SQL_SERVER = _backend("Microsoft.Sql/servers", "2021-11-01")
KEY_VAULT = _backend("Microsoft.KeyVault/vaults", "2023-07-01")
REDIS = _backend("Microsoft.Cache/redis", "2024-03-01")
STORAGE_ACCOUNT = _backend("Microsoft.Storage/storageAccounts", "2023-05-01")
COSMOS_DB = _backend("Microsoft.DocumentDB/databaseAccounts", "2024-05-15")
POSTGRESQL = _backend("Microsoft.DBforPostgreSQL/flexibleServers", "2024-08-01")
SERVICE_BUS = _backend("Microsoft.ServiceBus/namespaces", "2024-01-01")
MANAGED_REDIS = _backend(  # the first version with publicNetworkAccess; a row may be of an earlier one
    "Microsoft.Cache/redisEnterprise", "2025-07-01", row=None
)

ARM_TYPES: Mapping[str, ArmType] = {
    row.name.lower(): row
    for row in (
        SITE,
        SITE_CONFIG,
        SITE_NETWORK_CONFIG,
        SITE_NETWORK_CONNECTION,
        SITE_REFERENCE,
        SLOT,
        SLOT_CONFIG,
        SLOT_NETWORK_CONFIG,
        SLOT_NETWORK_CONNECTION,
        SLOT_REFERENCE,
        NETWORK_SECURITY_GROUP,
        SECURITY_RULE,
        PRIVATE_DNS_ZONE,
        VIRTUAL_NETWORK_LINK,
        A_RECORD,
        VIRTUAL_NETWORK,
        SUBNET,
        ROUTE_TABLE,
        ROUTE,
        NETWORK_WATCHER,
        FLOW_LOG,
        PRIVATE_ENDPOINT,
        PRIVATE_DNS_ZONE_GROUP,
        SQL_SERVER,
        KEY_VAULT,
        REDIS,
        STORAGE_ACCOUNT,
        COSMOS_DB,
        POSTGRESQL,
        SERVICE_BUS,
        MANAGED_REDIS,
    )
}


def arm_type(resource: ResourceId) -> ArmType:
    """The row of a resource's type. Raises KeyError for a type that Homeostat neither reads nor writes."""
    return ARM_TYPES[resource.type.lower()]


def root_of(resource: ResourceId) -> ResourceId | None:
    """The unit of work that a resource belongs to: itself or its nearest ancestor of a root type."""
    for candidate in resource.lineage:
        row = ARM_TYPES.get(candidate.type.lower())
        if row is not None and row.root:
            return candidate
    return None
