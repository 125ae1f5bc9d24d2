"""The clouds that a simulator starts with."""

import json
from pathlib import Path

import pytest

from simulator import worlds
from simulator.cloud import Cloud
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
SUBNET = f"{GROUP}/Microsoft.Network/virtualNetworks/vnet-appservice/subnets/snet-appservice-integration"
SITE = f"{GROUP}/Microsoft.Web/sites/app-flask"


def test_before_the_guide_the_app_is_not_integrated() -> None:
    client = Client(worlds.create("prerequisites"))
    assert client("GET", SITE, api_version="2024-04-01").body["properties"]["virtualNetworkSubnetId"] is None
    assert client("GET", SUBNET).status == 404


def test_after_the_guide_everything_is_there_and_has_settled() -> None:
    client = Client(worlds.create("guide"))
    assert client.cloud.activities.since()[0] == []
    settings = client("POST", f"{SITE}/config/appsettings/list", api_version="2024-04-01").body["properties"]
    assert settings["REDIS_PORT"] == "6380"
    assert settings["EXTRA_SETTING"] == "keep"
    joined = client("GET", SITE, api_version="2024-04-01").body["properties"]["virtualNetworkSubnetId"]
    assert joined.lower().endswith(SUBNET.lower())
    assert {each.provisioning for each in client.cloud} == {"Succeeded"}


def test_the_apps_of_a_fleet_share_networks() -> None:
    cloud = worlds.create("fleet:30")
    assert len(cloud.of_type("Microsoft.Web/sites")) == 30
    assert len(cloud.of_type("Microsoft.Network/virtualNetworks")) == 2


def test_a_dumped_world_loads_as_it_was(tmp_path: Path) -> None:
    before = worlds.create("guide")
    file = tmp_path / "world.json"
    file.write_text(json.dumps(worlds.dump(before)))
    after = worlds.create(str(file))
    assert worlds.dump(after) == worlds.dump(before)
    assert Client(after)("GET", SUBNET).body == Client(before)("GET", SUBNET).body


@pytest.mark.parametrize("name", ["atlantis", "fleet:none", "fleet:0"])
def test_an_unknown_world_is_said_to_be_so(name: str) -> None:
    with pytest.raises(worlds.WorldError, match=name):
        worlds.create(name)


@pytest.mark.parametrize("document", [b"{", b"[]", b'{"resources": [{}]}', b'{"resources": [{"id": 1}]}'])
def test_a_malformed_dump_changes_nothing(document: bytes) -> None:
    cloud: Cloud = worlds.create("guide")
    before = worlds.dump(cloud)
    with pytest.raises(worlds.WorldError, match="not a world"):
        worlds.load(cloud, document)
    assert worlds.dump(cloud) == before
