"""A fleet with several instances at night, over a simulated Azure that throttles, in the virtual time of the loop.

The service, sweep, governor and pipeline are the real ones, driven as the host drives the function app: two queues,
each polled by every instance. Calls to ARM and to storage take a fixed time, and the processor takes no time, so that
times and calls are exact on any machine.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.alerts import AlertType
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, text_at
from homeostat.core.record import IMMEDIATE
from homeostat.core.spec import Fleet
from homeostat.core.sweep import DEFAULT_FULL_READ_DAYS
from homeostat.engine import Engine
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState
from homeostat.memory import MemoryStorage
from homeostat.ports.alerts import CloudEventData
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE, Store
from homeostat.sweeps.course import SweepAccess
from remediators import WITHOUT_PROBES
from simulator import worlds
from simulator.cloud import Cloud, Exchange, Timing
from simulator.exchange import Exchanger
from simulator.faults import Fault
from simulator.transport import CloudCredential, CloudTransport
from tests.nights.clock import DUSK, NightLoop, OwnAmbient
from tests.support.polling import POLL_SECONDS, Polling
from tests.support.simulation import Answer, Client
from tests.support.virtual import (
    ARM_SECONDS,
    STORAGE_SECONDS,
    DistantBlobs,
    DistantDocuments,
    DistantQueues,
    Texts,
    Toll,
)

APPS: Final = """
select: {tags: {homeostat: prod}, subscriptions: [%s]}
name: ${web_app}
mode: enforce
vnet_integration: {subnet: vnet-appservice/snet-appservice-integration}
route_all: {application_traffic: true}
app_settings: {settings: {REDIS_PORT: 6380}}
nsg_rules:
  nsg-appservice-integration:
    rules:
      allow-sql: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}
subnet:
  vnet-appservice/snet-appservice-integration: {address_prefix: 10.10.1.0/24}
dns_links:
  privatelink.database.windows.net:
    links: {link-vnet-appservice: {vnet: vnet-appservice, registration: false}}
"""

MUCH_IS_REPAIRED: Final = """
---
policy: fleet
mass_drift: {at_least: 20000}
caps: {roots_at_least: 20000, writes_per_hour: 20000}
"""

FLEET: Final = APPS + MUCH_IS_REPAIRED
"""The spec of all apps of a simulated fleet. Whatever drifts is repaired, however much it is."""


WEB_VERSION, NETWORK_VERSION = "2025-05-01", "2024-05-01"
DAYS: Final = DEFAULT_FULL_READ_DAYS


@dataclass(frozen=True, slots=True)
class Swept:
    """The results of a sweep.

    seconds: from its begin until its summary was told, by the loop's time. cpu: of this process, the simulated Azure's
    part included. refused: calls that were answered with 429.
    """

    summary: Any
    seconds: float
    cpu: float
    calls: tuple[Exchange, ...]
    refused: int

    def count(self, method: str, word: str = "") -> int:
        return sum(call.method == method and word in call.path for call in self.calls)

    @property
    def queries(self) -> int:
        return self.count("POST", "/Microsoft.ResourceGraph/")

    @property
    def writes(self) -> int:
        return sum(call.method in {"PUT", "PATCH", "DELETE"} for call in self.calls)


@dataclass(frozen=True, slots=True)
class Channel:
    """An alert channel that keeps the summaries of sweeps and the writers whom repairs name, and drops the rest."""

    summaries: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    blamed: list[str] = field(default_factory=list)

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        for event in events:
            if event.type == AlertType.SWEEP_COMPLETED:
                await self.summaries.put(event.data)
            if event.type == AlertType.REMEDIATED:
                self.blamed.append(text_at(event.data, "changedBy", "name"))


@dataclass(frozen=True, slots=True)
class Night:
    """A night of several instances. faults: of their calls to Azure."""

    loop: NightLoop
    cloud: Cloud
    memory: MemoryStorage
    channel: Channel
    toll: Toll
    services: tuple[Service, ...]
    faults: list[Fault]

    @property
    def service(self) -> Service:
        """The service of one instance, for events."""
        return self.services[0]

    async def fleet(self) -> Fleet:
        return await self.service.desired.fleet()

    async def sweep(self, meanwhile: Awaitable[Any] | None = None) -> Swept:
        """Runs a sweep from its begin to its end, with fresh quotas and counts."""
        self.forget()
        began, cpu = self.loop.time(), time.process_time()
        await self.service.sweeps.start("nightly")
        beside = asyncio.ensure_future(meanwhile) if meanwhile is not None else None
        summary = await self.channel.summaries.get()
        took, cpu = self.loop.time() - began, time.process_time() - cpu
        if beside is not None:
            await beside
        return Swept(summary, took, cpu, tuple(self.cloud.exchanges), self.cloud.throttling.refused)

    def forget(self) -> None:
        """Forgets the calls so far, and refills the quotas."""
        self.cloud.exchanges.clear()
        self.cloud.throttling.forget()

    def event(self, resource: ResourceId) -> dict[str, Any]:
        """The event of a write that has just succeeded. It names no caller."""
        ambient = self.service.engine.ambient
        return {
            "id": str(ambient.uuid()),
            "eventType": "Microsoft.Resources.ResourceWriteSuccess",
            "subject": resource.text,
            "eventTime": ambient.now().isoformat(),
            "data": {"resourceUri": resource.text},
        }

    def operator(self, method: str, path: str, body: Any = None, version: str = NETWORK_VERSION) -> Answer:
        """One ARM call by a person, which takes no time and nothing of a quota. It must succeed."""
        throttling = self.cloud.throttling
        throttling.on = False
        answer = Client(self.cloud, self.service.engine.ambient.now())(method, path, body, version)
        throttling.on = True
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Lets all instances work until the block ends. Raises what one of them raised."""
        async with asyncio.TaskGroup() as group:
            hosts = [
                group.create_task(self._poll(queue, work, POLL_SECONDS * place / len(self.services)))
                for place, service in enumerate(self.services)
                for queue, work in ((SWEEP_QUEUE, service.sweeps.work), (WORK_QUEUE, service.work))
            ]
            yield
            for host in hosts:
                host.cancel()

    async def _poll(self, queue: str, work: Callable[[Json], Awaitable[Any]], later: float) -> None:
        """Polls a queue for one instance.

        later: seconds of delay, so that no instance is always the first of those that poll at one moment.
        """
        await asyncio.sleep(later)
        polling = Polling(self.memory.queues, queue, work)
        while True:
            await polling.turn()


