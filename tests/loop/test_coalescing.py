"""What comes at once is stored at once, and nobody is told of it before."""

import asyncio
from collections.abc import Sequence

import pytest

from homeostat.coalescing import Coalescer

pytestmark = pytest.mark.unit


class Slow:
    """A store that is busy until it is let on, once for each call, and can fail."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.ready = asyncio.Semaphore(0)
        self.failing = False

    def let_on(self, calls: int) -> None:
        for _ in range(calls):
            self.ready.release()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await self.ready.acquire()
        if self.failing:
            raise ValueError("no")
        return [number * 10 for number in numbers]


async def brought(coalescer: Coalescer[int, int], slow: Slow, *numbers: int) -> list[asyncio.Task[int]]:
    """One caller for each number, all of which have come as far as they can."""
    tasks = [asyncio.ensure_future(coalescer.submit("root", number, slow)) for number in numbers]
    await as_far_as_they_can()
    return tasks


async def as_far_as_they_can() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_alone_is_stored_alone() -> None:
    coalescer, slow = Coalescer[int, int](), Slow()
    slow.let_on(2)
    assert [await coalescer.submit("root", number, slow) for number in (1, 2)] == [10, 20]
    assert slow.calls == [[1], [2]]


async def test_who_comes_meanwhile_is_stored_with_the_others_and_gets_an_answer_of_their_own() -> None:
    coalescer, slow = Coalescer[int, int](), Slow()
    tasks = await brought(coalescer, slow, 1, 2, 3, 4)
    assert slow.calls == [[1]]
    assert not any(task.done() for task in tasks)
    slow.let_on(2)
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40]
    assert slow.calls == [[1], [2, 3, 4]]


async def test_other_keys_do_not_wait() -> None:
    coalescer, slow, quick = Coalescer[int, int](), Slow(), Slow()
    (waiting,) = await brought(coalescer, slow, 1)
    quick.let_on(1)
    assert await coalescer.submit("other", 2, quick) == 20
    assert not waiting.done()
    slow.let_on(1)
    await waiting


async def test_a_failure_is_told_to_each_of_them_and_to_nobody_after() -> None:
    coalescer, slow = Coalescer[int, int](), Slow()
    tasks = await brought(coalescer, slow, 1, 2, 3)
    slow.failing = True
    slow.let_on(3)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no", "no", "no"]
    slow.failing = False
    assert await coalescer.submit("root", 4, slow) == 40


async def test_one_that_is_cancelled_while_it_stores_leaves_the_others_to_the_next() -> None:
    coalescer, slow = Coalescer[int, int](), Slow()
    first, second, third = await brought(coalescer, slow, 1, 2, 3)
    slow.let_on(1)
    assert await first == 10
    await as_far_as_they_can()
    assert slow.calls == [[1], [2, 3]]
    second.cancel()
    slow.let_on(1)
    assert await third == 30
    assert slow.calls == [[1], [2, 3], [2, 3]]
    assert second.cancelled()


async def test_a_crowd_is_stored_in_as_few_calls_as_one_call_may_be_given() -> None:
    coalescer, slow = Coalescer[int, int](max_items=2), Slow()
    tasks = await brought(coalescer, slow, 1, 2, 3, 4, 5, 6)
    slow.let_on(4)
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 50, 60]
    assert slow.calls == [[1], [2, 3], [4, 5], [6]]


async def test_what_comes_while_a_call_waits_for_its_turn_is_its_own() -> None:
    turn, slow = asyncio.Semaphore(0), Slow()
    coalescer = Coalescer[int, int](before_call=lambda: _let_on(turn))
    tasks = await brought(coalescer, slow, 1, 2)
    tasks += await brought(coalescer, slow, 3)
    assert slow.calls == []
    slow.let_on(1)
    turn.release()
    assert await asyncio.gather(*tasks) == [10, 20, 30]
    assert slow.calls == [[1, 2, 3]]


async def test_a_turn_that_does_not_come_is_told_to_each_of_them_and_to_nobody_after() -> None:
    slow, refusing = Slow(), True

    async def turn() -> None:
        await asyncio.sleep(0)
        if refusing:
            raise ValueError("no turn")

    coalescer = Coalescer[int, int](before_call=turn)
    answers = await asyncio.gather(*await brought(coalescer, slow, 1, 2), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no turn", "no turn"]
    refusing = False
    slow.let_on(1)
    assert await coalescer.submit("root", 3, slow) == 30


async def _let_on(turn: asyncio.Semaphore) -> None:
    await turn.acquire()
