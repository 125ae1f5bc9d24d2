"""The same night with the real thing: service, sweep, governor and pipeline over the simulated Azure in this process.

Its fleet is the simulator's `fleet:N`, all of whose roots were seen once, so that the sweep finds them at rest.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bench.scaling.arm import Latency
from bench.scaling.host import Platform
from bench.scaling.night import A_DAY, Came, Ground, came
from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.alerts import AlertType
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.engine import Engine
from homeostat.managed import Managed
from homeostat.ports import CloudEventData, Queues
from homeostat.selections import Selections
from homeostat.service import Service
from homeostat.specs import Desired
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE
from homeostat.sweeps import Way
from remediators import WITHOUT_PROBES
from simulator import worlds
from simulator.cloud import Cloud
from simulator.exchange import Exchanger
from simulator.transport import CloudCredential, CloudTransport
from simulator.virtual import LoopAmbient, VirtualLoop, run_on
from tests.loop.swept import FLEET
from tests.support.virtual import Texts

VISIBILITY: Final = timedelta(minutes=10)


@dataclass(slots=True)
class Inbox:
    """The channel of the alerts. `swept` is set by the alert that a sweep has ended."""

    ambient: LoopAmbient
    at: float = 0.0
    swept: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        if any(event.type == AlertType.SWEEP_COMPLETED for event in events):
            self.at = self.ambient.monotonic()
            self.swept.set()


@dataclass(slots=True)
class Real:
    """looked: when, on the loop's clock, a chunk was worked on last."""

    loop: VirtualLoop
    ground: Ground
    cloud: Cloud
    inbox: Inbox
    days: int
    latency: float = 0.0
    looked: float = 0.0

    def instance(self, number: int) -> "RealInstance":
        return RealInstance(self, self.service(f"instance {number}"))

    def service(self, name: str) -> Service:
        ambient = LoopAmbient(self.loop, name)
        clock = ambient.clock()
        transport = CloudTransport(Exchanger(self.cloud, clock, self.latency))
        arm = arm_over(transport, CloudCredential(self.cloud, clock), cloud_of({}), ambient)
        store = self.ground.store(ambient)
        engine = Engine(
            WITHOUT_PROBES,
            arm.reader,
            arm.writer,
            store,
            self.inbox,
            ambient,
            deployments=arm.reader,
            changes=arm.changes,
        )
        specs = Texts({"homeostat.yaml": FLEET % ", ".join(self.cloud.subscriptions)})
        selections = Selections(arm.changes, arm.reader, store.blobs, ambient)
        desired = Desired(specs, WITHOUT_PROBES, ambient, self.cloud.subscription, selections=selections)
        lane = arm.sweeping(SharedAllowance(store.documents, ambient, DEFAULT_SHARE_LEFT))
        managed = Managed(store, store.blobs, ambient)
        way = Way(lane.reader, lane.table, self.days)
        return Service(engine, desired, {}, arm.identity, managed=managed, way=way)

    async def see_all(self) -> None:
        """The sweep before, which sees every root for the first time, and a day after it. It takes no quota."""
        service = self.service("the day before")
        await service.sweeps.start("nightly")
        while not self.inbox.swept.is_set():
            for queue, worker in ((SWEEP_QUEUE, service.sweeps.work), (WORK_QUEUE, service.work)):
                await _work_off(self.ground.queues, queue, worker)
            await asyncio.sleep(1)
        await asyncio.sleep(A_DAY)
        self.inbox.swept.clear()


@dataclass(frozen=True, slots=True)
class RealInstance:
    real: Real
    service: Service

    async def work(self, message: Any) -> None:
        await self.service.sweeps.work(message)
        if "chunk" in message:
            self.real.looked = self.real.loop.time()


async def _work_off(queues: Queues, queue: str, worker: Any) -> None:
    while found := await queues.receive(queue, limit=32, visibility=VISIBILITY):
        await asyncio.gather(*(worker(json.loads(message.body)) for message in found))
        for message in found:
            await queues.delete(message)


@dataclass(frozen=True, slots=True)
class Measured:
    """cpu: seconds of this machine's processor for the sweep, the simulator's part among them."""

    came: Came
    cpu: float


def swept(apps: int, subscriptions: int, days: int, platform: Platform, storage: float, latency: Latency) -> Measured:
    async def program(loop: VirtualLoop) -> Measured:
        ground = Ground.on(loop, 0.0)
        cloud = worlds.create(f"fleet:{apps}", subscriptions=subscriptions)
        real = Real(loop, ground, cloud, Inbox(ground.ambient), days)
        await real.see_all()
        ground.toll.calls.clear()
        ground.toll.seconds, real.latency = storage, latency.arm
        cloud.throttling.forget()
        cloud.throttling.on = True
        began, cpu = loop.time(), time.process_time()
        host = await ground.sweep(real.instance, platform, real.inbox.swept)
        cpu = time.process_time() - cpu
        return Measured(came(ground, host, cloud.throttling, (began, real.looked, real.inbox.at)), cpu)

    return run_on(VirtualLoop(), program)