def spec_of(subscriptions: Sequence[str]) -> str:
    return FLEET % ", ".join(subscriptions)


def night_of(
    loop: NightLoop,
    apps: int,
    *,
    subscriptions: int = 10,
    instances: int = 2,
    arm: float = ARM_SECONDS,
) -> Night:
    """A fleet of which nothing has been looked at yet, with a settle time of zero. arm: seconds of a call to ARM."""
    cloud = worlds.create(f"fleet:{apps}", timing=Timing(retry_after=0), now=DUSK, subscriptions=subscriptions)
    cloud.throttling.on = True
    specs = {"fleet.yaml": spec_of(cloud.subscriptions)}
    memory, channel, toll = MemoryStorage(OwnAmbient(loop, "storage", 0).now), Channel(), Toll(STORAGE_SECONDS)
    faults: list[Fault] = []

    def instance(number: int) -> Service:
        ambient = OwnAmbient(loop, f"instance {number}", 0)
        clock = ambient.clock()
        transport = CloudTransport(Exchanger(cloud, clock, arm, faults))
        open_arm = arm_over(transport, CloudCredential(cloud, clock), cloud_of({}), ambient)
        documents, blobs = DistantDocuments(memory.documents, toll), DistantBlobs(memory.blobs, toll)
        store = Store(documents, DistantQueues(memory.queues, toll), blobs, ambient)
        shared = open_arm.sharing(SharedAllowance(documents, ambient, DEFAULT_SHARE_LEFT))
        engine = Engine(
            WITHOUT_PROBES,
            open_arm.reader,
            open_arm.writer,
            store,
            channel,
            ambient,
            settle=IMMEDIATE,
            deployments=open_arm.reader,
            changes=shared.changes,
        )
        selections = Selections(shared.table, open_arm.reader, blobs, ambient)
        desired = DesiredState(Texts(specs), WITHOUT_PROBES, ambient, cloud.subscription, selections=selections)
        access = SweepAccess(shared.reader, shared.table, DAYS)
        return Service(engine, desired, {}, open_arm.identity, sweep_access=access)

    return Night(loop, cloud, memory, channel, toll, tuple(map(instance, range(instances))), faults)
