"""The fleet in one instance of the model: read from the blob, made, and looked after again, as `Desired` does it.

Restated rather than run, since a real fleet of a million web apps takes minutes of a processor in each instance: which
is what the model has to tell. The rules are those of `homeostat/specs.py` and `homeostat/selections.py`.
"""

import asyncio
import math
from dataclasses import dataclass, field

from bench.scaling.arm import ModelTable
from bench.scaling.world import World
from homeostat.ambient import Ambient
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import SITE
from homeostat.core.graph import MAX_SCOPES, RowQuery
from homeostat.selections import RETRY_EVERY
from homeostat.specs import CHECK_EVERY
from tests.support.virtual import Toll

SELECTED_EVERY = 900.0
"""Seconds for which an answer of the selectors is good, unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of the processor: for each root that is looked at, each app of a fleet that is made, and each app of the
    selection's blob that is read.
    """

    look: float = 0.0
    make: float = 0.0
    parse: float = 0.0


@dataclass(slots=True)
class Processor:
    """One core: whoever comes while it is taken waits."""

    ambient: Ambient
    free_at: float = 0.0
    spent: float = 0.0

    async def spend(self, seconds: float) -> None:
        if seconds:
            now = self.ambient.monotonic()
            self.free_at = max(now, self.free_at) + seconds
            self.spent += seconds
            await self.ambient.sleep(self.free_at - now)


@dataclass(slots=True)
class Selected:
    """The selection's blob, which all instances share. at: when Azure was asked; infinitely long ago before that."""

    at: float = -math.inf
    version: int = 0


@dataclass(slots=True)
class ModelDesired:
    """In one instance."""

    world: World
    selected: Selected
    table: ModelTable  # in the lane of healing, as `Selections` asks
    toll: Toll
    processor: Processor
    work: Work
    ambient: Ambient
    _at: float = -math.inf  # of the answer that is in force here
    _version: int = -1
    _asked: float = -math.inf
    _checked: float = -math.inf
    _is_made: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fleet(self) -> None:
        if not self._is_fresh():
            async with self._lock:
                if not self._is_fresh():
                    await self._renew(afresh=False)

    async def renewed(self) -> None:
        async with self._lock:
            await self._renew(afresh=True)

    def _is_fresh(self) -> bool:
        return self.ambient.monotonic() - self._checked < CHECK_EVERY.total_seconds()

    async def _renew(self, *, afresh: bool) -> None:
        await self.toll.pay("blobs.list")
        if self._version != self.selected.version:
            await self.toll.pay("blobs.read")
            self._version, self._at = self.selected.version, self.selected.at
            await self.processor.spend(self.world.apps * self.work.parse)
        asked = (afresh or self._is_due()) and await self._ask()
        if not self._is_made:
            await self.processor.spend(self.world.apps * self.work.make)
            self._is_made = True
        if asked:
            await self._keep()
        self._checked = self.ambient.monotonic()

    def _is_due(self) -> bool:
        now = self.ambient.monotonic()
        return now - self._asked >= RETRY_EVERY.total_seconds() and now - self._at >= SELECTED_EVERY

    async def _ask(self) -> bool:
        """Whether Azure answered; what was selected before stays where it did not."""
        self._asked = self.ambient.monotonic()
        scopes = self.world.subscriptions
        try:
            for start in range(0, len(scopes), MAX_SCOPES):
                query = RowQuery((SITE.name.lower(),), ("id", "tags"), subscriptions=scopes[start : start + MAX_SCOPES])
                await self.table.every_row(query)
        except ArmError:
            return False
        self._at = self._asked
        return True

    async def _keep(self) -> None:
        await self.toll.pay("blobs.write")
        if self._version == self.selected.version:
            self.selected.version += 1
            self.selected.at = self._at
            self._version = self.selected.version

