"""App settings and the rest of a site's configuration."""

import pytest

from simulator import worlds
from simulator.cloud import Cloud
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app-flask"
VAULT = f"{GROUP}/Microsoft.KeyVault/vaults/kv-flask"
SECRET_URI = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/password/)"
BY_NAME = "@Microsoft.KeyVault(VaultName=kv-flask;SecretName=password)"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"), api_version="2025-05-01")


def operations(cloud: Cloud) -> list[tuple[str, str]]:
    records, _ = cloud.activities.since()
    return [(each.operation_name, each.resource_id.rpartition("/sites/")[2]) for each in records]


def test_a_write_of_settings_replaces_all_and_keeps_its_order(client: Client) -> None:
    written = client("PUT", f"{APP}/config/appsettings", {"properties": {"z": "1", "a": "2", "m": "3"}})
    assert written.status == 200
    assert list(written.body["properties"]) == ["z", "a", "m"]
    read = client("POST", f"{APP}/config/appsettings/list").body
    assert list(read["properties"]) == ["z", "a", "m"]


def test_settings_are_strings_whatever_was_sent(client: Client) -> None:
    client("PUT", f"{APP}/config/appsettings", {"properties": {"n": 1, "b": True, "none": None}})
    assert client("POST", f"{APP}/config/appsettings/list").body["properties"] == {"n": "1", "b": "true"}


def test_a_write_of_settings_is_the_operation_that_events_name(client: Client) -> None:
    client("PUT", f"{APP}/config/appsettings", {"properties": {}})
    client("POST", f"{APP}/config/appsettings/list")
    client("PATCH", f"{APP}/config/web", {"properties": {"alwaysOn": False}})
    assert operations(client.cloud) == [
        ("Microsoft.Web/sites/config/write", "app-flask/config/appsettings"),
        ("Microsoft.Web/sites/config/list/action", "app-flask/config/appsettings/list"),
        ("Microsoft.Web/sites/config/write", "app-flask/config/web"),
    ]


def test_config_web_shows_routing_and_integration_while_the_site_hides_them(client: Client) -> None:
    web = client("GET", f"{APP}/config/web").body
    assert web["name"] == "app-flask"
    assert web["properties"]["vnetRouteAllEnabled"] is True
    assert web["properties"]["vnetName"].endswith("_snet-appservice-integration")
    assert client("GET", APP).body["properties"]["siteConfig"]["vnetRouteAllEnabled"] is None


def test_what_a_site_put_configures_is_read_in_config_web(client: Client) -> None:
    client("PATCH", APP, {"properties": {"siteConfig": {"minTlsVersion": "1.3"}}})
    assert client("GET", f"{APP}/config/web").body["properties"]["minTlsVersion"] == "1.3"
    client("PATCH", f"{APP}/config/web", {"properties": {"minTlsVersion": None}})
    assert client("GET", f"{APP}/config/web").body["properties"]["minTlsVersion"] == "1.2"


def test_sticky_names_call_themselves_the_site(client: Client) -> None:
    client("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["A"]}})
    body = client("GET", f"{APP}/config/slotconfignames").body
    assert (body["id"], body["name"], body["type"]) == (None, "app-flask", "Microsoft.Web/sites")
    assert body["properties"]["appSettingNames"] == ["A"]


def test_a_dictionary_is_not_read_with_a_get(client: Client) -> None:
    assert client("GET", f"{APP}/config/appsettings").status == 405


def references(client: Client) -> dict[str, str]:
    found = client("GET", f"{APP}/config/configreferences/appsettings").body["value"]
    return {each["name"]: each["properties"]["status"] for each in found}


def test_a_reference_resolves_once_identity_vault_and_secret_are_there(client: Client) -> None:
    settings = {"PLAIN": "x", "URI": SECRET_URI, "NAMES": BY_NAME}
    client("PATCH", APP, {"identity": {"type": "None"}})
    client("PUT", f"{APP}/config/appsettings", {"properties": settings})
    assert references(client) == {"URI": "MSINotEnabled", "NAMES": "MSINotEnabled"}
    client("PATCH", APP, {"identity": {"type": "SystemAssigned"}})
    assert references(client) == {"URI": "SecretNotFound", "NAMES": "SecretNotFound"}
    secret = {"properties": {"value": "never shown"}, "location": "westeurope"}
    assert client("PUT", f"{VAULT}/secrets/password", secret, "2023-07-01").status == 200
    assert references(client) == {"URI": "Resolved", "NAMES": "Resolved"}
    one = client("GET", f"{APP}/config/configreferences/appsettings/URI").body["properties"]
    assert (one["vaultName"], one["secretName"]) == ("kv-flask", "password")


def test_a_closed_vault_needs_the_integration(client: Client) -> None:
    client("PUT", f"{VAULT}/secrets/password", {"properties": {}}, "2023-07-01")
    client("PATCH", APP, {"identity": {"type": "SystemAssigned"}})
    client("PUT", f"{APP}/config/appsettings", {"properties": {"URI": SECRET_URI}})
    client("DELETE", f"{APP}/networkConfig/virtualNetwork")
    assert references(client) == {"URI": "AccessToKeyVaultDenied"}
    client("PATCH", VAULT, {"properties": {"publicNetworkAccess": "Enabled"}}, "2023-07-01")
    assert references(client) == {"URI": "Resolved"}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("@Microsoft.KeyVault(nonsense)", "InvalidSyntax"),
        ("@Microsoft.KeyVault(VaultName=elsewhere;SecretName=password)", "VaultNotFound"),
    ],
)
def test_a_reference_that_cannot_resolve_says_why(client: Client, value: str, status: str) -> None:
    client("PATCH", APP, {"identity": {"type": "SystemAssigned"}})
    client("PUT", f"{APP}/config/appsettings", {"properties": {"KEY": value}})
    assert references(client) == {"KEY": status}
