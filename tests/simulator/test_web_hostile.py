"""Whatever a body holds, the answer is Azure's yes or no, and a refused write changes nothing."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import worlds
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

GROUP = "/resourceGroups/rg-flask/providers"
APP = f"{GROUP}/Microsoft.Web/sites/app-flask"
WRITES: tuple[tuple[str, str, Any], ...] = (
    (
        "PUT",
        APP,
        {
            "location": "westeurope",
            "kind": "app",
            "tags": {"a": "b"},
            "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/id": {}}},
            "properties": {
                "serverFarmId": "plan-flask",
                "virtualNetworkSubnetId": None,
                "outboundVnetRouting": {"applicationTraffic": True},
                "siteConfig": {
                    "appSettings": [{"name": "A", "value": "1"}],
                    "connectionStrings": [{"name": "A", "connectionString": "1", "type": "Custom"}],
                    "vnetRouteAllEnabled": True,
                    "minTlsVersion": "1.2",
                },
            },
        },
    ),
    ("PUT", f"{APP}/slots/stage", {"location": "westeurope", "properties": {"serverFarmId": "plan-flask"}}),
    ("PUT", f"{APP}/config/appsettings", {"properties": {"A": "1"}}),
    ("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["A"]}}),
    ("PATCH", f"{APP}/config/web", {"properties": {"appSettings": [{"name": "A", "value": "1"}], "alwaysOn": True}}),
    ("PUT", f"{APP}/networkConfig/virtualNetwork", {"properties": {"subnetResourceId": "/nowhere"}}),
    ("POST", f"{APP}/slotsswap", {"targetSlot": "stage", "preserveVnet": True}),
    (
        "PUT",
        f"{GROUP}/Microsoft.Web/serverfarms/plan-new",
        {
            "location": "westeurope",
            "kind": "linux",
            "sku": {"name": "P1v3", "capacity": 1},
            "properties": {"reserved": True},
        },
    ),
    (
        "PUT",
        f"{GROUP}/Microsoft.Sql/servers/sql-flask",
        {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {"administrators": {"a": "b"}},
        },
    ),
    ("PATCH", f"{GROUP}/Microsoft.KeyVault/vaults/kv-flask", {"properties": {"publicNetworkAccess": "Enabled"}}),
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a body can be corrupted: at each of its values."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in items:
        yield (*path, name)
        yield from places(value, (*path, name))


@st.composite
def corrupted(draw: st.DrawFn) -> tuple[str, str, Any]:
    method, path, body = draw(st.sampled_from(WRITES))
    body = deepcopy(body)
    *way, last = draw(st.sampled_from(list(places(body))))
    holder = body
    for step in way:
        holder = holder[step]
    holder[last] = draw(anything)
    return method, path, body


@settings(max_examples=300, deadline=None)
@given(corrupted())
def test_a_corrupted_body_is_answered_and_a_refusal_leaves_no_trace(write: tuple[str, str, Any]) -> None:
    client = Client(worlds.create("guide"), api_version="2025-05-01")
    before = worlds.dump(client.cloud)
    method, path, body = write
    version = {"Microsoft.Sql": "2021-11-01", "Microsoft.KeyVault": "2023-07-01"}
    answer = client(method, path, body, next((each for name, each in version.items() if name in path), None))
    assert answer.status < 500
    if answer.status >= 400:
        assert worlds.dump(client.cloud) == before
    else:
        assert client("GET", APP).status == 200
        assert client("POST", f"{APP}/config/appsettings/list").status == 200
        assert client("GET", f"{APP}/config/configreferences/appsettings").status == 200
