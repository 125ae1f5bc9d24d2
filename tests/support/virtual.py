"""The real loop over the simulated Azure, in the virtual time of the event loop.

Every call to ARM takes ARM_SECONDS, every call to storage STORAGE_SECONDS, and everything else takes no time. So it
shows to the millisecond what waits for what, however busy the machine is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from homeostat.azure.arm import arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.ids import ResourceId
from homeostat.core.json import Absent
from homeostat.core.record import DEFAULT_SETTLE, Settle
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.memory import MemoryStorage
from homeostat.ports.alerts import CloudEventData
from homeostat.ports.storage import Blob, BlobInfo, Blobs, Change, Document, Documents, QueuedMessage, Queues
from homeostat.service import Service
from homeostat.store import WORK_QUEUE, Store
from remediators import REGISTRY, WITHOUT_PROBES
from simulator import worlds
from simulator.clock import Clock
from simulator.cloud import Cloud, Exchange, Timing
from simulator.exchange import Exchanger
from simulator.transport import CloudCredential, CloudTransport
from tests.nights.clock import DUSK, NightLoop, OwnAmbient
from tests.support.polling import Polling
from tests.support.simulation import Answer, Client

ARM_SECONDS: Final = 0.05
STORAGE_SECONDS: Final = 0.005


@dataclass(slots=True)
class Toll:
    """The time that each call to storage takes, and the number of calls by operation."""

    seconds: float
    calls: Counter[str] = field(default_factory=Counter)
    recorded: float = 0.0  # when, by the loop's time, the last batch with a ledger entry was stored

    async def pay(self, name: str) -> None:
        self.calls[name] += 1
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class DistantDocuments:
    inner: Documents
    toll: Toll

    async def read(self, partition: str, row: str) -> Document | None:
        await self.toll.pay("documents.read")
        return await self.inner.read(partition, row)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        await self.toll.pay("documents.apply")
        if any(change.row.startswith("ledger:") for change in changes):
            self.toll.recorded = asyncio.get_running_loop().time()
        return await self.inner.apply(partition, changes)

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        await self.toll.pay("documents.scan")
        async for document in self.inner.scan(partition, first=first, last=last, limit=limit):
            yield document

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        await self.toll.pay("documents.scan_all")
        async for document in self.inner.scan_all(first=first, last=last):
            yield document


@dataclass(frozen=True, slots=True)
class DistantQueues:
    inner: Queues
    toll: Toll

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        await self.toll.pay("queues.send")
        await self.inner.send(queue, body, delay=delay)

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        await self.toll.pay("queues.peek")
        return await self.inner.peek(queue, limit=limit)

    async def count(self, queue: str) -> int:
        await self.toll.pay("queues.count")
        return await self.inner.count(queue)

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        await self.toll.pay("queues.receive")
        return await self.inner.receive(queue, limit=limit, visibility=visibility)

    async def delete(self, message: QueuedMessage) -> None:
        await self.toll.pay("queues.delete")
        await self.inner.delete(message)

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        await self.toll.pay("queues.postpone")
        return await self.inner.postpone(message, delay)


@dataclass(frozen=True, slots=True)
class DistantBlobs:
    inner: Blobs
    toll: Toll

    async def read(self, container: str, name: str) -> Blob | None:
        await self.toll.pay("blobs.read")
        return await self.inner.read(container, name)

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        await self.toll.pay("blobs.write")
        return await self.inner.write(container, name, data, expected=expected, content_type=content_type)

    async def delete(self, container: str, name: str) -> None:
        await self.toll.pay("blobs.delete")
        await self.inner.delete(container, name)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        await self.toll.pay("blobs.list")
        async for info in self.inner.list(container, prefix):
            yield info


@dataclass(slots=True)
class Inbox:
    events: list[CloudEventData] = field(default_factory=list)

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        self.events.extend(events)


@dataclass(frozen=True, slots=True)
class Texts:
    """The spec's documents, by name. They never change, so reading them takes no time."""

    by_name: Mapping[str, str]

    async def versions(self) -> Mapping[str, str]:
        return dict.fromkeys(self.by_name, "1")

    async def texts(self, names: Iterable[str]) -> Mapping[str, str]:
        return {name: self.by_name[name] for name in names}


@dataclass(slots=True)
class Place:
    loop: NightLoop
    ambient: OwnAmbient
    cloud: Cloud
    memory: MemoryStorage
    toll: Toll
    inbox: Inbox
    service: Service

    def operator(
        self, method: str, target: "ResourceId | str", body: Any = None, version: str = "2024-05-01"
    ) -> Answer:
        """One ARM call by a person, which takes no time. It must succeed."""
        path = target.text if isinstance(target, ResourceId) else target
        answer = self.ask(method, path, body, version)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer

    def ask(self, method: str, path: str, body: Any, version: str) -> Answer:
        return Client(self.cloud, self.ambient.now())(method, path, body, version)

    @property
    def recorded(self) -> float:
        """When the last batch with a ledger entry was stored."""
        return self.toll.recorded

    def calls(self) -> list[Exchange]:
        """Homeostat's calls to ARM, in the order of the answers."""
        return list(self.cloud.exchanges)

    def event(self, resource: ResourceId, operation: str = "") -> dict[str, Any]:
        """The event of a write that has just succeeded. It names no caller."""
        return {
            "id": str(self.ambient.uuid()),
            "eventType": "Microsoft.Resources.ResourceWriteSuccess",
            "subject": resource.text,
            "eventTime": self.ambient.now().isoformat(),
            "data": {"resourceUri": resource.text, "operationName": operation},
        }

    async def work_off(self, seconds: float) -> None:
        """Works as one instance does under the host, for so long and then until nothing more is due."""
        until = self.loop.time() + seconds
        polling = Polling(self.memory.queues, WORK_QUEUE, self.service.work)
        while polling.running or self.loop.time() < until:
            await polling.turn()


def place(
    loop: NightLoop,
    world: str,
    specs: Mapping[str, str],
    *,
    settle: Settle = DEFAULT_SETTLE,
) -> Place:
    """A place where nothing has happened yet. Building it takes no time."""
    ambient = OwnAmbient(loop, "virtual", 0)
    clock = Clock(ambient.now, ambient.sleep)
    cloud = worlds.create(world, timing=Timing(retry_after=0), now=DUSK)
    open_arm = arm_over(
        CloudTransport(Exchanger(cloud, clock, latency=ARM_SECONDS)),
        CloudCredential(cloud, clock),
        cloud_of({}),
        ambient,
    )
    memory, inbox, toll = MemoryStorage(ambient.now), Inbox(), Toll(STORAGE_SECONDS)
    store = Store(
        DistantDocuments(memory.documents, toll),
        DistantQueues(memory.queues, toll),
        DistantBlobs(memory.blobs, toll),
        ambient,
    )
    engine = Engine(
        WITHOUT_PROBES,
        open_arm.reader,
        open_arm.writer,
        store,
        inbox,
        ambient,
        settle=settle,
        deployments=open_arm.reader,
        changes=open_arm.changes,
    )
    desired = DesiredState(Texts(specs), REGISTRY, ambient, cloud.subscription)
    service = Service(engine, desired, {}, open_arm.identity)
    return Place(loop, ambient, cloud, memory, toll, inbox, service)
