"""Web apps and slots: what a write merges, what a read shows, what belongs to which api-version."""

from datetime import timedelta

import pytest

from simulator import worlds
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app-flask"
NEW, OLD = "2025-05-01", "2023-01-01"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("prerequisites"), api_version=NEW)


def settings(client: Client, site: str = APP) -> dict[str, str]:
    found: dict[str, str] = client("POST", f"{site}/config/appsettings/list").body["properties"]
    return found


def test_a_location_is_echoed_on_a_write_and_displayed_on_a_read(client: Client) -> None:
    assert client("PUT", APP, {"location": "westeurope"}).body["location"] == "westeurope"
    assert client("GET", APP).body["location"] == "West Europe"


def test_a_site_shows_about_a_hundred_properties_most_of_them_null(client: Client) -> None:
    properties = client("GET", APP).body["properties"]
    assert len(properties) > 95
    assert sum(value is None for value in properties.values()) > 40


def test_the_etag_is_a_header_and_is_quoted_by_older_versions_only(client: Client) -> None:
    new, old = client("GET", APP), client("GET", APP, api_version=OLD)
    assert old.headers["etag"] == f'"{new.headers["etag"]}"'
    assert "etag" not in new.body


def test_if_match_is_not_honoured(client: Client) -> None:
    body = {"properties": {"A": "1"}}
    assert client("PUT", f"{APP}/config/appsettings", body, headers={"If-Match": '"stale"'}).status == 200


def test_a_write_changes_the_etag(client: Client) -> None:
    before = client("GET", APP).headers["etag"]
    client.now += timedelta(seconds=1)
    client("PATCH", APP, {"properties": {"httpsOnly": False}})
    assert client("GET", APP).headers["etag"] != before


def test_a_put_without_settings_leaves_them_and_one_with_them_replaces_all(client: Client) -> None:
    client("PUT", APP, {"location": "West Europe", "properties": {"siteConfig": {"alwaysOn": False}}})
    assert settings(client).keys() == {"EXTRA_SETTING", "DB_PASSWORD"}
    config = {"appSettings": [{"name": "ONLY", "value": "this"}]}
    client("PUT", APP, {"location": "West Europe", "properties": {"siteConfig": config}})
    assert settings(client) == {"ONLY": "this"}


def test_a_patch_merges_properties_and_replaces_tags(client: Client) -> None:
    client("PATCH", APP, {"tags": {"a": "1"}})
    client("PATCH", APP, {"tags": {"b": "2"}, "properties": {"httpsOnly": False}})
    body = client("GET", APP).body
    assert body["tags"] == {"b": "2"}
    assert body["properties"]["httpsOnly"] is False
    assert body["properties"]["serverFarmId"].endswith("/plan-flask")


def test_a_system_assigned_identity_lives_and_never_returns_the_same(client: Client) -> None:
    def assign(kind: str) -> str | None:
        client("PATCH", APP, {"identity": {"type": kind}})
        found: str | None = client("GET", APP).body.get("identity", {}).get("principalId")
        return found

    first = assign("SystemAssigned")
    assert first == assign("SystemAssigned")
    assert assign("None") is None
    assert assign("SystemAssigned") not in {None, first}


def test_a_slot_is_an_app_with_names_of_its_own(client: Client) -> None:
    client("PUT", f"{APP}/slots/stage", {"location": "West Europe"})
    body = client("GET", f"{APP}/slots/stage").body
    assert body["name"] == "app-flask/stage"
    assert body["type"] == "Microsoft.Web/sites/slots"
    assert body["properties"]["defaultHostName"] == "app-flask-stage.azurewebsites.net"
    assert body["properties"]["serverFarmId"].endswith("/plan-flask")
    client("PUT", f"{APP}/slots/stage/config/appsettings", {"properties": {"STAGE": "1"}})
    assert settings(client, f"{APP}/slots/stage") == {"STAGE": "1"}
    assert settings(client).keys() == {"EXTRA_SETTING", "DB_PASSWORD"}
    assert [each["name"] for each in client("GET", f"{APP}/slots").body["value"]] == ["app-flask/stage"]


