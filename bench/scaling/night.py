"""What the model and the real sweep have in common: storage that costs time, one host, one timer."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, override

from bench.scaling.host import Bill, Host, Platform, Sample
from bench.scaling.queues import QuickQueues
from homeostat.core.alerts import AlertType
from homeostat.memory import MemoryStorage
from homeostat.ports.alerts import CloudEventData
from homeostat.ports.storage import Document
from homeostat.store import SWEEP_QUEUE, Store
from homeostat.sweeps.course import Sweeps
from simulator.throttling import Throttling
from simulator.virtual import LoopAmbient, VirtualLoop
from tests.support.virtual import DistantBlobs, DistantDocuments, DistantQueues, Toll

SWEEP: Final = "00000000-0000-4000-8000-000000000001"

A_DAY: Final = 24 * 3600.0
"""Length of the night before, in which the real service first sees its fleet. So both read the same share in full."""

SCANNED: Final = 1000
"""The most entities in one answer of a table."""


@dataclass(frozen=True, slots=True)
class Came:
    """The results of a night. seconds: until the sweep ended. looked: until its last chunk was done.

    calls: to Azure, by the bucket that they drew on. refused: with 429. stored: calls to storage, by operation.
    processor: the model's processor seconds, of all instances.
    """

    seconds: float
    looked: float
    calls: Mapping[str, int]
    refused: int
    stored: Mapping[str, int]
    bill: Bill
    samples: tuple[Sample, ...]
    processor: float = 0.0


@dataclass(slots=True)
class Inbox:
    """The alert channel. The alert that a sweep has ended sets `over`."""

    ambient: LoopAmbient
    at: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        if any(event.type == AlertType.SWEEP_COMPLETED for event in events):
            self.at = self.ambient.monotonic()
            self.over.set()


@dataclass(frozen=True, slots=True)
class VastDocuments(DistantDocuments):
    """A table with more entities than are stored here: a scan of all of it takes the time for these as well."""

    entities: int = 0

    @override
    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        for _ in range(self.entities // SCANNED):
            await self.toll.pay("documents.scan_all")
        async for document in DistantDocuments.scan_all(self, first=first, last=last):
            yield document


@dataclass(slots=True)
class Ground:
    """What a night happens on. looked: when a chunk was last worked on, by the loop's clock."""

    loop: VirtualLoop
    ambient: LoopAmbient
    memory: MemoryStorage
    queues: QuickQueues
    toll: Toll
    inbox: Inbox
    entities: int
    looked: float = 0.0

    @classmethod
    def on(cls, loop: VirtualLoop, storage: float, entities: int = 0) -> "Ground":
        """storage: seconds for each call to it. entities: in its table, besides those that the night stores."""
        ambient = LoopAmbient(loop, "the ground")
        memory, queues = MemoryStorage(ambient.now), QuickQueues(ambient.now)
        return cls(loop, ambient, memory, queues, Toll(storage), Inbox(ambient), entities)

    def store(self, ambient: LoopAmbient) -> Store:
        return Store(
            VastDocuments(self.memory.documents, self.toll, self.entities),
            DistantQueues(self.queues, self.toll),
            DistantBlobs(self.memory.blobs, self.toll),
            ambient,
        )

    async def sweep(self, start: Callable[[LoopAmbient], Sweeps], platform: Platform, throttling: Throttling) -> Came:
        """Fires the timer, and works on the messages of the sweeps' queue until the sweep has ended."""

        def instance(number: int) -> Instance:
            return Instance(start(LoopAmbient(self.loop, f"instance {number}")), self)

        host = Host(DistantQueues(self.queues, self.toll), SWEEP_QUEUE, instance, self.ambient, platform)
        self.toll.calls.clear()
        began = self.loop.time()
        await self.queues.send(SWEEP_QUEUE, json.dumps({"sweep": SWEEP, "cause": "nightly"}))
        await host.run(self.inbox.over)
        return Came(
            self.inbox.at - began,
            self.looked - began,
            drawn(throttling),
            throttling.refused,
            dict(sorted(self.toll.calls.items())),
            host.bill,
            tuple(host.samples),
        )


@dataclass(frozen=True, slots=True)
class Instance:
    sweeps: Sweeps
    ground: Ground

    async def work(self, message: Any) -> None:
        await self.sweeps.work(message)
        if "chunk" in message:
            self.ground.looked = self.ground.loop.time()


def drawn(throttling: Throttling) -> Mapping[str, int]:
    """The calls by the first bucket that each draws on. The buckets of all principals would count them again."""
    found: Counter[str] = Counter()
    for (name, *_), tally in throttling:
        if "-global-" not in name and name not in {"network-reads", "network-writes"}:
            found[name] += tally.drawn
    return dict(sorted(found.items()))
