"""The services behind private endpoints, as a table: another kind of backend is another row.

A row says how a private endpoint reaches the service and where the service keeps its public door. Group ids, zones and
public names are those of the public Azure cloud in
https://learn.microsoft.com/azure/private-link/private-endpoint-dns; a spec names another zone where it needs one.
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
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, Path

ENABLED = "Enabled"
DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of service.

    group_id: the sub-resource that a private endpoint connects to. zone: the private DNS zone of its names.
    port: what its clients connect to, with TLS. suffix: of its public name, which the network resolves privately.
    public_access: where the body of the resource says whether the public network may connect.
    regional: its public names hold its region.
    """

    kind: str
    type: ArmType
    group_id: str
    zone: str
    port: int
    suffix: str
    public_access: Path = ("properties", "publicNetworkAccess")
    regional: bool = False

    def public_network_access(self, body: Json) -> str:
        """`Enabled`, `Disabled`, or what else the service says. Services that say nothing are open: it is the default.

        Older api-versions, and key vaults older than the switch, leave it out.
        """
        return json.text_at(body, *self.public_access) or ENABLED

    def hostname(self, resource: ResourceId, region: str) -> str:
        """The public name that clients use, such as `sql-flask.database.windows.net`."""
        return f"{self.record(resource, region)}.{self.suffix}"

    def record(self, resource: ResourceId, region: str) -> str:
        """The name of its record in the private DNS zone."""
        name = resource.name.lower()
        return f"{name}.{region.lower().replace(' ', '')}" if self.regional else name


_ROWS = (
    # Port 1433 alone suffices with the `Proxy` connection policy, which private endpoints use by default:
    # https://learn.microsoft.com/azure/azure-sql/database/connectivity-architecture
    Backend("sql", SQL_SERVER, "sqlServer", "privatelink.database.windows.net", 1433, "database.windows.net"),
    Backend("key_vault", KEY_VAULT, "vault", "privatelink.vaultcore.azure.net", 443, "vault.azure.net"),
    # TLS; https://learn.microsoft.com/azure/azure-cache-for-redis/cache-configure#access-ports
    Backend("redis", REDIS, "redisCache", "privatelink.redis.cache.windows.net", 6380, "redis.cache.windows.net"),
    # Of an account's services, blobs. The others have groups, zones and names of their own.
    Backend("storage", STORAGE_ACCOUNT, "blob", "privatelink.blob.core.windows.net", 443, "blob.core.windows.net"),
    # The API for NoSQL; https://learn.microsoft.com/azure/cosmos-db/how-to-configure-private-endpoints
    Backend("cosmos_db", COSMOS_DB, "Sql", "privatelink.documents.azure.com", 443, "documents.azure.com"),
    # https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private-link
    Backend(
        "postgresql",
        POSTGRESQL,
        "postgresqlServer",
        "privatelink.postgres.database.azure.com",
        5432,
        "postgres.database.azure.com",
        ("properties", "network", "publicNetworkAccess"),
    ),
    # AMQP; https://learn.microsoft.com/azure/service-bus-messaging/service-bus-faq#what-ports-do-i-need-to-open
    Backend(
        "service_bus", SERVICE_BUS, "namespace", "privatelink.servicebus.windows.net", 5671, "servicebus.windows.net"
    ),
    # NAME.REGION.redis.azure.net; https://learn.microsoft.com/azure/redis/private-link
    Backend(
        "managed_redis",
        MANAGED_REDIS,
        "redisEnterprise",
        "privatelink.redis.azure.net",
        10000,
        "redis.azure.net",
        regional=True,
    ),
)

BACKENDS: Mapping[str, Backend] = {row.kind: row for row in _ROWS}
"""By kind, as specs name it."""


def backend_of(resource: ResourceId) -> Backend | None:
    """The row of a resource's type."""
    return next((row for row in _ROWS if resource.is_type(row.type.name)), None)
