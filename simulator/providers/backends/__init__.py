"""The backends behind private endpoints: SQL servers, key vaults, Redis caches, storage accounts.

Only what matters to the network is modelled: existence, publicNetworkAccess, firewalls, connections. Each row here says
how one provider differs. `kind` has what they share.
"""

from simulator.arm import Call
from simulator.cloud import Resource
from simulator.messages import Json
from simulator.operations import Operation, Protocol
from simulator.providers.backends.kind import Backend
from simulator.providers.private_link import Target
from simulator.providers.web.regions import display


def _sql_report(operation: Operation) -> Json:
    body = {"name": operation.id, "status": operation.status, "startTime": operation.started.isoformat()}
    return body | ({"error": operation.error} if operation.error else {})


def _sql_protocol(what: str) -> Protocol:
    """SQL's two URLs per operation, named after what is operated on, below the resource group."""
    base = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Sql/locations/{location}"
    return Protocol(
        status_path=f"{base}/{what}AzureAsyncOperation/{{id}}",
        result_path=f"{base}/{what}OperationResults/{{id}}",
        api_version="",
        seconds=10.0,
        report=_sql_report,
    )


def _location_protocol(namespace: str, word: str, seconds: float) -> Protocol:
    path = f"/subscriptions/{{subscription}}/providers/{namespace}/locations/{{location}}/{word}/{{id}}"
    return Protocol(status_path=None, result_path=path, api_version="", retry_after=15, seconds=seconds)


# --- Microsoft.Sql

_SQL_LINK = Target(
    type="Microsoft.Sql/servers",
    hosts=lambda server: {"sqlServer": (f"{server.name}.database.windows.net",)},
    zone="privatelink.database.windows.net",
    link_name="plr",
    ready="Ready",
    protocol=_sql_protocol("privateEndpointConnection"),
)


def _sql_server(call: Call, server: Resource) -> Json:
    return {
        "state": "Ready",
        "fullyQualifiedDomainName": f"{server.name}.database.windows.net",
        "privateEndpointConnections": _SQL_LINK.shown(call.cloud, server),
    }


_SQL_SERVERS = Backend(
    name="Microsoft.Sql/servers",
    api_versions=("2024-11-01-preview", "2023-08-01", "2021-11-01", "2014-04-01"),
    link=_SQL_LINK,
    kind="v12.0",
    defaults={
        "version": "12.0",
        "minimalTlsVersion": "None",
        "publicNetworkAccess": "Enabled",
        "restrictOutboundNetworkAccess": "Disabled",
        "externalGovernanceStatus": "Disabled",
    },
    computed=_sql_server,
    since={
        "minimalTlsVersion": "2019-06-01-preview",
        "publicNetworkAccess": "2018-06-01-preview",
        "privateEndpointConnections": "2018-06-01-preview",
        "restrictOutboundNetworkAccess": "2021-02-01-preview",
        "externalGovernanceStatus": "2022-05-01-preview",
    },
    protocol=_sql_protocol("server"),
    created=202,
    updated=202,
    deleted=202,
    accepted_body=True,
)

_SQL_DATABASES = Backend(
    name="Microsoft.Sql/servers/databases",
    api_versions=("2024-11-01-preview", "2023-08-01", "2021-11-01", "2014-04-01"),
    link=None,
    defaults={"collation": "SQL_Latin1_General_CP1_CI_AS", "status": "Online"},
    protocol=_sql_protocol("database"),
    created=202,
    updated=202,
    deleted=202,
    accepted_body=True,
)

# --- Microsoft.KeyVault

_VAULT_LINK = Target(
    type="Microsoft.KeyVault/vaults",
    hosts=lambda vault: {"vault": (f"{vault.name}.vault.azure.net",)},
    zone="privatelink.vaultcore.azure.net",
    members={"vault": "default"},
)


def _vault(call: Call, vault: Resource) -> Json:
    connections = _VAULT_LINK.shown(call.cloud, vault)
    shown_connections = {"privateEndpointConnections": connections} if connections else {}
    return {"vaultUri": f"https://{vault.name}.vault.azure.net/", "provisioningState": "Succeeded"} | shown_connections


