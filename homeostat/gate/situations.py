"""Gathers what the guards of `homeostat.core.gate` ask about, once for every observation that found something to write.

What is remembered of the root itself is in its record. What is stored of the fleet is read next: pauses and approvals
first, the rest only if they let something through. What Azure says about the root's surroundings (its tags,
deployments, our own site) comes last, or beside what is stored, if a write is expected.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from homeostat.ambient import Ambient
from homeostat.core.attribution import ActorKind
from homeostat.core.causes import causes
from homeostat.core.decision import own_read
from homeostat.core.gate.approval import to_approve
from homeostat.core.gate.passing import FIRST_GUARDS, OWN_GUARDS, guard_edits
from homeostat.core.gate.situation import History, Situation, Surroundings
from homeostat.core.model import Edit, Fact, Facts, Found, Gone, Mode
from homeostat.core.outcome import Trigger
from homeostat.core.policy import Deployments
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.core.uses import NOTHING_RESERVED, RunUse
from homeostat.core.versions import is_new
from homeostat.eager import begun
from homeostat.gate.approvals import Approvals
from homeostat.gate.drifting import Drifting
from homeostat.gate.fleetwide import Fleetwide, Rows
from homeostat.gate.reservations import Reservations, hour_in
from homeostat.gate.rollouts import RolloutCache, Rollouts, rollout_in
from homeostat.own import Own
from homeostat.ports.azure import ArmReader, DeploymentReader
from homeostat.store import Store


@dataclass(frozen=True, slots=True)
class Situations:
    store: Store
    reader: ArmReader
    deployments: DeploymentReader
    ambient: Ambient
    cap: Mode
    own: Own
    approvals: Approvals
    rollout_cache: RolloutCache

    async def of(self, root: Root, record: RootRecord, trigger: Trigger) -> Situation:
        """The situation in which writes that were decided elsewhere are to be judged. Raises StorageError."""
        return await self.with_fleet(self.of_root(root, record, trigger), root, record, trigger)

    def of_root(
        self,
        root: Root,
        record: RootRecord,
        trigger: Trigger,
        edits: Sequence[Edit] = (),
        own_run: RunUse = NOTHING_RESERVED,
    ) -> Situation:
        """The part of the situation that needs no I/O, for these edits of a root with this record.

        own_run: what this reconcile has written so far, where it is a run of its own.
        """
        history = History(
            declared=root.declared,
            run=own_run,
            max_writes=trigger.max_writes,
            reserved=record.reserved,
            flaps=record.flaps,
            writers=_writers(root, record, edits),
        )
        return Situation(
            now=self.ambient.now(),
            cap=self.cap,
            wants=root.wants,
            targets=root.targets,
            create=trigger.create,
            withheld=trigger.withheld,
            retest=record.retest,
            policy=root.policy,
            windows=root.windows,
            marked=root.marked,
            consents=trigger.consents,
            own=self.own.known,
            history=history,
        )

    async def with_fleet(
        self, situation: Situation, root: Root, record: RootRecord, trigger: Trigger, edits: Sequence[Edit] = ()
    ) -> Situation:
        """Adds what is stored of the fleet. Caps and mass drift are read only where the guards of single edits let
        something through. Raises StorageError.
        """
        fleet = Fleetwide(self.store.documents, self.ambient)
        rows, pauses = await asyncio.gather(fleet.read(), self.store.pauses())
        history = replace(situation.history, rollout=await Rollouts(self.store, self.rollout_cache).course(root, rows))
        situation = replace(situation, now=self.ambient.now(), pauses=pauses, history=history)
        situation = replace(situation, approval=await self.approvals.of(root.id, edits, situation))
        allowed, _ = guard_edits(edits, situation, FIRST_GUARDS)
        if not allowed:
            return situation
        return replace(situation, history=await self._of_fleet(root, record, trigger, allowed, history, rows))

    async def around(self, root: Root, facts: Facts) -> Surroundings:
        """What Azure says of the root's own body, its group's deployments and our own site."""
        asked = begun(self._running(root)), begun(self._body(root, facts)), begun(self.own.look(self.reader))
        running, body, own = await asyncio.gather(*asked)
        return Surroundings(root.id, body, facts, running, own)

    def with_surroundings(self, situation: Situation, around: Surroundings) -> Situation:
        """The situation right before a write."""
        return replace(situation, now=self.ambient.now(), own=self.own.known, surroundings=around)

    async def _body(self, root: Root, facts: Facts) -> Fact:
        read = own_read(root.id)
        known = facts.get(read)
        return known if isinstance(known, Found | Gone) else await self.reader.read(read)

    async def _running(self, root: Root) -> Fact | None:
        if root.policy.deployments is Deployments.IGNORE:
            return None
        return await self.deployments.running_deployments(root.id.subscription, root.id.resource_group)

    async def _of_fleet(
        self,
        root: Root,
        record: RootRecord,
        trigger: Trigger,
        allowed: Sequence[Edit],
        known: History,
        rows: Rows,
    ) -> History:
        """Adds what the plan guards ask about. Unless this is a dry run, the root counts as drifting from here on."""
        drifting = Drifting(self.store.documents, self.ambient)
        if not trigger.dry_run:
            await drifting.note(root.id, anew=any(is_new(root, edit.drift.kind, record) for edit in allowed))
        mass = await drifting.mass(root, rows, rollout_in(rows), noted=not trigger.dry_run)
        if not trigger.dry_run:
            await drifting.follow(mass, root, rows)
        reservations = Reservations(self.store.documents, self.ambient)
        return replace(
            known,
            run=await reservations.of_run(trigger.run) if trigger.run else known.run,
            hour=hour_in(rows),
            mass=mass,
        )


def expects_a_write(edits: Sequence[Edit], situation: Situation) -> bool:
    """Whether something is likely to be written: an edit that the root's own guards allow and no approval holds."""
    sure, _ = guard_edits(edits, situation, OWN_GUARDS)
    waiting = to_approve(sure, situation)
    return any(edit not in waiting for edit in sure)


def _writers(root: Root, record: RootRecord, edits: Sequence[Edit]) -> Mapping[str, str]:
    """By kind, who else wrote what is to be repaired, where that is known; under "" the last writer of any kind."""
    found = causes(root, [edit.drift for edit in edits], record).known
    told = {kind: episode.changed_by for kind, episode in record.episodes.items()} | {**found}
    names = {kind: actor.name for kind, actor in told.items() if actor.is_known and actor.kind is not ActorKind.SPEC}
    last = [write.by.name for write in record.foreign_writes if write.by.is_known][-1:]
    return {**names, **({"": last[0]} if last else {})}
