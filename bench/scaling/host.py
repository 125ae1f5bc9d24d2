"""The Functions host in virtual time: instances take the messages of one queue, and are added and removed.

Target-based scaling wants one instance for each batch of messages, hidden ones included. It adds up to four instances
at a time, and at most every 30 s, where that is documented at all. The pace of Flex Consumption is not documented to
the second, so both are parameters, and docs/scale.md shows what they change.
https://learn.microsoft.com/azure/azure-functions/functions-target-based-scaling
https://learn.microsoft.com/azure/azure-functions/event-driven-scaling
"""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from homeostat.ambient import Ambient
from homeostat.ports.storage import QueuedMessage, Queues

VISIBILITY: Final = timedelta(days=1)
"""How long a message is hidden. The host renews that for as long as a function runs."""

RETRY: Final = timedelta(seconds=30)  # visibilityTimeout of host.json
MAX_DEQUEUES: Final = 5
SHORTEST_POLL, LONGEST_POLL = 0.1, 5.0  # maxPollingInterval of host.json
SHORTEST_BILLED, BILLED_STEP = 1.0, 0.1
"""The least number of seconds that a working instance is billed for, and the step by which that grows.

https://learn.microsoft.com/azure/azure-functions/functions-consumption-costs
"""


class Worker(Protocol):
    """What runs on one instance."""

    async def work(self, message: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Platform:
    """How the platform runs and adds instances.

    batch, threshold: of the queue trigger. most: instances. step: how many are added, each `every` seconds. cold:
    seconds from then to the first message.
    """

    batch: int = 16
    threshold: int = 8
    most: int = 1000
    step: int = 4
    every: float = 30.0
    cold: float = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    at: float  # seconds since the host began
    depth: int
    instances: int


@dataclass(slots=True)
class Bill:
    executions: int = 0
    active: float = 0.0  # seconds, of all instances, rounded as they are billed
    failures: list[BaseException] = field(default_factory=list)
    poisoned: int = 0


@dataclass(slots=True, eq=False)
class _Instance:
    worker: Worker
    running: set[asyncio.Task[None]] = field(default_factory=set)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    busy_since: float = 0.0
    is_gone: bool = False


@dataclass(slots=True)
class Host:
    """The host. `start` makes the worker of a new instance, and is given the instance's number."""

    queues: Queues  # as the host sees them: each call takes its time and is paid for
    queue: str
    start: Callable[[int], Worker]
    ambient: Ambient
    platform: Platform = field(default_factory=Platform)
    samples: list[Sample] = field(default_factory=list)
    bill: Bill = field(default_factory=Bill)
    _instances: list[_Instance] = field(default_factory=list)
    _started: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self, is_over: asyncio.Event) -> None:
        """Works until `is_over` is set. Then every instance ends what it has in hand."""
        began = self.ambient.monotonic()
        while not is_over.is_set():
            depth = await self.queues.count(self.queue)
            self._scale(depth)
            self.samples.append(Sample(self.ambient.monotonic() - began, depth, len(self._instances)))
            await self._until(is_over)
        for instance in self._instances:
            instance.is_gone = True
            instance.freed.set()
        await asyncio.gather(*self._tasks)

    async def _until(self, is_over: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self.platform.every):
                await is_over.wait()
        except TimeoutError:
            return

    def _scale(self, depth: int) -> None:
        wanted = min(self.platform.most, math.ceil(depth / self.platform.batch))
        more = min(self.platform.step, wanted - len(self._instances))
        for _ in range(more):
            self._started += 1
            instance = _Instance(self.start(self._started))
            self._instances.append(instance)
            self._tasks.append(asyncio.create_task(self._listen(instance)))
        for instance in [each for each in self._instances if not each.running][: max(0, -more)]:
            instance.is_gone = True
            self._instances.remove(instance)

    async def _listen(self, instance: _Instance) -> None:
        await self.ambient.sleep(self.platform.cold)
        pause = SHORTEST_POLL
        while not instance.is_gone:
            if len(instance.running) > self.platform.threshold:
                instance.freed.clear()
                await instance.freed.wait()
                continue
            found = await self.queues.receive(self.queue, limit=self.platform.batch, visibility=VISIBILITY)
            for message in found:
                self._begin(instance, message)
            pause = SHORTEST_POLL if found else min(2 * pause, LONGEST_POLL)
            if not found:
                await self.ambient.sleep(pause)
        await asyncio.gather(*instance.running)

    def _begin(self, instance: _Instance, message: QueuedMessage) -> None:
        if not instance.running:
            instance.busy_since = self.ambient.monotonic()
        task = asyncio.create_task(self._process(instance, message))
        instance.running.add(task)
        task.add_done_callback(lambda done: self._ended(instance, done))

    def _ended(self, instance: _Instance, task: asyncio.Task[None]) -> None:
        instance.running.discard(task)
        instance.freed.set()
        if not instance.running:
            spent = self.ambient.monotonic() - instance.busy_since
            self.bill.active += max(SHORTEST_BILLED, math.ceil(spent / BILLED_STEP) * BILLED_STEP)

    async def _process(self, instance: _Instance, message: QueuedMessage) -> None:
        self.bill.executions += 1
        try:
            await instance.worker.work(json.loads(message.body))
        except Exception as error:  # noqa: BLE001  # as the host: whatever it was, the message comes again
            self.bill.failures.append(error)
            if message.dequeue_count < MAX_DEQUEUES:
                await self.queues.postpone(message, RETRY)
                return
            self.bill.poisoned += 1
        await self.queues.delete(message)
