"""Gathers what the guards of `homeostat.core.gate` ask about, once for every observation that found something to write.

What is remembered of the root itself is in its record. Unless that alone holds everything back, two things are read
concurrently, since a repair waits for both: what Azure says about the root's surroundings (its tags, deployments, our
own site), and what is stored of the fleet. Of the fleet, pauses and approvals come first; the rest is read only if they
let something through. If they do not, the read of Azure was superfluous.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

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
from homeostat.gate.approvals import Approvals
from homeostat.gate.drifting import Drifting
from homeostat.gate.fleetwide import Fleetwide, Rows
from homeostat.gate.reservations import Reservations, hour_in
from homeostat.gate.rollouts import RolloutCache, Rollouts, rollout_in
from homeostat.own import Own
from homeostat.ports import ArmReader, DeploymentReader
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

    async def of(
        self,
        root: Root,
        record: RootRecord,
        trigger: Trigger,
        edits: Sequence[Edit] = (),
        facts: Facts = MappingProxyType({}),
        own_run: RunUse = NOTHING_RESERVED,
    ) -> Situation:
        """The situation in which these edits of a root, with this record and these facts, are to be judged.

        Azure is asked only where the guards that know just the root let an edit through, concurrently with the store.
        own_run: what this reconcile has written so far, where it is a run of its own. Raises StorageError.
        """
        situation = self._of_root(root, record, trigger, edits, own_run)
        with_fleet = self._with_fleet(situation, root, record, trigger, edits)
        if not _is_expected(edits, situation):
            situation, allowed = await with_fleet
            return await self.looked_around(situation, root, facts) if allowed else situation
        # Azure first: it is slower than storage, and starting one request delays the other.
        around, (situation, allowed) = await asyncio.gather(self._around(root, facts), with_fleet)
        return self._right_before(situation, around) if allowed else situation

    async def looked_around(self, situation: Situation, root: Root, facts: Facts) -> Situation:
        """Completes the situation right before a write: reads the root's own body and its group's deployments."""
        return self._right_before(situation, await self._around(root, facts))

    def _right_before(self, situation: Situation, around: Surroundings) -> Situation:
        return replace(situation, now=self.ambient.now(), own=self.own.known, surroundings=around)

    def _of_root(
        self, root: Root, record: RootRecord, trigger: Trigger, edits: Sequence[Edit], own_run: RunUse
    ) -> Situation:
        """The part of the situation that needs no I/O."""
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

    async def _with_fleet(
        self, situation: Situation, root: Root, record: RootRecord, trigger: Trigger, edits: Sequence[Edit]
    ) -> tuple[Situation, bool]:
        """Adds what is stored of the fleet. Also returns whether the guards of single edits let something through.

        Caps and mass drift are read only where they do.
        """
        fleet = Fleetwide(self.store.documents, self.ambient)
        rows, pauses = await asyncio.gather(fleet.read(), self.store.pauses())
        history = replace(situation.history, rollout=await Rollouts(self.store, self.rollout_cache).course(root, rows))
        situation = replace(situation, now=self.ambient.now(), pauses=pauses, history=history)
        situation = replace(situation, approval=await self.approvals.of(root.id, edits, situation))
        allowed, _ = guard_edits(edits, situation, FIRST_GUARDS)
        if not allowed:
            return situation, False
        return replace(situation, history=await self._of_fleet(root, record, trigger, allowed, history, rows)), True

    async def _around(self, root: Root, facts: Facts) -> Surroundings:
        own, body, running = await asyncio.gather(
            self.own.look(self.reader), self._body(root, facts), self._running(root)
        )
        return Surroundings(root.id, body, facts, running, own)

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


def _is_expected(edits: Sequence[Edit], situation: Situation) -> bool:
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
