"""A deployment runs for a while and ends; its group's listing can be asked for those that run."""

from datetime import timedelta
from typing import Any

import pytest

from simulator import worlds
from simulator.cloud import EPOCH, Timing
from tests.support.simulation import Client

pytestmark = pytest.mark.unit

LIST = "/resourceGroups/rg-flask/providers/Microsoft.Resources/deployments"
RUNNING = f"{LIST}?$filter=provisioningState eq 'Running'"
EMPTY: Any = {"properties": {"mode": "Incremental", "template": {"resources": []}}}


def client() -> Client:
    cloud = worlds.create("prerequisites", timing=Timing(operation_seconds=60), now=EPOCH)
    return Client(cloud, EPOCH, api_version="2021-04-01")


def names(azure: Client, path: str) -> list[str]:
    return [each["name"] for each in azure("GET", path).body["value"]]


def test_a_deployment_is_listed_as_running_until_its_operation_ends() -> None:
    azure = client()
    begun = azure("PUT", f"{LIST}/release", EMPTY)
    assert (begun.status, begun.body["properties"]["provisioningState"]) == (201, "Running")
    assert names(azure, RUNNING) == ["release"]
    azure.now += timedelta(seconds=61)
    assert names(azure, RUNNING) == []
    (ended,) = azure("GET", LIST).body["value"]
    assert ended["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    "properties", [{"mode": "Complete", "template": {}}, {"mode": "Incremental", "template": {"resources": [{}]}}, {}]
)
def test_what_would_do_more_than_wait_is_refused(properties: Any) -> None:
    assert client()("PUT", f"{LIST}/release", {"properties": properties}).status == 400


def test_a_filter_that_is_not_simulated_is_refused_and_not_ignored() -> None:
    assert client()("GET", f"{LIST}?$filter=name eq 'x'").status == 400
