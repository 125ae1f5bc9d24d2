"""One night of the model."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from bench.scaling.arm import Latency
from bench.scaling.fleet import Work
from bench.scaling.host import Platform
from bench.scaling.night import A_DAY, Came, Ground
from bench.scaling.sweeps import VERSION, ModelSweeps, Night, fleet_of, instance
from bench.scaling.world import world_of
from homeostat.config import DEFAULT_SELECT_EVERY
from homeostat.core.spec import Fleet
from homeostat.core.sweep import DEFAULT_FULL_READ_DAYS
from simulator.throttling import Throttling
from simulator.virtual import LoopAmbient, VirtualLoop, run_on

ENTITIES_OF_A_ROOT: Final = 4
"""How many rows a root has in the table: its record, and the ledger entries of the last weeks."""


@dataclass(frozen=True, slots=True)
class Size:
    """What is modelled. days: within these every root is read in full. storage: seconds for each call to it."""

    apps: int
    subscriptions: int
    days: int = DEFAULT_FULL_READ_DAYS
    storage: float = 0.005
    latency: Latency = field(default_factory=Latency)
    work: Work = field(default_factory=Work)
    selected_every: timedelta = DEFAULT_SELECT_EVERY


def modelled(size: Size, platform: Platform) -> Came:
    world = world_of(size.apps, size.subscriptions)

    async def program(loop: VirtualLoop) -> Came:
        ground = Ground.on(loop, size.storage, ENTITIES_OF_A_ROOT * len(world.roots))
        throttling = Throttling(on=True)
        night = Night(
            world,
            fleet_of(world),
            ground.toll,
            throttling,
            size.latency,
            size.work,
            ground.inbox,
            size.days,
            size.selected_every,
        )
        instances: list[ModelSweeps] = []

        def start(ambient: LoopAmbient) -> ModelSweeps:
            instances.append(instance(night, ground.store(ambient), ambient))
            return instances[-1]

        await _known(start(ground.ambient))
        await asyncio.sleep(A_DAY)
        came = await ground.sweep(start, platform, throttling)
        await _end_all_others()
        return replace(came, processor=sum(each.processor.spent for each in instances))

    return run_on(VirtualLoop(), program)


async def _known(sweeps: ModelSweeps) -> None:
    """Stores the spec's version as one that came long ago, with its rollout done."""
    await sweeps.engine.rollouts.follow(Fleet(spec_version=VERSION), sweeps.engine.ambient.now())


async def _end_all_others() -> None:
    """Cancels tasks that are left, such as a renewal of the selection, whose result nobody needs."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
