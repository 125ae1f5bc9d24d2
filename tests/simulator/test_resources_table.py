"""Resource Graph's table `resources`: rows as it shows them, filters, scopes, pages and their limits."""

from typing import Any

import pytest

from homeostat.core.graph import RowQuery, TagCondition
from simulator import worlds
from simulator.cloud import HOMEOSTAT, subscription_ids
from simulator.providers import graph_rows, resourcegraph
from simulator.throttling import QUERIES
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

PATH = "/providers/Microsoft.ResourceGraph/resources"
SITES = ("microsoft.web/sites",)


@pytest.fixture(scope="module")
def cloud() -> Any:
    return worlds.create("fleet:60", subscriptions=2)


@pytest.fixture
def client(cloud: Any) -> Client:
    cloud.throttling.forget()  # a full quota
    return Client(cloud)


def ask(client: Client, query: RowQuery | str, **body: Any) -> Answer:
    text = query if isinstance(query, str) else query.text
    return client("POST", PATH, {"query": text, **body}, "2021-03-01")


def names(answer: Answer) -> list[str]:
    return [row["id"].rpartition("/")[2] for row in answer.body["data"]]


def inner_code(answer: Answer) -> str:
    assert answer.status == 400
    return str(answer.body["error"]["details"][0]["code"])


def test_a_fleet_is_spread_over_its_subscriptions(client: Client) -> None:
    first, second = subscription_ids(2)
    listed = client("GET", "/subscriptions").body["value"]
    assert [each["subscriptionId"] for each in listed] == [first, second]
    found = [len(names(ask(client, RowQuery(SITES, ("id",)), subscriptions=[each]))) for each in (first, second)]
    assert found == [35, 25]


def test_a_row_has_the_columns_of_the_table_and_the_body_of_a_read(client: Client) -> None:
    row = ask(client, RowQuery(SITES, tuple(sorted(graph_rows.COLUMNS)))).body["data"][0]
    body = client("GET", row["id"], api_version="2025-05-01").body
    assert row["type"] == "microsoft.web/sites"
    assert (row["location"], body["location"]) == ("westeurope", "West Europe")
    assert (row["resourceGroup"], row["subscriptionId"]) == ("rg-fleet-0001", client.cloud.subscription)
    assert (row["tags"], row["properties"]) == ({"homeostat": "prod"}, body["properties"])


@pytest.mark.parametrize(
    ("type_", "nested"),
    [
        ("microsoft.network/virtualnetworks", "subnets"),
        ("microsoft.network/networksecuritygroups", "securityRules"),
        ("microsoft.network/routetables", "routes"),
        ("microsoft.network/privateendpoints", "privateLinkServiceConnections"),
        ("microsoft.network/networkwatchers/flowlogs", "targetResourceId"),
        ("microsoft.network/privatednszones/virtualnetworklinks", "virtualNetwork"),
        ("microsoft.sql/servers", "publicNetworkAccess"),
        ("microsoft.keyvault/vaults", "vaultUri"),
        ("microsoft.cache/redis", "hostName"),
    ],
)
def test_nested_bodies_are_in_their_owners_row(client: Client, type_: str, nested: str) -> None:
    rows = ask(client, RowQuery((type_,), ("id", "properties"))).body["data"]
    assert rows
    assert all(row["properties"][nested] for row in rows)


@pytest.mark.parametrize(
    "type_",
    [
        "microsoft.network/privateendpoints/privatednszonegroups",
        "microsoft.network/privatednszones/a",
        "microsoft.network/virtualnetworks/subnets",
    ],
)
def test_zone_groups_records_and_subnets_have_no_rows(client: Client, type_: str) -> None:
    assert ask(client, RowQuery((type_,), ("id",))).body["data"] == []


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (TagCondition("Homeostat", ("prod",)), 60),
        (TagCondition("homeostat"), 60),
        (TagCondition("homeostat", ("test", "prod")), 60),
        (TagCondition("homeostat", ("Prod",)), 0),
        (TagCondition("it's", ("prod",)), 0),
    ],
)
def test_a_tags_name_is_found_in_any_case_and_its_value_exactly(
    client: Client, tag: TagCondition, expected: int
) -> None:
    assert ask(client, RowQuery(SITES, ("id",), tag=tag)).body["totalRecords"] == expected


