"""A simulated cloud that is not the public one: its names, its authority, and tokens that are not its own."""

from typing import Any
from urllib.parse import urlencode

import pytest

from simulator import identity, worlds
from simulator.clock import Clock
from simulator.cloud import EPOCH, HOMEOSTAT, PLACES, PUBLIC, Cloud
from simulator.exchange import Exchanger
from simulator.messages import Headers, Request
from simulator.places import GOVERNMENT

pytestmark = pytest.mark.wire

GROUP = f"/subscriptions/{GOVERNMENT.subscription}/resourceGroups/rg-flask/providers"


async def no_sleep(_: float) -> None:
    """Nothing here waits."""


async def ask(cloud: Cloud, path: str, token: str) -> Any:
    exchanger = Exchanger(cloud, Clock(lambda: EPOCH, no_sleep))
    headers = Headers({"authorization": f"Bearer {token}"})
    answer = await exchanger.exchange(Request("GET", path, {"api-version": "2024-06-01"}, headers))
    assert answer is not None
    return answer.parsed()


async def authority(cloud: Cloud, tenant: str, **form: str) -> Any:
    exchanger = Exchanger(cloud, Clock(lambda: EPOCH, no_sleep))
    body = urlencode(form).encode()
    answer = await exchanger.exchange(Request("POST", f"/{tenant}{identity.AUTHORITY_PATH}", body=body))
    assert answer is not None
    return answer.parsed()


def own_token(cloud: Cloud) -> str:
    return identity.issue(cloud, cloud.place.application, f"https://{cloud.place.audiences[0]}", EPOCH)


@pytest.mark.parametrize("place", PLACES.values(), ids=lambda place: place.name)
async def test_resources_have_the_names_of_their_cloud(place: Any) -> None:
    cloud = worlds.create("guide", place=place)
    zone = place.names.get("database.windows.net", "database.windows.net")
    group = f"/subscriptions/{place.subscription}/resourceGroups/rg-flask/providers"
    shown = await ask(cloud, f"{group}/Microsoft.Network/privateDnsZones/privatelink.{zone}", own_token(cloud))
    assert shown["name"] == f"privatelink.{zone}"


async def test_a_public_name_is_unknown_in_another_cloud_s_answers() -> None:
    cloud = worlds.create("guide", place=GOVERNMENT)
    zones = await ask(cloud, f"{GROUP}/Microsoft.Network/privateDnsZones", own_token(cloud))
    assert len(zones["value"]) == 3
    assert "windows.net" not in str(zones)


async def test_a_token_of_another_tenant_is_refused() -> None:
    cloud = worlds.create("guide", place=GOVERNMENT)
    foreign = identity.issue(worlds.create("empty"), HOMEOSTAT, f"https://{PUBLIC.audiences[0]}", EPOCH)
    refused = await ask(cloud, f"{GROUP}/Microsoft.Network/privateDnsZones", foreign)
    assert refused["error"]["code"] == "InvalidAuthenticationTokenTenant"


async def test_a_token_for_the_public_arm_is_refused_even_by_the_right_tenant() -> None:
    cloud = worlds.create("guide", place=GOVERNMENT)
    token = identity.issue(cloud, GOVERNMENT.application, "https://management.azure.com", EPOCH)
    refused = await ask(cloud, f"{GROUP}/Microsoft.Network/privateDnsZones", token)
    assert refused["error"]["code"] == "InvalidAuthenticationTokenAudience"


@pytest.mark.parametrize(
    ("tenant", "client", "secret", "error"),
    [
        (PUBLIC.tenant, GOVERNMENT.application.app_id, identity.CLIENT_SECRET, "invalid_request"),
        (GOVERNMENT.tenant, HOMEOSTAT.app_id, identity.CLIENT_SECRET, "unauthorized_client"),
        (GOVERNMENT.tenant, GOVERNMENT.application.app_id, "expired", "invalid_client"),
    ],
)
async def test_the_authority_knows_its_own_application_alone(tenant: str, client: str, secret: str, error: str) -> None:
    cloud = worlds.create("empty", place=GOVERNMENT)
    answer = await authority(cloud, tenant, client_id=client, client_secret=secret, scope="https://x/.default")
    assert answer["error"] == error
