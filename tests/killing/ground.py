"""Where the function app is killed: a simulator over TLS, Azurite, an Event Grid that delivers into a queue, damage.

One ground serves many kills, and each process starts from what the dead one left behind. Tests look at it only from
outside: through ARM as an operator, and in the storage account.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient

from homeostat.azure.storage import AzureStorage, account_from
from homeostat.core import json, record
from homeostat.core.json import JsonObject
from homeostat.core.marks import is_free
from homeostat.core.record import RootRecord
from homeostat.store import EVENT_QUEUE, WORK_QUEUE
from simulator.providers.eventgrid import state as eventgrid
from tests.state.stores import NoIdentity, write_ids
from tests.support import azurite
from tests.support.function_app import FunctionApp, running_function_app
from tests.support.patience import patient_specs
from tests.support.simulation import Simulation, running_simulator

LEASE_SECONDS: Final = 4
LOCK_SECONDS: Final = 6
"""How long dead processes hold roots and messages. In Azure it is five and ten minutes."""
LATENCY: Final = 0.06  # seconds, of every ARM call: a repair then lasts about a second
PATIENCE: Final = 150.0  # seconds; only a run that has failed waits for so long

GROUP: Final = "/resourceGroups/rg-flask/providers"
NSG: Final = f"{GROUP}/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
RULE: Final = f"{NSG}/securityRules/allow-sql"
THEIRS: Final = f"{NSG}/securityRules/theirs"
SITE: Final = f"{GROUP}/Microsoft.Web/sites/app-flask"
SETTINGS: Final = f"{SITE}/config/appsettings"
INTEGRATION: Final = f"{SITE}/networkConfig/virtualNetwork"
ZONE: Final = f"{GROUP}/Microsoft.Network/privateDnsZones/privatelink.database.windows.net"
LINK: Final = f"{ZONE}/virtualNetworkLinks/link-vnet-appservice"
NETWORK, WEB, DNS, EVENT_GRID = "2024-05-01", "2025-05-01", "2024-06-01", "2025-02-15"

SETTING: Final = "EXTRA_SETTING"
TAG: Final = "theirs"

DAMAGE: Final = {"nsg_rules": NSG, "app_settings": SITE, "vnet_integration": SITE, "dns_links": ZONE}
"""The root that each kind's damage is done to."""

APP: Final = {
    "HOMEOSTAT_TEST_LEASE_SECONDS": str(LEASE_SECONDS),
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
}


@dataclass(frozen=True, slots=True)
class Durable:
    """What the storage account holds: records and outboxes by root, messages by queue."""

    at: datetime
    records: Mapping[str, RootRecord]
    unsent: int
    messages: Mapping[str, int]

    def unfinished(self) -> list[str]:
        """What is still to be done, in words. Empty once all work is finished."""
        of_records = {root: self.left(root, "lease", "mark", "working", "intent", "episodes") for root in self.records}
        return [
            *(f"{root.rpartition('/')[2]}: {', '.join(names)}" for root, names in of_records.items() if names),
            *(f"{count} messages in {queue}" for queue, count in self.messages.items() if count),
            *([f"{self.unsent} alerts not sent"] if self.unsent else []),
        ]

    def left(self, root: str, *names: str) -> tuple[str, ...]:
        """Which of these fields of its record are set. An expired lease does not count."""
        record, has_lease = self.records[root], not is_free(self.records[root], now=self.at)
        return tuple(name for name in names if (has_lease if name == "lease" else getattr(record, name)))