def test_resource_groups_are_found_in_any_case(client: Client) -> None:
    query = RowQuery(SITES, ("id",), resource_groups=("RG-Fleet-0003",))
    assert names(ask(client, query)) == [f"app-{number:05}" for number in range(51, 61)]


ZONE = "privatelink.database.windows.net"
TYPES = ("microsoft.network/privatednszones", "microsoft.network/privatednszones/virtualnetworklinks")


def test_what_is_named_is_found_with_what_is_below_it_and_of_some_types_all() -> None:
    client = Client(worlds.create("fleet:25"))
    zone = ask(client, RowQuery(TYPES, ("id",), names=(ZONE.upper(),))).body["data"]
    assert [row["id"].partition("/privateDnsZones/")[2] for row in zone] == [
        ZONE,
        f"{ZONE}/virtualNetworkLinks/link-vnet-appservice",
    ]
    both = ask(client, RowQuery((*SITES, *TYPES), ("id",), names=(ZONE, "other"), any_name=SITES)).body["data"]
    assert len(both) == 25 + len(zone)


def test_pages_follow_one_another_in_the_order_of_ids(client: Client) -> None:
    query, found, token = RowQuery(SITES, ("id",)), [], ""
    while True:
        page = ask(client, query, options={"$top": 25, **({"$skipToken": token} if token else {})})
        found += names(page)
        assert page.body["totalRecords"] == 60
        token = page.body.get("$skipToken", "")
        if not token:
            break
    assert len(found) == len(set(found)) == 60


def test_a_token_belongs_to_its_query(client: Client) -> None:
    token = ask(client, RowQuery(SITES, ("id",)), options={"$top": 1}).body["$skipToken"]
    other = RowQuery(SITES, ("id", "name"))
    assert inner_code(ask(client, other, options={"$skipToken": token})) == "InvalidSkipToken"


def test_without_the_column_id_there_is_no_next_page(client: Client) -> None:
    assert "$skipToken" not in ask(client, RowQuery(SITES, ("name",)), options={"$top": 1}).body


def test_a_management_group_stands_for_the_subscriptions_below_it(client: Client) -> None:
    first, second = client.cloud.subscriptions
    client.cloud.management_groups["mg-shops"] = (second,)
    assert ask(client, RowQuery(SITES, ("id",)), managementGroups=["MG-Shops"]).body["totalRecords"] == 25
    both = ask(client, RowQuery(SITES, ("id",)), managementGroups=["mg-shops"], subscriptions=[first])
    assert inner_code(both) == "InvalidScope"


def test_an_answer_that_is_too_large_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resourcegraph, "MAX_PAYLOAD", 5_000)
    query = RowQuery(SITES, ("id",))
    assert inner_code(ask(client, query)) == "ResponsePayloadTooLarge"
    assert ask(client, query, options={"$top": 10}).status == 200


@pytest.mark.parametrize(
    "text",
    [
        "resources | where type == 'x'",
        "resources | where name =~ 'x'",
        "resources | where tag[0] =~ 'x'",
        "resources | project id, secret",
        "resources | where type in~ ('x",
        "advisorresources",
    ],
)
def test_what_is_not_understood_is_refused(client: Client, text: str) -> None:
    assert inner_code(ask(client, text)) == "InvalidQuery"


@pytest.mark.parametrize("top", [0, 1001])
def test_a_page_has_from_one_to_a_thousand_rows(client: Client, top: int) -> None:
    assert inner_code(ask(client, "resources | project id", options={"$top": top})) == "InvalidTop"


def test_the_table_draws_on_the_callers_quota(client: Client) -> None:
    client.caller = HOMEOSTAT
    answers = [ask(client, "resources | project id") for _ in range(QUERIES.size + 1)]
    assert [answer.status for answer in answers[-2:]] == [200, 429]
