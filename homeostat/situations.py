"""Gathers what the guards of `homeostat.core.gate` may look at, once for every look that found something to write.

What is remembered of the root is in its record; what is remembered of the fleet is only read where the guards of the
single edits let something through, and is one read then, with one more for the run.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from homeostat.ambient import Ambient
from homeostat.core.gate.passing import guard_edits
from homeostat.core.gate.situation import History, Situation
from homeostat.core.json import JsonObject
from homeostat.core.model import Edit, Facts, Mode
from homeostat.core.outcome import Trigger
from homeostat.core.record import RootRecord
from homeostat.core.rollout import changed_owners
from homeostat.core.spec import Root
from homeostat.core.uses import HourUse, RunUse, hour_from_json
from homeostat.drifting import Drifting
from homeostat.fleetwide import HOUR, Fleetwide
from homeostat.ports import ArmReader
from homeostat.reservations import Reservations
from homeostat.rollouts import Known, Rollouts, rollout_in
from homeostat.store import Store


@dataclass(frozen=True, slots=True)
class Situations:
    store: Store
    reader: ArmReader
    ambient: Ambient
    cap: Mode
    known: Known

    async def of(
        self, root: Root, record: RootRecord, asked: Trigger, facts: Facts, edits: Sequence[Edit], alone: RunUse
    ) -> Situation:
        """The situation of a root with this record, of which these facts are known, before these edits.

        alone: what a reconcile that is a run of its own has written so far. Raises StorageError.
        """
        del facts
        fleet = Fleetwide(self.store.documents, self.ambient)
        rows, pauses = await asyncio.gather(fleet.read(), self.store.pauses())
        course = await Rollouts(self.store, self.known).course(root, rows)
        history = History(
            declared=root.declared,
            run=alone,
            max_writes=asked.max_writes,
            reserved=record.reserved,
            rollout=course,
            flaps=record.flaps,
            writers=_writers(record),
        )
        situation = Situation(
            now=self.ambient.now(),
            cap=self.cap,
            wants=root.wants,
            targets=root.targets,
            pauses=pauses,
            create=asked.create,
            withheld=asked.withheld,
            retest=record.retest,
            policy=root.policy,
            history=history,
        )
        allowed, _ = guard_edits(edits, situation)
        if not allowed:
            return situation
        return replace(situation, history=await self._of_fleet(root, asked, allowed, history, rows))

    async def _of_fleet(
        self, root: Root, asked: Trigger, allowed: Sequence[Edit], known: History, rows: Mapping[str, JsonObject]
    ) -> History:
        """With what the plan guards ask about. From here on the root counts as drifting, but for a dry run."""
        drifting = Drifting(self.store.documents, self.ambient)
        if not asked.dry_run:
            await drifting.note(root.id, anew=_is_declared_anew(root, allowed, known))
        mass = await drifting.mass(root, rows, rollout_in(rows), noted=not asked.dry_run)
        if not asked.dry_run:
            await drifting.follow(mass, root, rows)
        reservations = Reservations(self.store.documents, self.ambient)
        return replace(
            known,
            run=await reservations.of_run(asked.run) if asked.run else known.run,
            hour=hour_from_json(rows[HOUR]) if HOUR in rows else HourUse(),
            mass=mass,
        )


def _is_declared_anew(root: Root, edits: Sequence[Edit], known: History) -> bool:
    """Whether the spec that is being rolled out says otherwise than before about what is to be written."""
    course = known.rollout
    if course is None or not course.base:
        return False
    drifts = [edit.drift for edit in edits]
    return any(
        changed_owners(drift.kind, drift.item, root.wants[drift.kind], root.targets, course.base) for drift in drifts
    )


def _writers(record: RootRecord) -> Mapping[str, str]:
    """Who else wrote to the root of late, as events told it."""
    return {"": record.foreign_writes[-1].actor or "unknown"} if record.foreign_writes else {}
