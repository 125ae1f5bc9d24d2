"""A run over several roots: every root has its turn, whatever others leave undone."""

import pytest

from homeostat.core.outcome import Status, Trigger
from homeostat.operations import runs
from tests.loop.stand import DNS_VERSION, ZONES, stand

pytestmark = pytest.mark.wire

ZONE_AND = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
zones:
  privatelink.database.windows.net: {}
dns_links:
  privatelink.database.windows.net:
    links: {link-vnet-appservice: {vnet: vnet-appservice}}
"""
INTEGRATION = """
vnet_integration: {subnet: vnet-appservice/snet-private-endpoints}
"""
ENDPOINT = """
private_endpoints:
  pe-sql:
    kind: sql
    backend: sql-flask
    subnet: vnet-appservice/snet-private-endpoints
    location: westeurope
    zone_group: default
"""


async def test_what_waits_for_something_that_never_comes_is_held_and_not_left_as_planned() -> None:
    world = stand("prerequisites", spec=ZONE_AND + INTEGRATION)
    fleet = await world.service.desired.fleet()
    roots = runs.roots_of(fleet, ["app-flask"])
    outcomes = await runs.reconcile(world.engine, roots, Trigger("manual", create=True))
    ended = {outcome.root.type.rpartition("/")[2]: outcome for outcome in outcomes}
    assert {name: outcome.status for name, outcome in ended.items()} == {
        "privateDnsZones": Status.HELD,
        "sites": Status.HELD,
    }
    assert [held.hold.code for held in ended["privateDnsZones"].plan.held] == ["zone-empty"]
    assert [held.hold.code for held in ended["sites"].plan.held] == ["waits-for-held"]
    assert len(ended["privateDnsZones"].written) == 1, "the zone itself was created"


async def test_what_lacks_something_only_after_a_write_of_the_same_run_gets_it_in_that_run() -> None:
    world = stand(spec=ZONE_AND + ENDPOINT)
    world.operator("DELETE", world.link(), version=DNS_VERSION)
    world.operator("DELETE", world.id(ZONES[0]), version=DNS_VERSION)
    roots = runs.roots_of(await world.service.desired.fleet(), ["app-flask"])
    looks = {look.root: look.status for look in await runs.examine(world.engine, roots, Trigger("manual", create=True))}
    (endpoint,) = [root for root in looks if root.name == "pe-sql"]
    assert looks[endpoint] is Status.IN_SYNC, "without its zone it has no records to lack"
    outcomes = {each.root: each for each in await runs.reconcile(world.engine, roots, Trigger("manual", create=True))}
    assert len(outcomes[endpoint].written) == 1
    assert outcomes[world.id(ZONES[0])].status is Status.HEALED
    assert world.links() == ["link-vnet-appservice"]
