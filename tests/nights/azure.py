"""The simulated Azure of a night, and the line over which an instance talks to it.

Every write, whoever makes it and however late it lands, is noted by its effect on the world. The schedule says what
goes wrong on the line, and which writes of others reach ARM at the worst moment.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from simulator import throttling
from simulator.clock import Clock
from simulator.cloud import HOMEOSTAT, OPERATOR, SUBSCRIPTION, Cloud, Resource
from simulator.exchange import Exchanger
from simulator.gateway import handle
from simulator.messages import Json, Request, Response
from simulator.operations import Operation
from simulator.providers.network import nrp
from simulator.throttling import Limit
from tests.nights import place
from tests.nights.clock import DUSK, NightLoop
from tests.nights.faults import KINDS, Strike
from tests.nights.schedule import Fault, Race
from tests.nights.trace import Call, Changed, Happened, Refused, Trace

WORK: ContextVar[str] = ContextVar("work", default="")
"""The piece of work of the running task. Tasks that it starts inherit it."""

STALE_FOR: Final = timedelta(seconds=60)
"""For how long a cache in front of ARM may answer with an earlier state."""

GRAPH: Final = "/providers/Microsoft.ResourceGraph/resources"

LIMITS: Final[Mapping[str, Limit]] = {
    limit.name: limit
    for limit in (
        *(limit for limits in throttling.ARM.values() for limit in limits),
        throttling.SETTINGS,
        throttling.PRIVATE_DNS_READS,
        throttling.NETWORK_READS,
        throttling.NETWORK_WRITES,
    )
}
"""The quotas that a night draws on, by name."""

_ASKED_BY_POST = ("/list", "/microsoft.resourcegraph/resources")
_POLLS = ("/operations/", "/operationresults/", "/privatednsoperationstatuses/", "/privatednsoperationresults/")


def verb_of(request: Request) -> str:
    path = request.path.lower()
    if any(each in path for each in _POLLS):
        return "poll"
    return "read" if request.method == "GET" or path.endswith(_ASKED_BY_POST) else "write"


class Azure:
    """The cloud, observed. Everything that reaches it passes `execute`."""

    def __init__(self, loop: NightLoop, cloud: Cloud, trace: Trace, dice: Random) -> None:
        self.loop, self.cloud, self.trace, self.dice = loop, cloud, trace, dice
        self.faults: list[Fault] = []
        self.races: list[Race] = []
        self.on_race: Callable[[Race], None] = lambda _: None
        self.on_write: Callable[[Call], None] = lambda _: None
        self.struck: dict[str, int] = {}
        self.recalls = False  # whether any read of this night is to be answered from a moment ago
        self._known = place.state(cloud)
        self._revision = cloud.revision
        self._asked: dict[str, Request] = {}
        self._answers: dict[str, deque[tuple[datetime, Response]]] = {}

    def now(self) -> datetime:
        return DUSK + timedelta(seconds=self.loop.time())

    def advance(self) -> None:
        """Completes the operations that are due. The finish of each notes what it changed."""
        self.cloud.advance(self.now())

    def execute(
        self, request: Request, who: str, work: str, *, strike: Strike = KINDS["slow"], amount: float = 0.0
    ) -> Response:
        """Carries a request out now. Notes what it changed at once, and has its operation note the rest."""
        return self.observed(who, work, lambda: self._handled(request, strike, amount))

    def observed(self, who: str, work: str, write: Callable[[], Response]) -> Response:
        self.advance()
        if self.recalls:
            self._recall()
        before = set(self.cloud.operations)
        answer = write()
        correlation = answer.headers.get("x-ms-correlation-request-id", "")
        self.tell(who, work, correlation)
        for operation in [each for key, each in self.cloud.operations.items() if key not in before]:
            original = operation.finish
            operation.finish = partial(self._finished, original, who, work, correlation)
            self.loop.call_at(self._seconds(operation.due), self.advance)
        return answer

    def lag(self, seconds: float) -> None:
        """From now on rows may be so many seconds old. The index has seen the world as it is now."""
        self.cloud.timing = replace(self.cloud.timing, row_seconds=seconds)
        query: Json = {"query": "resources | project id"}
        request = Request.of("POST", GRAPH, query, api_version="2021-03-01", caller=OPERATOR)
        assert handle(self.cloud, request, self.now()).status == 200, "it can be asked for all rows"

    def spend(self, quota: str, part: float) -> None:
        """Another tool with Homeostat's identity draws on a quota."""
        self.cloud.throttling.spend(LIMITS[quota], part, SUBSCRIPTION, HOMEOSTAT, self.now())

    def tell(self, who: str, work: str, correlation: str) -> None:
        """Notes how the world has changed since the last note."""
        if self.cloud.revision == self._revision:
            return
        self._revision = self.cloud.revision
        state = place.state(self.cloud)
        values = place.changes(self._known, state)
        self._known = state
        if values:
            self.trace.add(Changed(self.loop.time(), who, work, correlation, values))

    def _finished(
        self, original: Callable[[datetime], None], who: str, work: str, correlation: str, at: datetime
    ) -> None:
        original(at)
        self.cloud.touch()
        self.tell(who, work, correlation)

    def _seconds(self, at: datetime) -> float:
        return (at - DUSK).total_seconds()

    # --- operations that are stuck, or fail ---

    def _handled(self, request: Request, strike: Strike, amount: float) -> Response:
        if not strike.held:
            return handle(self.cloud, request, self.now())
        timing, known = self.cloud.timing, set(self.cloud.operations)
        self.cloud.timing = type(timing)(amount, timing.retry_after)
        kept = self._family(request.path) if strike.fails else []
        try:
            answer = handle(self.cloud, request, self.now())
        finally:
            self.cloud.timing = timing
        for operation in [each for key, each in self.cloud.operations.items() if key not in known]:
            if strike.fails and not operation.error:
                self._fail(operation, kept, request.path)
        return answer

    def _family(self, path: str) -> list[Resource]:
        """Copies of everything that a write at this path can touch: its root, and all below it."""
        name = place.root_at(path)
        prefix = place.ROOTS[name].lower() if name else path.lower()
        return [
            Resource(each.id, each.type, json.loads(json.dumps(each.body)), each.etag, "Succeeded")
            for each in self.cloud
            if f"{each.key}/".startswith(f"{prefix}/")
        ]

    def _fail(self, operation: Operation, kept: list[Resource], path: str) -> None:
        """Makes the operation fail: at its end the world is as before, under a new ETag."""
        name = place.root_at(path)
        root = place.ROOTS[name].lower() if name and "networksecuritygroups" in path.lower() else path.lower()
        original = operation.finish

        def finish(at: datetime) -> None:
            original(at)
            self.cloud.remove(root)
            for resource in (each for each in kept if f"{each.key}/".startswith(f"{root}/")):
                quote = '"' if resource.etag.startswith('"') else ""
                resource.etag = resource.etag and f"{quote}{self.cloud.guid()}{quote}"
                self.cloud.put(resource)
            operation.error = {"code": "InternalServerError", "message": "the operation failed on purpose"}

        operation.finish = finish

    # --- reads of a moment ago ---

    def remember(self, request: Request) -> None:
        """Remembers this read, so that its answer of before a change can be given after the change."""
        self._asked.setdefault(_key(request), request)

    def _recall(self) -> None:
        with self._unthrottled():
            self._recalled()

    @contextmanager
    def _unthrottled(self) -> Iterator[None]:
        """Reads that the night itself makes draw on no quota."""
        quotas = self.cloud.throttling
        on, quotas.on = quotas.on, False
        try:
            yield
        finally:
            quotas.on = on

    def _recalled(self) -> None:
        for key, request in self._asked.items():
            answer = handle(self.cloud, request, self.now())
            kept = self._answers.setdefault(key, deque(maxlen=3))
            kept.append((self.now(), answer))

    def of_a_moment_ago(self, request: Request) -> Response | None:
        """The answer of before the last change, if that was only a moment ago."""
        for at, answer in reversed(self._answers.get(_key(request), ())):
            if self.now() - at <= STALE_FOR:
                return Response(answer.status, answer.headers.copy(), answer.body)
        return None

    # --- what is due to strike ---

    def strike(self, request: Request, verb: str) -> Fault | None:
        path, now = request.path.lower(), self.loop.time()
        for fault in self.faults:
            if fault.at <= now and fault.verb == verb and fault.on in path and self._can(fault, request):
                self.faults.remove(fault)
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                return fault
        return None

    def _can(self, fault: Fault, request: Request) -> bool:
        """A stale read waits until there is something that it can be stale about."""
        return fault.kind != "stale" or self.of_a_moment_ago(request) is not None

    def race(self, request: Request, *, after: bool) -> None:
        """Carries out the writes of others that were waiting for one of Homeostat's."""
        path, now = request.path.lower(), self.loop.time()
        for race in [each for each in self.races if each.at <= now and each.on in path and each.after == after]:
            self.races.remove(race)
            self.on_race(race)

    def tag(self, path: str) -> str | None:
        """The ETag that ARM compares with a write's If-Match at this path. None if nothing is there."""
        found = self.cloud.get(path)
        if found is None:
            return None
        return nrp.tag(self.cloud, found) if "networksecuritygroups" in path.lower() else found.etag


