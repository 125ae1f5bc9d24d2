"""The whole loop on a test stand: the real engine, remediators, SDKs and pipeline over a simulated Azure.

Time is the stand's own and passes only by sleeping or by `Stand.pass_time`, so that minutes of settling, leases and
retries take no time. Work messages are delivered as the Functions host delivers them: at least once, again after a
failure, and to a poison list after five times.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Arm, arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.alerts import AlertType
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, PRIVATE_DNS_ZONE, SITE
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.core.ids import ResourceId
from homeostat.core.model import Mode
from homeostat.core.outcome import Outcome, Trigger
from homeostat.core.record import RootRecord, Settle
from homeostat.core.spec import Fleet, Root
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState
from homeostat.memory import MemoryStorage
from homeostat.ports.alerts import AlertError, CloudEventData
from homeostat.ports.storage import Documents, QueuedMessage
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE, WORK_QUEUE, Store
from homeostat.sweeps.course import SweepAccess
from remediators import REGISTRY
from simulator import worlds
from simulator.access import Role
from simulator.clock import Clock
from simulator.cloud import Cloud, Timing
from simulator.exchange import Exchanger
from simulator.faults import Fault, parse
from simulator.transport import CloudCredential, CloudTransport
from tests.azure.scripted import VirtualAmbient
from tests.support.planted import WatchedDocuments, WatchedQueues, told, watch_at_end
from tests.support.role import ROLE
from tests.support.simulation import Answer, Client

# The loop is tested with the four kinds at its heart; each further kind brings tests of its own.
SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
mode: enforce

vnet_integration:
  subnet: vnet-appservice/snet-appservice-integration

app_settings:
  settings:
    WEBSITE_VNET_ROUTE_ALL: 1
    SQL_SERVER_FQDN: sql-flask.database.windows.net
    SQL_DATABASE_NAME: flaskdb
    REDIS_HOST: redis-flask.redis.cache.windows.net
    REDIS_PORT: 6380
    KEY_VAULT_URI: https://kv-flask.vault.azure.net/

nsg_rules:
  nsg-appservice-integration:
    rules:
      allow-sql: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}
      allow-redis: {priority: 110, direction: Outbound, access: Allow, protocol: Tcp, ports: 6380}
      allow-https: {priority: 120, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}
      deny-all-outbound: {priority: 4096, direction: Outbound, access: Deny, protocol: "*", ports: "*"}

dns_links:
  privatelink.database.windows.net:
    links: {link-vnet-appservice: {vnet: vnet-appservice, registration: false}}
  privatelink.vaultcore.azure.net:
    links: {link-vnet-appservice: {vnet: vnet-appservice, registration: false}}
  privatelink.redis.cache.windows.net:
    links: {link-vnet-appservice: {vnet: vnet-appservice, registration: false}}
"""

REMOVALS_UNASKED = """
---
policy: fleet
approvals: {removals: none}
"""
"""A policy to append to a spec, under which removals need no approval."""

PUBLIC = "https://homeostat.example"
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))
MAX_DEQUEUES = 5
VISIBILITY = timedelta(minutes=10)

NSG_VERSION, WEB_VERSION, DNS_VERSION = "2024-05-01", "2025-05-01", "2024-06-01"
ZONES = ("privatelink.database.windows.net", "privatelink.vaultcore.azure.net", "privatelink.redis.cache.windows.net")


@dataclass(slots=True)
class Texts:
    """Specs that a test may change."""

    by_name: dict[str, str]
    asked: int = 0
    read: list[str] = field(default_factory=list)

    async def versions(self) -> Mapping[str, str]:
        self.asked += 1
        return dict(self.by_name)

    async def texts(self, names: Iterable[str]) -> Mapping[str, str]:
        self.read.extend(names := list(names))
        return {name: self.by_name[name] for name in names if name in self.by_name}


@dataclass(slots=True)
class Inbox:
    """An alert channel that keeps what it is given, unless it is `down`. Alerts about sweeps are kept apart."""

    events: list[CloudEventData] = field(default_factory=list)
    sweeps: list[CloudEventData] = field(default_factory=list)
    down: bool = False

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        if self.down:
            raise AlertError("the topic is not there")
        for event in events:
            (self.sweeps if event.type == AlertType.SWEEP_COMPLETED else self.events).append(event)

    def told(self) -> list[tuple[str, Any]]:
        """(type without its prefix and version, kind or target), in the order of arrival."""
        return [(event.type.split(".")[1], event.data.get("kind") or event.data.get("target")) for event in self.events]

    def swept(self) -> list[Any]:
        """The summaries of the sweeps that ended."""
        return [event.data for event in self.sweeps]

    def ids(self) -> list[str]:
        return [event.id for event in self.events]


