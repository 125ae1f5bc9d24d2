"""Event Grid's delivery: the part of the simulator that talks to others.

It works like the real service ("Event Grid message delivery and retry"). Events come at least once and in no order, for
each subscription by itself, in batches only where it asks for them. An endpoint has 30 s to answer, and only 200 to 204
count as success. Retries follow a schedule from ten seconds to twelve hours, until the event's time to live or attempts
run out; then it becomes a dead letter. So a webhook that is down for a while loses nothing. One thing is not simulated:
the real service also holds back new events for a failing endpoint.

Disorder is on by default, and mild: events found together are shuffled, and one in twenty is sent twice. A consumer
that depends on order or on "exactly once" should fail here and not in production. It has a seed of its own.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final, Protocol

import aiohttp

from simulator.clock import Clock
from simulator.cloud import Cloud
from simulator.messages import Json
from simulator.providers.eventgrid import state as grid
from simulator.providers.eventgrid.events import Event, event_of, wanted
from simulator.providers.eventgrid.subscriptions import Subscription, active

_log = logging.getLogger("simulator.delivery")

RETRY_SECONDS: Final = (10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600)
"""Waits before the second and later attempts; after these, every twelve hours."""

_LATER: Final = 43_200
_FINAL_STATUSES: Final = {400, 401, 403, 413}
_CONCURRENT: Final = 64  # connections to one host, so that a slow webhook holds up no other
_ORIGIN: Final = "eventgrid.azure.net"


class UndeliverableError(Exception):
    """An attempt failed. `final` means that no other attempt can do better."""

    def __init__(self, outcome: str, *, final: bool = False) -> None:
        super().__init__(outcome)
        self.final = final


class StorageDestination(Protocol):
    """Where storage-queue deliveries and dead letters go."""

    async def send(self, account: str, queue: str, text: str) -> None:
        """Put one message; UndeliverableError where that fails."""
        ...

    async def keep(self, account: str, container: str, name: str, data: bytes) -> None:
        """Store a dead letter; UndeliverableError where that fails."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How delivery behaves. `time_scale` multiplies every wait and time to live; 0.001 makes ten seconds ten ms."""

    time_scale: float = 1.0
    shuffle: bool = True
    duplicates: float = 0.05
    seed: int = 0
    answer_seconds: float = 30.0


async def run(
    cloud: Cloud, clock: Clock, options: Options | None = None, storage: StorageDestination | None = None
) -> None:
    """Deliver what happens in `cloud` from now on, until cancelled. What is undelivered by then is lost."""
    if storage is None:
        from simulator.storage_destination import AzureStorage

        storage = AzureStorage.from_environment()
    options = options or Options()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONCURRENT)) as session:
        try:
            await _Delivery(cloud, clock, options, session, storage).run()
        finally:
            await storage.close()