@dataclass(slots=True)
class Ground:
    """The place of the kills. whole: the state to return to. earlier: values of the unowned setting in this round.

    told: how many alerts there were when the round began.
    """

    simulation: Simulation
    connection: str
    storage: AzureStorage
    queues: QueueServiceClient
    specs: str  # a folder
    whole: Mapping[str, Any] = field(default_factory=dict)
    earlier: set[str] = field(default_factory=set)
    told: int = 0

    # --- the world, as an operator ---

    def arm(self, method: str, path: str, version: str, body: Any = None) -> Any:
        answer = self.simulation.arm(method, path, body, version)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.body

    def settings(self) -> dict[str, str]:
        found: dict[str, str] = self.arm("POST", f"{SETTINGS}/list", WEB, {})["properties"]
        return found

    def change_settings(self, **changes: str) -> None:
        self.arm("PUT", SETTINGS, WEB, {"properties": {**self.settings(), **changes}})

    def leave_unowned(self, mark: str) -> None:
        """Sets values that nobody declares beside the declared ones: a setting, a rule, tags. They must stay."""
        self.earlier, self.told = set(), len(self.alerts())
        self.change_settings(**{SETTING: mark})
        body = {"priority": 3000, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "description": mark}
        ends = ("sourceAddressPrefix", "sourcePortRange", "destinationAddressPrefix")
        self.arm(
            "PUT", THEIRS, NETWORK, {"properties": {**body, **dict.fromkeys(ends, "*"), "destinationPortRange": "22"}}
        )
        self.arm("PATCH", NSG, NETWORK, {"tags": {TAG: mark}})

    def change_unowned(self, mark: str) -> None:
        """Gives the setting that nobody declares another value."""
        settings = self.whole["settings"]
        self.earlier.add(settings[SETTING])
        self.change_settings(**{SETTING: mark})
        self.whole = {**self.whole, "settings": {**settings, SETTING: mark}}

    def damage(self, kind: str) -> None:
        """Breaks a kind in one call, so that no look sees half of the damage."""
        match kind:
            case "nsg_rules":
                properties = {**self.arm("GET", RULE, NETWORK)["properties"], "access": "Deny"}
                self.arm("PUT", RULE, NETWORK, {"properties": properties})
            case "app_settings":
                changed = {**self.settings(), "REDIS_PORT": "6379"}
                del changed["SQL_DATABASE_NAME"]
                self.arm("PUT", SETTINGS, WEB, {"properties": changed})
            case "vnet_integration":
                self.arm("DELETE", INTEGRATION, WEB)
            case "dns_links":
                self.arm("DELETE", LINK, DNS)

    def seen(self) -> dict[str, Any]:
        """What ARM shows of everything that gets damaged, and of the unowned values beside it."""
        rules = {
            each["name"]: each["properties"] for each in self.arm("GET", NSG, NETWORK)["properties"]["securityRules"]
        }
        volatile = ("provisioningState", "etag")
        return {
            "rules": {
                name: {each: value for each, value in rule.items() if each not in volatile}
                for name, rule in rules.items()
            },
            "tags": self.arm("GET", NSG, NETWORK)["tags"],
            "settings": self.settings(),
            "subnet": self.arm("GET", SITE, WEB)["properties"].get("virtualNetworkSubnetId"),
            "links": [each["name"] for each in self.arm("GET", f"{ZONE}/virtualNetworkLinks", DNS)["value"]],
        }

    def own_calls(self) -> int:
        """How many calls of the function app's identity have been answered so far."""
        return sum(each.caller == "id-homeostat" for each in list(self.simulation.cloud.exchanges))

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that the custom topic received, oldest first."""
        return [published.event for published in eventgrid.state(self.simulation.cloud).published]

    # --- the storage account ---

    async def durable(self) -> Durable:
        records, unsent = {}, 0
        async for row in self.storage.documents.scan_all(first="root", last="roou"):
            records[row.partition] = record.from_json(row.body)
        async for _ in self.storage.documents.scan_all(first="outbox:", last="outbox;"):
            unsent += 1
        names = [f"{queue}{suffix}" for queue in (WORK_QUEUE, EVENT_QUEUE) for suffix in ("", "-poison")]
        return Durable(self.now(), records, unsent, {name: await self._count(name) for name in names})

    async def _count(self, queue: str) -> int:
        try:
            properties = await self.queues.get_queue_client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return properties.approximate_message_count or 0

    async def ledger(self, since: datetime) -> list[JsonObject]:
        """The ledger entries of every root from then on."""
        return [
            row.body
            async for row in self.storage.documents.scan_all(first="ledger:", last="ledger;")
            if datetime.fromisoformat(json.text_at(row.body, "at")) >= since
        ]

    # --- time ---

    def now(self) -> datetime:
        return self.simulation.exchanger.clock.now()

    def _seen_or_told(self) -> dict[str, Any]:
        """What ARM shows; in the place of an unowned setting that was lost and told, the one that was.

        A write of all settings that was on its way when the process died may reach ARM after somebody's change: no ETag
        prevents it, so it has to be told as `PossibleOverwrite`.
        """
        seen = self.seen()
        lost = seen["settings"].get(SETTING) in self.earlier
        if lost and any(".PossibleOverwrite." in alert["type"] for alert in self.alerts()[self.told :]):
            seen["settings"] = {**seen["settings"], SETTING: self.whole["settings"][SETTING]}
        return seen

    async def is_over(self) -> Durable:
        """Waits until ARM shows everything whole and no stored work is left. AssertionError if it never happens."""
        deadline = time.monotonic() + PATIENCE
        calm = 0
        while True:
            durable = await self.durable()
            open_ends = [name for name, value in self._seen_or_told().items() if value != self.whole[name]]
            open_ends += durable.unfinished()
            calm = 0 if open_ends else calm + 1
            if calm == 2:  # an event of the last write was on its way to the queue, if it was
                return durable
            assert time.monotonic() < deadline, f"not over after {PATIENCE:.0f} s: {open_ends}"
            await asyncio.sleep(0.15)

    @contextmanager
    def app(self, *options: str, **settings: str) -> Iterator[FunctionApp]:
        """Runs the function app on this ground."""
        named = {
            **self.simulation.env,
            "AzureWebJobsStorage": self.connection,
            "HOMEOSTAT_SPEC_FOLDER": self.specs,
            **APP,
            **settings,
        }
        with running_function_app(named, "--message-lock", str(LOCK_SECONDS), *options) as running:
            yield running


@asynccontextmanager
async def ground(*, events: bool = True) -> AsyncIterator[Ground]:
    """The guide's world, with an event subscription if `events`, and an empty storage account."""
    with (
        TemporaryDirectory() as folder,
        azurite.running("--inMemoryPersistence") as connection,
        patch.dict(os.environ, {"SIMULATOR_STORAGE": connection}),  # where its Event Grid finds the queue
        running_simulator("guide", latency=LATENCY) as simulation,
    ):
        account = account_from({"AzureWebJobsStorage": connection}, identity=NoIdentity())
        queues = QueueServiceClient.from_connection_string(connection)
        async with AzureStorage(account, new_id=write_ids()) as storage, queues:
            made = Ground(simulation, connection, storage, queues, patient_specs(Path(folder)))
            made.leave_unowned("0")
            made.whole = made.seen()
            if events:
                await _subscribe(made)
            yield made


async def _subscribe(made: Ground) -> None:
    await made.queues.create_queue(EVENT_QUEUE)
    account = f"/subscriptions/{made.simulation.subscription}{GROUP}/Microsoft.Storage/storageAccounts/stflask"
    properties = {
        "destination": {
            "endpointType": "StorageQueue",
            "properties": {"resourceId": account, "queueName": EVENT_QUEUE},
        },
        "filter": {
            "includedEventTypes": [
                "Microsoft.Resources.ResourceWriteSuccess",
                "Microsoft.Resources.ResourceDeleteSuccess",
            ]
        },
        "eventDeliverySchema": "EventGridSchema",
    }
    path = f"/subscriptions/{made.simulation.subscription}/providers/Microsoft.EventGrid/eventSubscriptions/homeostat"
    made.arm("PUT", path, EVENT_GRID, {"properties": properties})
    while made.arm("GET", path, EVENT_GRID)["properties"]["provisioningState"] != "Succeeded":  # noqa: ASYNC110  # ARM tells only who asks
        await asyncio.sleep(0.1)