@dataclass(slots=True)
class Stand:
    ambient: VirtualAmbient
    cloud: Cloud
    exchanger: Exchanger
    transport: CloudTransport
    arm: Arm
    memory: MemoryStorage
    specs: Texts
    inbox: Inbox
    engine: Engine
    service: Service
    poisoned: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    # --- what is declared ---

    async def fleet(self) -> Fleet:
        return await self.service.desired.fleet()

    async def root(self, of: "ResourceId | str") -> Root:
        id_ = of if isinstance(of, ResourceId) else self.id(of)
        return (await self.fleet()).roots[id_]

    def id(self, name: str) -> ResourceId:
        """The id of `site`, `nsg` or a zone, by name."""
        types = {"site": (SITE.name, "app-flask"), "nsg": (NETWORK_SECURITY_GROUP.name, "nsg-appservice-integration")}
        type_, resource = types.get(name, (PRIVATE_DNS_ZONE.name, name))
        return ResourceId.of(self.cloud.subscription, "rg-flask", type_, resource)

    # --- the world outside ---

    def operator(self, method: str, target: "ResourceId | str", body: Any = None, version: str = NSG_VERSION) -> Answer:
        """One ARM call by a person, now. It must succeed."""
        path = target.text if isinstance(target, ResourceId) else target
        answer = Client(self.cloud, self.ambient.now())(method, path, body, version)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer

    def rule(self, name: str) -> Any:
        return self.operator("GET", self.id("nsg").child("securityRules", name)).body

    def change_rule(self, name: str, **properties: Any) -> None:
        body = {"properties": {**self.rule(name)["properties"], **properties}}
        self.operator("PUT", self.id("nsg").child("securityRules", name), body)

    def settings(self) -> dict[str, str]:
        path = self.id("site").child("config", "appsettings").text + "/list"
        found: dict[str, str] = self.operator("POST", path, {}, WEB_VERSION).body["properties"]
        return found

    def change_settings(self, **changes: str | None) -> None:
        """Changes app settings. A setting that is None is removed."""
        values = {name: value for name, value in {**self.settings(), **changes}.items() if value is not None}
        target = self.id("site").child("config", "appsettings")
        self.operator("PUT", target, {"properties": values}, WEB_VERSION)

    def leave_network(self) -> None:
        self.operator("DELETE", self.id("site").child("networkConfig", "virtualNetwork"), version=WEB_VERSION)

    def subnet_of_site(self) -> str | None:
        found: str | None = (
            self.operator("GET", self.id("site"), version=WEB_VERSION).body["properties"].get("virtualNetworkSubnetId")
        )
        return found

    def link(self, zone: str = ZONES[0]) -> ResourceId:
        return self.id(zone).child("virtualNetworkLinks", "link-vnet-appservice")

    def links(self, zone: str = ZONES[0]) -> list[str]:
        listed = self.operator("GET", f"{self.id(zone).text}/virtualNetworkLinks", version=DNS_VERSION).body["value"]
        return [each["name"] for each in listed]

    def event(self, resource: ResourceId, operation: str, **data: Any) -> dict[str, Any]:
        """The event of a write that has just succeeded."""
        type_ = "Delete" if operation.endswith("delete") else "Write"
        return {
            "id": str(self.ambient.uuid()),
            "eventType": f"Microsoft.Resources.Resource{type_}Success",
            "subject": resource.text,
            "eventTime": self.ambient.now().isoformat(),
            "data": {"resourceUri": resource.text, "operationName": operation, **data},
        }

    async def rule_event(self, name: str = "allow-sql") -> None:
        id_ = self.id("nsg").child("securityRules", name)
        await self.service.on_event(self.event(id_, "Microsoft.Network/networkSecurityGroups/securityRules/write"))

    def strike(self, **rule: Any) -> Fault:
        """From now on this rule of faults applies, after the others."""
        fault = parse([{"path": "/providers/", **rule}])[0]
        self.exchanger.faults.append(fault)
        return fault

    def calls(self, *methods: str) -> list[str]:
        """Homeostat's calls to ARM as `PUT securityRules/allow-sql 200`, in order, without polls."""
        found = []
        for each in self.cloud.exchanges:
            path = each.path.partition("?")[0]
            if (not methods or each.method in methods) and "/operations/" not in path.lower():
                found.append(f"{each.method} {'/'.join(path.split('/')[-2:])} {each.status}")
        return found

    def writes(self) -> list[str]:
        return self.calls("PUT", "PATCH", "DELETE")

    # --- the loop ---

    async def reconcile(self, name: str, **trigger: Any) -> Outcome:
        return await self.engine.reconcile(await self.root(name), Trigger(**{"cause": "manual", **trigger}))

    async def record(self, name: str) -> RootRecord:
        return (await self.engine.store.load(self.id(name))).record

    async def history(self, name: str) -> list[Any]:
        return list(await self.engine.store.history(self.id(name), 100))

    def rows(self) -> list[str]:
        """Everything that is stored, as `partition/row`."""
        held = self.memory.documents._partitions
        return [f"{partition}/{row}" for partition in held for row in held[partition]]

    def shown(self) -> Iterator[tuple[str, str]]:
        """The alerts that it sent, and how its work failed. What it stored and enqueued was checked on its way."""
        for event in (*self.inbox.events, *self.inbox.sweeps):
            yield f"the alert {event.id}", f"{event} {json.dumps(event.data)}"
        for failure in self.failures:
            yield "an exception of the queue worker", told(failure)

    def pass_time(self, **amount: float) -> None:
        self.ambient.time += timedelta(**amount)

    def waiting(self) -> list[datetime]:
        """When the work messages that are under way are due."""
        return sorted(message.visible for message in self.memory.queues._queues[WORK_QUEUE])

    async def sweep(self, cause: str = "nightly") -> str:
        """Fires the timer and does the sweep's own work: every root is seen or marked. Returns the sweep's id."""
        id_ = await self.service.sweeps.start(cause)
        while await self.deliver(SWEEP_QUEUE):
            pass
        return id_

    async def deliver(self, queue: str = WORK_QUEUE) -> int:
        """Hands out the messages of a queue that are due now, each once. Returns how many there were."""
        due = await self.memory.queues.receive(queue, limit=32, visibility=VISIBILITY)
        for message in due:
            await self._process(message)
        return len(due)

    async def _process(self, message: QueuedMessage) -> None:
        queues = self.memory.queues
        worker = self.service.sweeps.work if message.queue == SWEEP_QUEUE else self.service.work
        try:
            await worker(json.loads(message.body))
        except Exception as error:  # noqa: BLE001 - as the host: whatever it was, the message comes again
            self.failures.append(error)
            if message.dequeue_count >= MAX_DEQUEUES:
                self.poisoned.append(message.body)
                await queues.delete(message)
            else:
                await queues.postpone(message, timedelta())
        else:
            await queues.delete(message)

    async def work_for(self, limit: timedelta) -> int:
        """Lets time pass to each next message and delivers it, for at most so long. Returns how many there were."""
        end, delivered = self.ambient.now() + limit, 0
        while (due := self._next_due()) is not None and due <= end:
            self.ambient.time = max(self.ambient.time, due)
            delivered += await self.deliver()
            await self.deliver(SWEEP_QUEUE)
        self.ambient.time = max(self.ambient.time, end)
        return delivered

    def _next_due(self) -> datetime | None:
        found = [self.memory.queues.next_visible(queue) for queue in (WORK_QUEUE, SWEEP_QUEUE)]
        return min((due for due in found if due is not None), default=None)

    def capped(self, cap: Mode) -> "Stand":
        """The same stand with another HOMEOSTAT_MODE."""
        engine = replace(self.engine, cap=cap)
        return replace(self, engine=engine, service=replace(self.service, engine=engine))

    def second(self) -> "Stand":
        """Another instance on the same memory, queues and cloud."""
        return replace(self, engine=replace(self.engine), failures=[], poisoned=[])


