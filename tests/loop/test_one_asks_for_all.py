"""Of many instances one asks what the selectors select, and all know it: with real concurrency, in virtual time."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from homeostat.allowances import SharedAllowance
from homeostat.azure.retry import Limits
from homeostat.core.budget import DEFAULT_SHARE_LEFT, Lane
from homeostat.core.quotas import QUERIES
from homeostat.fleet.selections import CLAIM_WHILE_BUILDING, CLAIM_WHILE_QUERYING, RETRY_EVERY
from homeostat.fleet.specs import CHECK_EVERY, MAX_WAIT
from homeostat.service import Service
from simulator.faults import parse
from tests.nights.clock import NightLoop, spend
from tests.support.fleets import WEB_VERSION, Night, night_of

pytestmark = pytest.mark.wire

APPS, INSTANCES = 60, 10
SLOW = 5.0
"""Seconds that Azure takes for an answer."""

EVERY = timedelta(minutes=15)
A_WHILE = 1.0


def on_a_night[T](program: Callable[[Night], Coroutine[Any, Any, T]]) -> T:
    async def begun(loop: NightLoop) -> T:
        return await program(night_of(loop, APPS, instances=INSTANCES, arm=SLOW))

    return spend(begun)


def queries(night: Night) -> int:
    return sum("ResourceGraph" in call.path for call in night.cloud.exchanges)


def leave_out(night: Night, number: int = 1) -> None:
    """Takes an app's tag away."""
    subscription = night.cloud.subscriptions[0]
    site = f"/subscriptions/{subscription}/resourceGroups/rg-fleet-0001/providers/Microsoft.Web/sites/app-{number:05}"
    body = night.operator("GET", site, version=WEB_VERSION).body
    night.operator("PUT", site, {**body, "tags": {}}, WEB_VERSION)


async def targets(service: Service) -> int:
    return len((await service.desired.fleet()).targets)


async def of_all(night: Night) -> list[int]:
    return await asyncio.gather(*map(targets, night.services))


async def waited(night: Night, service: Service) -> float:
    began = night.loop.time()
    await service.desired.fleet()
    return night.loop.time() - began


async def after(span: timedelta) -> None:
    await asyncio.sleep(span.total_seconds())


def test_where_nothing_is_known_yet_one_asks_and_all_wait_for_it() -> None:
    async def program(night: Night) -> tuple[list[int], int]:
        return await of_all(night), queries(night)

    assert on_a_night(program) == ([APPS] * INSTANCES, 1)


def test_when_an_answer_is_old_one_asks_and_the_others_go_on_with_it() -> None:
    async def program(night: Night) -> None:
        await of_all(night)
        leave_out(night)
        await after(EVERY)
        took = await asyncio.gather(*(waited(night, service) for service in night.services))
        assert sorted(took)[:-1] == pytest.approx([0.0] * (INSTANCES - 1), abs=0.1)
        assert max(took) == MAX_WAIT.total_seconds()
        assert queries(night) == 1
        await after(CHECK_EVERY)
        assert await of_all(night) == [APPS - 1] * INSTANCES
        assert queries(night) == 2

    on_a_night(program)


def test_an_instance_that_starts_with_an_old_answer_does_not_wait_for_a_newer_one() -> None:
    async def program(night: Night) -> None:
        first, second, *_ = night.services
        await targets(first)
        leave_out(night)
        await after(EVERY)
        assert await waited(night, second) < A_WHILE
        assert queries(night) == 1
        assert await waited(night, second) == MAX_WAIT.total_seconds()
        await after(CHECK_EVERY)
        assert (await targets(second), await targets(first)) == (APPS - 1, APPS - 1)
        assert queries(night) == 2

    on_a_night(program)


def test_a_sweep_asks_afresh_once_nobody_else_asks_any_more() -> None:
    async def program(night: Night) -> None:
        first, second, *_ = night.services
        await targets(first)
        await after(EVERY)
        asking = asyncio.create_task(first.desired.renewed())
        await asyncio.sleep(A_WHILE)
        leave_out(night)
        fleet = await second.desired.renewed()
        assert asking.done()
        assert (len(fleet.targets), queries(night)) == (APPS - 1, 3)

    on_a_night(program)


def test_what_one_could_not_resolve_the_others_do_not_try_at_once_and_tell_as_their_problem() -> None:
    refusal = {"path": "Microsoft.ResourceGraph", "status": 403, "body": {"error": {"code": "Denied", "message": "no"}}}

    async def program(night: Night) -> None:
        await of_all(night)
        await after(EVERY)
        night.faults.extend(parse([refusal]))
        await of_all(night)
        await after(CHECK_EVERY)
        await of_all(night)
        assert queries(night) == 2
        assert {"could not be resolved" in service.desired.problem for service in night.services} == {True}
        night.faults.clear()
        await after(RETRY_EVERY)
        await of_all(night)
        await after(CHECK_EVERY)
        await of_all(night)
        assert {service.desired.problem for service in night.services} == {""}
        assert queries(night) == 3

    on_a_night(program)


