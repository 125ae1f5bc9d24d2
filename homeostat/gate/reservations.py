"""Reserves writes before they are made: once for a whole plan, in durable state, by compare-and-swap.

So the caps hold however many instances write at once. Ten plans a second from forty instances are ten swaps a second of
one small document; an instance that loses one tries again within milliseconds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.gate.caps import over_hour, over_resource, over_run
from homeostat.core.gate.situation import History
from homeostat.core.json import JsonObject, text_at
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Hold, Plan
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.core.uses import (
    HourUse,
    RunUse,
    hour_from_json,
    hour_to_json,
    run_from_json,
    run_to_json,
)
from homeostat.gate.fleetwide import FLEET_PARTITION, HOUR, Fleetwide, Rows, changed
from homeostat.ports.storage import Document, Documents, Remove

RUNS: Final = "run-uses"
RUNS_KEPT: Final = timedelta(days=8)
"""Longer than a run's message can wait in a queue."""


@dataclass(frozen=True, slots=True)
class Reservations:
    documents: Documents
    ambient: Ambient

    async def of_run(self, run: str) -> RunUse:
        found = await self.documents.read(RUNS, run)
        return run_from_json(found.body, found.version) if found else RunUse()

    async def reserve(self, plan: Plan, root: Root, record: RootRecord, trigger: Trigger, seen: History) -> Hold | None:
        """Reserves the plan's writes under the caps of its run and of the fleet's hour. A Hold if they do not fit.

        Those of its resources are reserved in the root's record, with the intent. If the hour is full, what was
        reserved for the run stays reserved, which only makes it more cautious. seen: by the guards that let the plan
        through: it saves reads, and has the use of a reconcile that is a run of its own. Raises StorageError and
        TooMuchContention.
        """
        caps = root.policy.caps
        if hold := over_resource(plan, record.reserved, caps, self.ambient.now()):
            return hold
        if not trigger.run:
            hold = over_run(plan, seen.run, caps, root.declared, trigger.max_writes)
        else:
            hold = await self._of_run(plan, root, trigger, seen.run)
        return hold or await self._of_hour(plan, root, seen.hour)

    async def _of_run(self, plan: Plan, root: Root, trigger: Trigger, seen: RunUse) -> Hold | None:
        hold: Hold | None = None
        known = Document(RUNS, trigger.run, run_to_json(seen), seen.version) if seen.version else None

        def transition(current: JsonObject | None) -> JsonObject | None:
            nonlocal hold
            use = run_from_json(current) if current else RunUse()
            hold = over_run(plan, use, root.policy.caps, root.declared, trigger.max_writes)
            at = self.ambient.now().isoformat()
            return None if hold else {**run_to_json(use.with_plan(plan)), "at": at}

        await changed(self.documents, self.ambient, (RUNS, trigger.run), transition, known=known)
        return hold

    async def _of_hour(self, plan: Plan, root: Root, seen: HourUse) -> Hold | None:
        hold: Hold | None = None
        known = Document(FLEET_PARTITION, HOUR, hour_to_json(seen), seen.version) if seen.version else None

        def transition(current: JsonObject | None) -> JsonObject | None:
            nonlocal hold
            now = self.ambient.now()
            use = hour_from_json(current) if current else HourUse()
            hold = over_hour(plan, use, root.policy.caps, root.declared, now)
            return None if hold else hour_to_json(use.with_plan(plan, now))

        await Fleetwide(self.documents, self.ambient).change(HOUR, transition, known=known)
        return hold

    async def forget_runs(self, now: datetime) -> None:
        """Removes the uses of runs that ended long ago."""
        ended = [
            row.row
            async for row in self.documents.scan(RUNS)
            if datetime.fromisoformat(text_at(row.body, "at")) < now - RUNS_KEPT
        ]
        for start in range(0, len(ended), 100):
            await self.documents.apply(RUNS, [Remove(row) for row in ended[start : start + 100]])


def hour_in(rows: Rows) -> HourUse:
    """The hour's use, from the fleet's rows."""
    return hour_from_json(rows[HOUR].body, rows[HOUR].version) if HOUR in rows else HourUse()