def test_a_swap_moves_settings_but_for_the_sticky_ones(client: Client) -> None:
    client("PUT", f"{APP}/slots/stage", {"location": "West Europe"})
    client("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["STAYS"]}})
    client("PUT", f"{APP}/config/appsettings", {"properties": {"MOVES": "production", "STAYS": "production"}})
    client("PUT", f"{APP}/slots/stage/config/appsettings", {"properties": {"MOVES": "stage", "STAYS": "stage"}})
    accepted = client("POST", f"{APP}/slotsswap", {"targetSlot": "stage", "preserveVnet": True})
    assert accepted.status == 202
    assert client("GET", accepted.headers["location"].partition(".com")[2].partition("?")[0]).status == 200
    assert settings(client) == {"MOVES": "stage", "STAYS": "production"}
    assert settings(client, f"{APP}/slots/stage") == {"MOVES": "production", "STAYS": "stage"}


def test_a_swap_with_preview_can_be_taken_back(client: Client) -> None:
    client("PUT", f"{APP}/slots/stage", {"location": "West Europe"})
    client("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["STAYS"]}})
    client("PUT", f"{APP}/config/appsettings", {"properties": {"STAYS": "production"}})
    client("PUT", f"{APP}/slots/stage/config/appsettings", {"properties": {"STAYS": "stage"}})
    client("POST", f"{APP}/slots/stage/applySlotConfig", {"targetSlot": "production"})
    assert settings(client, f"{APP}/slots/stage") == {"STAYS": "production"}
    client("POST", f"{APP}/slots/stage/resetSlotConfig")
    assert settings(client, f"{APP}/slots/stage") == {"STAYS": "stage"}


def test_a_name_is_unique_in_the_world(client: Client) -> None:
    other = "/resourceGroups/NetworkWatcherRG/providers/Microsoft.Web/sites/app-flask"
    refused = client("PUT", other, {"location": "West Europe"})
    assert (refused.status, refused.body["Code"]) == (409, "Conflict")
    path = f"/subscriptions/{client.cloud.subscription}/providers/Microsoft.Web/checknameavailability"
    assert client("POST", path, {"name": "app-flask", "type": "Site"}).body["nameAvailable"] is False


def test_deleting_the_last_app_takes_its_plan_unless_it_is_to_be_kept(client: Client) -> None:
    plan = f"{GROUP}/Microsoft.Web/serverfarms/plan-flask"
    assert client("DELETE", plan).status == 409
    assert client("DELETE", f"{APP}?deleteemptyserverfarm=false").status == 200
    assert client("GET", plan).status == 200
    client("PUT", APP, {"location": "West Europe", "properties": {"serverFarmId": client("GET", plan).body["id"]}})
    assert client("DELETE", APP).status == 200
    assert client("GET", plan).status == 404
    assert client("DELETE", APP).status == 204


def test_a_missing_site_is_arms_404_and_an_unknown_config_is_the_providers(client: Client) -> None:
    gone = client("GET", f"{GROUP}/Microsoft.Web/sites/nobody")
    assert (gone.status, gone.body["error"]["code"]) == (404, "ResourceNotFound")
    unknown = client("GET", f"{APP}/config/nothing")
    assert (unknown.status, unknown.body["Code"]) == (404, "NotFound")
    assert set(unknown.body) == {"Code", "Message", "Target", "Details", "Innererror"}


def test_stopping_shows_in_the_state(client: Client) -> None:
    client("POST", f"{APP}/stop")
    assert client("GET", APP).body["properties"]["state"] == "Stopped"
    client("POST", f"{APP}/start")
    assert client("GET", APP).body["properties"]["state"] == "Running"


def test_reading_changes_nothing(client: Client) -> None:
    before = worlds.dump(client.cloud)
    for path in ("", "/config", "/config/web", "/config/slotConfigNames", "/networkConfig/virtualNetwork", "/slots"):
        assert client("GET", f"{APP}{path}").status == 200
    for name in ("appsettings", "connectionstrings", "metadata"):
        assert client("POST", f"{APP}/config/{name}/list").status == 200
    assert worlds.dump(client.cloud) == before