def test_beside_a_sweep_that_takes_all_it_may_whoever_asks_waits_for_room() -> None:
    async def program(night: Night) -> None:
        ambient = night.service.engine.ambient
        sweep = SharedAllowance(night.memory.documents, ambient, DEFAULT_SHARE_LEFT)
        for _ in range(200):
            await sweep.take("", QUERIES, 1, math.inf, Lane.SWEEPING)
        began = night.loop.time()
        assert len((await night.service.desired.renewed()).targets) == APPS
        assert night.loop.time() - began > 200 / 9 * QUERIES.seconds - Limits().budget
        assert night.service.desired.problem == ""

    on_a_night(program)


@pytest.mark.parametrize("ahead", [0, 25, -25, 3600, -3600])
def test_a_holder_that_dies_half_way_stops_the_others_for_no_longer_than_it_may_be_silent(ahead: int) -> None:
    async def program(night: Night) -> None:
        await of_all(night)
        leave_out(night)
        await after(EVERY)
        first, *others = night.services
        first.engine.ambient.ahead = timedelta(seconds=ahead)  # type: ignore[attr-defined]  # as a night's ambient has it
        dying = asyncio.create_task(first.desired.renewed())
        await asyncio.sleep(A_WHILE)
        dying.cancel()
        await asyncio.gather(*map(targets, others))
        await after(CLAIM_WHILE_QUERYING)
        await asyncio.gather(*map(targets, others))
        await after(CHECK_EVERY)
        assert await asyncio.gather(*map(targets, others)) == [APPS - 1] * (INSTANCES - 1)
        assert queries(night) <= 4

    on_a_night(program)


@pytest.mark.parametrize("seed", range(10))
def test_whoever_dies_whenever_and_whatever_the_clocks_say_a_change_is_seen_by_all_in_the_end(seed: int) -> None:
    """And is asked for seldom: each death and each wrong clock costs a query, no more."""
    dice = Random(seed)  # the same night each time

    async def program(night: Night) -> None:
        wrongs = 0
        for service in night.services:
            wrong = dice.choice([0, 0, 0, 1, -1, 20, -20, 7200, -7200])
            wrongs += abs(wrong) == 7200
            service.engine.ambient.ahead = timedelta(seconds=wrong)  # type: ignore[attr-defined]  # as above
        await of_all(night)
        deaths = 0
        for _ in range(40):
            await asyncio.sleep(dice.uniform(1, 120))
            busy = [asyncio.create_task(targets(service)) for service in dice.sample(night.services, 4)]
            await asyncio.sleep(dice.uniform(0, 3))
            if dice.random() < 0.7:
                deaths += _kill(night, dice)
            await asyncio.gather(*busy, return_exceptions=True)
        leave_out(night)
        for _ in range(int((EVERY + CLAIM_WHILE_BUILDING + RETRY_EVERY) / CHECK_EVERY)):
            await after(CHECK_EVERY)
            await of_all(night)
        assert set(await of_all(night)) == {APPS - 1}
        renewals = night.loop.time() / EVERY.total_seconds()
        assert queries(night) <= (1 + wrongs) * (1 + renewals) + deaths

    on_a_night(program)


def _kill(night: Night, dice: Random) -> int:
    """Whatever some instances were about to renew comes to nothing; how many those are."""
    working = [task for task in asyncio.all_tasks() if task.get_name() == "specs"]
    dying = dice.sample(working, dice.randint(0, len(working)))
    for task in dying:
        task.cancel()
    return len(dying)


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("last", range(4))
def test_a_crash_at_any_write_loses_no_renewal(last: int, *, is_written: bool) -> None:
    """The claim that is put up, its renewal, what was found and the claim that is given back are the writes."""

    async def program(night: Night) -> None:
        await of_all(night)
        leave_out(night)
        await after(EVERY)
        first, *others = night.services
        real, writes = night.memory.blobs.write, 0

        async def write(*what: Any, **how: Any) -> str:
            nonlocal writes
            writes += 1
            if writes <= last:
                return await real(*what, **how)
            if is_written:
                await real(*what, **how)
            raise asyncio.CancelledError

        night.memory.blobs.write = write  # type: ignore[method-assign]  # the first instance dies at this very write
        with pytest.raises(asyncio.CancelledError):
            await first.desired.renewed()
        night.memory.blobs.write = real  # type: ignore[method-assign]  # which is none of the store's
        for _ in range(int((CLAIM_WHILE_BUILDING + CHECK_EVERY) / CHECK_EVERY)):
            await asyncio.gather(*map(targets, others))
            await after(CHECK_EVERY)
        assert await asyncio.gather(*map(targets, others)) == [APPS - 1] * (INSTANCES - 1)
        assert queries(night) <= 3

    on_a_night(program)
