"""The loop when Azure's quotas are spent by somebody else: it waits, or comes back, and heals."""

from datetime import timedelta

import pytest

from simulator.cloud import HOMEOSTAT
from simulator.throttling import NETWORK_WRITES
from tests.loop.stand import Stand, stand
from tests.support.simulation import Client

pytestmark = pytest.mark.wire


@pytest.fixture
def world() -> Stand:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.cloud.throttling.on = True
    return world


def refusals(world: Stand) -> list[str]:
    return [call for call in world.calls() if call.endswith(" 429")]


async def test_reads_that_another_tool_has_used_up_are_waited_for(world: Stand) -> None:
    await world.reconcile("site")  # knows what is left
    other = Client(world.cloud, world.ambient.now(), caller=HOMEOSTAT)
    for _ in range(230):
        other("GET", world.id("site").text)
    await world.reconcile("site")
    await world.reconcile("nsg")
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert refusals(world) == []
    assert sum(world.ambient.slept) >= 2.5  # until the owner has a share again


async def test_writes_that_are_used_up_for_minutes_come_back_when_azure_takes_them(world: Stand) -> None:
    other = Client(world.cloud, world.ambient.now())
    missing = world.id("nsg").child("securityRules", "not-there").text
    other.now -= timedelta(seconds=100)
    while other("DELETE", missing).status != 429:
        other.now += timedelta(seconds=0.1)
    await world.rule_event()
    await world.work_for(timedelta(hours=1))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert len(refusals(world)) == 1
    assert world.cloud.throttling.drawn(NETWORK_WRITES) >= 1000
