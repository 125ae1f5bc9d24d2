"""The governor: no request goes to ARM before our part of each quota that it draws on has a token for it.

It is a policy at the bottom of the pipeline, so that every attempt takes tokens, polls and retries included. The quotas
are a table of the core, corrected by what ARM's answers say, so that an answer of 429 is the exception. Where the wait
would be longer than the retry policy's budget, the request fails with the ArmError of a throttled one, with
`retry_after`, and the work is put off through the queue.
"""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from homeostat.ambient import Ambient
from homeostat.azure.blocks import HEALING, Pace
from homeostat.azure.retry import Limits, Request, Response, named, with_seconds
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.budget import BUDGET_SPENT, DEFAULT_SHARE_LEFT, Budget, Lane
from homeostat.core.json import JsonObject
from homeostat.core.quotas import Draw, Quota, draw_of, left_by, told_by
from homeostat.core.turns import Route, Turns

log = logging.getLogger(__name__)

PACE: Final = "pace"
"""A call's option: its Pace. By default that of healing."""

_UNTIL: Final = "governor_until"
ROUTED: Final = "x-ms-routing-request-id"
SHORTEST_SLEEP: Final = 0.001
TIDY_EVERY: Final = 1000
MAX_SHAPES: Final = 512


@dataclass(slots=True)
class RequestQueue:
    """The waiting requests of one subscription, or of the tenant. budgets: by region and quota."""

    ambient: Ambient
    budgets: dict[tuple[str, str], Budget] = field(default_factory=dict)
    turns: Turns[asyncio.Future[None]] = field(default_factory=Turns)
    _alarm: asyncio.Task[None] | None = None
    _rings: float = math.inf

    async def turn(self, lane: Lane, route: Route, until: float, request: HttpRequest) -> tuple[int, ...]:
        """Waits for a token of each budget. Returns the numbers of the draws. Raises ArmError for too long a wait."""
        now = self.ambient.monotonic()
        if not self.turns and not any(budget.wait(lane, now) for budget in route):
            return tuple(budget.draw(now) for budget in route)
        if (expected := self.turns.expected(lane, route, now)) > until - now:
            raise spent(expected, named(request))
        waiter = self.turns.join(lane, route, asyncio.get_running_loop().create_future(), until)
        self.serve()
        try:
            await waiter.ticket
        except asyncio.CancelledError:
            self.turns.leave(waiter)
            self.ended(route, waiter.numbers)  # the tokens may have been drawn a moment ago
            self.serve()
            raise
        if not waiter.numbers:
            raise spent(self.turns.expected(lane, route, self.ambient.monotonic()), named(request))
        return waiter.numbers

    def serve(self) -> None:
        """Wakes all whose turn it is or who have waited long enough, and sets the alarm for the next."""
        now = self.ambient.monotonic()
        for waiter in (*self.turns.serve(now), *self.turns.overdue(now)):
            if not waiter.ticket.done():
                waiter.ticket.set_result(None)
        wait = self.turns.next_turn(now)
        if self._alarm is not None and (wait == math.inf or now + wait < self._rings):
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None and wait < math.inf:
            self._rings = now + max(wait, SHORTEST_SLEEP)
            self._alarm = asyncio.create_task(self._ring(self._rings - now), name="governor")

    async def _ring(self, seconds: float) -> None:
        await self.ambient.sleep(seconds)
        self._alarm = None
        self.serve()

    def ended(self, route: Route, numbers: tuple[int, ...], told: Mapping[str, int] | None = None) -> None:
        """Tells the budgets of an answer, or of none. Without numbers nothing was drawn."""
        now = self.ambient.monotonic()
        for budget, number in zip(route, numbers, strict=False):
            budget.answered(number, now, told.get(budget.quota.told) if told else None)

    def tidy(self) -> None:
        """Forgets full budgets: there is nothing to remember of them."""
        now = self.ambient.monotonic()
        if not self.turns:
            self.budgets = {key: budget for key, budget in self.budgets.items() if not budget.is_full(now)}


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that was let through, with the tokens that it took."""

    draw: Draw
    quotas: tuple[Quota, ...]  # as they were assumed to be
    queue: RequestQueue
    region: str
    route: Route
    numbers: tuple[int, ...]


class Governor:
    """The budgets of one principal in one process.

    share_left: the part of each quota, from 0 to below 1, that is left to the owner's other tools.
    longest: seconds that a request may wait at most, over all its attempts.
    """

    def __init__(
        self, ambient: Ambient, share_left: float = DEFAULT_SHARE_LEFT, longest: float = Limits().budget
    ) -> None:
        self.share_left = share_left
        self._ambient = ambient
        self.longest = longest
        self._queues: dict[str, RequestQueue] = {}
        self._shapes: dict[str, tuple[Quota, ...]] = {}
        self._region = ""  # of ARM's front end, as the last answer named it
        self._entered = 0

    async def enter(self, request: HttpRequest, path: str, pace: Pace, until: float) -> Admission:
        """Waits for the request's turn. Raises the ArmError of a throttled request if that comes after `until`."""
        self._entered += 1
        if self._entered % TIDY_EVERY == 0:
            self._tidy()
        draw = draw_of(request.method, path)
        quotas = self._shapes.get(draw.shape, draw.quotas)
        if pace.blocks is not None:
            wait = await pace.blocks.take(draw.scope, quotas[0], until)
            if wait is not None:
                raise spent(wait, named(request))
        queue = self._queues.get(draw.scope) or self._queues.setdefault(draw.scope, RequestQueue(self._ambient))
        region = self._region
        route = self._route(queue, region, quotas)
        return Admission(draw, quotas, queue, region, route, await queue.turn(pace.lane, route, until, request))

    def _route(self, queue: RequestQueue, region: str, quotas: tuple[Quota, ...]) -> Route:
        found = []
        for quota in quotas:
            budget = queue.budgets.get((region, quota.name))
            if budget is None:
                budget = Budget(quota, self.share_left, self._ambient.monotonic())
                queue.budgets[region, quota.name] = budget
            found.append(budget)
        return tuple(found)

    def unanswered(self, admission: Admission) -> None:
        admission.queue.ended(admission.route, admission.numbers)

    async def answered(self, admission: Admission, answer: AsyncHttpResponse) -> None:
        """Learns from an answer in which region, and on which quotas, the request was counted, and what is left."""
        told = dict(left_by(answer.headers))
        admission = self._corrected(admission, answer.headers, told)
        admission.queue.ended(admission.route, admission.numbers, told)
        if answer.status_code == 429:
            await self._refused(admission, answer, told)

    def _corrected(self, admission: Admission, headers: Mapping[str, str], told: Mapping[str, int]) -> Admission:
        """The passage as ARM counted it, which may differ from what was assumed."""
        region = headers.get(ROUTED, "").partition(":")[0].lower()[:64] or admission.region
        quotas = told_by(admission.draw, admission.quotas, told)
        if region == admission.region and quotas == admission.quotas:
            return admission
        if not self._region:
            self._name_region(region)
        self._region = region
        if quotas != admission.quotas:
            self._learn(admission.draw.shape, quotas)
        route = self._route(admission.queue, region, quotas)
        if route == admission.route:
            return replace(admission, region=region)
        self.unanswered(admission)
        now = self._ambient.monotonic()
        return replace(admission, region=region, route=route, numbers=tuple(budget.draw(now) for budget in route))

    def _name_region(self, region: str) -> None:
        """What was drawn before the first answer is attributed to the region that this answer names."""
        for queue in self._queues.values():
            queue.budgets = {(where or region, name): budget for (where, name), budget in queue.budgets.items()}

    def _learn(self, shape: str, quotas: tuple[Quota, ...]) -> None:
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[shape] = quotas
        log.info("ARM counts %s on %s", shape, ", ".join(quota.name for quota in quotas))

    async def _refused(self, admission: Admission, answer: AsyncHttpResponse, told: Mapping[str, int]) -> None:
        """Empties the refused budgets for as long as ARM says; none if the 429 only means that a resource is busy."""
        if not answer.is_stream_consumed:
            await answer.read()
        text = answer.content.decode("utf-8", errors="replace")
        error = ArmError.from_answer(429, with_seconds(answer.headers, self._ambient.now()), text)
        if error.error_class is not ErrorClass.THROTTLED:
            return
        now = self._ambient.monotonic()
        for budget in _emptied(admission.route, told):
            name, left = budget.quota.name, budget.left(now)
            log.warning("%s: throttled, though %s seemed to have %.0f left", named(answer.request), name, left)
            budget.shut((error.retry_after or timedelta()).total_seconds(), now)
        admission.queue.serve()

    def _tidy(self) -> None:
        for queue in self._queues.values():
            queue.tidy()
        self._queues = {scope: queue for scope, queue in self._queues.items() if queue.budgets or queue.turns}

    def low(self) -> tuple[JsonObject, ...]:
        """The budgets of which less than half is left, the emptiest first."""
        now = self._ambient.monotonic()
        found = [
            (budget.left(now) / budget.most, scope, region, budget)
            for scope, queue in self._queues.items()
            for (region, _), budget in queue.budgets.items()
            if budget.left(now) < budget.most / 2
        ]
        return tuple(
            {
                "quota": budget.quota.name,
                "subscription": scope,
                "region": region,
                "left": max(0, math.floor(budget.left(now))),
                "of": math.floor(budget.most),
            }
            for _, scope, region, budget in sorted(found, key=lambda each: each[:3])
        )


