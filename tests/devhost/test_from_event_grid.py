"""A write in the simulated Azure reaches a function: Event Grid's half and the host's half, fitted together."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from devhost.host import Host
from simulator import worlds
from simulator.clock import wall_clock
from simulator.cloud import Cloud, Timing
from simulator.delivery import Options
from tests.devhost.conftest import seen_by
from tests.simulator.webhook import delivering, until
from tests.support.simulation import Answer, Client

pytestmark = pytest.mark.host
_NSG = "/resourceGroups/rg-flask/providers/Microsoft.Network/networkSecurityGroups/nsg-one"


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    cloud = worlds.create("prerequisites", timing=Timing(retry_after=0), now=wall_clock().now())
    async with delivering(cloud, Options(time_scale=0.05)):
        yield cloud


def _arm(cloud: Cloud, method: str, path: str, body: Any = None, version: str = "2025-02-15") -> Answer:
    return Client(cloud, wall_clock().now())(method, path, body, version)


async def _subscribe(cloud: Cloud, url: str, schema: str) -> None:
    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.EventGrid/eventSubscriptions/homeostat"
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    created = _arm(cloud, "PUT", path, {"properties": {"destination": destination, "eventDeliverySchema": schema}})
    assert created.status == 201
    await until(lambda: _arm(cloud, "GET", path).body["properties"]["provisioningState"] == "Succeeded")


@pytest.mark.parametrize(
    ("function", "schema"), [("on_event", "EventGridSchema"), ("on_cloud_event", "CloudEventSchemaV1_0")]
)
async def test_a_write_through_arm_runs_the_function(
    host: Host, cloud: Cloud, client: aiohttp.ClientSession, function: str, schema: str
) -> None:
    await _subscribe(cloud, host.function_url(function), schema)
    assert _arm(cloud, "PUT", _NSG, {"location": "westeurope"}, "2024-05-01").status == 201

    def about_the_nsg(seen: list[dict[str, Any]]) -> bool:
        return any(each["function"] == function and each["subject"].endswith("/nsg-one") for each in seen)

    await seen_by(host, client, about_the_nsg)


async def test_a_wrong_key_fails_the_handshake(host: Host, cloud: Cloud) -> None:
    url = host.function_url("on_event").replace("code=", "code=wrong")
    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.EventGrid/eventSubscriptions/homeostat"
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    assert _arm(cloud, "PUT", path, {"properties": {"destination": destination}}).status == 201
    await until(lambda: _arm(cloud, "GET", path).status == 404)
