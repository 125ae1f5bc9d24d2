"""VNet integration: two doors to one state, its traces on the subnet, and the four places of route-all."""

from typing import Any

import pytest

from simulator import worlds
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app-flask"
VNET = f"{GROUP}/Microsoft.Network/virtualNetworks/vnet-appservice"
SUBNET = f"{VNET}/subnets/snet-appservice-integration"
NEW, OLD, NETWORK = "2025-05-01", "2023-01-01", "2024-05-01"


@pytest.fixture
def client() -> Client:
    """The guide's world before step 2: the delegated subnet is there, nobody in it."""
    client = Client(worlds.create("prerequisites"), api_version=NEW)
    add_subnet(client, "snet-appservice-integration", "10.10.1.0/24")
    return client


def add_subnet(client: Client, name: str, prefix: str, *, delegated: bool = True) -> str:
    delegation = {"name": "0", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}
    body = {"properties": {"addressPrefix": prefix, "delegations": [delegation] if delegated else []}}
    assert client("PUT", f"{VNET}/subnets/{name}", body, NETWORK).status == 201
    return resource_id(client, f"{VNET}/subnets/{name}")


def resource_id(client: Client, path: str) -> str:
    return f"/subscriptions/{client.cloud.subscription}{path}"


def join(client: Client, subnet: str) -> Answer:
    return client("PUT", f"{APP}/networkConfig/virtualNetwork", {"properties": {"subnetResourceId": subnet}})


def properties(client: Client, version: str = NEW) -> dict[str, Any]:
    found: dict[str, Any] = client("GET", APP, api_version=version).body["properties"]
    return found


def test_both_doors_lead_to_one_state(client: Client) -> None:
    subnet = resource_id(client, SUBNET)
    client("PATCH", APP, {"properties": {"virtualNetworkSubnetId": subnet}})
    swift = client("GET", f"{APP}/networkConfig/virtualNetwork").body["properties"]
    assert swift == {"subnetResourceId": subnet, "swiftSupported": True}
    client("PATCH", APP, {"properties": {"virtualNetworkSubnetId": None}})
    assert join(client, subnet).status == 200
    assert properties(client)["virtualNetworkSubnetId"] == subnet


def test_connections_are_a_bare_array_named_after_vnet_and_subnet(client: Client) -> None:
    assert client("GET", f"{APP}/virtualNetworkConnections").body == []
    join(client, resource_id(client, SUBNET))
    guid = client("GET", VNET, api_version=NETWORK).body["properties"]["resourceGuid"]
    (connection,) = client("GET", f"{APP}/virtualNetworkConnections").body
    assert connection["name"] == f"{guid}_snet-appservice-integration"
    assert connection["properties"]["vnetResourceId"] == resource_id(client, SUBNET)
    assert connection["properties"]["isSwift"] is True


def test_joining_leaves_a_service_association_link_and_a_new_etag(client: Client) -> None:
    before = client("GET", VNET, api_version=NETWORK).body["etag"]
    join(client, resource_id(client, SUBNET))
    subnet = client("GET", SUBNET, api_version=NETWORK).body
    (link,) = subnet["properties"]["serviceAssociationLinks"]
    assert link["name"] == "AppServiceLink"
    assert link["properties"]["linkedResourceType"] == "Microsoft.Web/serverfarms"
    assert subnet["etag"] == client("GET", VNET, api_version=NETWORK).body["etag"] != before


def test_leaving_takes_the_link_away_and_keeps_route_all(client: Client) -> None:
    routing = {"applicationTraffic": True}
    changed = {"virtualNetworkSubnetId": resource_id(client, SUBNET), "outboundVnetRouting": routing}
    client("PUT", APP, {"location": "West Europe", "properties": changed})
    left = client("DELETE", f"{APP}/networkConfig/virtualNetwork")
    assert (left.status, left.body) == (200, b"")
    assert properties(client)["virtualNetworkSubnetId"] is None
    assert properties(client)["outboundVnetRouting"]["applicationTraffic"] is True
    assert not client("GET", SUBNET, api_version=NETWORK).body["properties"].get("serviceAssociationLinks")


def test_a_subnet_in_use_cannot_be_deleted_until_the_app_left(client: Client) -> None:
    join(client, resource_id(client, SUBNET))
    assert client("DELETE", SUBNET, api_version=NETWORK).status == 400
    client("DELETE", f"{APP}/networkConfig/virtualNetwork")
    assert client("DELETE", SUBNET, api_version=NETWORK).status == 202


def test_moving_to_another_subnet_frees_the_first(client: Client) -> None:
    second = add_subnet(client, "snet-second", "10.10.3.0/26")
    join(client, resource_id(client, SUBNET))
    join(client, second)
    assert properties(client)["virtualNetworkSubnetId"] == second
    assert client("DELETE", SUBNET, api_version=NETWORK).status == 202


