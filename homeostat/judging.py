"""The first half of the loop: observe > diff > plan > guard. Nothing here is written to Azure."""

import asyncio
from dataclasses import dataclass

from homeostat.attributing import Attribution
from homeostat.core import known_secrets
from homeostat.core.approvals import Approval
from homeostat.core.decision import Judged, creates, decide, judge, misses_container, root_gone, root_is_missing
from homeostat.core.gate.passing import FIRST_GUARDS
from homeostat.core.gate.situation import NO_HISTORY, History, Situation
from homeostat.core.known_secrets import Comparison
from homeostat.core.model import Facts
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Plan
from homeostat.core.record import RootRecord
from homeostat.core.refusal import without_refused
from homeostat.core.spec import Root
from homeostat.core.uses import RunUse
from homeostat.eager import begun
from homeostat.gate.situations import expects_a_write
from homeostat.observing import Observer
from homeostat.parts import Parts
from homeostat.writing import Writes


@dataclass(slots=True)
class Judging:
    """What one reconcile finds on its root, and plans; and what it learned on the way, as of its last look.

    approval: for those of the plan's edits that need one. seen: by the guards. secrets: None before the first look.
    """

    parts: Parts
    root: Root
    trigger: Trigger
    observer: Observer
    writes: Writes
    attribution: Attribution
    approval: Approval | None = None
    seen: History = NO_HISTORY
    secrets: Comparison | None = None

    async def judge(self, record: RootRecord, own_run: RunUse, *, was_held: bool) -> tuple[Facts, Plan, bool]:
        """What was read, the plan, and whether something is missing that must first be known to be gone for good.

        record: the root's, as last stored. own_run: what this reconcile has written, where it is a run of its own.
        was_held: whether repairs of the root were held before. Raises StorageError.
        """
        root, registry = self.root, self.parts.registry
        facts = await self.observer.observe(root)
        self.attribution.begin_look()
        judged = await self._with_changed_secrets(judge(root, facts, registry), facts, record)
        judged = without_refused(judged, self.writes.refusals)
        if root_is_missing(root.id, facts) and not creates(judged, root.id):
            return facts, root_gone(root), True
        if not judged.edits:
            return facts, Plan(root.id, judged.drifts, held=judged.blocked, withheld=judged.withheld), False
        return facts, await self._decided(judged, facts, record, own_run, was_held=was_held), misses_container(judged)

    async def _decided(
        self, judged: Judged, facts: Facts, record: RootRecord, own_run: RunUse, *, was_held: bool
    ) -> Plan:
        """The plan of what the guards let through. All they ask about is asked at once; Azure, the slower, first."""
        situations, root = self.parts.situations, self.root
        record_now = self.writes.with_repairs(record)
        of_root = situations.of_root(root, record_now, self.trigger, judged.edits, own_run)
        looking = begun(situations.around(root, facts)) if expects_a_write(judged.edits, of_root) else None
        try:
            (situation, plan), _ = await asyncio.gather(
                self._by_first_guards(judged, facts, of_root, record_now, was_held=was_held),
                self.attribution.query(judged.drifts, record),
            )
            if not plan.actions:  # the surroundings cannot matter
                return plan
            around = await (looking or situations.around(root, facts))
        finally:
            if looking is not None:
                looking.cancel()
        return decide(root, judged, facts, situations.with_surroundings(situation, around))

    async def _by_first_guards(
        self, judged: Judged, facts: Facts, of_root: Situation, record: RootRecord, *, was_held: bool
    ) -> tuple[Situation, Plan]:
        """The plan of what the guards that need no read of Azure let through.

        The state before it is stored, to gain time, unless the root was held: then it will probably be held again.
        """
        with_fleet = self.parts.situations.with_fleet(of_root, self.root, record, self.trigger, judged.edits)
        situation, _ = await asyncio.gather(with_fleet, self.writes.prepare())
        self.approval, self.seen = situation.approval, situation.history
        plan = decide(self.root, judged, facts, situation, FIRST_GUARDS)
        if not (self.trigger.dry_run or was_held):
            await self.writes.snapshot_ahead(plan)
        return situation, plan

    async def _with_changed_secrets(self, judged: Judged, facts: Facts, record: RootRecord) -> Judged:
        """What differs, including secrets that no longer have their accepted value. Only these need the digest key."""
        guarded = known_secrets.guarded_in(self.root, facts, self.parts.registry)
        self.secrets = Comparison()
        if guarded:
            key = await self.parts.store.digest_key()
            self.secrets = known_secrets.compare(self.root.id, guarded, record.secrets, key)
        return known_secrets.with_changes(judged, self.secrets.changed)