class _Delivery:
    def __init__(
        self, cloud: Cloud, clock: Clock, options: Options, session: aiohttp.ClientSession, storage: StorageDestination
    ) -> None:
        self._cloud = cloud
        self._clock = clock
        self._options = options
        self._session = session
        self._storage = storage
        self._random = Random(options.seed)  # noqa: S311  # disorder, not secrets
        self._state = grid.state(cloud)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timeout = aiohttp.ClientTimeout(total=options.answer_seconds * options.time_scale)

    async def run(self) -> None:
        wake = asyncio.Event()
        endings = [self._cloud.activities.subscribe(wake.set), self._state.subscribe(wake.set)]
        cursor = self._cloud.activities.cursor
        try:
            wake.set()  # a handshake may have been asked for before
            while True:
                await wake.wait()
                wake.clear()
                for handshake in self._state.take_handshakes():
                    self._spawn(self._shake_hands(handshake))
                records, cursor = self._cloud.activities.since(cursor)
                found = [event_of(self._cloud, record) for record in records]
                self._distribute([event for event in found if event is not None])
        finally:
            for end in endings:
                end()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a delivery ended in a way that nobody foresaw", exc_info=error)

    # --- which events go where, in which batches

    def _distribute(self, events: Sequence[Event]) -> None:
        for subscription in active(self._cloud) if events else ():
            mine = self._disordered([each for each in events if wanted(each, subscription.topic, subscription.filter)])
            rendered = [each.rendered(subscription.schema, subscription.topic) for each in mine]
            for batch in batches(rendered, subscription.batch, subscription.batch_bytes):
                self._spawn(self._deliver(subscription, batch))

    def _disordered(self, events: list[Event]) -> list[Event]:
        found = [*events, *(each for each in events if self._random.random() < self._options.duplicates)]
        if self._options.shuffle:
            self._random.shuffle(found)
        return found

    # --- one batch, until it is delivered or given up

    async def _deliver(self, subscription: Subscription, batch: list[Json]) -> None:
        began, attempt = self._clock.now(), 0
        while True:
            attempt += 1
            if self._cloud.get(subscription.id) is None:
                return
            try:
                outcome, failure = await self._attempt(subscription, batch, attempt), None
            except UndeliverableError as error:
                outcome, failure = str(error), error
            self._note(subscription, batch, attempt, outcome)
            if failure is None:
                return
            wait = self._wait(attempt)
            if failure.final or attempt >= subscription.max_attempts or self._expires(subscription, began, wait):
                await self._bury(subscription, batch, attempt, outcome, began)
                return
            await self._clock.sleep(wait)

    def _wait(self, attempt: int) -> float:
        scheduled = RETRY_SECONDS[attempt - 1] if attempt <= len(RETRY_SECONDS) else _LATER
        return scheduled * (1 + 0.1 * self._random.random()) * self._options.time_scale

    def _expires(self, subscription: Subscription, began: datetime, wait: float) -> bool:
        age = (self._clock.now() - began).total_seconds() + wait
        return age > subscription.time_to_live.total_seconds() * self._options.time_scale

    async def _attempt(self, subscription: Subscription, batch: list[Json], attempt: int) -> str:
        if subscription.endpoint_type == "StorageQueue":
            account = str(subscription.endpoint["resourceId"]).rpartition("/")[2]
            for event in batch:
                await self._storage.send(account, str(subscription.endpoint["queueName"]), json.dumps(event))
            return "queued"
        return str(await self._post(subscription, batch, attempt))

    async def _post(self, subscription: Subscription, batch: list[Json], attempt: int) -> int:
        single = subscription.schema == "CloudEventSchemaV1_0" and subscription.batch == 1
        content = {
            "EventGridSchema": "application/json; charset=utf-8",
            "CloudEventSchemaV1_0": f"application/cloudevents{'' if single else '-batch'}+json; charset=utf-8",
        }[subscription.schema]
        headers = {
            "content-type": content,
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscription.name.upper(),
            "aeg-delivery-count": str(attempt - 1),
        }
        body = json.dumps(batch[0] if single else batch).encode()
        try:
            async with self._session.post(
                subscription.endpoint["endpointUrl"],
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UndeliverableError(f"{type(error).__name__}: {error}") from error
        if not 200 <= status <= 204:
            raise UndeliverableError(str(status), final=status in _FINAL_STATUSES)
        return status

    # --- what is written down

    def _note(self, subscription: Subscription, batch: list[Json], attempt: int, outcome: str) -> None:
        ids = tuple(str(event["id"]) for event in batch)
        self._state.deliveries.append(grid.Delivery(self._clock.now(), subscription.name, ids, attempt, outcome))

    async def _bury(
        self, subscription: Subscription, batch: list[Json], attempt: int, outcome: str, began: datetime
    ) -> None:
        letters = [
            {
                **event,
                "deadLetterReason": "MaxDeliveryAttemptsExceeded" if attempt > 1 else "UndeliverableDueToClientError",
                "deliveryAttempts": attempt,
                "lastDeliveryOutcome": outcome,
                "publishTime": began.isoformat(),
                "lastDeliveryAttemptTime": self._clock.now().isoformat(),
            }
            for event in batch
        ]
        self._state.dead_letters.extend({**each, "subscription": subscription.name} for each in letters)
        _log.warning("%s: gave up on %d event(s) after %d attempt(s)", subscription.name, len(batch), attempt)
        if subscription.dead_letter is None:
            return
        place = subscription.dead_letter.get("properties") or {}
        account, container = str(place.get("resourceId")).rpartition("/")[2], str(place.get("blobContainerName"))
        now = self._clock.now()
        name = f"{subscription.name.upper()}/{now:%Y/%m/%d/%H}/{batch[0]['id']}.json"
        try:
            await self._storage.keep(account, container, name, json.dumps(letters).encode())
        except UndeliverableError as error:
            _log.warning("%s: the dead letter could not be stored: %s", subscription.name, error)

    # --- handshakes

    async def _shake_hands(self, handshake: grid.Handshake) -> None:
        try:
            if handshake.cloud_events:
                await self._ask_permission(handshake)
            else:
                await self._validate(handshake)
            error = None
        except (aiohttp.ClientError, TimeoutError, OSError, UndeliverableError) as failure:
            base = handshake.url.partition("?")[0]
            message = (
                f"The attempt to validate the provided endpoint {base} failed: {str(failure) or type(failure).__name__}"
            )
            error = {"code": "Url validation", "message": message}
        handshake.conclude(self._clock.now(), error)

    async def _validate(self, handshake: grid.Handshake) -> None:
        """The Event Grid schema's: a validation event, whose code comes back."""
        event = {
            "id": handshake.code.lower(),
            "topic": handshake.topic,
            "subject": "",
            "data": {"validationCode": handshake.code, "validationUrl": f"https://{_ORIGIN}/validate"},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": self._clock.now().isoformat(),
            "metadataVersion": "1",
            "dataVersion": "2",
        }
        headers = {"aeg-event-type": "SubscriptionValidation"}
        async with self._session.post(handshake.url, json=[event], headers=headers, timeout=self._timeout) as response:
            answer = await response.read()
            if response.status != 200 or _validation_response(answer) != handshake.code:
                raise UndeliverableError(f"it answered {response.status} without the validation code")

    async def _ask_permission(self, handshake: grid.Handshake) -> None:
        """CloudEvents' (HTTP 1.1 Web Hooks, section 4): OPTIONS, answered with the origin that is allowed."""
        headers = {"WebHook-Request-Origin": _ORIGIN}
        async with self._session.options(handshake.url, headers=headers, timeout=self._timeout) as response:
            allowed = response.headers.get("WebHook-Allowed-Origin")
            if response.status != 200 or allowed not in {"*", _ORIGIN}:
                raise UndeliverableError(f"it answered {response.status} and allows the origin {allowed}")


def batches(events: Sequence[Json], count: int, size: int) -> list[list[Json]]:
    """`events` in runs of up to `count`, a run ending before it exceeds `size` bytes; one event always fits."""
    found: list[list[Json]] = []
    used = 0
    for event in events:
        length = len(json.dumps(event))
        if not found or len(found[-1]) >= count or used + length > size:
            found.append([])
            used = 0
        found[-1].append(event)
        used += length
    return found


def _validation_response(answer: bytes) -> str | None:
    try:
        document = json.loads(answer)
    except ValueError:
        return None
    return str(document.get("validationResponse")) if isinstance(document, dict) else None