def _emptied(route: Route, told: Mapping[str, int]) -> list[Budget]:
    """The budgets that a refusal is about: those that it says are empty, else those that it cannot report, else one."""
    empty = [budget for budget in route if told.get(budget.quota.told) == 0]
    return empty or [budget for budget in route if not budget.quota.told] or list(route[:1])


def spent(wait: float, request: str) -> ArmError:
    return ArmError(
        status=0,
        code=BUDGET_SPENT,
        message=f"our part of ARM's quota is spent, for {math.ceil(wait)} s: it was not sent, and is put off",
        error_class=ErrorClass.THROTTLED,
        executed=Executed.NO,
        retry_after=timedelta(seconds=wait),
        request=request,
    )


class GovernorPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    def __init__(self, governor: Governor, ambient: Ambient) -> None:
        super().__init__()
        self._governor = governor
        self._ambient = ambient

    async def send(self, request: Request) -> Response:
        context, sent = request.context, request.http_request
        pace = context.setdefault(PACE, context.options.pop(PACE, HEALING))  # options are for the first attempt
        until = context.setdefault(_UNTIL, self._ambient.monotonic() + min(pace.longest, self._governor.longest))
        admission = await self._governor.enter(sent, named(sent).partition(" ")[2], pace, until)
        try:
            response = await self.next.send(request)
        except BaseException:
            self._governor.unanswered(admission)
            raise
        await self._governor.answered(admission, response.http_response)
        return response
