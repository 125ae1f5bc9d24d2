"""The simulator's quotas against the documented numbers."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from simulator import worlds
from simulator.clock import Clock
from simulator.cloud import HOMEOSTAT, OPERATOR, Cloud
from simulator.exchange import Exchanger
from simulator.messages import Request
from simulator.throttling import ARM, NETWORK_READS, PRIVATE_DNS_READS, SETTINGS
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.unit

GROUP = "/resourceGroups/rg-flask"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/app-flask"
LISTING = f"{SITE}/config/appsettings/list"
NSG = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
ZONE = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.database.windows.net"
WEB, DNS = "2025-05-01", "2024-06-01"


@pytest.fixture
def cloud() -> Cloud:
    cloud = worlds.create("guide")
    cloud.throttling.on = True
    return cloud


@pytest.fixture
def client(cloud: Cloud) -> Client:
    return Client(cloud)


def read(client: Client, path: str = SITE, version: str = WEB) -> Answer:
    return client("GET", path, api_version=version)


def left(answer: Answer, quota: str) -> int:
    return int(answer.headers[f"x-ms-ratelimit-remaining-{quota}"])


def test_without_the_option_nothing_is_refused_and_nothing_is_told_of() -> None:
    client = Client(worlds.create("guide"))
    answers = [read(client) for _ in range(300)]
    assert {answer.status for answer in answers} == {200}
    assert not [name for name in answers[-1].headers if "ratelimit" in name]


def test_of_reads_250_are_taken_at_once_and_25_more_each_second(client: Client) -> None:
    assert [read(client).status for _ in range(251)] == [200] * 250 + [429]
    client.now += timedelta(seconds=2)
    assert [read(client).status for _ in range(51)] == [200] * 50 + [429]


def test_of_writes_and_of_deletes_200_are_taken_at_once_and_10_more_each_second(client: Client) -> None:
    path = f"{SITE}/config/appsettings"
    for method, body in (("PUT", {"properties": {}}), ("DELETE", None)):
        client.now += timedelta(minutes=1)
        refused = [client(method, path, body, WEB).status == 429 for _ in range(201)]
        assert refused == [False] * 200 + [True], method
        client.now += timedelta(seconds=1)
        assert [client(method, path, body, WEB).status == 429 for _ in range(11)] == [False] * 10 + [True], method


def test_every_answer_tells_what_is_left_also_of_what_all_principals_share(client: Client) -> None:
    first, second = read(client), read(client)
    assert [left(each, "subscription-reads") for each in (first, second)] == [249, 248]
    assert [left(each, "subscription-global-reads") for each in (first, second)] == [3749, 3748]
    missing = read(client, f"{SITE}-that-is-not-there")
    assert (missing.status, left(missing, "subscription-reads")) == (404, 247)
    assert first.headers["x-ms-routing-request-id"].startswith("WESTEUROPE:")


def test_a_principal_another_subscription_and_another_region_have_buckets_of_their_own(cloud: Cloud) -> None:
    mine, theirs = Client(cloud, caller=OPERATOR), Client(cloud, caller=HOMEOSTAT)
    assert (left(read(mine), "subscription-reads"), left(read(theirs), "subscription-reads")) == (249, 249)
    assert left(read(mine), "subscription-global-reads") == 3747
    cloud.throttling.region = "NORTHEUROPE"
    elsewhere = read(mine)
    assert left(elsewhere, "subscription-reads") == 249
    assert elsewhere.headers["x-ms-routing-request-id"].startswith("NORTHEUROPE:")


def test_a_request_without_a_subscription_draws_on_the_tenant(client: Client) -> None:
    answer = client("GET", "/tenants", api_version="2022-12-01")
    assert (left(answer, "tenant-reads"), left(answer, "tenant-global-reads")) == (249, 3749)


def test_a_refusal_names_the_wait_and_an_early_retry_is_refused_again(client: Client) -> None:
    for _ in range(250):
        read(client)
    refused = read(client)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.body["error"]["code"] == "SubscriptionRequestsThrottled"
    assert refused.headers["x-ms-failure-cause"] == "gateway"
    client.now += timedelta(seconds=0.5)  # there are 12 tokens by now, and yet
    assert read(client).status == 429
    client.now += timedelta(seconds=1)
    assert read(client).status == 200


def test_listing_app_settings_draws_on_12000_an_hour_and_not_on_writes(client: Client, cloud: Cloud) -> None:
    answer = client("POST", LISTING, {}, WEB)
    assert left(answer, "subscription-resource-requests") == 11_999
    assert "x-ms-ratelimit-remaining-subscription-writes" not in answer.headers
    assert cloud.throttling.drawn(ARM["subscription", "writes"][0]) == 0
    assert cloud.throttling.drawn(SETTINGS) == 1


def test_patching_sites_draws_on_800_an_hour_and_is_refused_in_the_shape_of_its_provider(client: Client) -> None:
    answers = [client("PATCH", SITE, {"properties": {}}, WEB) for _ in range(801)]
    assert left(answers[0], "subscription-resource-requests") == 799
    assert [answer.status for answer in answers].count(429) == 1
    refused = answers[-1]
    assert (refused.body["Code"], refused.headers["retry-after"]) == ("429", "5")


def test_private_dns_takes_500_reads_in_five_minutes(client: Client, cloud: Cloud) -> None:
    for _ in range(10):
        read(client, ZONE, DNS)
    client.now += timedelta(seconds=100)
    answers = [read(client, ZONE, DNS) for _ in range(491)]
    assert left(answers[0], "subscription-resource-requests") == 489
    assert [answer.status for answer in answers] == [200] * 490 + [429]
    assert (answers[-1].body["error"]["code"], answers[-1].headers["retry-after"]) == (
        "ResourceRequestsThrottled",
        "200",
    )
    client.now += timedelta(seconds=200)
    assert [read(client, ZONE, DNS).status for _ in range(11)] == [200] * 10 + [429]
    assert cloud.throttling.drawn(PRIVATE_DNS_READS) == 510


def test_the_network_takes_1000_writes_in_five_minutes_of_all_principals_and_says_nothing_of_it(cloud: Cloud) -> None:
    client = Client(cloud)
    statuses = []
    for turn in range(1001):
        client.caller = (OPERATOR, HOMEOSTAT)[turn % 2]
        client.now += timedelta(seconds=0.1)
        statuses.append(client("DELETE", f"{NSG}/securityRules/not-there").status)
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]


def test_a_read_of_the_network_draws_on_arm_and_on_the_network(client: Client, cloud: Cloud) -> None:
    assert left(read(client, NSG, "2024-05-01"), "subscription-reads") == 249
    assert cloud.throttling.drawn(NETWORK_READS) == 1


def test_a_poll_of_an_operation_is_a_read(client: Client, cloud: Cloud) -> None:
    rule = {"properties": {
        "priority": 200, "direction": "Outbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
    }}  # fmt: skip
    put = client("PUT", f"{NSG}/securityRules/another", rule)
    poll = client("GET", put.headers["azure-asyncoperation"].partition("://")[2].partition("/")[2].join(("/", "")))
    assert (poll.status, cloud.throttling.drawn(ARM["subscription", "reads"][0])) == (200, 1)


async def test_the_admin_endpoint_tells_what_each_bucket_gave_and_refused(cloud: Cloud) -> None:
    client = Client(cloud)
    for _ in range(252):
        read(client)
    shown = await _asked(cloud, client.now, "/_simulator/throttling")
    reads = next(each for each in shown if each["quota"] == "subscription-reads")
    assert (reads["drawn"], reads["refused"], reads["region"]) == (250, 2, "WESTEUROPE")
    assert cloud.throttling.refused == 2


async def _asked(cloud: Cloud, now: datetime, path: str) -> Any:
    answer = await Exchanger(cloud, Clock(lambda: now, asyncio.sleep)).exchange(Request("GET", path))
    assert answer is not None
    return answer.parsed()
