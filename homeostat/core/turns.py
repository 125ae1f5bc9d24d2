"""Whose turn it is among requests that wait for tokens of several budgets, in a fair order.

Healing goes before sweeping, and within a lane it is first come, first served, for every budget that is short. A
request that lacks one budget does not delay those that need only others, and takes its tokens of all budgets at once or
none.
"""

import heapq
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from homeostat.core.budget import Budget, Lane

LANES: Final = (Lane.HEALING, Lane.SWEEPING)

type Route = tuple[Budget, ...]


@dataclass(slots=True, eq=False)
class Waiter[T]:
    """until: how long it is willing to wait. numbers: of its draws, one for each budget, once it was served."""

    lane: Lane
    route: Route
    ticket: T
    came: int
    until: float
    numbers: tuple[int, ...] = ()
    gone: bool = False


@dataclass(slots=True)
class Turns[T]:
    """The waiting requests, by lane and by the budgets that they need. T: what the caller identifies them by."""

    _queues: dict[Lane, dict[Route, deque[Waiter[T]]]] = field(default_factory=lambda: {lane: {} for lane in LANES})
    _waiting: dict[Lane, Counter[Budget]] = field(default_factory=lambda: {lane: Counter() for lane in LANES})
    _came: int = 0

    def __bool__(self) -> bool:
        return any(self._queues[lane] for lane in LANES)

    def expected(self, lane: Lane, route: Route, now: float) -> float:
        """Seconds until the turn of a request that came now: behind all of its lane, and of those with priority."""
        before = LANES[: LANES.index(lane) + 1]
        return max(budget.wait(lane, now, 1 + sum(self._waiting[each][budget] for each in before)) for budget in route)

    def join(self, lane: Lane, route: Route, ticket: T, until: float = math.inf) -> Waiter[T]:
        self._came += 1
        waiter = Waiter(lane, route, ticket, self._came, until)
        self._queues[lane].setdefault(route, deque()).append(waiter)
        self._waiting[lane].update(route)
        return waiter

    def leave(self, waiter: Waiter[T]) -> None:
        """Gives up a place; a request that was served has none."""
        if not waiter.gone:
            waiter.gone = True
            self._waiting[waiter.lane].subtract(waiter.route)
            self._tidy(waiter.lane, waiter.route)

    def serve(self, now: float) -> list[Waiter[T]]:
        """Those whose turn it is, in order; their tokens are drawn."""
        served: list[Waiter[T]] = []
        lacking: set[Budget] = set()
        for lane in LANES:
            heads = [(queue[0].came, route) for route, queue in self._queues[lane].items()]
            heapq.heapify(heads)
            while heads:
                _, route = heapq.heappop(heads)
                if not _is_stopped(lane, route, lacking, now):
                    served.append(self._next(lane, route, now))
                    if queue := self._queues[lane].get(route):
                        heapq.heappush(heads, (queue[0].came, route))
        return served

    def overdue(self, now: float) -> list[Waiter[T]]:
        """Removes and returns those that have waited as long as they were willing to."""
        late: list[Waiter[T]] = []
        for lane in LANES:
            for route in tuple(self._queues[lane]):
                while (queue := self._queues[lane].get(route)) and queue[0].until <= now:
                    late.append(queue[0])
                    self.leave(queue[0])
        return late

    def next_turn(self, now: float) -> float:
        """Seconds until something may have to be done; infinite if nobody waits."""
        heads = [queue[0] for lane in LANES for queue in self._queues[lane].values()]
        turns = (max(budget.wait(each.lane, now) for budget in each.route) for each in heads)
        return min((*turns, *(each.until - now for each in heads)), default=math.inf)

    def _next(self, lane: Lane, route: Route, now: float) -> Waiter[T]:
        waiter = self._queues[lane][route].popleft()
        waiter.gone = True
        waiter.numbers = tuple(budget.draw(now) for budget in route)
        self._waiting[lane].subtract(route)
        self._tidy(lane, route)
        return waiter

    def _tidy(self, lane: Lane, route: Route) -> None:
        """Drops those that left from the front, and empty queues and counts."""
        queue = self._queues[lane][route]
        while queue and queue[0].gone:
            queue.popleft()
        if not queue:
            del self._queues[lane][route]
            for budget in route:
                if not self._waiting[lane][budget]:
                    del self._waiting[lane][budget]


def _is_stopped(lane: Lane, route: Route, lacking: set[Budget], now: float) -> bool:
    """Whether the first of a queue must wait; nobody behind it gets what it lacks before it does."""
    short = [budget for budget in route if budget in lacking or budget.wait(lane, now)]
    lacking.update(short)
    return bool(short)
