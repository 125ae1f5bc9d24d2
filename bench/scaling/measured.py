"""What the real code costs an instance for each web app: memory for the fleet, and processor time."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from bench.scaling.world import World, world_of
from homeostat.ambient import SystemAmbient
from homeostat.core.arm_types import SITE
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.json import JsonObject
from homeostat.core.model import Fact, Gone, Read
from homeostat.core.spec import Specs
from homeostat.fleet.selections import BLOB, CONTAINER, Selections
from homeostat.memory import MemoryStorage
from remediators import WITHOUT_PROBES
from tests.support.fleets import APPS

FEW, MANY = 2_000, 8_000
"""The sizes of the two fleets. Their difference gives the cost of an app, since fixed costs are in both."""

SUBSCRIPTIONS: Final = 10


@dataclass(frozen=True, slots=True)
class PerApp:
    """The costs of one web app.

    kept, peak: bytes in an instance that has the fleet, and while it is built. make, parse: seconds to build the fleet
    and to read the selection's blob. blob: bytes of that blob.
    """

    kept: float
    peak: float
    make: float
    parse: float
    blob: float


def per_app() -> PerApp:
    few, many = asyncio.run(_measured(FEW)), asyncio.run(_measured(MANY))
    return PerApp(*((b - a) / (MANY - FEW) for a, b in zip(few, many, strict=True)))


async def _measured(apps: int) -> tuple[float, float, float, float, float]:
    world = world_of(apps, SUBSCRIPTIONS)
    storage = MemoryStorage(SystemAmbient().now)
    make, parse = await _times(world, storage)
    gc.collect()
    tracemalloc.start()
    kept_by = await _instance(world, storage)
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (blob,) = [info.size async for info in storage.blobs.list(CONTAINER, BLOB) if kept_by]
    return float(kept), float(peak), make, parse, float(blob)


async def _times(world: World, storage: MemoryStorage) -> tuple[float, float]:
    """Does what `_instance` does, without watching memory. The first look queries Azure and leaves the blob."""
    wanted = _specs(world).wanted("")
    asking = _selections(world, storage)
    await asking.keep(await asking.look(wanted))
    began = time.process_time()
    held = await _selections(world, storage).look(wanted)
    parsed = time.process_time()
    specs = _specs(world)
    specs.wanted("")
    tuple(specs.fleet("", held.selection).roots)
    return time.process_time() - parsed, parsed - began


async def _instance(world: World, storage: MemoryStorage) -> tuple[Any, ...]:
    """Everything that an instance holds in memory, if it starts when the selection's blob is there."""
    specs, selections = _specs(world), _selections(world, storage)
    held = await selections.look(specs.wanted(""))
    await selections.keep(held)
    fleet = specs.fleet("", held.selection)
    return specs, selections, fleet, tuple(fleet.roots)


def _specs(world: World) -> Specs:
    specs = Specs(WITHOUT_PROBES)
    specs.update({"homeostat.yaml": APPS % ", ".join(world.subscriptions)})
    return specs


def _selections(world: World, storage: MemoryStorage) -> Selections:
    return Selections(_Apps(world), _Nobody(), storage.blobs, SystemAmbient())


class _Nobody:
    async def read(self, read: Read) -> Fact:  # noqa: ARG002  # no subscription vanishes here
        return Gone()


@dataclass(frozen=True, slots=True)
class _Apps:
    """A ResourceTable with the rows of the world's web apps, all in one page."""

    world: World

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:  # noqa: ARG002  # one page
        rows = tuple(_rows(self.world))
        return Page(rows, len(rows))

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return (query,)


def _rows(world: World) -> Iterable[JsonObject]:
    return ({"id": root.text, "tags": {"homeostat": "prod"}} for root in world.roots if root.is_type(SITE.name))
