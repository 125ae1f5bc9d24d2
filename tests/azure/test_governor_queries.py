"""Queries of Resource Graph: sweeps and selectors share their quota with repairs that ask who changed a root."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Sharing
from homeostat.core.graph import RowQuery
from simulator.cloud import EPOCH
from simulator.throttling import QUERIES
from tests.azure.governed import LATENCY, SHARE_LEFT, Ground, NoDocuments, on_virtual_time
from tests.support.simulation import Client

pytestmark = pytest.mark.wire


def test_queries_stay_below_the_quota_of_resource_graph() -> None:
    async def program(ground: Ground) -> float:
        _, sweep = ground.instance()
        query = RowQuery(("microsoft.web/sites",), ("id",))
        for _ in range(100):
            await sweep.table.page(query)
        assert (ground.cloud.throttling.drawn(QUERIES), ground.cloud.throttling.refused) == (100, 0)
        return ground.loop.time()

    rate = 9 / 5  # of 15, a quarter is the owner's and a fifth of the rest is for healing, in whole queries
    assert on_virtual_time(program) <= 1.05 * 100 / rate


@dataclass(slots=True)
class Asked:
    """took: seconds until each of those who asked who changed something could go on. named: how many were told."""

    took: list[float] = field(default_factory=list)
    named: int = 0


async def _ask_who(ground: Ground, shared: Sequence[Sharing], count: int, every: float) -> Asked:
    """One repair after the other asks who denied what must be allowed, on one instance after the other."""
    operator, rule = Client(ground.cloud, ground.ambient.now()), ground.group.child("securityRules", "allow-sql")
    shown = operator("GET", rule.text).body["properties"]
    assert operator("PUT", rule.text, {"properties": {**shown, "access": "Deny"}}).status < 300
    asked = Asked()

    async def ask(number: int) -> None:
        await ground.ambient.sleep(number * every)
        began = ground.loop.time()
        told = await shared[number % len(shared)].changes.changes(ground.group, EPOCH)
        asked.named += bool(told)
        asked.took.append(ground.loop.time() - began)

    await asyncio.gather(*map(ask, range(count)))
    assert (ground.cloud.throttling.refused, ground.statuses()) == (0, {200})
    return asked


@pytest.mark.parametrize("instances", [2, 10])
@pytest.mark.parametrize("sweeps", [True, False])
def test_a_storm_of_repairs_on_several_instances_asks_for_names_and_is_never_refused(
    instances: int, *, sweeps: bool
) -> None:
    async def program(ground: Ground) -> Asked:
        shared = [ground.instance()[1] for _ in range(instances)]
        sweeping = [asyncio.create_task(_pages(each)) for each in shared[:3] if sweeps]
        asked = await _ask_who(ground, shared, 600, 0.05)
        for each in sweeping:
            each.cancel()
        return asked

    asked = on_virtual_time(program)
    assert asked.named > (600 / 2 if instances == 2 else 600 / 4)
    assert max(asked.took) < 2.1


def test_a_handful_of_repairs_waits_for_no_name_longer_than_for_its_query() -> None:
    async def program(ground: Ground) -> Asked:
        return await _ask_who(ground, [ground.instance()[1]], 6, 0.01)

    asked = on_virtual_time(program)
    assert asked.named == 6
    assert max(asked.took) <= 2 * LATENCY


async def _pages(sweep: Sharing) -> None:
    while True:
        await sweep.table.page(RowQuery(("microsoft.web/sites",), ("id",)))


def test_without_a_store_a_repair_has_no_name_at_once() -> None:
    async def program(ground: Ground) -> float:
        arm, _ = ground.instance()
        shared = arm.sharing(SharedAllowance(NoDocuments(ground.memory), ground.ambient, SHARE_LEFT))  # type: ignore[arg-type]  # as above
        assert await shared.changes.changes(ground.group, EPOCH) == ()
        assert not ground.cloud.exchanges
        return ground.loop.time()

    assert on_virtual_time(program) == 0.0
