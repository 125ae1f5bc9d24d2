"""The same night with the real service, sweep, governor and pipeline, over the simulated Azure in this process.

Its fleet is the simulator's `fleet:N`. All of its roots were seen once, so that the sweep finds them at rest.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from bench.scaling.host import Platform
from bench.scaling.model import Size
from bench.scaling.night import A_DAY, Came, Ground
from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState
from homeostat.ports.storage import Queues
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE
from homeostat.sweeps.course import SweepAccess, Sweeps
from remediators import WITHOUT_PROBES
from simulator import worlds
from simulator.cloud import Cloud
from simulator.exchange import Exchanger
from simulator.transport import CloudCredential, CloudTransport
from simulator.virtual import LoopAmbient, VirtualLoop, run_on
from tests.support.fleets import APPS
from tests.support.virtual import Texts

VISIBILITY: Final = timedelta(minutes=10)


@dataclass(slots=True)
class Real:
    loop: VirtualLoop
    ground: Ground
    cloud: Cloud
    days: int
    latency: float = 0.0

    def sweeps(self, ambient: LoopAmbient) -> Sweeps:
        return self.service(ambient).sweeps

    def service(self, ambient: LoopAmbient) -> Service:
        clock = ambient.clock()
        transport = CloudTransport(Exchanger(self.cloud, clock, self.latency))
        arm = arm_over(transport, CloudCredential(self.cloud, clock), cloud_of({}), ambient)
        store = self.ground.store(ambient)
        shared = arm.sharing(SharedAllowance(store.documents, ambient, DEFAULT_SHARE_LEFT))
        engine = Engine(
            WITHOUT_PROBES,
            arm.reader,
            arm.writer,
            store,
            self.ground.inbox,
            ambient,
            deployments=arm.reader,
            changes=shared.changes,
        )
        specs = Texts({"homeostat.yaml": APPS % ", ".join(self.cloud.subscriptions)})
        selections = Selections(shared.table, arm.reader, store.blobs, ambient)
        desired = DesiredState(specs, WITHOUT_PROBES, ambient, self.cloud.subscription, selections=selections)
        managed = Managed(store, store.blobs, ambient)
        access = SweepAccess(shared.reader, shared.table, self.days)
        return Service(engine, desired, {}, arm.identity, managed=managed, sweep_access=access)

    async def see_all(self) -> None:
        """Runs a first sweep, which sees every root, and lets a day pass. It draws on no quota."""
        service, over = self.service(self.ground.ambient), self.ground.inbox.over
        await service.sweeps.start("nightly")
        while not over.is_set():
            for queue, worker in ((SWEEP_QUEUE, service.sweeps.work), (WORK_QUEUE, service.work)):
                await _work_off(self.ground.queues, queue, worker)
            await asyncio.sleep(1)
        await asyncio.sleep(A_DAY)
        over.clear()


async def _work_off(queues: Queues, queue: str, worker: Callable[[Any], Awaitable[None]]) -> None:
    while found := await queues.receive(queue, limit=32, visibility=VISIBILITY):
        await asyncio.gather(*(worker(json.loads(message.body)) for message in found))
        for message in found:
            await queues.delete(message)


@dataclass(frozen=True, slots=True)
class Measured:
    """The real night. cpu: seconds of this machine's processor for the sweep, the simulator's part included."""

    came: Came
    cpu: float


def swept(size: Size, platform: Platform) -> Measured:
    async def program(loop: VirtualLoop) -> Measured:
        ground = Ground.on(loop, 0.0)
        cloud = worlds.create(f"fleet:{size.apps}", subscriptions=size.subscriptions)
        real = Real(loop, ground, cloud, size.days)
        await real.see_all()
        ground.toll.seconds, real.latency = size.storage, size.latency.arm
        cloud.throttling.forget()
        cloud.throttling.on = True
        cpu = time.process_time()
        came = await ground.sweep(real.sweeps, platform, cloud.throttling)
        return Measured(came, time.process_time() - cpu)

    return run_on(VirtualLoop(), program)
