"""The fleet in one instance of the model: the real `Selections` select it, and the model's processor builds it.

Reading and building a fleet is modelled as processor time, since a real fleet of a million web apps takes minutes in
each instance. That time is what the model is to show. Its rows name no app, so that the blob of the selection has its
versions, but no size.
"""

from dataclasses import dataclass
from typing import override

from bench.scaling.world import World
from homeostat.ambient import Ambient
from homeostat.core.selectors import Criteria
from homeostat.core.spec import Fleet, Wanted
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState
from tests.support.virtual import Texts


@dataclass(frozen=True, slots=True)
class Work:
    """Processor seconds: for each root that is looked at, each app of a fleet that is built, and each app of the
    selection's blob that is read.
    """

    look: float = 0.0
    make: float = 0.0
    parse: float = 0.0


@dataclass(slots=True)
class Processor:
    """One core. Work that comes while it is busy waits."""

    ambient: Ambient
    free_at: float = 0.0
    spent: float = 0.0

    async def spend(self, seconds: float) -> None:
        if seconds:
            now = self.ambient.monotonic()
            self.free_at = max(now, self.free_at) + seconds
            self.spent += seconds
            await self.ambient.sleep(self.free_at - now)


class ModelDesired(DesiredState):
    """The real desired state, except that reading and building a fleet only takes the model's processor time."""

    def __init__(self, whole: Fleet, world: World, selections: Selections, processor: Processor, work: Work) -> None:
        super().__init__(Texts({}), {}, processor.ambient, selections=selections)
        self._whole, self._apps, self._processor, self._work = whole, world.apps, processor, work
        self._wanted = (Wanted(Criteria(subscriptions=world.subscriptions), frozenset()),)

    @override
    async def _renew(self, *, afresh: bool) -> None:
        assert self.selections is not None, "a fleet of the model is selected"
        known = self.selections.held.version
        found = await self._selected(afresh=afresh)
        if self.selections.held.version != known:
            await self._processor.spend(self._apps * self._work.parse)
        if self._fleet is None:
            await self._processor.spend(self._apps * self._work.make)
        await self.selections.keep(found)
        self._fleet = self._whole
