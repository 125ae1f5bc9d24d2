"""A simulated ARM that throttles, in virtual time with real concurrency, and instances that share its quotas."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Arm, Sharing, arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, PRIVATE_DNS_ZONE, SITE, ArmType
from homeostat.core.budget import Budget
from homeostat.core.ids import ResourceId
from homeostat.core.model import Fact, Found
from homeostat.core.quotas import ARM as ARM_QUOTAS
from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Document, StorageUnavailable
from simulator import worlds
from simulator.cloud import Cloud
from simulator.exchange import Exchanger
from simulator.faults import Fault
from simulator.throttling import ARM
from simulator.transport import CloudCredential, CloudTransport
from simulator.virtual import LoopAmbient, VirtualLoop, run_on

SHARE_LEFT = 0.25
READS = ARM["subscription", "reads"][0]
MINE = 0.75 * READS.size
REFILL = 0.75 * READS.size / READS.seconds
RESERVE = Budget(ARM_QUOTAS["subscription", "reads"][0], SHARE_LEFT, 0.0).reserve
CONCURRENCY = 64
LATENCY = 0.05


@dataclass(slots=True)
class Ground:
    """A throttled cloud and what its instances share."""

    loop: VirtualLoop
    cloud: Cloud
    memory: MemoryStorage
    ambient: LoopAmbient
    arms: list[Arm] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def instance(self) -> tuple[Arm, Sharing]:
        ambient = LoopAmbient(self.loop, f"instance {len(self.arms)}")
        clock = ambient.clock()
        transport = CloudTransport(Exchanger(self.cloud, clock, LATENCY, self.faults))
        arm = arm_over(transport, CloudCredential(self.cloud, clock), cloud_of({}), ambient, share_left=SHARE_LEFT)
        self.arms.append(arm)
        return arm, arm.sharing(SharedAllowance(self.memory.documents, ambient, SHARE_LEFT))

    @property
    def site(self) -> ResourceId:
        return self._id(SITE, "app-flask")

    @property
    def group(self) -> ResourceId:
        return self._id(NETWORK_SECURITY_GROUP, "nsg-appservice-integration")

    @property
    def zone(self) -> ResourceId:
        return self._id(PRIVATE_DNS_ZONE, "privatelink.database.windows.net")

    def _id(self, type_: ArmType, name: str) -> ResourceId:
        return ResourceId.of(self.cloud.subscription, "rg-flask", type_.name, name)

    def statuses(self) -> set[int]:
        return {exchange.status for exchange in self.cloud.exchanges}


def on_virtual_time[T](program: Callable[[Ground], Coroutine[Any, Any, T]]) -> T:
    async def begun(loop: VirtualLoop) -> T:
        cloud = worlds.create("guide")
        cloud.throttling.on = True
        ambient = LoopAmbient(loop, "the ground")
        return await program(Ground(loop, cloud, MemoryStorage(ambient.now), ambient))

    return run_on(VirtualLoop(), begun)


async def many(count: int, call: Callable[[], Awaitable[Fact]], at_once: int = CONCURRENCY) -> list[Fact]:
    gate = asyncio.Semaphore(at_once)

    async def one() -> Fact:
        async with gate:
            return await call()

    return list(await asyncio.gather(*(one() for _ in range(count))))


def all_found(facts: list[Fact]) -> bool:
    return all(isinstance(fact, Found) for fact in facts)


@dataclass(slots=True)
class NoDocuments:
    memory: MemoryStorage

    async def read(self, partition: str, row: str) -> Document | None:
        raise StorageUnavailable(f"{partition}/{row}: the store is not there")