def _key(request: Request) -> str:
    return f"{request.method} {request.path} {sorted(request.query.items())}"


class Line(Exchanger):
    """One instance's connection to ARM. It takes time both ways, and faults strike it."""

    def __init__(self, azure: Azure, who: str) -> None:
        super().__init__(azure.cloud, Clock(azure.now, asyncio.sleep))
        self._azure, self._who = azure, who

    async def exchange(self, request: Request) -> Response | None:
        azure, work, verb = self._azure, WORK.get(), verb_of(request)
        sent, sent_at = len(azure.trace.seen), azure.loop.time()
        request = Request(request.method, request.path, request.query, request.headers, request.body, HOMEOSTAT)
        fault = azure.strike(request, verb)
        strike = KINDS[fault.kind] if fault else KINDS["slow"]
        amount = fault.amount if fault else 0.0
        await asyncio.sleep(azure.dice.uniform(0.01, 0.2) + (amount if strike.late else 0.0))
        if verb == "write":
            azure.race(request, after=False)
        tag = azure.tag(request.path) if verb == "write" else None
        refusals = self._refusals()
        answer = self._executed(request, verb, work, strike, amount)
        shown = answer
        if strike.status is not None:
            shown = strike.answer(amount) if strike.status else None
        executed = strike.executed and answer is not None and answer.status < 300
        call = Call(
            at=azure.loop.time(), who=self._who, work=work, verb=verb, method=request.method, path=request.path,
            status=shown.status if shown else 0, executed=executed,
            sent=sent, sent_at=sent_at, struck=fault.kind if fault else "",
            correlation=request.headers.get("x-ms-correlation-request-id", ""),
            if_match=request.headers.get("if-match", ""), if_none_match=request.headers.get("if-none-match", ""),
            tag=tag, body=request.body.decode() if verb == "write" else "",
        )  # fmt: skip
        azure.trace.add(call)
        if answer and (refused := self._refusals() - refusals):
            (quota,) = refused
            azure.trace.add(Refused(call.at, self._who, work, quota, int(answer.headers.get("retry-after", "0"))))
        if verb == "write":
            azure.on_write(call)
            azure.race(request, after=True)
        await asyncio.sleep(azure.dice.uniform(0.01, 0.2) + strike.waits + (amount if strike.slow else 0.0))
        return shown

    def _refusals(self) -> Counter[str]:
        """How often ARM has refused a request so far, by quota."""
        return Counter({limit: tally.refused for (limit, *_), tally in self._azure.cloud.throttling})

    def _executed(self, request: Request, verb: str, work: str, strike: Strike, amount: float) -> Response | None:
        azure = self._azure
        if not strike.executed:
            return None
        if verb == "write":
            return azure.execute(request, self._who, work, strike=strike, amount=amount)
        azure.advance()
        if strike.stale and request.method == "GET" and (old := azure.of_a_moment_ago(request)):
            azure.trace.add(Happened(azure.loop.time(), "stale read", request.path.rpartition("/")[2]))
            return old
        if request.method == "GET" and verb == "read":
            azure.remember(request)
        return handle(azure.cloud, request, azure.now())