def test_a_subnet_must_exist_be_delegated_and_large_enough(client: Client) -> None:
    missing = join(client, resource_id(client, f"{VNET}/subnets/nowhere"))
    assert (missing.status, missing.body["Code"]) == (404, "NotFound")
    bare = join(client, add_subnet(client, "snet-bare", "10.10.4.0/24", delegated=False))
    assert bare.status == 400
    assert "delegation" in bare.body["Message"]
    small = join(client, add_subnet(client, "snet-small", "10.10.5.0/29"))
    assert small.status == 400
    assert properties(client)["virtualNetworkSubnetId"] is None


def test_a_refused_put_of_a_new_site_leaves_nothing_behind(client: Client) -> None:
    subnet = add_subnet(client, "snet-bare", "10.10.4.0/24", delegated=False)
    body = {"location": "West Europe", "properties": {"virtualNetworkSubnetId": subnet}}
    assert client("PUT", f"{GROUP}/Microsoft.Web/sites/app-new", body).status == 400
    assert client("GET", f"{GROUP}/Microsoft.Web/sites/app-new").status == 404


def test_a_plan_joins_two_subnets_at_most(client: Client) -> None:
    plan = client("GET", APP).body["properties"]["serverFarmId"]
    answers = []
    for number in (1, 2, 3):
        subnet = add_subnet(client, f"snet-{number}", f"10.10.{10 + number}.0/24")
        body = {"location": "West Europe", "properties": {"serverFarmId": plan, "virtualNetworkSubnetId": subnet}}
        answers.append(client("PUT", f"{GROUP}/Microsoft.Web/sites/app-{number}", body).status)
    assert answers == [200, 200, 409]


def test_deleting_an_app_frees_its_subnet(client: Client) -> None:
    join(client, resource_id(client, SUBNET))
    client("DELETE", APP)
    assert client("DELETE", SUBNET, api_version=NETWORK).status == 202


def test_newer_versions_show_six_flags_and_older_ones_four(client: Client) -> None:
    client("PATCH", APP, {"properties": {"outboundVnetRouting": {"imagePullTraffic": True}}})
    new, old = properties(client), properties(client, OLD)
    assert new["outboundVnetRouting"] == {
        "allTraffic": False,
        "applicationTraffic": False,
        "contentShareTraffic": False,
        "imagePullTraffic": True,
        "backupRestoreTraffic": False,
        "managedIdentityTraffic": False,
    }
    assert "vnetRouteAllEnabled" not in new
    assert "outboundVnetRouting" not in old
    assert (old["vnetRouteAllEnabled"], old["vnetImagePullEnabled"]) == (False, True)


def test_route_all_switched_on_in_one_place_shows_in_the_others(client: Client) -> None:
    client("PATCH", f"{APP}/config/web", {"properties": {"vnetRouteAllEnabled": True}}, api_version=OLD)
    assert properties(client)["outboundVnetRouting"]["applicationTraffic"] is True
    assert properties(client, OLD)["vnetRouteAllEnabled"] is True
    client("PATCH", APP, {"properties": {"vnetRouteAllEnabled": False}}, api_version=OLD)
    assert client("GET", f"{APP}/config/web").body["properties"]["vnetRouteAllEnabled"] is False


@pytest.mark.parametrize(
    ("place", "body"),
    [
        (f"{APP}/config/web", {"vnetRouteAllEnabled": True}),
        (APP, {"vnetRouteAllEnabled": True}),
        (APP, {"siteConfig": {"vnetRouteAllEnabled": True}}),
    ],
)
def test_versions_with_the_new_flags_do_not_heed_the_older_ones(
    client: Client, place: str, body: dict[str, Any]
) -> None:
    assert client("PATCH", place, {"properties": body}).status == 200
    assert properties(client)["outboundVnetRouting"]["applicationTraffic"] is False


def test_the_legacy_setting_is_a_setting_and_moves_no_flag(client: Client) -> None:
    client("PUT", f"{APP}/config/appsettings", {"properties": {"WEBSITE_VNET_ROUTE_ALL": "1"}})
    assert properties(client)["outboundVnetRouting"]["applicationTraffic"] is False


def test_a_put_of_routing_replaces_its_flags_and_a_patch_merges_them(client: Client) -> None:
    client("PATCH", APP, {"properties": {"outboundVnetRouting": {"imagePullTraffic": True}}})
    client("PATCH", APP, {"properties": {"outboundVnetRouting": {"applicationTraffic": True}}})
    assert properties(client)["outboundVnetRouting"]["imagePullTraffic"] is True
    changed = {"location": "West Europe", "properties": {"outboundVnetRouting": {"applicationTraffic": True}}}
    client("PUT", APP, changed)
    assert properties(client)["outboundVnetRouting"]["imagePullTraffic"] is False
