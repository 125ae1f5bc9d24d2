"""SQL servers, key vaults, Redis caches and storage accounts, as far as private endpoints and firewalls go."""

from typing import Any

import pytest

from simulator import worlds
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
SQL = f"{GROUP}/Microsoft.Sql/servers/sql-flask"
VAULT = f"{GROUP}/Microsoft.KeyVault/vaults/kv-flask"
REDIS = f"{GROUP}/Microsoft.Cache/redis/redis-flask"
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/stflask"
VERSIONS = {SQL: "2021-11-01", VAULT: "2023-07-01", REDIS: "2024-03-01", STORAGE: "2023-05-01"}
ENDPOINTS = {SQL: "pe-sql", VAULT: "pe-keyvault", REDIS: "pe-redis"}

everywhere = pytest.mark.parametrize("backend", VERSIONS)
behind_endpoints = pytest.mark.parametrize("backend", ENDPOINTS)


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"))


def connections(client: Client, backend: str) -> list[dict[str, Any]]:
    path = f"{backend}/privateEndpointConnections"
    found: list[dict[str, Any]] = client("GET", path, api_version=VERSIONS[backend]).body["value"]
    return found


def endpoint_status(client: Client, backend: str) -> str:
    endpoint = client("GET", f"{GROUP}/Microsoft.Network/privateEndpoints/{ENDPOINTS[backend]}").body["properties"]
    found: str = endpoint["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"][
        "status"
    ]
    return found


def decide(client: Client, backend: str, status: str) -> int:
    (connection,) = connections(client, backend)
    state = {"privateLinkServiceConnectionState": {"status": status, "description": "by hand"}}
    return client("PUT", connection["id"], {"properties": state}, VERSIONS[backend]).status


@everywhere
def test_public_access_is_patched_and_read_back(client: Client, backend: str) -> None:
    version = VERSIONS[backend]
    changed = client("PATCH", backend, {"properties": {"publicNetworkAccess": "Enabled"}}, version)
    assert changed.status in {200, 202}
    assert client("GET", backend, api_version=version).body["properties"]["publicNetworkAccess"] == "Enabled"


@everywhere
def test_no_backend_has_an_etag(client: Client, backend: str) -> None:
    answer = client("GET", backend, api_version=VERSIONS[backend])
    assert "etag" not in answer.headers
    assert "etag" not in answer.body


@everywhere
def test_a_deleted_backend_is_gone_and_may_be_deleted_again(client: Client, backend: str) -> None:
    version = VERSIONS[backend]
    assert client("DELETE", backend, api_version=version).status in {200, 202}
    assert client("GET", backend, api_version=version).status == 404
    assert client("DELETE", backend, api_version=version).status == 204


@behind_endpoints
def test_an_endpoint_makes_an_approved_connection(client: Client, backend: str) -> None:
    (connection,) = connections(client, backend)
    assert connection["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved"
    assert connection["properties"]["privateEndpoint"]["id"].endswith(ENDPOINTS[backend])
    (shown,) = client("GET", backend, api_version=VERSIONS[backend]).body["properties"]["privateEndpointConnections"]
    assert shown["id"] == connection["id"]


@behind_endpoints
def test_what_the_backend_decides_shows_on_the_endpoint(client: Client, backend: str) -> None:
    assert decide(client, backend, "Rejected") in {200, 202}
    assert endpoint_status(client, backend) == "Rejected"
    decide(client, backend, "Approved")
    assert endpoint_status(client, backend) == "Approved"


@behind_endpoints
def test_a_connection_deleted_on_the_backend_disconnects_the_endpoint(client: Client, backend: str) -> None:
    (connection,) = connections(client, backend)
    assert client("DELETE", connection["id"], api_version=VERSIONS[backend]).status in {200, 202}
    assert connections(client, backend) == []
    assert endpoint_status(client, backend) == "Disconnected"


def test_an_endpoint_deleted_takes_its_connection_along(client: Client) -> None:
    client("DELETE", f"{GROUP}/Microsoft.Network/privateEndpoints/pe-sql")
    assert connections(client, SQL) == []


def test_an_unknown_decision_is_refused(client: Client) -> None:
    assert decide(client, VAULT, "Perhaps") == 400


@pytest.mark.parametrize(
    ("backend", "group", "zone"),
    [
        (SQL, "sqlServer", "privatelink.database.windows.net"),
        (VAULT, "vault", "privatelink.vaultcore.azure.net"),
        (REDIS, "redisCache", "privatelink.redis.cache.windows.net"),
        (STORAGE, "blob", "privatelink.blob.core.windows.net"),
    ],
)
def test_link_resources_name_the_group_and_its_zone(client: Client, backend: str, group: str, zone: str) -> None:
    value = client("GET", f"{backend}/privateLinkResources", api_version=VERSIONS[backend]).body["value"]
    (found,) = [each["properties"] for each in value if each["properties"]["groupId"] == group]
    assert found["requiredZoneNames"] == [zone]


def test_a_sql_server_is_written_by_a_long_operation_with_both_headers(client: Client) -> None:
    answer = client("PATCH", SQL, {"properties": {"publicNetworkAccess": "Enabled"}}, VERSIONS[SQL])
    assert answer.status == 202
    assert answer.body["operation"] == "UpsertLogicalServer"
    assert "/serverAzureAsyncOperation/" in answer.headers["azure-asyncoperation"]
    assert "/serverOperationResults/" in answer.headers["location"]
    poll = client("GET", answer.headers["azure-asyncoperation"].partition(".com")[2].partition("?")[0])
    assert poll.body["status"] == "Succeeded"


def test_old_versions_do_not_know_public_access(client: Client) -> None:
    assert "publicNetworkAccess" not in client("GET", SQL, api_version="2015-05-01-preview").body["properties"]
    assert "publicNetworkAccess" not in client("GET", REDIS, api_version="2018-03-01").body["properties"]


def test_a_password_is_taken_and_never_shown(client: Client) -> None:
    body = {"location": "westeurope", "properties": {"administratorLogin": "a", "administratorLoginPassword": "secret"}}
    client("PUT", f"{GROUP}/Microsoft.Sql/servers/sql-new", body, VERSIONS[SQL])
    shown = client("GET", f"{GROUP}/Microsoft.Sql/servers/sql-new", api_version=VERSIONS[SQL]).body["properties"]
    assert shown["administratorLogin"] == "a"
    assert "administratorLoginPassword" not in shown


def test_redis_spells_its_type_and_place_in_its_own_way(client: Client) -> None:
    body = client("GET", REDIS, api_version=VERSIONS[REDIS]).body
    assert (body["type"], body["location"]) == ("Microsoft.Cache/Redis", "West Europe")
    assert client("GET", VAULT, api_version=VERSIONS[VAULT]).body["location"] == "westeurope"
