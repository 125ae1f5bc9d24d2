"""Gathers what the guards of `homeostat.core.gate` may look at, once for every look that found something to write."""

from dataclasses import dataclass

from homeostat.ambient import Ambient
from homeostat.core.gate.situation import Situation
from homeostat.core.model import Facts, Mode
from homeostat.core.outcome import Trigger
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.ports import ArmReader
from homeostat.store import Store


@dataclass(frozen=True, slots=True)
class Situations:
    store: Store
    reader: ArmReader
    ambient: Ambient
    cap: Mode

    async def of(self, root: Root, record: RootRecord, asked: Trigger, facts: Facts) -> Situation:
        """The situation of a root with this record, of which these facts are known. Raises StorageError."""
        del facts
        return Situation(
            now=self.ambient.now(),
            cap=self.cap,
            wants=root.wants,
            targets=root.targets,
            pauses=await self.store.pauses(),
            create=asked.create,
            withheld=asked.withheld,
            retest=record.retest,
            policy=root.policy,
        )
