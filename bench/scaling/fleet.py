"""The fleet in one instance of the model: read from the blob, made, and looked after again, as `Desired` does it.

What a look costs is restated rather than done, since a real fleet of a million web apps takes minutes of a processor in
each instance: which is what the model has to tell. The rules are those of `homeostat/specs.py` and
`homeostat/selections.py`.
"""

import math
from dataclasses import dataclass, field
from typing import override

from bench.scaling.arm import ModelTable
from bench.scaling.world import World
from homeostat.ambient import Ambient
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import SITE
from homeostat.core.graph import MAX_SCOPES, RowQuery
from homeostat.core.spec import Fleet
from homeostat.paging import every_row
from homeostat.selections import RETRY_EVERY
from homeostat.specs import Desired
from tests.support.virtual import Texts, Toll


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
class Known:
    """What one instance knows of the selection. at: of the answer that is in force. asked: when it asked Azure last."""

    at: float = -math.inf
    version: int = -1
    asked: float = -math.inf


@dataclass(slots=True)
class Look:
    """What a look for a changed fleet costs one instance. `table` is that of healing, as `Selections` asks."""

    world: World
    selected: Selected
    table: ModelTable
    toll: Toll
    processor: Processor
    work: Work
    every: float  # seconds for which an answer of the selectors is good
    known: Known = field(default_factory=Known)

    async def take(self, *, afresh: bool, is_first: bool) -> None:
        known = self.known
        await self.toll.pay("blobs.list")
        if known.version != self.selected.version:
            await self.toll.pay("blobs.read")
            known.version, known.at = self.selected.version, self.selected.at
            await self.processor.spend(self.world.apps * self.work.parse)
        is_new = (afresh or self._is_due()) and await self._ask()
        if is_first:
            await self.processor.spend(self.world.apps * self.work.make)
        if is_new:
            await self._keep()

    def _now(self) -> float:
        return self.processor.ambient.monotonic()

    def _is_due(self) -> bool:
        now, known = self._now(), self.known
        return now - known.asked >= RETRY_EVERY.total_seconds() and now - known.at >= self.every

    async def _ask(self) -> bool:
        """Whether Azure answered; what was selected before stays where it did not."""
        self.known.asked = self._now()
        scopes = self.world.subscriptions
        try:
            for start in range(0, len(scopes), MAX_SCOPES):
                query = RowQuery((SITE.name.lower(),), ("id", "tags"), subscriptions=scopes[start : start + MAX_SCOPES])
                await every_row(self.table, query, self.processor.ambient.sleep)
        except ArmError:
            return False
        self.known.at = self.known.asked
        return True

    async def _keep(self) -> None:
        """Unless another instance kept what it was told at the same time."""
        await self.toll.pay("blobs.write")
        if self.known.version == self.selected.version:
            self.selected.version += 1
            self.selected.at = self.known.at
            self.known.version = self.selected.version


class ModelDesired(Desired):
    """When it looks, and who waits for it, is as ever; what a look costs is the model's."""

    def __init__(self, whole: Fleet, look: Look, ambient: Ambient) -> None:
        super().__init__(Texts({}), {}, ambient)
        self._whole, self._look = whole, look

    @override
    async def _renew(self, *, afresh: bool) -> None:
        await self._look.take(afresh=afresh, is_first=self._fleet is None)
        self._fleet = self._whole
