"""The simulated swap moves what Azure's moves, and takes its time to warm up.

https://learn.microsoft.com/azure/app-service/deploy-staging-slots
"""

from typing import Any

import pytest

from simulator.cloud import Cloud
from simulator.worlds import create
from tests.loop.stand import WEB_VERSION
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

APP = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask"
SLOT = f"{APP}/slots/staging"


@pytest.fixture
def cloud() -> Cloud:
    return create("guide")


@pytest.fixture
def client(cloud: Cloud) -> Client:
    """A client of an app and its slot, of which STAGE is sticky."""
    found = Client(cloud, api_version=WEB_VERSION)
    found("PUT", SLOT, {"location": "westeurope"})
    found("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["STAGE"]}})
    for site, stage in ((APP, "production"), (SLOT, "staging")):
        values = {"STAGE": stage, "MOVES": stage, "FUNCTIONS_EXTENSION_VERSION": stage}
        found("PUT", f"{site}/config/appsettings", {"properties": values})
    return found


def settings(client: Client, site: str) -> dict[str, str]:
    return dict(client("POST", f"{site}/config/appsettings/list").body["properties"])


def swap(client: Client, **options: Any) -> None:
    accepted = client("POST", f"{SLOT}/slotsswap", {"targetSlot": "production", **options})
    assert accepted.status == 202
    assert client("GET", accepted.headers["location"].partition(".com")[2].partition("?")[0]).status == 200


def swaps_into(client: Client) -> str | None:
    found: str | None = client("GET", SLOT).body["properties"]["targetSwapSlot"]
    return found


def test_sticky_settings_and_extension_versions_stay(client: Client) -> None:
    swap(client)
    staying = {"STAGE": "production", "FUNCTIONS_EXTENSION_VERSION": "production"}
    assert settings(client, APP) == {"MOVES": "staging", **staying}
    assert settings(client, SLOT) == {"MOVES": "production", **dict.fromkeys(staying, "staging")}


def test_a_completed_preview_ends_as_a_swap_without_one(client: Client) -> None:
    client("POST", f"{SLOT}/applySlotConfig", {"targetSlot": "production"})
    assert (settings(client, SLOT)["STAGE"], settings(client, SLOT)["MOVES"]) == ("production", "staging")
    assert swaps_into(client) == "production"
    swap(client)
    assert (settings(client, SLOT)["STAGE"], settings(client, SLOT)["MOVES"]) == ("staging", "production")
    assert swaps_into(client) is None


def test_what_is_set_during_a_preview_outlives_it(client: Client) -> None:
    client("POST", f"{SLOT}/applySlotConfig", {"targetSlot": "production"})
    client("PUT", f"{SLOT}/config/appsettings", {"properties": {**settings(client, SLOT), "LATE": "1"}})
    client("POST", f"{SLOT}/resetSlotConfig")
    assert (settings(client, SLOT)["STAGE"], settings(client, SLOT)["LATE"]) == ("staging", "1")
    assert swaps_into(client) is None


@pytest.mark.parametrize(
    ("options", "moves"), [({}, False), ({"preserveVnet": True}, False), ({"preserveVnet": False}, True)]
)
def test_the_integration_moves_only_where_it_is_not_to_be_preserved(
    client: Client, options: dict[str, bool], moves: bool
) -> None:
    subnet = client("GET", APP).body["properties"]["virtualNetworkSubnetId"]
    swap(client, **options)
    joined = [client("GET", site).body["properties"]["virtualNetworkSubnetId"] for site in (APP, SLOT)]
    assert joined == ([None, subnet] if moves else [subnet, None])
    links = client("GET", subnet, api_version="2024-05-01").body["properties"]["serviceAssociationLinks"]
    assert [link["name"] for link in links] == ["AppServiceLink"], "the subnet stays in use"
