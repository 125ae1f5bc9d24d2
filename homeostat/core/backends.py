"""The services behind private endpoints, as a table: another kind of backend is another row.

A row says how a private endpoint reaches the service, where the service's body has its public network access, and its
host names in each cloud. Group ids, zones and public names are those of
https://learn.microsoft.com/azure/private-link/private-endpoint-dns, its sections Government and China included; a spec
may name another zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from homeostat.core import json
from homeostat.core.arm_types import (
    COSMOS_DB,
    KEY_VAULT,
    MANAGED_REDIS,
    POSTGRESQL,
    REDIS,
    SERVICE_BUS,
    SQL_SERVER,
    STORAGE_ACCOUNT,
    ArmType,
)
from homeostat.core.clouds import CloudName, cloud_of_region
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, Path

ENABLED = "Enabled"
DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Names:
    """zone: the private DNS zone. suffix: of the public name, which resolves to a private address in the network."""

    zone: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of service.

    group_id: the sub-resource that a private endpoint connects to.
    port: the one that its clients connect to, with TLS.
    names: by cloud; clouds that the documentation does not cover are missing.
    public_access: where the body of the resource says whether the public network may connect.
    regional: whether its public names contain its region.
    """

    kind: str
    type: ArmType
    group_id: str
    port: int
    names: Mapping[CloudName, Names]
    public_access: Path = ("properties", "publicNetworkAccess")
    regional: bool = False

    def public_network_access(self, body: Json) -> str:
        """`Enabled`, `Disabled`, or whatever the service says. If it says nothing it is enabled, which is the default.

        Older api-versions leave it out, and so do key vaults older than the switch.
        """
        return json.text_at(body, *self.public_access) or ENABLED

    def zone(self, region: str) -> str:
        """The private DNS zone of its names, in the region's cloud; empty if none is documented."""
        names = self.names.get(cloud_of_region(region))
        return names.zone if names else ""

    def hostname(self, resource: ResourceId, region: str) -> str:
        """The public name that clients use, `sql-flask.database.windows.net`; empty if none is documented."""
        names = self.names.get(cloud_of_region(region))
        return f"{self.record(resource, region)}.{names.suffix}" if names else ""

    def record(self, resource: ResourceId, region: str) -> str:
        """The name of its record in the private DNS zone."""
        name = resource.name.lower()
        return f"{name}.{region.lower().replace(' ', '')}" if self.regional else name


def _names(public: str, government: str, china: str) -> Mapping[CloudName, Names]:
    """From the suffixes in the three clouds: the zone is the suffix after `privatelink.`."""
    suffixes = {CloudName.PUBLIC: public, CloudName.US_GOVERNMENT: government, CloudName.CHINA: china}
    return {cloud: Names(f"privatelink.{suffix}", suffix) for cloud, suffix in suffixes.items()}


_ROWS = (
    # Port 1433 alone suffices with the `Proxy` connection policy, which private endpoints use by default:
    # https://learn.microsoft.com/azure/azure-sql/database/connectivity-architecture
    Backend(
        "sql",
        SQL_SERVER,
        "sqlServer",
        1433,
        _names("database.windows.net", "database.usgovcloudapi.net", "database.chinacloudapi.cn"),
    ),
    Backend(
        "key_vault",
        KEY_VAULT,
        "vault",
        443,
        {
            CloudName.PUBLIC: Names("privatelink.vaultcore.azure.net", "vault.azure.net"),
            CloudName.US_GOVERNMENT: Names("privatelink.vaultcore.usgovcloudapi.net", "vault.usgovcloudapi.net"),
            CloudName.CHINA: Names("privatelink.vaultcore.azure.cn", "vault.azure.cn"),
        },
    ),
    # TLS; https://learn.microsoft.com/azure/azure-cache-for-redis/cache-configure#access-ports
    Backend(
        "redis",
        REDIS,
        "redisCache",
        6380,
        _names("redis.cache.windows.net", "redis.cache.usgovcloudapi.net", "redis.cache.chinacloudapi.cn"),
    ),
    # Of an account's services, blobs. The others have groups, zones and names of their own.
    Backend(
        "storage",
        STORAGE_ACCOUNT,
        "blob",
        443,
        _names("blob.core.windows.net", "blob.core.usgovcloudapi.net", "blob.core.chinacloudapi.cn"),
    ),
    # The API for NoSQL; https://learn.microsoft.com/azure/cosmos-db/how-to-configure-private-endpoints
    Backend(
        "cosmos_db", COSMOS_DB, "Sql", 443, _names("documents.azure.com", "documents.azure.us", "documents.azure.cn")
    ),
    # https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private-link
    Backend(
        "postgresql",
        POSTGRESQL,
        "postgresqlServer",
        5432,
        _names(
            "postgres.database.azure.com", "postgres.database.usgovcloudapi.net", "postgres.database.chinacloudapi.cn"
        ),
        ("properties", "network", "publicNetworkAccess"),
    ),
    # AMQP; https://learn.microsoft.com/azure/service-bus-messaging/service-bus-faq#what-ports-do-i-need-to-open
    Backend(
        "service_bus",
        SERVICE_BUS,
        "namespace",
        5671,
        _names("servicebus.windows.net", "servicebus.usgovcloudapi.net", "servicebus.chinacloudapi.cn"),
    ),
    # NAME.REGION.redis.azure.net; https://learn.microsoft.com/azure/redis/private-link
    # The zones of the other clouds are not in the documentation.
    Backend(
        "managed_redis",
        MANAGED_REDIS,
        "redisEnterprise",
        10000,
        {CloudName.PUBLIC: Names("privatelink.redis.azure.net", "redis.azure.net")},
        regional=True,
    ),
)

BACKENDS: Mapping[str, Backend] = {row.kind: row for row in _ROWS}
"""By the kind that specs name."""


def backend_of(resource: ResourceId) -> Backend | None:
    """The row of a resource's type."""
    return next((row for row in _ROWS if resource.is_type(row.type.name)), None)


_SUFFIXES = tuple(f".{names.suffix}" for row in _ROWS for names in row.names.values())


def is_public_name(host: str) -> bool:
    """Whether the host is the public name of such a backend, in any cloud."""
    return host.lower().endswith(_SUFFIXES)
