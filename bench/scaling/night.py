"""A night of the model, and the same of the real service, under one host and with one kind of storage, and what each came to."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.scaling.host import Bill, Host, Platform, Sample, Worker
from bench.scaling.queues import QuickQueues
from bench.scaling.sweeps import ModelSweeps, Night
from homeostat.memory import MemoryStorage
from homeostat.store import SWEEP_QUEUE, Store
from simulator.throttling import Throttling
from simulator.virtual import LoopAmbient, VirtualLoop, run_on
from tests.support.virtual import DistantBlobs, DistantDocuments, DistantQueues, Toll

SWEEP: Final = "00000000-0000-4000-8000-000000000001"

A_DAY: Final = 24 * 3600.0
"""Seconds of the night before, in which the real service sees its fleet: so that both read the same share in full."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a night came to. seconds: until the sweep ended. looked: until its last chunk was done.

    calls: to Azure, by the bucket that they drew on. refused: with 429. stored: calls to storage, by what was asked.
    processor: seconds, of all instances.
    """

    seconds: float
    looked: float
    calls: Mapping[str, int]
    refused: int
    stored: Mapping[str, int]
    bill: Bill
    samples: tuple[Sample, ...]
    processor: float = 0.0

    @property
    def instances(self) -> int:
        return max(sample.instances for sample in self.samples)


@dataclass(slots=True)
class Ground:
    """Storage that costs time, and the host above it."""

    ambient: LoopAmbient
    memory: MemoryStorage
    queues: QuickQueues
    toll: Toll

    @classmethod
    def on(cls, loop: VirtualLoop, storage: float) -> "Ground":
        ambient = LoopAmbient(loop, "the ground")
        return cls(ambient, MemoryStorage(ambient.now), QuickQueues(ambient.now), Toll(storage))

    def store(self, ambient: LoopAmbient) -> Store:
        return Store(
            DistantDocuments(self.memory.documents, self.toll),
            DistantQueues(self.queues, self.toll),
            DistantBlobs(self.memory.blobs, self.toll),
            ambient,
        )

    async def sweep(self, start: Callable[[int], Worker], platform: Platform, is_over: asyncio.Event) -> Host:
        """The timer fires; everything that the sweeps' queue gets is worked off until the sweep has ended."""
        host = Host(DistantQueues(self.queues, self.toll), SWEEP_QUEUE, start, self.ambient, platform)
        await self.queues.send(SWEEP_QUEUE, json.dumps({"sweep": SWEEP, "cause": "nightly"}))
        await host.run(is_over)
        return host


def drawn(throttling: Throttling) -> Mapping[str, int]:
    """Calls by the first bucket that each draws on: those of all principals together count the same ones again."""
    found: Counter[str] = Counter()
    for (name, *_), tally in throttling:
        if "-global-" not in name and name not in {"network-reads", "network-writes"}:
            found[name] += tally.drawn
    return dict(sorted(found.items()))


def modelled(night: Callable[[Toll], Night], platform: Platform, storage: float) -> Came:
    """`night` says what there is, given what counts the calls to storage."""

    async def program(loop: VirtualLoop) -> Came:
        ground = Ground.on(loop, storage)
        about, instances = night(ground.toll), list[ModelSweeps]()

        def start(number: int) -> ModelSweeps:
            ambient = LoopAmbient(loop, f"instance {number}")
            instances.append(ModelSweeps(about, ground.store(ambient), ambient))
            return instances[-1]

        await asyncio.sleep(A_DAY)
        began = loop.time()
        host = await ground.sweep(start, platform, about.is_over)
        processor = sum(each.processor.spent for each in instances)
        return came(ground, host, about.throttling, (began, about.looked_through, about.ended_at), processor)

    return run_on(VirtualLoop(), program)


def came(
    ground: Ground, host: Host, throttling: Throttling, times: tuple[float, float, float], processor: float = 0.0
) -> Came:
    """times: when it began, when the last chunk was done, and when it ended."""
    began, looked, over = times
    stored = dict(sorted(ground.toll.calls.items()))
    return Came(
        over - began,
        looked - began,
        drawn(throttling),
        throttling.refused,
        stored,
        host.bill,
        tuple(host.samples),
        processor,
    )
