"""How long a repair takes beyond what ARM itself takes, for each kind of drift: `--latency 50`, settle time 0.

The time runs from the moment at which the worker has the message to the moment at which the batch with the ledger entry
is committed: lease, reads, intent, write, polls, verification. It is compared with the longest chain of dependent ARM
calls of the same repair. Homeostat runs in this process as the function app runs it (its service over the real SDKs),
and the simulator in its own, over TLS. At the simulator's usual pace ARM asks for no waits (Retry-After: 0), so the
chain has none. State is in Azurite. The first repair of a kind may load an SDK and fetch a token. It is left out here,
and `bench/coldstart.py` measures it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bench.breakages import Breakage, all_kinds
from bench.chain import Call, duration, longest_chain
from bench.happenings import event_of
from bench.rows import Row, at_most
from bench.service import opened, take
from demo.operator import Operator
from demo.programs import simulator
from homeostat.ports.storage import Change, Document, Documents, Insert
from homeostat.service import Service
from tests.support import azurite
from tests.support.patience import patient_specs

LATENCY_MS: Final = 50
RUNS: Final = 7
TARGET: Final = 1.2


@dataclass(frozen=True, slots=True)
class Repair:
    """One measured repair. took_ms: from the dequeued message to the ledger entry."""

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


def rows() -> Iterator[Row]:
    with simulator("--latency", str(LATENCY_MS)) as cloud, azurite.running("--inMemoryPersistence") as storage:
        os.environ.update(cloud)  # azure-identity looks nowhere else
        for breakage, repairs in asyncio.run(_repairs(cloud, {"AzureWebJobsStorage": storage})):
            yield _row(breakage, repairs)


def _row(breakage: Breakage, repairs: Sequence[Repair]) -> Row:
    took, chain = median(each.took_ms for each in repairs), median(each.chain_ms for each in repairs)
    ratio = median(each.ratio for each in repairs)
    calls = len(repairs[-1].chain)
    return Row(
        f"repair at {LATENCY_MS} ms a call: {breakage.kind}",
        f"{took:.0f} ms",
        f"the chain of {calls} calls: {chain:.0f} ms",
        ratio,
        *at_most(TARGET, ratio),
    )


async def _repairs(cloud: Mapping[str, str], settings: Mapping[str, str]) -> list[tuple[Breakage, list[Repair]]]:
    operator = Operator.of(cloud)
    with TemporaryDirectory() as folder:
        patient_specs(Path(folder))
        async with opened(cloud, Path(folder), settings) as service:
            return await _measured(service, operator)


async def _measured(service: Service, operator: Operator) -> list[tuple[Breakage, list[Repair]]]:
    store = service.engine.store
    witness = Witness(store.documents)
    watched = replace(service, engine=replace(service.engine, store=replace(store, documents=witness)))
    measured = [(breakage, list[Repair]()) for breakage in all_kinds()]
    for number in range(RUNS + 1):
        for breakage, repairs in measured:
            repair = await _repair(watched, witness, operator, breakage)
            if number:
                repairs.append(repair)
    return measured


async def _repair(service: Service, witness: Witness, operator: Operator, breakage: Breakage) -> Repair:
    whole = breakage.look(operator)
    breakage.do(operator)
    if breakage.look(operator) == whole:
        raise RuntimeError(f"{breakage.kind}: nothing is broken")
    await service.on_event(event_of(operator, breakage.root))
    (message,) = await take(service.engine.store.queues)
    operator.simulator("DELETE", "requests")
    dequeued = time.monotonic()
    await service.work(message)
    requests = operator.simulator("GET", "requests")
    if witness.recorded < dequeued or breakage.look(operator) != whole:
        raise RuntimeError(f"{breakage.kind}: it was not repaired: there is nothing to measure")
    took_ms = (witness.recorded - dequeued) * 1000
    return Repair(took_ms, longest_chain(Call.of(line) for line in requests if line["caller"] == "id-homeostat"))
