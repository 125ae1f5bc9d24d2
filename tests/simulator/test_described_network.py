"""Every answer of Microsoft.Network and private DNS on the guide's way fits Microsoft's own API descriptions."""

from collections.abc import Iterator
from typing import Any

import pytest

from simulator import worlds
from simulator.cloud import Cloud
from tests.simulator.descriptions import Descriptions
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.wire

_NETWORK = "network/resource-manager/Microsoft.Network/stable/2024-01-01"
_DNS = "privatedns/resource-manager/Microsoft.Network/stable/2024-06-01/privatedns.json"
_FILES = (
    "virtualNetwork",
    "networkSecurityGroup",
    "routeTable",
    "privateEndpoint",
    "networkWatcher",
    "networkInterface",
)


@pytest.fixture
def described() -> Descriptions:
    return Descriptions(*(f"{_NETWORK}/{name}.json" for name in _FILES), _DNS)


def version(path: str) -> str:
    return "2024-06-01" if "/privatednszones" in path.lower() else "2024-01-01"


def is_network(path: str) -> bool:
    return "/microsoft.network/" in path.lower()


def built() -> Iterator[tuple[str, str, Answer]]:
    """The world `guide` built once more, request by request."""
    client = Client(Cloud())
    site = worlds.Site(client.cloud.subscription, "flask", ("app-flask",))
    for path, body, usual in (*worlds.prerequisites(site), *worlds.guide(site)):
        answer = client("PUT", path, body, version(path) if is_network(path) else usual)
        yield "PUT", path, answer


def test_what_the_guide_creates_is_answered_as_described(described: Descriptions) -> None:
    problems: dict[str, Any] = {}
    for method, path, answer in built():
        assert answer.status < 300, answer.body
        if is_network(path):
            problems[path] = described.problems(method, path, answer.status, answer.body)
    assert {path: found for path, found in problems.items() if found} == {}
    assert len(problems) > 15


def test_every_resource_of_the_guide_reads_and_lists_as_described(described: Descriptions) -> None:
    client = Client(worlds.create("guide"))
    network = [each for each in client.cloud if is_network(each.id)]
    paths = {each.id for each in network} | {each.id.rpartition("/")[0] for each in network}
    for path in sorted(paths):
        answer = client("GET", path, api_version=version(path))
        assert answer.status == 200, path
        assert described.problems("GET", path, answer.status, answer.body) == [], path


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "networkSecurityGroups/absent", None),
        ("GET", "networkSecurityGroups/nsg-appservice-integration/securityRules/absent", None),
        ("PUT", "networkSecurityGroups/nsg-appservice-integration/securityRules/bad", {"properties": {"priority": 1}}),
        ("DELETE", "networkSecurityGroups/nsg-appservice-integration", None),
        ("DELETE", "virtualNetworks/vnet-appservice/subnets/snet-private-endpoints", None),
        ("DELETE", "privateDnsZones/privatelink.database.windows.net", None),
    ],
)
def test_refusals_have_the_described_shape(described: Descriptions, method: str, path: str, body: Any) -> None:
    client = Client(worlds.create("guide"))
    path = f"/subscriptions/{client.cloud.subscription}/resourceGroups/rg-flask/providers/Microsoft.Network/{path}"
    answer = client(method, path, body, version(path))
    assert answer.status >= 400
    assert described.problems(method, path, answer.status, answer.body) == []
