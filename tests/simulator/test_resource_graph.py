"""Resource Graph's `resourcechanges`: a row for each change of a tracked resource, within a quota and a role."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from homeostat.azure.resource_graph import Question, query
from homeostat.core.ids import ResourceId
from simulator import worlds
from simulator.access import Role
from simulator.cloud import EPOCH, HOMEOSTAT, OPERATOR
from simulator.providers.resourcegraph import PERMISSION
from simulator.throttling import QUERIES
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

PATH = "/providers/Microsoft.ResourceGraph/resources"
GROUP = "/resourceGroups/rg-flask/providers"
NSG = f"{GROUP}/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
SITE = f"{GROUP}/Microsoft.Web/sites/app-flask"
ZONE = f"{GROUP}/Microsoft.Network/privateDnsZones/privatelink.database.windows.net"
RECORDED = Path(__file__).parents[3] / "shared" / "arm" / "recorded" / "resourcegraph"


@pytest.fixture
def client() -> Client:
    return Client(worlds.create("guide"))


def ask(client: Client, root: str, since: Any = EPOCH) -> Answer:
    id_ = ResourceId.parse(f"/subscriptions/{client.cloud.subscription}{root}")
    body = {"subscriptions": [client.cloud.subscription], "query": query([Question(id_, since)])}
    return client("POST", PATH, body, "2021-03-01")


def changes(client: Client, root: str) -> list[Any]:
    return [row["properties"] for row in ask(client, root).body["data"]]


def change_rule(client: Client, access: str = "Deny") -> None:
    rule = client("GET", f"{NSG}/securityRules/allow-sql").body
    body = {"properties": {**rule["properties"], "access": access}}
    assert client("PUT", f"{NSG}/securityRules/allow-sql", body).status < 300


def test_a_new_world_has_no_changes(client: Client) -> None:
    assert changes(client, NSG) == []


def test_a_rule_is_a_change_of_its_nsg_and_names_the_caller_and_the_operation(client: Client) -> None:
    change_rule(client)
    (change,) = changes(client, NSG)
    assert change["targetResourceId"].lower().endswith("/networksecuritygroups/nsg-appservice-integration")
    assert (change["changeType"], list(change["changes"])) == ("Update", ["properties.securityRules"])
    attributes = change["changeAttributes"]
    assert (attributes["changedBy"], attributes["changedByType"]) == (OPERATOR.upn, "User")
    assert (attributes["clientType"], attributes["changesCount"]) == ("Azure CLI", 1)
    assert attributes["operation"] == "microsoft.network/networksecuritygroups/securityrules/write"


def test_a_write_that_changes_nothing_leaves_no_row(client: Client) -> None:
    change_rule(client, "Allow")
    assert changes(client, NSG) == []


def test_app_settings_leave_no_row(client: Client) -> None:
    client("PUT", f"{SITE}/config/appsettings", {"properties": {"A": "b"}}, "2025-05-01")
    assert changes(client, SITE) == []


def test_a_link_has_rows_of_its_own_for_its_end_and_its_creation(client: Client) -> None:
    link = f"{ZONE}/virtualNetworkLinks/link-vnet-appservice"
    body = client("GET", link, api_version="2024-06-01").body
    client("DELETE", link, api_version="2024-06-01")
    client.now += timedelta(minutes=1)
    client("PUT", link, {"location": "global", "properties": body["properties"]}, "2024-06-01")
    found = [each for each in changes(client, ZONE) if "/virtualNetworkLinks/" in each["targetResourceId"]]
    assert [(each["changeType"], each["changeAttributes"]["changesCount"]) for each in found] == [
        ("Create", 0),
        ("Delete", 0),
    ]


def test_only_what_was_changed_since_is_told(client: Client) -> None:
    change_rule(client)
    assert ask(client, NSG, EPOCH + timedelta(seconds=1)).body["data"] == []
    client.now += timedelta(days=15)
    assert changes(client, NSG) == []


def test_of_several_roots_all_changes_are_told_the_newest_first(client: Client) -> None:
    change_rule(client)
    client.now += timedelta(minutes=1)
    client("DELETE", f"{ZONE}/virtualNetworkLinks/link-vnet-appservice", api_version="2024-06-01")
    roots = [ResourceId.parse(f"/subscriptions/{client.cloud.subscription}{root}") for root in (NSG, ZONE, SITE)]
    body = {"query": query([Question(root, EPOCH) for root in roots])}
    rows = client("POST", PATH, body, "2021-03-01").body["data"]
    types = [row["properties"]["targetResourceType"].rpartition("/")[2] for row in rows]
    assert types == ["virtualnetworklinks", "networksecuritygroups"]


def test_another_subscription_has_no_rows(client: Client) -> None:
    change_rule(client)
    id_ = ResourceId.parse(f"/subscriptions/{client.cloud.subscription}{NSG}")
    body = {"subscriptions": ["another"], "query": query([Question(id_, EPOCH)])}
    assert client("POST", PATH, body, "2021-03-01").body["data"] == []


@pytest.mark.parametrize("asked", ["", "resources | limit 1", "resourcechanges | limit 1", "resourcechanges", None, 7])
def test_a_query_of_another_shape_is_refused(client: Client, asked: Any) -> None:
    refused = client("POST", PATH, {"query": asked}, "2021-03-01")
    assert (refused.status, refused.body["error"]["code"]) == (400, "BadRequest")


def test_fifteen_queries_in_five_seconds_are_a_callers_quota(client: Client) -> None:
    left = [int(ask(client, NSG).headers["x-ms-user-quota-remaining"]) for _ in range(QUERIES.size)]
    assert left == list(range(QUERIES.size - 1, -1, -1))
    refused = ask(client, NSG)
    assert (refused.status, refused.body["error"]["code"]) == (429, "RateLimiting")
    assert refused.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    assert ask(Client(client.cloud, client.now, HOMEOSTAT), NSG).status == 200
    client.now += timedelta(seconds=5)
    assert ask(client, NSG).status == 200


def test_under_a_role_the_query_needs_its_permission(client: Client) -> None:
    client.caller = HOMEOSTAT
    client.cloud.role = Role(("microsoft.network/*",))
    assert ask(client, NSG).status == 403
    client.cloud.role = Role((PERMISSION.lower(),))
    assert ask(client, NSG).status == 200


def test_the_answer_has_the_members_and_headers_that_azure_was_recorded_with(client: Client) -> None:
    recordings = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("*.json"))]
    if not recordings:
        pytest.skip("the recorded answers of Resource Graph are not beside the checkout")
    answer = ask(client, NSG)
    for recorded in recordings:
        assert set(answer.body) == set(recorded["body"]) - {"$skipToken"}
        quota = {name for name in recorded["headers"] if name.startswith("x-ms-user-quota")}
        assert quota <= set(answer.headers)