def error(code: str, message: str = "no") -> Any:
    """The body of an error answer of ARM, for a fault."""
    return {"error": {"code": code, "message": message}}


def stand(
    world: str = "guide",
    *,
    spec: str = SPEC,
    timing: Timing | None = None,
    subscriptions: int = 1,
    documents: Callable[[Documents], Documents] = lambda documents: documents,
    role: Role = ROLE,
) -> Stand:
    """A stand on which nothing has happened yet. `documents` may wrap or replace those in memory.

    `role` is enforced: an action that it lacks fails a test, as it would fail in Azure.
    """
    ambient = VirtualAmbient()
    clock = Clock(ambient.now, ambient.sleep)
    cloud = worlds.create(world, timing=timing, now=ambient.now(), subscriptions=subscriptions)
    cloud.role = role
    exchanger = Exchanger(cloud, clock)
    transport = CloudTransport(exchanger)
    arm = arm_over(transport, CloudCredential(cloud, clock), cloud_of({}), ambient)
    memory = MemoryStorage(ambient.now)
    inbox = Inbox()
    store = Store(WatchedDocuments(documents(memory.documents)), WatchedQueues(memory.queues), memory.blobs, ambient)
    shared = arm.sharing(SharedAllowance(memory.documents, ambient, DEFAULT_SHARE_LEFT))
    engine = Engine(
        REGISTRY,
        arm.reader,
        arm.writer,
        store,
        inbox,
        ambient,
        settle=SETTLE,
        deployments=arm.reader,
        changes=shared.changes,
        public_url=PUBLIC,
    )
    specs = Texts({"homeostat.yaml": spec})
    selections = Selections(shared.table, arm.reader, memory.blobs, ambient)
    desired = DesiredState(specs, REGISTRY, ambient, cloud.subscription, selections=selections)
    access = SweepAccess(shared.reader, shared.table)
    managed = Managed(store, memory.blobs, ambient)
    service = Service(engine, desired, {}, arm.identity, managed=managed, sweep_access=access)
    service = replace(service, low_budgets=arm.low_budgets)
    made = Stand(ambient, cloud, exchanger, transport, arm, memory, specs, inbox, engine, service)
    watch_at_end(made.shown)
    return made
