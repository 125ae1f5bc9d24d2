"""Many of the same are done some at a time, and what came of them is in their order."""

import asyncio

import pytest

from homeostat.batches import BATCH_SIZE, in_batches

pytestmark = pytest.mark.unit


async def test_results_are_in_the_order_of_the_items_and_never_more_than_a_batch_is_under_way() -> None:
    under_way, most = 0, 0

    async def work(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(1 + item % 3):
            await asyncio.sleep(0)
        under_way -= 1
        return item * 10

    items = range(2 * BATCH_SIZE + 1)
    assert await in_batches(items, work) == [item * 10 for item in items]
    assert most == BATCH_SIZE


async def test_after_a_failure_no_further_batch_is_begun() -> None:
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_batches(range(2 * BATCH_SIZE), work)
    assert begun == list(range(BATCH_SIZE))
