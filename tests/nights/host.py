"""The environment of the instances: the Functions host with its queue, and Event Grid.

Both deliver at least once. A message that fails comes again at once, and goes to the poison queue after five times. A
message whose instance died comes again once it is visible again. An event that is not taken comes again, ever later.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from homeostat.ports.storage import Conflict, QueuedMessage
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE
from simulator.activity import Activity
from simulator.providers.eventgrid.events import event_of
from tests.nights.azure import WORK
from tests.nights.clock import DUSK
from tests.nights.instance import Instance
from tests.nights.ports import Ground
from tests.nights.schedule import Mail
from tests.nights.trace import Began, Ended, Happened

MAX_DEQUEUES: Final = 5
VISIBILITY: Final = timedelta(minutes=10)
RENEWED_EVERY: Final = 240.0
"""Seconds after which the host renews the hiding of a message, while its instance works on it."""

QUEUES: Final = (WORK_QUEUE, SWEEP_QUEUE)

EVENT_TIMEOUT: Final = 30.0
EVENT_RETRIES: Final = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0)
"""https://learn.microsoft.com/azure/event-grid/delivery-and-retry"""


class Host:
    def __init__(self, ground: Ground, instances: Callable[[], list[Instance]], mail: list[Mail]) -> None:
        self._ground, self._instances = ground, instances
        self._mail = {each.number: each for each in mail}
        self._turn = 0
        self._events = 0
        self._cursor = 0
        self.twice: list[float] = []  # from when on a message is to be handed out a second time
        self.busy = 0
        self.under_way = 0  # events that are neither taken, lost nor given up
        self.tasks: list[asyncio.Task[None]] = []  # referenced to the end: what a dead instance left is never collected
        self._wake: dict[tuple[str, float], None] = {}
        ground.azure.cloud.activities.subscribe(self._post)
        ground.on_sent = self.look_at_queues

    @property
    def quiet(self) -> bool:
        queues = self._ground.memory.queues
        return not self.busy and not self.under_way and all(queues.next_visible(queue) is None for queue in QUEUES)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(self._ground.loop.create_task(work))

    def next_instance(self) -> Instance | None:
        living = [each for each in self._instances() if each.life.alive]
        self._turn += 1
        return living[self._turn % len(living)] if living else None

    # --- the queues ---

    def look_at_queues(self) -> None:
        for queue in QUEUES:
            self._look_at(queue)

    def _look_at(self, queue: str) -> None:
        """Hands out the messages that are due, and looks again when the next one becomes visible."""
        loop, due = self._ground.loop, self._ground.memory.queues.next_visible(queue)
        if due is None:
            return
        at = (due - DUSK).total_seconds()
        if at > loop.time():
            if (queue, at) not in self._wake:
                self._wake[queue, at] = None
                loop.call_at(at, self._look_at, queue)
            return
        self.start(self._hand_out(queue))

    async def _hand_out(self, queue: str) -> None:
        for message in await self._ground.memory.queues.receive(queue, limit=16, visibility=VISIBILITY):
            self.start(self._process(message))
        self._look_at(queue)

    async def _process(self, message: QueuedMessage) -> None:
        instance = self.next_instance()
        if instance is None:
            await self._put_back(message, timedelta(seconds=5))
            return
        self.busy += 1
        renewal = _Renewal(self._ground, instance, message)
        failure = await self._worked(instance, message)
        renewal.stop()
        self.busy -= 1
        await self._settle(renewal.message, failure)
        self.look_at_queues()

    async def _worked(self, instance: Instance, message: QueuedMessage) -> str:
        work = instance.next_work()
        WORK.set(work)
        self.begin(instance, work, f"message {message.body} (delivery {message.dequeue_count})")
        instance.life.on_death.append(self._forget)
        try:
            service = instance.service
            work_off = service.sweeps.work if message.queue == SWEEP_QUEUE else service.work
            await work_off(json.loads(message.body))
        except Exception as error:  # noqa: BLE001 - as the host: whatever it was, the message comes again
            failure = f"{type(error).__name__}: {error}"
        else:
            failure = ""
        finally:
            if self._forget in instance.life.on_death:
                instance.life.on_death.remove(self._forget)
        self.end(instance, work, failure)
        return failure

    def _forget(self) -> None:
        """Forgets a dead instance's messages. Its host is dead as well, and they become visible again by themselves."""
        self.busy -= 1

    def begin(self, instance: Instance, work: str, what: str) -> None:
        at = self._ground.loop.time()
        self._ground.trace.add(Began(at, instance.who, work, what, instance.cap.value))

    def end(self, instance: Instance, work: str, failure: str) -> None:
        self._ground.trace.add(Ended(self._ground.loop.time(), instance.who, work, failure))

    async def _settle(self, message: QueuedMessage, failure: str) -> None:
        if failure and message.dequeue_count >= MAX_DEQUEUES:
            self._ground.trace.add(Happened(self._ground.loop.time(), "poison", message.body))
            await self._delete(message)
        elif failure or self._is_lost():
            await self._put_back(message, timedelta())
        else:
            await self._delete(message)

    def _is_lost(self) -> bool:
        now = self._ground.loop.time()
        due = next((at for at in self.twice if at <= now), None)
        if due is None:
            return False
        self.twice.remove(due)
        self._ground.trace.add(Happened(now, "delivered again"))
        return True

    async def _put_back(self, message: QueuedMessage, delay: timedelta) -> None:
        with suppress(Conflict):  # it showed again meanwhile, and is somebody else's
            await self._ground.memory.queues.postpone(message, delay)
        self.look_at_queues()

    async def _delete(self, message: QueuedMessage) -> None:
        with suppress(Conflict):  # as above
            await self._ground.memory.queues.delete(message)

    # --- Event Grid ---

    def _post(self) -> None:
        """Makes an event of each new record of the activity log. The schedule decides what happens to it on its way."""
        records, self._cursor = self._ground.azure.cloud.activities.since(self._cursor)
        for record in records:
            self._send(record)

    def _send(self, record: Activity) -> None:
        event = event_of(self._ground.azure.cloud, record)
        if event is None or record.status != "Success":
            return
        loop, dice = self._ground.loop, self._ground.azure.dice
        number, self._events = self._events, self._events + 1
        fate = self._mail.get(number)
        body = event.rendered("EventGridSchema", f"/subscriptions/{self._ground.azure.cloud.subscription}")
        if fate is not None:
            self._ground.trace.add(Happened(loop.time(), f"event {fate.fate}", event.subject))
        if fate is not None and fate.fate == "lost":
            return
        wait = dice.uniform(0.5, 4.0) + (fate.seconds if fate else 0.0)
        for copy in range(2 if fate is not None and fate.fate == "twice" else 1):
            self.under_way += 1
            loop.call_later(wait * (1 + copy), self._deliver, body, 0)

    def _deliver(self, event: dict[str, Any], attempt: int) -> None:
        self.start(self._delivered(event, attempt))

    async def _delivered(self, event: dict[str, Any], attempt: int) -> None:
        loop = self._ground.loop
        instance = self.next_instance()
        if instance is None:
            self._again(event, attempt)
            return
        work = instance.next_work()
        WORK.set(work)
        self.begin(instance, work, f"event {event['id']} of {event['data']['correlationId']}")
        overdue = loop.call_later(EVENT_TIMEOUT, self._again, event, attempt)
        try:
            await instance.service.on_event(event)
        except Exception as error:  # noqa: BLE001 - as Event Grid: whatever it was, the event comes again
            self.end(instance, work, f"{type(error).__name__}: {error}")
            overdue.cancel()
            self._again(event, attempt)
            return
        overdue.cancel()
        self.under_way -= 1
        self.end(instance, work, "")
        self._ground.trace.add(Happened(loop.time(), "event taken", str(event["data"]["correlationId"])))

    def _again(self, event: dict[str, Any], attempt: int) -> None:
        if attempt < len(EVENT_RETRIES):
            self._ground.loop.call_later(EVENT_RETRIES[attempt], self._deliver, event, attempt + 1)
        else:
            self.under_way -= 1
            self._ground.trace.add(Happened(self._ground.loop.time(), "event given up", event["subject"]))


class _Renewal:
    """Keeps a message hidden for as long as its instance is alive and works on it."""

    def __init__(self, ground: Ground, instance: Instance, message: QueuedMessage) -> None:
        self.message = message
        self._ground, self._instance = ground, instance
        self._timer = ground.loop.call_later(RENEWED_EVERY, self._renew)

    def _renew(self) -> None:
        if not self._instance.life.alive:
            return
        renewing = self._ground.memory.queues.postpone(self.message, VISIBILITY)
        try:
            renewing.send(None)
        except StopIteration as done:
            self.message = done.value
            self._timer = self._ground.loop.call_later(RENEWED_EVERY, self._renew)
        except Conflict:
            pass

    def stop(self) -> None:
        self._timer.cancel()
