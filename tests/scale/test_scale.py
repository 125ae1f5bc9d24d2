"""The model of a sweep of any size does what the real sweep does, at a size that both can do."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from bench.scaling.fleet import Work
from bench.scaling.host import Host, Platform
from bench.scaling.model import Size, modelled
from bench.scaling.night import Came
from bench.scaling.prices import cost
from bench.scaling.queues import QuickQueues
from bench.scaling.real import swept
from bench.scaling.report import agrees, roots
from bench.scaling.world import world_of
from homeostat.ports.storage import Conflict
from simulator.virtual import LoopAmbient, VirtualLoop, run_on

pytestmark = pytest.mark.wire

SMALL = Size(300, 3, days=2)


def test_the_model_makes_the_calls_of_the_real_sweep_and_takes_its_time() -> None:
    ours, real = modelled(SMALL, Platform()), swept(SMALL, Platform()).came
    assert ours.calls == real.calls
    assert ours.refused == real.refused == 0
    assert ours.bill.executions == real.bill.executions
    assert agrees(ours, real)
    assert not ours.bill.failures
    assert not real.bill.failures


def test_two_nights_of_the_model_are_one() -> None:
    assert modelled(SMALL, Platform()) == modelled(SMALL, Platform())


def test_the_worlds_roots_are_those_that_the_real_sweep_has() -> None:
    assert len(world_of(SMALL.apps, SMALL.subscriptions).roots) == roots(SMALL) == 300 + 3 * 12


def test_a_larger_fleet_is_swept_by_more_instances_and_waits_for_resource_graph() -> None:
    came = modelled(Size(16_000, 80), Platform(step=4, every=5.0))
    assert max(sample.instances for sample in came.samples) > 1
    assert came.refused == 0
    assert came.calls["app-settings-listings"] == 16_000
    queries = came.calls["resource-graph-queries"]
    assert came.looked > (queries - 11) / 11 * 5


def test_a_processor_that_is_busy_makes_the_night_longer_and_the_bill_higher() -> None:
    light, heavy = (modelled(Size(500, 2, work=Work(look=look)), Platform()) for look in (0.0, 0.02))
    assert heavy.looked > light.looked + 500 * 0.02 / 2
    assert heavy.bill.active > light.bill.active
    assert sum(cost(heavy, 2, 0).values()) > sum(cost(light, 2, 0).values())


# --- the host ---


def hosted(messages: int, seconds: float, platform: Platform) -> tuple[Host, float]:
    """A night of a worker whose every message takes so long; and how long the night was."""

    async def night(loop: VirtualLoop) -> tuple[Host, float]:
        ambient, over = LoopAmbient(loop), asyncio.Event()
        queues = QuickQueues(ambient.now)
        done: list[Any] = []

        class Slow:
            async def work(self, message: Any) -> None:
                await ambient.sleep(seconds)
                done.append(message)
                if len(done) == messages:
                    over.set()

        for number in range(messages):
            await queues.send("work", json.dumps(number))
        host = Host(queues, "work", lambda _: Slow(), ambient, platform)
        await host.run(over)
        assert sorted(done) == list(range(messages))
        assert await queues.count("work") == 0
        return host, loop.time()

    return run_on(VirtualLoop(), night)


def test_the_host_starts_as_many_instances_as_the_queue_asks_for_and_no_more_than_it_may() -> None:
    host, _ = hosted(200, 60.0, Platform(batch=16, step=4, every=10.0))
    assert [sample.instances for sample in host.samples[:4]] == [4, 8, 12, 13]
    host, _ = hosted(200, 60.0, Platform(batch=16, step=4, every=10.0, most=6))
    assert max(sample.instances for sample in host.samples) == 6


def test_an_instance_is_billed_while_it_works_in_steps_and_for_a_second_at_least() -> None:
    host, _ = hosted(1, 0.25, Platform())
    assert (host.bill.active, host.bill.executions) == (1.0, 1)
    host, _ = hosted(1, 2.31, Platform())
    assert host.bill.active == pytest.approx(2.4)


def test_a_message_that_fails_comes_again_and_is_given_up_after_five_times() -> None:
    async def night(loop: VirtualLoop) -> Host:
        ambient, over = LoopAmbient(loop), asyncio.Event()
        queues = QuickQueues(ambient.now)

        class Broken:
            async def work(self, message: Any) -> None:
                raise RuntimeError(f"{message} is too much")

        await queues.send("work", "1")
        host = Host(queues, "work", lambda _: Broken(), ambient)
        loop.call_later(600, over.set)
        await host.run(over)
        return host

    bill = run_on(VirtualLoop(), night).bill
    assert (bill.executions, len(bill.failures), bill.poisoned) == (5, 5, 1)


def test_a_message_that_another_has_by_now_can_not_be_deleted() -> None:
    async def night(loop: VirtualLoop) -> None:
        queues = QuickQueues(LoopAmbient(loop).now)
        await queues.send("work", "1")
        (first,) = await queues.receive("work", limit=16, visibility=timedelta(seconds=30))
        await asyncio.sleep(31)
        (again,) = await queues.receive("work", limit=16, visibility=timedelta(seconds=30))
        assert again.dequeue_count == 2
        with pytest.raises(Conflict):
            await queues.delete(first)
        await queues.delete(again)
        assert await queues.receive("work", limit=16, visibility=timedelta()) == []

    run_on(VirtualLoop(), night)


def test_a_night_that_ran_into_the_same_figures_costs_what_the_list_says() -> None:
    came: Came = modelled(Size(100, 1), Platform())
    found = cost(came, 2.0, 1_000_000)
    assert found["events, 1,000,000 of the day"] == pytest.approx(0.60)
    assert found["calls to Azure"] == 0
