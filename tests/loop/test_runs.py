"""A run over several roots: every root has its turn, whatever others leave undone."""

import pytest

from homeostat import runs
from homeostat.core.outcome import Status, Trigger
from tests.loop.stand import stand

pytestmark = pytest.mark.wire

SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
zones:
  privatelink.database.windows.net: {}
dns_links:
  privatelink.database.windows.net:
    links: {link: {vnet: vnet-appservice}}
vnet_integration: {subnet: vnet-appservice/snet-private-endpoints}
"""


async def test_what_waits_for_something_that_never_comes_is_held_and_not_left_as_planned() -> None:
    world = stand("prerequisites", spec=SPEC)
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
