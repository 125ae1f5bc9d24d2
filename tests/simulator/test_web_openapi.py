"""What Microsoft.Web and the backends answer, against Azure's own API descriptions."""

from typing import Any

import pytest

from simulator import worlds
from tests.simulator.descriptions import Descriptions
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app-flask"
PLAN = f"{GROUP}/Microsoft.Web/serverfarms/plan-flask"
SQL = f"{GROUP}/Microsoft.Sql/servers/sql-flask"
VAULT = f"{GROUP}/Microsoft.KeyVault/vaults/kv-flask"
REDIS = f"{GROUP}/Microsoft.Cache/redis/redis-flask"

_WEB = "web/resource-manager/Microsoft.Web/stable/2023-12-01"
_SQL = "sql/resource-manager/Microsoft.Sql/stable/2021-11-01"
VERSIONS = {"Microsoft.Web": "2023-12-01", "Microsoft.Sql": "2021-11-01"}
VERSIONS |= {"Microsoft.KeyVault": "2023-07-01", "Microsoft.Cache": "2024-03-01"}
FILES = (
    f"{_WEB}/WebApps.json",
    f"{_WEB}/AppServicePlans.json",
    f"{_SQL}/Servers.json",
    f"{_SQL}/PrivateEndpointConnections.json",
    "keyvault/resource-manager/Microsoft.KeyVault/stable/2023-07-01/keyvault.json",
    "redis/resource-manager/Microsoft.Cache/stable/2024-03-01/redis.json",
)

CASES: tuple[tuple[str, str, Any], ...] = (
    ("GET", APP, None),
    ("GET", f"{GROUP}/Microsoft.Web/sites", None),
    ("PUT", APP, {"location": "West Europe", "properties": {"httpsOnly": True}}),
    ("PATCH", APP, {"properties": {"httpsOnly": False}}),
    ("DELETE", APP, None),
    ("GET", f"{APP}/config", None),
    ("GET", f"{APP}/config/web", None),
    ("PATCH", f"{APP}/config/web", {"properties": {"alwaysOn": True}}),
    ("POST", f"{APP}/config/appsettings/list", None),
    ("PUT", f"{APP}/config/appsettings", {"properties": {"A": "1"}}),
    ("POST", f"{APP}/config/connectionstrings/list", None),
    ("GET", f"{APP}/config/slotConfigNames", None),
    ("GET", f"{APP}/config/configreferences/appsettings", None),
    ("GET", f"{APP}/networkConfig/virtualNetwork", None),
    ("DELETE", f"{APP}/networkConfig/virtualNetwork", None),
    ("GET", f"{APP}/virtualNetworkConnections", None),
    ("POST", f"{APP}/restart", None),
    ("PUT", f"{APP}/slots/stage", {"location": "West Europe"}),
    ("GET", PLAN, None),
    ("GET", SQL, None),
    ("GET", f"{SQL}/privateEndpointConnections", None),
    ("GET", VAULT, None),
    ("PATCH", VAULT, {"properties": {"publicNetworkAccess": "Enabled"}}),
    ("GET", f"{VAULT}/privateLinkResources", None),
    ("GET", REDIS, None),
    ("PATCH", REDIS, {"properties": {"publicNetworkAccess": "Enabled"}}),
    ("GET", f"{REDIS}/privateEndpointConnections", None),
)


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"))


@pytest.fixture(scope="module")
def described() -> Descriptions:
    return Descriptions(*FILES)


def without_nulls(value: Any) -> Any:
    """Azure answers null where a property is not set, for which the descriptions have no word."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("method", "path", "body"), CASES)
def test_an_answer_is_as_described(client: Client, described: Descriptions, method: str, path: str, body: Any) -> None:
    version = next(each for namespace, each in VERSIONS.items() if f"/{namespace}/" in path)
    answer = client(method, path, body, version)
    received = without_nulls(answer.body) or None
    full = f"/subscriptions/{client.cloud.subscription}{path}"
    assert described.problems(method, full, answer.status, received) == []


def test_a_wrong_type_and_an_unknown_status_are_noticed(client: Client, described: Descriptions) -> None:
    body = without_nulls(client("GET", APP, api_version="2023-12-01").body)
    full = f"/subscriptions/{client.cloud.subscription}{APP}"
    assert "status 218" in described.problems("GET", full, 218, body)[0]
    body["properties"]["httpsOnly"] = "yes"
    assert described.problems("GET", full, 200, body) == ["$.properties.httpsOnly: 'yes' is not of type 'boolean'"]
