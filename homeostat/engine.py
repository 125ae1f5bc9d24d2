"""The loop: observe > diff > plan > guard > intent > apply > verify > record > alert.

One loop serves every trigger, so that a safety rule cannot hold on one path and be missing on another. It works on one
root at a time. This module has the entry points; the pass itself is `homeostat.reconcile`.
"""

from dataclasses import dataclass, replace

from homeostat.attributing import Attribution
from homeostat.core import marks
from homeostat.core.decision import holds_together
from homeostat.core.gate.situation import Pause
from homeostat.core.marks import Later, NothingToDo
from homeostat.core.model import NO_FACTS, Facts, Mode
from homeostat.core.outcome import Outcome, Status, Trigger, ledger_entry
from homeostat.core.plan import Held, Plan
from homeostat.core.record import RootRecord
from homeostat.core.retest import Retest
from homeostat.core.spec import Root
from homeostat.judging import Judging
from homeostat.observing import Observer
from homeostat.parts import Parts
from homeostat.ports.azure import NoChangeHistory
from homeostat.reconcile import Reconcile
from homeostat.rows import ledger_row
from homeostat.store import Leased, Stored
from homeostat.writing import Writes


@dataclass(frozen=True, slots=True)
class Engine(Parts):
    """The loop, with everything that it works with."""

    async def reconcile_marked(self, root: Root) -> Outcome | Later | NothingToDo:
        """Does the work that is marked on a root, if there is any and it is due. Sends the root's alerts.

        Raises StorageError and AlertError: the message that led here must then be delivered again.
        """
        observer = self._observer()
        taken = await self._take(root, observer)
        if isinstance(taken, Later):
            return taken
        answer: Outcome | NothingToDo = NothingToDo()
        if isinstance(taken, Leased):
            working = taken.stored.record.working
            causes = working.causes if working else ()
            trigger = Trigger("event", causes, run=marks.sweep_in(causes))
            answer = await self._pass(root, trigger, taken.stored, observer, taken).run()
            if answer.status is Status.BUSY:
                # The lease was lost, and the work with it; the new owner may die before it is done.
                await self.store.enqueue(root.id, self.store.terms.lasts)
        await self.outbox.send(root.id, answer if isinstance(answer, Outcome) else None)
        return answer

    async def reconcile(self, root: Root, trigger: Trigger) -> Outcome:
        """Reconciles a root now, whatever is marked. The status is BUSY while another instance works on it."""
        stored = await self.store.load(root.id)
        outcome = await self._pass(root, trigger, stored, self._observer()).run()
        if not trigger.dry_run:
            await self.outbox.try_to_send(root.id, outcome)
        return outcome

    async def carry_out(
        self,
        plan: Plan,
        root: Root,
        trigger: Trigger,
        leased: Leased,
        own: Retest | Pause | None = None,
        facts: Facts = NO_FACTS,
    ) -> Outcome:
        """Carries out writes that a person asked for, and then goes on as any reconcile, which judges the result.

        They pass the same gate, except for the guards that the person's request stands for, and all together or not at
        all. own: the pause or re-test that protects these writes, and must not hold them. facts: what they were decided
        by. The lease ends with it. Raises StorageError.
        """
        if held := await self.holds_of(plan, root, trigger, leased.stored.record, own, facts):
            outcome = Outcome(root.id, Status.HELD, Plan(root.id, held=held))
            outcome = replace(outcome, error=outcome.reason)
            now = self.ambient.now()
            entry = ledger_entry(outcome, trigger, root.targets, now)
            await leased.save(marks.released, [ledger_row(entry, now, self.ambient.uuid())])
            return outcome
        outcome = await self._pass(root, trigger, leased.stored, self._observer(), leased, plan).run()
        await self.outbox.try_to_send(root.id, outcome)
        return outcome

    async def holds_of(
        self,
        plan: Plan,
        root: Root,
        trigger: Trigger,
        known: RootRecord,
        own: Retest | Pause | None = None,
        facts: Facts = NO_FACTS,
    ) -> tuple[Held, ...]:
        """The gate's holds on writes that were decided elsewhere. Raises StorageError."""
        situation = await self.situations.of(root, known, trigger)
        pauses = tuple(pause for pause in situation.pauses if pause != own)
        situation = replace(situation, pauses=pauses, retest=None if situation.retest == own else situation.retest)
        around = await self.situations.around(root, facts)
        return holds_together(plan, self.situations.with_surroundings(situation, around))

    async def _take(self, root: Root, observer: Observer) -> Leased | Later | NothingToDo:
        """Takes up the marked work of a root. The first look runs concurrently with the write of its lease.

        That look only counts if the lease was taken on the same record that was read before the look began: then no
        other owner came in between, and every event whose mark the lease clears had been stored before the look.
        """
        known = await self.store.load(root.id)
        take = self.store.take(root.id, str(self.ambient.uuid()), self.settle, known)
        if self.cap is Mode.IGNORE or not self.store.is_due(known, self.settle):
            return await take
        observer.begin(root)
        counts = False
        try:
            taken = await take
            counts = isinstance(taken, Leased) and taken.found == known.record
        finally:
            if not counts:
                observer.discard()
        return taken

    def _observer(self) -> Observer:
        return Observer(self.registry, self.reader, self.prober, self.ambient)

    def _pass(
        self,
        root: Root,
        trigger: Trigger,
        stored: Stored,
        observer: Observer,
        leased: Leased | None = None,
        first: Plan | None = None,
    ) -> Reconcile:
        writes = Writes(root, trigger, self.writer, self.snapshots, observer, self.ambient)
        attribution = Attribution(root, NoChangeHistory() if trigger.dry_run else self.changes, observer)
        judging = Judging(self, root, trigger, observer, writes, attribution)
        return Reconcile(self, root, trigger, stored, observer, writes, judging, leased, first)
