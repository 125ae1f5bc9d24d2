"""The backends behind private endpoints: SQL servers, key vaults, Redis caches, storage accounts.

Only what a network posture touches is modelled: existence, publicNetworkAccess, firewalls, connections.
Each row of `_BACKENDS` tells how one provider differs; the handlers are shared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from simulator.arm import Call, ResourceType, existing, shown
from simulator.cloud import Resource
from simulator.messages import Json, Response
from simulator.operations import Operation, Protocol
from simulator.providers.fields import location_of, object_at, text_at
from simulator.providers.private_link import Target
from simulator.providers.web.regions import display

_SECRETS = {"administratorLoginPassword"}  # taken and never shown
_MEMBERS = ("kind", "identity", "sku", "tags")  # of a body beside properties


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


@dataclass(frozen=True, slots=True)
class Backend:
    """How one provider differs from the others.

    `defaults` are shown where nothing was set; `computed` follows from the resource; `since` hides a property from
    older api-versions. With a `protocol` a write is a long-running operation, answered with `created` or `updated`.
    """

    name: str
    api_versions: tuple[str, ...]
    link: Target | None
    defaults: Json = field(default_factory=dict)
    computed: Callable[[Call, Resource], Json] = lambda _call, _resource: {}
    since: Mapping[str, str] = field(default_factory=dict)
    location: Callable[[str], str] = lambda location: location.lower().replace(" ", "")
    protocol: Protocol | None = None
    created: int = 200
    updated: int = 200
    deleted: int = 200
    accepted_body: bool = False  # a 202 that names the operation in its body
    shown_type: str = ""  # where answers spell the type otherwise
    kind: str = ""

    def put(self, call: Call) -> Response:
        """Create or replace; what a PUT leaves out returns to its default."""
        body = call.body()
        parent = call.parent() if self.name.count("/") > 1 else None
        location = parent.body["location"] if parent is not None else location_of(body)
        before = call.resource
        stored = Resource(before.id if before is not None else call.display_id(), self.name)
        stored.body = {"location": location, "properties": object_at(body, "properties")}
        stored.body |= {member: body[member] for member in _MEMBERS if member in body}
        _assign_identity(call, stored, before)
        return self._write(call, lambda: call.cloud.put(stored), self.updated if before else self.created)

    def patch(self, call: Call) -> Response:
        """Merge (RFC 7396), tags apart, which are replaced."""
        resource, body = existing(call), call.body()
        given = object_at(body, "properties")

        def change() -> Resource:
            for member in _MEMBERS:
                if member in body:
                    resource.body[member] = body[member]
            resource.body["properties"] = merged(resource.properties, given)
            call.cloud.touch()
            return resource

        return self._write(call, change, self.updated)

    def delete(self, call: Call) -> Response:
        gone = call.resource
        if gone is None:
            return Response.empty(204)
        if self.protocol is None or self.deleted == 200:
            call.cloud.remove(gone.id)
            return Response.empty(200)
        headers = call.accept(
            self.protocol,
            location=gone.body["location"],
            finish=lambda _: call.cloud.remove(gone.id),
            delete=True,
        )
        return Response.empty(202, headers)

    def render(self, call: Call, resource: Resource) -> Json:
        properties = {**self.defaults, **resource.properties, **self.computed(call, resource)}
        kept = {
            name: value
            for name, value in properties.items()
            if name not in _SECRETS
            and (value != {} or name in self.defaults)
            and self.since.get(name, "") <= call.api_version
        }
        kind = self.shown_type or resource.type
        identifier = resource.id.replace(f"/{self.name}/", f"/{kind}/", 1)
        head = {"id": identifier, "name": resource.name, "type": kind}
        head["location"] = self.location(resource.body["location"])
        if self.kind:
            head["kind"] = self.kind
        return head | {name: resource.body[name] for name in _MEMBERS if name in resource.body} | {"properties": kept}

    def types(self) -> tuple[ResourceType, ...]:
        own = ResourceType(
            name=self.name,
            api_versions=self.api_versions,
            put=self.put,
            patch=self.patch,
            delete=self.delete,
            render=self.render,
            tracked=self.name.count("/") == 1,
            private_link=self.link,
        )
        return (own, *(self.link.types(self.api_versions) if self.link is not None else ()))

    def _write(self, call: Call, change: Callable[[], Resource], status: int) -> Response:
        if self.protocol is None or status == 200:
            return Response.json(status, shown(call, change()))
        location = call.resource.body["location"] if call.resource else text_at(call.body(), "location") or ""
        if status == 201:  # visible at once, and busy
            resource = change()
            result = partial(shown, call, resource)
            headers = call.accept(self.protocol, location=location, root=resource.id, result=result)
            return Response.json(201, shown(call, resource), headers)

        def finish(_: datetime) -> None:
            change()

        headers = call.accept(self.protocol, location=location, finish=finish, result=partial(_result, call))
        if not self.accepted_body:
            return Response.empty(202, headers)
        body = {"operation": "UpsertLogicalServer", "startTime": call.now.isoformat()}
        return Response.json(202, body, headers)


def merged(old: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    base = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        else:
            base[name] = merged(base.get(name), value)
    return base


def _result(call: Call) -> Json | None:
    resource = call.resource
    return shown(call, resource) if resource is not None else None


def _assign_identity(call: Call, resource: Resource, before: Resource | None) -> None:
    identity = object_at(resource.body, "identity")
    if "SystemAssigned" in (text_at(identity, "type") or ""):
        known = (before.body.get("identity") or {}) if before is not None else {}
        principal = known.get("principalId") or call.cloud.guid()
        resource.body["identity"] = {**identity, "principalId": principal, "tenantId": call.cloud.tenant}


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
