"""Messages that failed too often: what they are about, and how a person replays or drops them.

The Functions host moves a message that failed five times to the queue's poison queue, which nothing reads. It names a
root, a run, a rollout, a sweep or an event and is only a hint, so handling it again can do nothing that an event or a
timer could not. https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from homeostat.core import json
from homeostat.core.asks import ask_in
from homeostat.core.errors import HomeostatError
from homeostat.core.events import MalformedEvent, parse_event, route
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.outcome import Decision, Trigger, decision_entry
from homeostat.core.record import RootRecord
from homeostat.core.rollout import State as RolloutState
from homeostat.core.spec import Fleet, Root
from homeostat.core.sweep import State
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.operations.run_store import RunStore
from homeostat.ports.storage import Conflict, QueuedMessage, Queues
from homeostat.rows import ledger_row
from homeostat.store import EVENT_QUEUE, SWEEP_QUEUE, WORK_QUEUE
from homeostat.sweeps.store import SweepStore

log = logging.getLogger(__name__)

SUFFIX: Final = "-poison"
QUEUES: Final = tuple(f"{queue}{SUFFIX}" for queue in (WORK_QUEUE, EVENT_QUEUE, SWEEP_QUEUE))

SHOWN: Final = 32
"""How many of the oldest messages of each queue are listed: more cannot be seen without receiving them."""

HANDLING: Final = timedelta(minutes=1)
"""How long a message is hidden while it is replayed. If this process dies, it shows again afterwards."""

MAX_ROUNDS: Final = 100


class NoSuchMessage(HomeostatError):
    """No poison queue has a message with that id, or somebody else is handling it."""


@dataclass(frozen=True, slots=True)
class Poison:
    engine: Engine
    desired: DesiredState

    @property
    def _queues(self) -> Queues:
        return self.engine.store.queues

    async def count(self) -> int:
        """Raises StorageError."""
        return sum([await self._queues.count(queue) for queue in QUEUES])

    async def list(self) -> list[JsonObject]:
        """The oldest messages of each queue. Raises StorageError."""
        found = [message for queue in QUEUES for message in await self._queues.peek(queue, limit=SHOWN)]
        times = Counter(message.body for message in found)
        return [_told(message, times[message.body]) for message in found]

    async def explain(self, id_: str) -> JsonObject:
        """What a message is about, what became of that, and what a replay would do. Raises NoSuchMessage."""
        for queue in QUEUES:
            found = await self._queues.peek(queue, limit=SHOWN)
            for message in found:
                if message.id == id_:
                    times = sum(other.body == message.body for other in found)
                    return {**_told(message, times), "explanation": list(await self._explanation(message))}
        raise NoSuchMessage(f"no poison message {id_!r} is among the oldest {SHOWN} of {', '.join(QUEUES)}")

    async def replay(self, id_: str, by: str) -> JsonObject:
        """Puts a message back into the queue that it came from. Raises NoSuchMessage, SpecError and StorageError.

        It is sent before it is deleted: after a crash in between it is in both, and handling a hint twice is harmless.
        """

        async def again(message: QueuedMessage) -> None:
            await self._queues.send(message.queue.removesuffix(SUFFIX), message.body)
            await self._tell(Decision.REPLAYED, message, by)
            with suppress(Conflict):  # it was sent; here it stays for another time
                await self._queues.delete(message)

        return await self._with(id_, again)

    async def drop(self, id_: str, by: str) -> JsonObject:
        """Deletes a message. Raises NoSuchMessage, SpecError and StorageError."""

        async def away(message: QueuedMessage) -> None:
            await self._tell(Decision.DROPPED, message, by)
            await self._queues.delete(message)

        return await self._with(id_, away)

    async def _tell(self, decision: Decision, message: QueuedMessage, by: str) -> None:
        """Writes into the log, and into the ledgers of the message's roots, who replayed or dropped it."""
        log.info("message %s of %s is %s by %s", message.id, message.queue, decision, by)
        now, trigger = self.engine.ambient.now(), Trigger("poison", (message.id,), caller=by)
        for root in await self._roots(message):
            entry = decision_entry(decision, root.id, root.targets, trigger, now)
            row = ledger_row(entry, now, self.engine.ambient.uuid())
            await self.engine.store.documents.apply(root.id.key, (row,))

    async def _roots(self, message: QueuedMessage) -> Sequence[Root]:
        """The declared roots that a message is about. Runs, rollouts and sweeps have no root's ledger."""
        body, fleet = _parsed(message.body), await self.desired.fleet()
        if message.queue.startswith(EVENT_QUEUE):
            return self._routed(body, fleet)
        try:
            root = fleet.roots.get(ResourceId.parse(json.text_at(body, "root")))
        except InvalidResourceId:
            return ()
        return (root,) if root else ()

    def _routed(self, body: Json, fleet: Fleet) -> Sequence[Root]:
        """The roots that an event concerns; none if the event is malformed."""
        try:
            hint = parse_event(body, self.engine.ambient.now())
        except MalformedEvent:
            return ()
        return route(fleet, hint, self.engine.registry) if hint else ()

    async def _with(self, id_: str, act: Callable[[QueuedMessage], Awaitable[None]]) -> JsonObject:
        """Receives messages until the one with this id is among them; the others are put back."""
        for queue in QUEUES:
            others: list[QueuedMessage] = []
            try:
                for _ in range(MAX_ROUNDS):
                    received = await self._queues.receive(queue, limit=SHOWN, visibility=HANDLING)
                    others.extend(message for message in received if message.id != id_)
                    for message in received:
                        if message.id == id_:
                            await act(message)
                            return _told(message, 1)
                    if not received:
                        break
            finally:
                for other in others:
                    with suppress(Conflict):
                        await self._queues.postpone(other, timedelta())
        raise NoSuchMessage(f"no poison message {id_!r} is in {', '.join(QUEUES)}, or another is at work on it")

    # --- in words ---

    async def _explanation(self, message: QueuedMessage) -> Sequence[str]:
        body = _parsed(message.body)
        if message.queue.startswith(EVENT_QUEUE):
            return await self._of_event(body)
        if message.queue.startswith(SWEEP_QUEUE):
            return await self._of_sweep(body)
        if run_id := json.text_at(body, "run"):
            return await self._of_run(run_id)
        if version := json.text_at(body, "rollout"):
            return await self._of_rollout(version)
        try:
            return await self._of_root(ResourceId.parse(json.text_at(body, "root")))
        except InvalidResourceId:
            return ("It names neither a root, a run nor a rollout. Replayed, it would be dropped.",)

    async def _of_root(self, root: ResourceId) -> Sequence[str]:
        record = (await self.engine.store.load(root)).record
        declared = root in (await self.desired.fleet()).roots
        if not declared:
            return (f"{root.short} is no longer declared. Replayed, it does nothing.", *_state(record))
        if record.mark is None and record.working is None:
            return (f"{root.short} has been looked at since. Replayed, it does nothing.", *_state(record))
        return (f"Replayed, {root.short} is reconciled: it is observed first, whatever failed before.", *_state(record))

    async def _of_run(self, run_id: str) -> Sequence[str]:
        run = await RunStore(self.engine.store.documents, self.engine.store.blobs).load(run_id)
        if run is None:
            return (f"Run {run_id} is not known any more. Replayed, it does nothing.",)
        if run["state"] == "done":
            return (f"Run {run_id} is done: {json.text_at(run, 'status')}. Replayed, it does nothing.",)
        return (f"Replayed, run {run_id} of {json.text_at(run, 'caller')} is carried out from its beginning.",)

    async def _of_rollout(self, version: str) -> Sequence[str]:
        rollout = await self.engine.rollouts.state()
        if rollout is None or rollout.version != version or rollout.state is RolloutState.DONE:
            return (f"The rollout of version {version} of the spec is over. Replayed, it does nothing.",)
        return (f"Replayed, it looks how far version {version} of the spec has come, and lets its rollout go on.",)

    async def _of_sweep(self, body: Json) -> Sequence[str]:
        if not (id_ := json.text_at(body, "sweep")):
            return ("It names no sweep. Replayed, it would be dropped.",)
        current = await SweepStore(self.engine.store).current()
        if json.text_at(body, "cause"):
            if current and (ask := ask_in(body)) and current.sweep.began >= ask.at:
                return (f"Sweep {current.sweep.id} began after it was asked for. Replayed, it does nothing.",)
            return (f"Replayed, it begins sweep {id_}, or lets the one go on that is under way.",)
        if current is None or current.sweep.id != id_ or current.sweep.state is State.ENDED:
            return (f"Sweep {id_} is over. Replayed, it does nothing; the next sweep looks at every root again.",)
        if isinstance(number := body.get("chunk") if isinstance(body, Mapping) else None, int):
            return (f"Replayed, chunk {number} of sweep {id_} goes on where it stopped.",)
        return (f"Replayed, it looks whether sweep {id_} has ended.",)

    async def _of_event(self, body: Json) -> Sequence[str]:
        try:
            hint = parse_event(body, self.engine.ambient.now())
        except MalformedEvent as error:
            return (f"It is no event that is understood: {error}. Replayed, it would be dropped.",)
        roots = route(await self.desired.fleet(), hint, self.engine.registry) if hint else ()
        if not roots:
            return ("It concerns nothing that is declared. Replayed, it does nothing.",)
        return (f"Replayed, it marks {', '.join(root.id.short for root in roots)}, which are then looked at.",)


def _state(record: RootRecord) -> Sequence[str]:
    failing = record.failing
    if failing is None:
        return ("Its last look did not fail.",)
    tries = f"Its last {failing.failures} tries failed" if failing.failures > 1 else "Its last try failed"
    return (f"{tries}, since {failing.since.isoformat()}: {failing.error}",)


def _told(message: QueuedMessage, times: int) -> JsonObject:
    body = _parsed(message.body)
    kind, what = _named(message, body)
    return {
        "queue": message.queue,
        "id": message.id,
        "inserted": message.inserted.isoformat(),
        "kind": kind,
        "names": what,
        "times": times,
    }


def _named(message: QueuedMessage, body: Json) -> tuple[str, str]:
    """What the message is about. A malformed one is not quoted: anybody may have sent it."""
    if message.queue.startswith(EVENT_QUEUE):
        return "event", json.text_at(body, "subject")
    for kind in ("root", "run", "rollout", "sweep"):
        if found := json.text_at(body, kind):
            return kind, found
    return "unknown", ""


def _parsed(text: str) -> Json:
    try:
        return json.parse(text)
    except (ValueError, RecursionError):
        return None
