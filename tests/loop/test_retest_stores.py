"""A retest's deadline is kept by either store until the loop has restored the routing."""

from collections.abc import Callable
from datetime import timedelta

from tests.loop.stand import Stand

TEN = timedelta(minutes=10)


async def test_a_retest_outlives_the_process_that_began_it(new_stand: Callable[[], Stand]) -> None:
    world = new_stand()
    world.specs.by_name["homeostat.yaml"] += "\nroute_all: {application_traffic: true}\n"
    await world.service.retests.start("app-flask", TEN, "why", "Anna")
    other = world.second()
    assert (await other.service.retests.state("app-flask"))["state"] == "running"
    assert (await other.reconcile("site")).plan.held[0].hold.code == "retest"
    await other.work_for(TEN)
    assert (await other.service.retests.state("app-flask"))["state"] == "restored"
    assert other.settings()["WEBSITE_VNET_ROUTE_ALL"] == "1"