_VAULTS = Backend(
    name="Microsoft.KeyVault/vaults",
    api_versions=("2026-02-01", "2016-10-01"),
    link=_VAULT_LINK,
    defaults={
        "accessPolicies": [],
        "enabledForDeployment": False,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 90,
        "publicNetworkAccess": "Enabled",
    },
    computed=_vault,
    since={"publicNetworkAccess": "2021-06-01"},
)


def _secret(_call: Call, secret: Resource) -> Json:
    vault, name = secret.id.split("/")[-3], secret.name
    uri = f"https://{vault}.vault.azure.net/secrets/{name}"
    return {"value": None, "attributes": {"enabled": True}, "secretUri": uri, "secretUriWithVersion": f"{uri}/1"}


_VAULT_SECRETS = Backend(
    name="Microsoft.KeyVault/vaults/secrets",
    api_versions=("2026-02-01", "2016-10-01"),
    link=None,
    computed=_secret,
)

# --- Microsoft.Cache

_REDIS_LINK = Target(
    type="Microsoft.Cache/redis",
    hosts=lambda cache: {"redisCache": (f"{cache.name}.redis.cache.windows.net",)},
    zone="privatelink.redis.cache.windows.net",
)


def _redis(call: Call, cache: Resource) -> Json:
    connections = _REDIS_LINK.shown(call.cloud, cache)
    return {
        "provisioningState": "Creating" if call.cloud.running(cache.id) else "Succeeded",
        "accessKeys": None,
        "hostName": f"{cache.name}.redis.cache.windows.net",
        "port": 6379,
        "sslPort": 6380,
        "linkedServers": [],
        "instances": [{"sslPort": 15000, "isMaster": True, "isPrimary": True}],
    } | ({"privateEndpointConnections": connections} if connections else {})


_REDIS = Backend(
    name="Microsoft.Cache/redis",
    api_versions=("2024-11-01", "2016-04-01"),
    link=_REDIS_LINK,
    defaults={
        "redisVersion": "6.0",
        "enableNonSslPort": False,
        "publicNetworkAccess": "Enabled",
        "redisConfiguration": {"maxclients": "256", "maxmemory-reserved": "30", "maxmemory-delta": "30"},
    },
    computed=_redis,
    since={"publicNetworkAccess": "2020-06-01", "instances": "2019-07-01", "linkedServers": "2018-03-01"},
    location=display,
    protocol=_location_protocol("Microsoft.Cache", "asyncOperations", 300.0),
    created=201,
    deleted=202,
    shown_type="Microsoft.Cache/Redis",
)

# --- Microsoft.Storage

_STORAGE_ZONES = ("blob", "file", "queue", "table")
_STORAGE_LINK = Target(
    type="Microsoft.Storage/storageAccounts",
    hosts=lambda account: {kind: (f"{account.name}.{kind}.core.windows.net",) for kind in _STORAGE_ZONES},
    zone="privatelink.blob.core.windows.net",
)


def _storage(call: Call, account: Resource) -> Json:
    return {
        "provisioningState": "Succeeded",
        "privateEndpointConnections": _STORAGE_LINK.shown(call.cloud, account),
        "primaryEndpoints": {kind: f"https://{account.name}.{kind}.core.windows.net/" for kind in _STORAGE_ZONES},
        "primaryLocation": account.body["location"].lower().replace(" ", ""),
        "statusOfPrimary": "available",
    }


_STORAGE = Backend(
    name="Microsoft.Storage/storageAccounts",
    api_versions=("2025-08-01", "2019-06-01"),
    link=_STORAGE_LINK,
    defaults={
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "accessTier": "Hot",
        "encryption": {
            "services": {"blob": {"keyType": "Account", "enabled": True}},
            "keySource": "Microsoft.Storage",
        },
        "networkAcls": {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"},
    },
    computed=_storage,
    protocol=_location_protocol("Microsoft.Storage", "asyncoperations", 20.0),
    created=202,
)

_BACKENDS = (_SQL_SERVERS, _SQL_DATABASES, _VAULTS, _VAULT_SECRETS, _REDIS, _STORAGE)

TYPES = tuple(each for backend in _BACKENDS for each in backend.types())
