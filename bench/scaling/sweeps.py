"""One instance of the model: the real sweep, in which a root is a stored record, some calls, and processor time.

`Sweeps` and `ChunkWork` are real with all that they use: how a sweep is cut and stored, its messages, places, shares
and end, the sharing of reads, the governor and its shared allowance. Looking at a root is modelled: all roots are at
rest and as declared. The loop does not run, since nothing drifts.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, override

from bench.scaling.arm import Calls, Latency, ModelReader, ModelTable
from bench.scaling.fleet import ModelDesired, Processor, Work
from bench.scaling.world import World, reads
from homeostat.allowances import SharedAllowance
from homeostat.ambient import Ambient
from homeostat.azure.blocks import Blocks, Pace
from homeostat.azure.governor import Governor
from homeostat.core.arm_errors import ArmError
from homeostat.core.budget import DEFAULT_SHARE_LEFT, Lane
from homeostat.core.ids import ResourceId
from homeostat.core.model import Fact, Unreadable
from homeostat.core.plan import Action
from homeostat.core.spec import Fleet, Root
from homeostat.core.sweep import Sweep
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.selections import Selections
from homeostat.ports.alerts import AlertChannel
from homeostat.ports.azure import Written
from homeostat.store import Store, Stored
from homeostat.sweeps.chunk import DEFAULT_PUT_OFF, ChunkWork, PutOff, Seen
from homeostat.sweeps.course import SweepAccess, Sweeps
from simulator.throttling import Throttling
from tests.support.virtual import Toll

VERSION: Final = "of the model"


@dataclass(frozen=True, slots=True)
class Night:
    """What all instances of the model share. days: within these every root is read in full."""

    world: World
    fleet: Fleet
    toll: Toll
    throttling: Throttling
    latency: Latency
    work: Work
    channel: AlertChannel
    days: int
    selected_every: timedelta


def fleet_of(world: World) -> Fleet:
    """A fleet whose roots declare nothing. What reading them takes is in `reads`."""
    return Fleet(roots={id_: Root(id_, {}, ()) for id_ in world.roots}, spec_version=VERSION)


@dataclass(frozen=True, slots=True)
class ModelSweeps(Sweeps):
    night: Night
    processor: Processor

    @override
    def chunk_work(self, fleet: Fleet, sweep: Sweep) -> ChunkWork:
        assert self.access.reader is not None, "the model gives a sweep its own"
        return ModelChunk(
            self.engine,
            fleet,
            sweep,
            self.access.full_read_days,
            self.access.reader,
            self.access.table,
            night=self.night,
            processor=self.processor,
        )


@dataclass(slots=True)
class ModelChunk(ChunkWork):
    night: Night = field(kw_only=True)
    processor: Processor = field(kw_only=True)

    @override
    async def _see(self, id_: ResourceId) -> Seen | PutOff | Stored:
        await self.night.toll.pay("documents.read")  # its record
        in_full = self._in_full(id_)
        try:
            if not in_full:
                await self._rows_first()
        except ArmError as error:
            return PutOff(error.retry_after or DEFAULT_PUT_OFF)
        facts = await asyncio.gather(*map(self.shared.read, reads(id_, in_full=in_full)))
        await self.processor.spend(self.night.work.look)
        waits = [fact.error.retry_after or DEFAULT_PUT_OFF for fact in facts if isinstance(fact, Unreadable)]
        return PutOff(max(waits)) if waits else Seen.AT_REST


class _Nowhere:
    """The writing ports. The model writes nothing."""

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:  # noqa: ARG002  # nothing is
        raise RuntimeError(f"{action}: the model has no drift, and writes nothing")

    async def running_deployments(self, subscription: str, resource_group: str) -> Fact:
        raise RuntimeError(f"{subscription}, {resource_group}: who writes nothing waits for no deployment")


def instance(night: Night, store: Store, ambient: Ambient, share_left: float = DEFAULT_SHARE_LEFT) -> ModelSweeps:
    calls = Calls(Governor(ambient, share_left), night.throttling, ambient, night.latency)
    pace = Pace(Lane.SWEEPING, Blocks(SharedAllowance(store.documents, ambient, share_left), share_left, ambient))
    table, processor, nowhere = ModelTable(calls, night.world.rows, pace), Processor(ambient), _Nowhere()
    engine = Engine({}, ModelReader(calls), nowhere, store, night.channel, ambient, deployments=nowhere)
    selections = Selections(table, engine.reader, store.blobs, ambient, night.selected_every)
    return ModelSweeps(
        engine,
        ModelDesired(night.fleet, night.world, selections, processor, night.work),
        Managed(store, store.blobs, ambient),
        SweepAccess(ModelReader(calls, pace), table, night.days),
        night,
        processor,
    )
