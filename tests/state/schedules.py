"""Several instances around one root, stepped from port call to port call in whatever order a test chooses.

What runs is the real `Store` on the in-memory ports. An actor is a coroutine that stops before each call of a port, so
that a step is one call with all that is decided between it and the next. A crash is an actor that is never stepped
again. The tests rely only on what the platform promises: a hint or message that was not handled to its end comes again.
"""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from homeostat.core import marks, record
from homeostat.core.ids import ResourceId
from homeostat.core.leases import DEFAULT_TERMS
from homeostat.core.record import RootRecord, Settle
from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Change, Conflict, Document, QueuedMessage
from homeostat.store import WORK_QUEUE, Leased, LeaseLost, Store, TooMuchContention

NSG = "Microsoft.Network/networkSecurityGroups"
ROOT = ResourceId.of("11111111-2222-3333-4444-555555555555", "rg", NSG, "nsg")
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
LOCK = timedelta(minutes=10)
NIGHTLY = "nightly"


class _Turn:
    def __await__(self) -> Generator[None]:
        yield


@dataclass
class Notes:
    """All that an actor's further course depends on: where it is, what it took, and what it last knew to be stored."""

    doing: str = ""
    at: str = ""
    took: object = None
    last: tuple[object, datetime] | None = None

    async def turn(self, at: str) -> None:
        self.at = at
        await _Turn()


