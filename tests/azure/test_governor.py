"""The governor in the real pipeline, over a simulated ARM that throttles, in virtual time with real concurrency."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Sharing
from homeostat.azure.blocks import MIN_BLOCK
from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, PRIVATE_DNS_ZONE, SITE, SITE_CONFIG
from homeostat.core.budget import Lane
from homeostat.core.model import Fact, Found, Read, Unreadable
from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Document, StorageUnavailable
from simulator.cloud import HOMEOSTAT
from simulator.faults import parse
from simulator.throttling import SETTINGS
from simulator.virtual import LoopAmbient
from tests.azure.governed import (
    CONCURRENCY,
    LATENCY,
    MINE,
    READS,
    REFILL,
    RESERVE,
    SHARE_LEFT,
    Ground,
    NoDocuments,
    all_found,
    many,
    on_virtual_time,
)
from tests.support.simulation import Client
from tests.support.virtual import DistantDocuments, Toll

pytestmark = pytest.mark.wire


def test_a_sweep_of_5000_reads_is_never_refused_and_takes_no_longer_than_its_part_of_the_bucket() -> None:
    async def program(ground: Ground) -> float:
        _, sweep = ground.instance()
        facts = await many(5_000, lambda: sweep.reader.read(Read(SITE, ground.site)))
        assert all_found(facts)
        assert (ground.cloud.throttling.refused, ground.statuses()) == (0, {200})
        return ground.loop.time()

    bound = (5_000 - (MINE - RESERVE)) / REFILL
    assert bound <= on_virtual_time(program) <= 1.05 * bound


def test_three_instances_that_sweep_together_stay_within_the_same_part() -> None:
    async def program(ground: Ground) -> float:
        sweeps = [ground.instance()[1] for _ in range(3)]
        done = await asyncio.gather(*(many(700, _reading(sweep, ground)) for sweep in sweeps))
        assert all(all_found(facts) for facts in done)
        assert (ground.cloud.throttling.refused, ground.statuses()) == (0, {200})
        return ground.loop.time()

    bound = (2_100 - (MINE - RESERVE)) / REFILL
    assert bound <= on_virtual_time(program) <= 1.05 * bound


def _reading(sweep: Sharing, ground: Ground) -> Callable[[], Awaitable[Fact]]:
    return lambda: sweep.reader.read(Read(SITE, ground.site))


def test_the_owners_share_of_a_bucket_is_there_at_every_moment_of_a_sweep() -> None:
    async def program(ground: Ground) -> list[int]:
        _, sweep = ground.instance()
        left: list[int] = []

        async def owner() -> None:
            for _ in range(60):
                await ground.ambient.sleep(1)
                answer = Client(ground.cloud, ground.ambient.now(), caller=HOMEOSTAT)("GET", ground.site.text)
                left.append(int(answer.headers[f"x-ms-ratelimit-remaining-{READS.told}"]))

        watching = asyncio.create_task(owner())
        await many(1_500, _reading(sweep, ground))
        await watching
        return left

    assert min(on_virtual_time(program)) >= SHARE_LEFT * READS.size - 1


def test_a_repair_amid_a_sweep_waits_for_no_more_than_a_token() -> None:
    async def program(ground: Ground) -> list[float]:
        arm, sweep = ground.instance()
        sweeping = asyncio.create_task(many(2_000, _reading(sweep, ground)))
        took = []
        for _ in range(50):
            await ground.ambient.sleep(1.37)
            started = ground.loop.time()
            assert isinstance(await arm.reader.read(Read(SITE, ground.site)), Found)
            took.append(ground.loop.time() - started)
        assert all_found(await sweeping)
        assert ground.cloud.throttling.refused == 0
        return took

    assert max(on_virtual_time(program)) <= LATENCY + 1 / REFILL


def test_a_burst_of_repairs_goes_before_a_sweep_as_a_whole() -> None:
    async def program(ground: Ground) -> float:
        arm, sweep = ground.instance()
        sweeping = asyncio.create_task(many(1_000, _reading(sweep, ground)))
        await ground.ambient.sleep(20)
        started = ground.loop.time()
        assert all_found(await many(200, lambda: arm.reader.read(Read(SITE, ground.site)), at_once=200))
        took = ground.loop.time() - started
        assert all_found(await sweeping)
        assert ground.cloud.throttling.refused == 0
        return took

    assert on_virtual_time(program) <= LATENCY + (200 - RESERVE + 1) / REFILL


def test_repairs_of_an_instance_that_knows_nothing_yet_are_not_refused_amid_the_sweep_of_others() -> None:
    async def program(ground: Ground) -> float:
        sweeps = [ground.instance()[1] for _ in range(3)]
        sweeping = [asyncio.create_task(many(400, _reading(sweep, ground))) for sweep in sweeps]
        await ground.ambient.sleep(20)
        fresh, _ = ground.instance()
        started = ground.loop.time()
        assert all_found(await many(60, lambda: fresh.reader.read(Read(SITE, ground.site)), at_once=60))
        took = ground.loop.time() - started
        assert all(all_found(facts) for facts in await asyncio.gather(*sweeping))
        assert (ground.cloud.throttling.refused, ground.statuses()) == (0, {200})
        return took

    assert on_virtual_time(program) == pytest.approx(LATENCY)


def test_anothers_load_on_the_same_buckets_slows_a_sweep_down_and_nobody_is_refused() -> None:
    async def program(ground: Ground) -> tuple[float, set[int]]:
        _, sweep = ground.instance()
        theirs: set[int] = set()

        async def other() -> None:
            while True:
                await ground.ambient.sleep(0.1)
                client = Client(ground.cloud, ground.ambient.now(), caller=HOMEOSTAT)
                theirs.update(client("GET", ground.site.text).status for _ in range(2))

        load = asyncio.create_task(other())
        facts = await many(1_500, _reading(sweep, ground), at_once=16)
        load.cancel()
        assert all_found(facts)
        return ground.loop.time(), theirs | ground.statuses()

    took, statuses = on_virtual_time(program)
    assert statuses == {200}
    assert took > 2 * (1_500 - MINE) / REFILL


def test_without_a_store_a_sweep_waits_and_a_repair_goes_on() -> None:
    async def program(ground: Ground) -> None:
        arm, _ = ground.instance()
        sweep = arm.sharing(SharedAllowance(NoDocuments(ground.memory), ground.ambient, SHARE_LEFT))  # type: ignore[arg-type]  # it has the one method that is asked
        fact = await sweep.reader.read(Read(SITE, ground.site))
        assert isinstance(fact, Unreadable)
        assert fact.error.error_class is ErrorClass.THROTTLED
        assert fact.error.retry_after is not None
        assert not ground.cloud.exchanges
        started = ground.loop.time()
        assert isinstance(await arm.reader.read(Read(SITE, ground.site)), Found)
        assert ground.loop.time() - started == pytest.approx(LATENCY)

    on_virtual_time(program)


def test_a_sweep_goes_on_when_its_store_is_back() -> None:
    async def program(ground: Ground) -> float:
        arm, _ = ground.instance()
        store = _Flaky(ground.memory, ground.ambient, until=7.0)
        sweep = arm.sharing(SharedAllowance(store, ground.ambient, SHARE_LEFT))  # type: ignore[arg-type]  # as above
        assert isinstance(await sweep.reader.read(Read(SITE, ground.site)), Found)
        return ground.loop.time()

    assert on_virtual_time(program) == pytest.approx(10.0 + LATENCY)


@dataclass(slots=True)
class _Flaky:
    memory: MemoryStorage
    ambient: LoopAmbient
    until: float

    async def read(self, partition: str, row: str) -> Document | None:
        if self.ambient.monotonic() < self.until:
            raise StorageUnavailable("the store is not there yet")
        return await self.memory.documents.read(partition, row)

    async def apply(self, partition: str, changes: Any) -> dict[str, str]:
        return await self.memory.documents.apply(partition, changes)


def test_what_would_wait_for_too_long_is_put_off_instead() -> None:
    async def program(ground: Ground) -> list[Fact]:
        arm, _ = ground.instance()
        return await many(1_000, lambda: arm.reader.read(Read(SITE, ground.site)), at_once=1_000)

    facts = on_virtual_time(program)
    late = [fact.error for fact in facts if isinstance(fact, Unreadable)]
    assert len(late) == 1_000 - int(MINE + 20 * REFILL)
    assert {error.error_class for error in late} == {ErrorClass.THROTTLED}
    assert min(error.retry_after or timedelta() for error in late) > timedelta(seconds=20)


def test_app_settings_are_listed_from_the_large_bucket_of_their_own() -> None:
    async def program(ground: Ground) -> float:
        _, sweep = ground.instance()
        settings = Read(SITE_CONFIG, ground.site.child("config", "appsettings"))
        assert all_found(await many(1_000, lambda: sweep.reader.read(settings)))
        assert (ground.cloud.throttling.drawn(SETTINGS), ground.cloud.throttling.refused) == (1_000, 0)
        return ground.loop.time()

    assert on_virtual_time(program) <= 1.05 * 1_000 / CONCURRENCY * LATENCY


def test_the_store_is_asked_once_for_all_who_wait() -> None:
    async def program(ground: Ground) -> tuple[int, int]:
        arm, _ = ground.instance()
        toll = Toll(LATENCY)
        shared = SharedAllowance(DistantDocuments(ground.memory.documents, toll), ground.ambient, SHARE_LEFT)
        sweep = arm.sharing(shared)
        settings = Read(SITE_CONFIG, ground.site.child("config", "appsettings"))
        assert all_found(await many(400, lambda: sweep.reader.read(settings), at_once=400))
        at_once = toll.calls["documents.apply"]
        assert all_found(await many(400, lambda: sweep.reader.read(settings), at_once=1))
        return at_once, toll.calls["documents.apply"] - at_once

    assert on_virtual_time(program) == (2, 400 // MIN_BLOCK)  # the first asks before the others wait


def test_networks_and_zones_are_read_within_their_providers_windows() -> None:
    async def program(ground: Ground) -> list[Fact]:
        _, sweep = ground.instance()
        groups = many(800, lambda: sweep.reader.read(Read(NETWORK_SECURITY_GROUP, ground.group)))
        zones = many(400, lambda: sweep.reader.read(Read(PRIVATE_DNS_ZONE, ground.zone)), at_once=8)
        of_groups, of_zones = await asyncio.gather(groups, zones)
        assert all_found(of_groups)
        assert (ground.cloud.throttling.refused, ground.statuses()) == (0, {200})
        return of_zones

    facts = on_virtual_time(program)
    put_off = [fact.error.error_class for fact in facts if isinstance(fact, Unreadable)]
    assert set(put_off) == {ErrorClass.THROTTLED}
    assert 280 <= 400 - len(put_off) <= 0.8 * 0.75 * 500 + 20 * 500 / 300


def test_another_front_end_has_buckets_of_its_own() -> None:
    async def program(ground: Ground) -> float:
        arm, _ = ground.instance()
        count = int(MINE)
        assert all_found(await many(count, lambda: arm.reader.read(Read(SITE, ground.site)), at_once=count))
        ground.cloud.throttling.region = "NORTHEUROPE"
        assert isinstance(await arm.reader.read(Read(SITE, ground.site)), Found)
        assert all_found(await many(count - 1, lambda: arm.reader.read(Read(SITE, ground.site)), at_once=count))
        assert {each["region"] for each in arm.low_budgets()} == {"westeurope", "northeurope"}
        return ground.loop.time()

    assert on_virtual_time(program) <= 3 * LATENCY + 1 / REFILL


def test_a_cancelled_request_gives_its_place_up() -> None:
    async def program(ground: Ground) -> float:
        arm, _ = ground.instance()
        read = Read(SITE, ground.site)
        await many(int(MINE), lambda: arm.reader.read(read), at_once=int(MINE))
        waiting = [asyncio.create_task(arm.reader.read(read)) for _ in range(100)]
        await ground.ambient.sleep(0.01)
        for task in waiting:
            task.cancel()
        started = ground.loop.time()
        assert isinstance(await arm.reader.read(read), Found)
        return ground.loop.time() - started

    assert on_virtual_time(program) <= LATENCY + 1 / REFILL


def test_a_refusal_empties_the_budget_until_arm_and_the_owner_have_theirs() -> None:
    async def program(ground: Ground) -> float:
        arm, _ = ground.instance()
        assert isinstance(await arm.reader.read(Read(SITE, ground.site)), Found)
        other = Client(ground.cloud, ground.ambient.now(), caller=HOMEOSTAT)
        while other("GET", ground.site.text).status == 200:
            pass
        assert isinstance(await arm.reader.read(Read(SITE, ground.site)), Found)
        assert [exchange.status for exchange in ground.cloud.exchanges] == [200, 429, 200]
        return ground.loop.time()

    assert on_virtual_time(program) == pytest.approx(SHARE_LEFT * READS.seconds, abs=4 * LATENCY)


def test_a_429_for_a_resource_that_is_busy_is_no_quotas_matter() -> None:
    busy = {"error": {"code": "RetryableError", "message": "A retryable error occurred."}}

    async def program(ground: Ground) -> float:
        ground.faults.extend(parse([{"times": 1, "status": 429, "body": busy, "headers": {"Retry-After": "5"}}]))
        arm, _ = ground.instance()
        read = Read(NETWORK_SECURITY_GROUP, ground.group)
        refused = asyncio.create_task(arm.reader.read(read))
        await ground.ambient.sleep(1)
        assert isinstance(await arm.reader.read(read), Found)
        took = ground.loop.time() - 1
        assert isinstance(await refused, Found)
        return took

    assert on_virtual_time(program) == pytest.approx(LATENCY)


def test_nothing_is_remembered_of_budgets_that_are_full_again() -> None:
    async def program(ground: Ground) -> int:
        arm, _ = ground.instance()
        for _ in range(3):
            assert all_found(await many(400, lambda: arm.reader.read(Read(SITE, ground.site)), at_once=8))
            await ground.ambient.sleep(30)
        arm.governor._tidy()
        return len(arm.governor._queues)

    assert on_virtual_time(program) == 0


def test_lanes_are_told_apart_by_the_reader_alone() -> None:
    async def program(ground: Ground) -> dict[Lane, int]:
        arm, sweep = ground.instance()
        await arm.reader.read(Read(SITE, ground.site))
        healing = len(ground.memory.documents._partitions)
        await sweep.reader.read(Read(SITE, ground.site))
        return {Lane.HEALING: healing, Lane.SWEEPING: len(ground.memory.documents._partitions)}

    assert on_virtual_time(program) == {Lane.HEALING: 0, Lane.SWEEPING: 1}
