"""One pass of the loop over one root: observe > diff > plan > guard > intent > apply > verify > record > alert.

All decisions are made by the pure functions of `homeostat.core`; all I/O goes through the parts.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from homeostat.core import alerts, marks, retest, snapshot, uses, written
from homeostat.core.alerts import AlertType
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.attribution import Actor
from homeostat.core.causes import asked_here, of_entry
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.decision import (
    held_whole,
    judged_kinds,
    root_is_missing,
)
from homeostat.core.endings import Ending, is_web_app
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.approval import APPROVAL_NEEDED
from homeostat.core.gate.caps import CAPS
from homeostat.core.model import Facts, Mode
from homeostat.core.outcome import JUDGED, Outcome, Status, Trigger, is_worth_a_line, ledger_entry
from homeostat.core.plan import Plan
from homeostat.core.record import Intent, KnownSecret, RootRecord
from homeostat.core.retest import Retest
from homeostat.core.spec import Root
from homeostat.core.uses import RunUse
from homeostat.judging import Judging
from homeostat.observing import Observer
from homeostat.parts import Parts
from homeostat.ports.azure import StillRunning
from homeostat.ports.storage import Change, StorageError
from homeostat.rows import ledger_row, outbox_rows
from homeostat.store import Leased, LeaseLost, Stored, TooMuchContention
from homeostat.writing import Writes

log = logging.getLogger(__name__)

MAX_ROUNDS: Final = 3
"""How often a reconcile may write before it gives up against another writer."""

NOTHING_LEARNED: Final = frozenset({Status.IGNORED, Status.BUSY})
"""Statuses of a reconcile that learned nothing about its root, so that it concludes nothing."""

ASKED_NO_MORE: Final = frozenset({Status.IN_SYNC, Status.HEALED, Status.DRIFTED, Status.HELD})
"""Statuses after which a plan without approvals means that nothing needs approval."""


class _Overtaken(Exception):
    """Another reconcile of the root began or ended while this one looked without the lease, which it did not need."""


@dataclass(slots=True)
class Reconcile:
    """One pass of the loop over one root, in the order of the methods."""

    parts: Parts
    root: Root
    trigger: Trigger
    stored: Stored
    observer: Observer
    writes: Writes
    judging: Judging
    leased: Leased | None = None
    first: Plan | None = None  # carried out before anything is observed
    alone: RunUse = field(default_factory=RunUse)  # what it has reserved, if it is a run of its own

    @property
    def ending(self) -> Ending:
        return Ending(self.root.id, self.stored.record, self.parts.ambient.now())

    @property
    def _record_now(self) -> RootRecord:
        """The root's record as this reconcile has last read or stored it."""
        return self.leased.stored.record if self.leased else self.stored.record

    @property
    def _refused(self) -> tuple[str, ...]:
        return tuple(sorted(self.observer.refused))

    async def run(self) -> Outcome:
        began = self.parts.ambient.monotonic()
        try:
            outcome = self._with_writes(await self._outcome(), began)
            if outcome.status in NOTHING_LEARNED:
                await self._let_go()
            else:
                await self._ask_for_approval(outcome)  # before anybody hears of it
                if not self.trigger.dry_run:
                    await self._record(outcome)
            outcome = replace(outcome, refused=self._refused)
        except LeaseLost as lost:
            busy = Outcome(self.root.id, Status.BUSY, Plan(self.root.id), error=str(lost))
            return self._with_writes(busy, began)
        except Exception:
            # Not on cancellation: a process that dies gives nothing back, and its lease expires.
            if self.leased is not None:
                await self.leased.abandon()
            raise
        return outcome

    def _with_writes(self, outcome: Outcome, began: float) -> Outcome:
        return replace(
            outcome,
            written=tuple(action for action, _ in self.writes.written),
            correlations=tuple(ids.correlation_id for _, ids in self.writes.written),
            snapshots=tuple(self.writes.snapshots),
            took=timedelta(seconds=self.parts.ambient.monotonic() - began),
        )

    async def _outcome(self) -> Outcome:
        """How it ends if the store answers. A mistake in the spec, or of ours, only fails this root."""
        try:
            stopped = await self._write(self.first) if self.first else None
            self.writes.mark_counted()  # writes that were decided elsewhere repair no drift
            return stopped or await self._observe_and_write()
        except (StorageError, LeaseLost, TooMuchContention):
            raise
        except HomeostatError as error:
            return self.ending.failed(Plan(self.root.id), error)

    async def _observe_and_write(self) -> Outcome:
        """Observes and writes in rounds, until an observation finds nothing more to write."""
        plan = Plan(self.root.id)
        if self.parts.cap is Mode.IGNORE:
            return Outcome(self.root.id, Status.IGNORED, plan)
        for rounds_left in reversed(range(MAX_ROUNDS + 1)):
            facts, plan, missing = await self.judging.judge(self._record_now, self.alone, was_held=self._was_held)
            root_missing = root_is_missing(self.root.id, facts)
            # A web app is never created, so a person's `create` must not turn a passing 404 into its end.
            by_word = self.trigger.create and not (root_missing and is_web_app(self.root.id))
            known_gone = by_word or self.trigger.dry_run or self.ending.was_missed_twice()
            if missing and not known_gone:
                return self.ending.missing()
            if root_missing and not plan.actions:
                return self.ending.gone(plan)
            if self.trigger.dry_run or not plan.actions:
                return self._judged(plan, facts)
            if rounds_left and (stopped := await self._write(plan)):
                return stopped
        error = HomeostatError(f"drifted again after {MAX_ROUNDS} writes: another writer is at work")
        return self.ending.failed(plan, error)

    def _judged(self, plan: Plan, facts: Facts) -> Outcome:
        capped = next((held.hold for held in plan.held if held.hold.code in CAPS), None)
        if capped and self.alone.writes > len(self.writes.written):
            # Others were faster in each round of this pass. It counts as a failed try, since more room would not help.
            return self.ending.failed(plan, HomeostatError(f"others wrote first each time; then {capped.message}"))
        return self.ending.judged(plan, facts, wrote=bool(self.writes.written), refusals=self.writes.refusals.values())

    async def _write(self, plan: Plan) -> Outcome | None:
        """Lease, reservation beside intent, apply. None if the root is to be observed again.

        That is either to verify, or because somebody else wrote first.
        """
        leased = self.leased
        if leased is None:
            leased = await self.parts.store.lease(self.root.id, str(self.parts.ambient.uuid()), self.stored)
            if leased is None:
                return Outcome(self.root.id, Status.BUSY, plan, error="another instance works on this root")
            looked_at, self.stored, self.leased = self.stored, leased.stored, leased
            if leased.lease.token != looked_at.record.token + 1:
                return None  # another owner came and went since this one looked, and may have done the work
        since = self.observer.earliest()
        with self.writes.reading_ahead(plan):
            return await self._carry_out(plan, leased, since)

    async def _carry_out(self, plan: Plan, leased: Leased, since: datetime) -> Outcome | None:
        known = leased.stored.record
        reserved = self.parts.reservations.reserve(plan, self.root, known, self.trigger, self.judging.seen)
        (intent, names), hold = await asyncio.gather(self._intend(plan, leased, since), reserved)
        if hold:
            self.writes.forget(intent)
            return self._judged(held_whole(plan, hold), {})
        self.alone = self.alone.with_plan(plan)
        try:
            await self.writes.apply(plan, leased, intent, names, together=plan is self.first)
        except ArmError as error:
            return None if error.error_class is ErrorClass.STALE else self.ending.failed(plan, error)
        except StillRunning as running:
            await self._use_approval(plan)
            return self.ending.still_running(plan, str(running), running.retry_after)
        await self._use_approval(plan)
        return None

    async def _use_approval(self, plan: Plan) -> None:
        """Marks the approval as used once ARM has accepted the write; a refused write may be tried again."""
        if self.judging.approval is not None and self.judging.approval.is_about(plan.edits):
            await self.parts.approvals.use(self.judging.approval)

    # --- attribute ---

    async def _causes(self, plan: Plan) -> Mapping[str, Actor]:
        """By kind, who or what caused the plan's drifts."""
        found = await self.judging.attribution.causes(plan.drifts, self._record_now)
        return asked_here(found, self.first, self.trigger, self.parts.ambient.now())

    # --- intent ---

    async def _intend(self, plan: Plan, leased: Leased, since: datetime) -> tuple[Intent, tuple[str, ...]]:
        """Stores a record before the first write: what is about to be done, the state before it, and the alerts.

        It includes the ids of the writes, one for each action, since a write's event can arrive before its answer.
        since: the earliest, by ARM's clock, that anything is read which a write is based on.
        """
        now = self.parts.ambient.now()
        kinds = sorted({edit.drift.kind for edit in plan.edits})
        actions = tuple(str(action) for action in plan.actions)
        unprotected = {action.resource.key: since for action in plan.actions if action.unprotected}
        intent = self.writes.draft(plan)
        intent = replace(intent, actions=actions, kinds=tuple(kinds), unprotected=unprotected)
        intent = replace(intent, snapshots=snapshot.names(self.root.id, intent))
        before = leased.stored.record.episodes
        episodes, detected = alerts.opened(self.root, plan.drifts, before, now, await self._causes(plan))
        names = tuple(str(self.parts.ambient.uuid()) for _ in plan.actions)

        def transition(current: RootRecord) -> RootRecord:
            named = written.about_to_write(self.writes.with_repairs(current), names, now=now)
            reserved = uses.with_plan(current.reserved, plan, now)
            return replace(written.intending(named, intent), episodes=episodes, reserved=reserved)

        saved = leased.save(transition, rows=outbox_rows(detected))
        await asyncio.gather(saved, self.writes.snapshot_first(plan, intent))
        self.writes.mark_counted()
        return intent, names

    # --- record, alert ---

    async def _let_go(self) -> None:
        """Ends a reconcile that learned nothing: what is remembered of the root stays as it is."""
        if self.leased is not None:
            await self.leased.save(marks.released)

    async def _ask_for_approval(self, outcome: Outcome) -> None:
        """Stores the request whose id a hold shows, so that it can be approved; in a dry run, too.

        If nothing needs approval any more, an earlier request of the root is dropped: it was for another plan.
        """
        if self.judging.approval is not None and any(held.hold.code == APPROVAL_NEEDED for held in outcome.plan.held):
            await self.parts.approvals.ask(self.judging.approval)
        elif self.judging.approval is None and outcome.status in ASKED_NO_MORE and self._may_have_asked:
            await self.parts.approvals.void(self.root.id)

    @property
    def _may_have_asked(self) -> bool:
        return (self._was_held or self.trigger.create) and not self.trigger.dry_run

    @property
    def _was_held(self) -> bool:
        return any(episode.state == AlertType.HELD for episode in self.stored.record.episodes.values())

    async def _record(self, outcome: Outcome) -> None:
        """Stores record, ledger entry and alerts of the outcome in one batch; then enqueues another look if need be."""
        now = self.parts.ambient.now()
        before = self._record_now
        after, rows = await self._conclusion(outcome, before, now)
        look_at = self._next_look(outcome, after.retest, now)
        try:
            delay = await self._store(before, after, rows, look_at, now)
        except _Overtaken:  # what it saw is outdated: the other's conclusion counts, if that one lives to draw it
            await self.parts.store.look_when_free(self.root.id)
            return
        if delay is not None:
            await self.parts.store.enqueue(self.root.id, delay)
        if before.episodes and not after.episodes and not outcome.written:
            await self.parts.drifting.forget(self.root.id)

    async def _conclusion(
        self, outcome: Outcome, before: RootRecord, now: datetime
    ) -> tuple[RootRecord, Sequence[Change]]:
        """The record after the outcome, and the rows to store with it: the alerts, and a ledger entry if it is news."""
        begun = self.stored.record.intent  # by an earlier reconcile that died before its end
        evidence = Evidence(
            begun,
            blind=(*written.left_blind(begun, until=self.observer.latest()), *self.writes.blind),
            judged=judged_kinds(self.root, self.parts.registry),
            changed_by=await self._causes(outcome.plan),
            healed=self.writes.repairs(),
        )
        after, pending = conclude(self.root, outcome, before, evidence, now)
        if outcome.correlations:  # ARM may have used other ids than ours
            after = written.about_to_write(after, outcome.correlations, now=now)
        after = replace(after, retest=self._witnessed(outcome, before.retest, now), secrets=self._known(before))
        rows = outbox_rows(pending)
        if not begun and not is_worth_a_line(outcome):
            return after, rows
        blamed = of_entry(outcome, before.episodes, after.episodes)
        told = replace(outcome, refused=self._refused)
        entry = ledger_entry(told, self.trigger, self.root.targets, now, begun, blamed)
        return after, (*rows, ledger_row(entry, now, self.parts.ambient.uuid()))

    async def _store(
        self, before: RootRecord, after: RootRecord, rows: Sequence[Change], look_at: datetime | None, now: datetime
    ) -> timedelta | None:
        """Stores the conclusion; returns the delay of the message to enqueue for the look at `look_at`, if any.

        Raises _Overtaken if, without a lease, another reconcile of the root began or ended meanwhile.
        """
        delay: timedelta | None = None

        def transition(current: RootRecord) -> RootRecord:
            nonlocal delay
            if self.leased is None and marks.is_overtaken(current, before, now=now):
                raise _Overtaken
            merged = marks.concluded(current, after, before, releases=self.leased is not None)
            if look_at is None:
                return merged
            merged, delay = marks.scheduled(merged, at=look_at, now=now)
            return merged

        if self.leased is not None:
            await self.leased.save(transition, rows)
        else:
            await self.parts.store.change(self.root.id, transition, rows=rows, known=self.stored)
        return delay

    def _known(self, before: RootRecord) -> Mapping[str, KnownSecret]:
        """What is to be remembered of the root's secrets."""
        if self.judging.secrets is None:
            return before.secrets
        if self.judging.secrets.anew:
            log.info("%s: accepted as they are now: %s", self.root.id.short, ", ".join(self.judging.secrets.anew))
        return self.judging.secrets.known

    def _witnessed(self, outcome: Outcome, running: Retest | None, now: datetime) -> Retest | None:
        """The root's retest after this outcome; an outcome that judged nothing leaves it unchanged."""
        if running is None or outcome.status not in JUDGED:
            return running
        drifts = outcome.plan.drifts
        return retest.witnessed(running, drifts, retest.findings(self.root, drifts, self.parts.registry), now)

    def _next_look(self, outcome: Outcome, running: Retest | None, now: datetime) -> datetime | None:
        """The earlier of the outcome's own next look and the end of a retest."""
        looks = (outcome.retry_at, retest.next_look(running, now) if running else None)
        return min((look for look in looks if look), default=None)