@dataclass(frozen=True)
class Instance:
    """An instance's clock, which is set wrong by `offset`, and its ports. Waiting takes no time."""

    world: "World"
    offset: timedelta
    notes: "Notes"

    # --- Ambient ---

    def now(self) -> datetime:
        return self.world.now + self.offset

    def monotonic(self) -> float:
        return (self.world.now - START).total_seconds()

    async def sleep(self, _: float) -> None:
        return

    def uuid(self) -> UUID:
        raise AssertionError("nothing is named here")

    def random(self) -> float:
        return 0.5

    async def offload[T](self, work: Callable[[], T]) -> T:
        return work()

    # --- Documents and Queues ---

    async def read(self, partition: str, row: str) -> Document | None:
        await self.notes.turn("read")
        found = await self.world.memory.documents.read(partition, row)
        self.notes.last = (self.world.stored(), self.world.now)
        return found

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        await self.notes.turn("apply")
        versions = await self.world.memory.documents.apply(partition, changes)
        self.notes.last = (self.world.stored(), self.world.now)
        return versions

    def scan(self, *_: Any, **__: Any) -> AsyncIterator[Document]:
        raise AssertionError("nothing is scanned here")

    scan_all = scan

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        await self.notes.turn("send")
        await self.world.memory.queues.send(queue, body, delay=delay)

    def never(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("an instance receives nothing: messages are delivered to it")

    receive = delete = postpone = peek = count = never


@dataclass(eq=False)
class Actor:
    """hint: the one that it handles, and that comes again if it does not end."""

    name: str
    run: Coroutine[None, None, None]
    notes: Notes
    hint: int | None = None
    over: bool = False

    def step(self) -> None:
        try:
            self.run.send(None)
        except StopIteration:
            self.over = True


@dataclass
class World:
    """One root, the changes that happened to it and which of them no observation has seen that came to its end."""

    settle: Settle
    now: datetime = START
    changes: int = 0
    unseen: set[int] = field(default_factory=set)
    untold: set[int] = field(default_factory=set)  # hints that have to come again
    actors: list[Actor] = field(default_factory=list)
    gone: list[Actor] = field(default_factory=list)
    sent: dict[int, datetime] = field(default_factory=dict)  # by the owner's token, while it waits for the answer
    tokens: set[int] = field(default_factory=set)
    token: int = 0  # the last one

    def __post_init__(self) -> None:
        self.memory = MemoryStorage(lambda: self.now)

    # --- who acts ---

    def change(self) -> int:
        self.changes += 1
        self.unseen.add(self.changes)
        self.untold.add(self.changes)
        return self.changes

    def tell(self, hint: int) -> Actor:
        notes = Notes()
        return self._start(Actor(f"hint {hint}", self._mark(hint, notes), notes, hint))

    def deliver(self, message: QueuedMessage, offset: timedelta = timedelta()) -> Actor:
        notes = Notes()
        name = f"worker {message.id} {message.dequeue_count}"
        return self._start(Actor(name, self._work(message, self._store(offset, notes), notes), notes))

    def visit(self, offset: timedelta = timedelta()) -> Actor:
        """Somebody who takes the lease by the way, and whom nobody asks again."""
        notes = Notes()
        return self._start(Actor("visitor", self._visit(self._store(offset, notes), notes), notes))

    def sweep(self) -> Actor:
        """The timer's mark: if it dies, nobody repeats it until the timer fires again. It must harm none meanwhile."""
        notes = Notes()
        mark = self._store(timedelta(), notes).mark(ROOT, NIGHTLY, self.settle, comes_again=False)
        return self._start(Actor(NIGHTLY, _whatever(mark), notes))

    def _store(self, offset: timedelta, notes: Notes) -> Store:
        instance = Instance(self, offset, notes)
        return Store(instance, instance, self.memory.blobs, instance)

    def _start(self, actor: Actor) -> Actor:
        self.actors.append(actor)
        actor.step()  # up to its first port call
        return actor

    def step(self, actor: Actor) -> None:
        """One port call of an actor, after which everything that always holds is looked at."""
        actor.step()
        if actor.over:
            self.actors.remove(actor)
        self.check()

    def crash(self, actor: Actor) -> None:
        self.actors.remove(actor)
        self.gone.append(actor)

    def close(self) -> None:
        for actor in (*self.actors, *self.gone):
            actor.run.close()

    # --- what they do ---

    async def _mark(self, hint: int, notes: Notes) -> None:
        with suppress(TooMuchContention):
            await self._store(timedelta(), notes).mark(ROOT, str(hint), self.settle)
            self.untold.discard(hint)

    async def _work(self, message: QueuedMessage, store: Store, notes: Notes) -> None:
        taken = await store.take(ROOT, "worker", self.settle)
        if isinstance(taken, Leased) and not await self._reconcile(taken, notes):
            notes.doing = "gives back"
            await store.enqueue(ROOT, store.terms.lasts)  # as the engine does when the lease was lost
        await notes.turn("delete")
        with suppress(Conflict):  # its lock ran out, and somebody else has the message
            await self.memory.queues.delete(message)

    async def _visit(self, store: Store, notes: Notes) -> None:
        leased = await store.lease(ROOT, "visitor")
        if leased is not None:
            await self._reconcile(leased, notes)

    async def _reconcile(self, leased: Leased, notes: Notes) -> bool:
        """Observe, write, conclude. Whether the lease held to the end."""
        notes.doing, notes.took = "reconciles", notes.last
        assert leased.lease.token not in self.tokens, "a token tells its owner from all others"
        self.tokens.add(leased.lease.token)
        before = leased.stored.record
        await notes.turn("observe")
        seen = frozenset(range(1, self.changes + 1))
        try:
            await leased.ensure()
            await notes.turn("write")
            if leased.store.ambient.monotonic() <= leased.send_by:
                self.sent[leased.lease.token] = self.now
            await leased.save(lambda current: marks.concluded(current, before, before, releases=True))
        except LeaseLost:
            return False
        self.sent.pop(leased.lease.token, None)  # it had its answer
        self.unseen -= seen
        return True

    # --- what always holds ---

    def state(self) -> object:
        """Two schedules that lead to equal states go on alike. Of a version it only matters whether it is the last."""
        stored = self.stored()
        actors = frozenset(
            (
                actor.name,
                actor.notes.doing,
                actor.notes.at,
                _text(actor.notes.took),
                _text(actor.notes.last),
                actor.notes.last is not None and actor.notes.last[0] == stored,
            )
            for actor in self.actors
        )
        messages = tuple((each.number, each.visible, each.dequeue_count) for each in self._queue())
        sent = frozenset(self.sent.items())
        return _text((stored, self.now)), messages, actors, frozenset(self.unseen), frozenset(self.untold), sent

    def stored(self) -> Any:
        return self.memory.documents._partitions[ROOT.key].get("root")

    def _queue(self) -> Sequence[Any]:
        return self.memory.queues._queues[WORK_QUEUE]

    def record(self) -> RootRecord:
        found = self.stored()
        return RootRecord() if found is None else record.from_json(json.loads(found.text))

    def has_message(self) -> bool:
        due = self.memory.queues.next_visible(WORK_QUEUE)
        return due is not None and due <= self.now

    def messages(self) -> int:
        return len(self._queue())

    def check(self) -> None:
        current = self.record()
        assert current.token >= self.token, "tokens only grow"
        if current.token > self.token:
            self.token = current.token
            late = [when for when in self.sent.values() if when + DEFAULT_TERMS.lands > self.now]
            assert not late, "a write of the owner before may yet take effect"

    # --- the end ---

    def run_down(self) -> None:
        """From here on nobody dies and what has to come again comes: then everything is seen and nothing is left.

        Only a timer that died between its mark and its message leaves that mark, to the timer that fires next.
        """
        self._until_idle()
        assert not self.unseen, f"never looked at: {self.unseen}; left: {self.record()}"
        if self._left_by_a_timer():
            self.sweep()
            self._until_idle()
        assert (self.record().mark, self.record().working, self.messages()) == (None, None, 0)

    def _until_idle(self) -> None:
        end = self.now + timedelta(hours=3)  # the longest that a look is away here is a lease
        while self.now < end and (self.actors or self.untold or self.messages()):
            for hint in sorted(self.untold - {actor.hint for actor in self.actors}):
                self.tell(hint)
            for message in self.receive():
                self.deliver(message)
            while self.actors:
                self.step(self.actors[0])
            due = self.memory.queues.next_visible(WORK_QUEUE)
            self.now = max(self.now + timedelta(seconds=5), due or self.now)

    def _left_by_a_timer(self) -> bool:
        mark = self.record().mark
        died = any(actor.name == NIGHTLY and actor.notes.at == "send" for actor in self.gone)
        return died and mark is not None and NIGHTLY in mark.causes and not self.messages()

    def receive(self, limit: int = 32) -> list[QueuedMessage]:
        return ended(self.memory.queues.receive(WORK_QUEUE, limit=limit, visibility=LOCK))


def _text(known: Any) -> object:
    """What was stored, without its version, and when that was known."""
    return known and (known[0] and known[0].text, known[1])


async def _whatever(run: Coroutine[None, None, object]) -> None:
    with suppress(TooMuchContention):
        await run


def ended[T](run: Coroutine[None, None, T]) -> T:
    """The result of a coroutine that waits for nobody."""
    try:
        run.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")
