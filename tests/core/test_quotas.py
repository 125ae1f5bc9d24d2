"""Which quotas a request draws on, as documented and as its answer says."""

import pytest

from homeostat.core.quotas import (
    ARM,
    NETWORK_READS,
    NETWORK_WRITES,
    PRIVATE_DNS_READS,
    QUERIES,
    RESOURCE_REQUESTS,
    SETTINGS,
    SITE_WRITES,
    Quota,
    draw_of,
    left_by,
    told_by,
)

pytestmark = pytest.mark.unit

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/app"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
READS, WRITES, DELETES = (ARM["subscription", kind] for kind in ("reads", "writes", "deletes"))


@pytest.mark.parametrize(
    ("method", "path", "quotas"),
    [
        ("GET", SITE, READS),
        ("HEAD", GROUP, READS),
        ("PUT", f"{SITE}/config/appsettings", WRITES),
        ("DELETE", f"{SITE}/networkConfig/virtualNetwork", DELETES),
        ("POST", f"{SITE}/config/appsettings/list", (SETTINGS,)),
        ("POST", f"{SITE}/slots/staging/config/APPSETTINGS/list", (SETTINGS,)),
        ("POST", f"{SITE}/config/connectionstrings/list", WRITES),
        ("PATCH", SITE, (SITE_WRITES,)),
        ("PUT", f"{SITE}/slots/staging", (SITE_WRITES,)),
        ("GET", f"{NETWORK}/networkSecurityGroups/nsg", (*READS, NETWORK_READS)),
        ("PUT", f"{NETWORK}/networkSecurityGroups/nsg/securityRules/rule", (*WRITES, NETWORK_WRITES)),
        ("DELETE", f"{NETWORK}/routeTables/table", (*DELETES, NETWORK_WRITES)),
        ("GET", f"{NETWORK}/privateDnsZones/zone/virtualNetworkLinks", (PRIVATE_DNS_READS,)),
        ("PUT", f"{NETWORK}/privateDnsZones/zone/A/record", (*WRITES, NETWORK_WRITES)),
        ("POST", "/providers/Microsoft.ResourceGraph/resources", (QUERIES,)),
        ("GET", "/tenants", ARM["tenant", "reads"]),
        ("GET", "", ARM["tenant", "reads"]),
    ],
)
def test_what_a_request_draws_on(method: str, path: str, quotas: tuple[Quota, ...]) -> None:
    draw = draw_of(method, path)
    assert draw.quotas == quotas
    assert draw.scope == (SUBSCRIPTION if path.startswith("/subscriptions") else "")


def test_requests_that_differ_in_names_and_case_alone_have_one_shape() -> None:
    shapes = {draw_of("GET", path).shape for path in (SITE, SITE.upper(), f"{SITE}2", SITE.replace("rg", "other"))}
    assert shapes == {"GET microsoft.web/sites"}


def test_headers_are_read_in_any_case_and_junk_in_them_is_not() -> None:
    headers = {
        "X-MS-RateLimit-Remaining-Subscription-Reads": "249",
        "x-ms-user-quota-remaining": "14",
        "x-ms-ratelimit-remaining-subscription-writes": "many",
        "x-ms-ratelimit-remaining-subscription-deletes": "9" * 400,
        "x-ms-request-id": "7",
    }
    assert dict(left_by(headers)) == {
        "x-ms-ratelimit-remaining-subscription-reads": 249,
        "x-ms-user-quota-remaining": 14,
        "x-ms-ratelimit-remaining-subscription-deletes": 1_000_000,
    }


def test_an_answer_that_names_another_bucket_moves_requests_of_that_shape_there() -> None:
    draw = draw_of("GET", f"{NETWORK}/networkSecurityGroups/nsg")
    moved = told_by(draw, draw.quotas, {RESOURCE_REQUESTS: 499})
    assert [(quota.name, quota.size) for quota in moved] == [
        ("requests: GET microsoft.network/networksecuritygroups", 500),
        ("network-reads", 10_000),
    ]


def test_an_answer_that_names_the_documented_bucket_again_moves_them_back() -> None:
    draw = draw_of("PATCH", SITE)
    moved = told_by(draw, draw.quotas, {WRITES[0].told: 199})
    assert moved == WRITES
    assert told_by(draw, moved, {RESOURCE_REQUESTS: 799}) == (SITE_WRITES,)


def test_the_quota_of_resource_graph_holds_whatever_else_an_answer_names() -> None:
    draw = draw_of("POST", "/providers/Microsoft.ResourceGraph/resources")
    assert told_by(draw, draw.quotas, {ARM["tenant", "reads"][0].told: 11_999}) == (QUERIES,)


def test_an_answer_that_names_the_bucket_that_was_thought_of_or_none_changes_nothing() -> None:
    draw = draw_of("GET", SITE)
    assert told_by(draw, READS, {}) == READS
    assert told_by(draw, READS, {READS[1].told: 16_499}) == READS
    assert told_by(draw, READS, {"x-ms-ratelimit-remaining-subscription-resource-entities-read": 60_000}) == READS
