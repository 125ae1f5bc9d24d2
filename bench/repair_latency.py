"""How long a repair takes beyond what ARM itself takes: a changed NSG rule, `--latency 50`, settle time 0.

Measured is from the moment the work message is in the worker's hands to the moment the batch with the ledger entry is
committed: lease, reads, intent, write, polls, verification. Against it stands the longest chain of dependent ARM calls
of the same repair. Homeostat runs in this process as the function app runs it (its service over the real SDKs), the
simulator in its own, over TLS. At the simulator's usual pace ARM asks for no waits (Retry-After: 0), so the chain has
none. The first repair of a process loads SDKs and fetches a token: it is shown, and left out of the medians.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, cast
from uuid import uuid4

from bench.chain import Call, duration, longest_chain
from demo.damage import NSG
from demo.operator import Operator
from demo.programs import PROJECT, simulator
from homeostat.azure.writer import preload
from homeostat.bootstrap import open_service
from homeostat.config import load
from homeostat.ports import Change, Document, Documents, Insert, Queues, Receiver
from homeostat.service import Service
from homeostat.store import WORK_QUEUE
from tests.support import azurite
from tests.support.patience import patient_specs

LATENCY_MS: Final = 50
RUNS: Final = 20
TARGET: Final = 1.2
RULE: Final = f"{NSG}/securityRules/allow-sql"


@dataclass(frozen=True, slots=True)
class Repair:
    """took_ms: from dequeue to ledger entry."""

    took_ms: float
    chain: tuple[Call, ...]

    @property
    def chain_ms(self) -> float:
        return duration(self.chain) / timedelta(milliseconds=1)

    @property
    def ratio(self) -> float:
        return self.took_ms / self.chain_ms


class Witness:
    """The service's documents, noting when a batch with a ledger entry was committed (seconds, monotonic)."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.recorded = 0.0

    async def read(self, partition: str, row: str) -> Document | None:
        return await self._documents.read(partition, row)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        versions = await self._documents.apply(partition, changes)
        if any(isinstance(change, Insert) and change.row.startswith("ledger:") for change in changes):
            self.recorded = time.monotonic()
        return versions

    def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        return self._documents.scan(partition, first=first, last=last, limit=limit)

    def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        return self._documents.scan_all(first=first, last=last)


def main() -> None:
    print(f"Repair of a changed NSG rule, {LATENCY_MS} ms latency on every ARM call, settle time 0, {RUNS} runs")
    print(f"{'state in':10} {'first':>9} {'median':>9} {'ARM calls':>10} {'ratio':>6}   target: at most {TARGET}")
    chains: set[str] = set()
    with simulator("--latency", str(LATENCY_MS)) as cloud:
        os.environ.update(cloud)  # azure-identity looks nowhere else
        for name, settings in (("memory", {"HOMEOSTAT_STATE": "memory"}), ("Azurite", {})):
            with _storage(name) as storage:
                first, *repairs = asyncio.run(_repairs(cloud, {**storage, **settings}))
            print(_row(name, first, repairs))
            chains |= {", then ".join(map(str, repair.chain)) for repair in repairs}
    for chain in sorted(chains):
        print(f"the chain of ARM calls: {chain}")


def _row(name: str, first: Repair, repairs: Sequence[Repair]) -> str:
    took, calls = median(each.took_ms for each in repairs), median(each.chain_ms for each in repairs)
    ratio = median(each.ratio for each in repairs)
    verdict = "met" if ratio <= TARGET else "missed"
    return f"{name:10} {first.took_ms:6.0f} ms {took:6.0f} ms {calls:7.0f} ms {ratio:6.2f}   {verdict}"


@contextmanager
def _storage(name: str) -> Iterator[dict[str, str]]:
    if name == "memory":
        yield {}
        return
    with azurite.running("--inMemoryPersistence") as connection_string:
        yield {"AzureWebJobsStorage": connection_string}


async def _repairs(cloud: Mapping[str, str], settings: Mapping[str, str]) -> list[Repair]:
    """One more than RUNS: the first is the process's first."""
    operator = Operator.of(cloud)
    with TemporaryDirectory() as folder:
        specs = patient_specs(Path(folder))
        environment = {**cloud, **settings, "HOMEOSTAT_SPEC_FOLDER": specs, "HOMEOSTAT_SETTLE_SECONDS": "0"}
        return await _measured(environment, operator)


async def _measured(environment: Mapping[str, str], operator: Operator) -> list[Repair]:
    async with open_service(load(environment, home=PROJECT)) as service:
        await preload(service.engine.ambient)
        store = service.engine.store
        witness = Witness(store.documents)
        watched = replace(service, engine=replace(service.engine, store=replace(store, documents=witness)))
        return [await _repair(watched, witness, operator) for _ in range(RUNS + 1)]


async def _repair(service: Service, witness: Witness, operator: Operator) -> Repair:
    operator.change(RULE, destinationAddressPrefix="203.0.113.0/24")
    await service.on_event(_event(operator))
    queues = service.engine.store.queues
    body = await _dequeue(queues)
    operator.simulator("DELETE", "requests")
    dequeued = time.monotonic()
    await service.work(json.loads(body))
    took_ms = (witness.recorded - dequeued) * 1000
    if witness.recorded < dequeued or operator.get(RULE)["properties"]["destinationAddressPrefix"] != "*":
        raise RuntimeError("the rule was not repaired: there is nothing to measure")
    requests = operator.simulator("GET", "requests")
    return Repair(took_ms, longest_chain(Call.of(line) for line in requests if line["caller"] == "id-homeostat"))


async def _dequeue(queues: Queues) -> str:
    """The work message, taken off the queue."""
    receiver = cast("Receiver", queues)  # both implementations have the receiving end too
    (message,) = await receiver.receive(WORK_QUEUE, limit=1, visibility=timedelta(minutes=1))
    await receiver.delete(message)
    return message.body


def _event(operator: Operator) -> Any:
    """As Event Grid tells of the change."""
    group = f"/subscriptions/{operator.subscription}/resourceGroups/rg-flask"
    return {
        "id": str(uuid4()),
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "subject": f"{group}/providers/{RULE}",
        "data": {"resourceUri": f"{group}/providers/{RULE}"},
    }
