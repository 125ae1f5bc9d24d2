"""The loop: observe > diff > plan > guard > intent > apply > verify > record > alert.

One loop serves every trigger, so that a safety rule cannot hold on one path and be missing on another. Its unit of
work is a root. What it decides is decided by the pure functions of `homeostat.core`; what it touches, it touches
through the ports.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from homeostat.ambient import Ambient
from homeostat.approvals import Approvals
from homeostat.core import alerts, flapping, known_secrets, record, retest, snapshot, uses
from homeostat.core.approvals import Approval
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_time import ArmTime, closer
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.attribution import Actor
from homeostat.core.causes import causes, completed, of_entry
from homeostat.core.conclusion import conclude
from homeostat.core.decision import (
    Judged,
    creates,
    decide,
    held_whole,
    holds_together,
    judge,
    judged_kinds,
    misses_container,
    reads_of,
    root_gone,
    root_is_missing,
)
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.approval import APPROVAL_NEEDED
from homeostat.core.gate.passing import FIRST_GUARDS
from homeostat.core.gate.situation import Pause
from homeostat.core.gate.standing import MODE_ALERT
from homeostat.core.known_secrets import Comparison
from homeostat.core.model import Drift, Fact, Facts, Found, Mode, Query, Read, Registry, Unreadable, Verdict
from homeostat.core.outcome import JUDGED, Outcome, Status, Trigger, is_worth_a_line, ledger_entry
from homeostat.core.plan import Action, Held, Hold, Plan, rebase, unreadable
from homeostat.core.record import (
    DEFAULT_SETTLE,
    GONE_AFTER,
    BlindWrite,
    Intent,
    KnownSecret,
    Later,
    NothingToDo,
    RootRecord,
    Settle,
)
from homeostat.core.refusal import Key, refusal, refused, waits_for_refused, without_refused
from homeostat.core.retest import Retest
from homeostat.core.snapshot import as_seen, inverses
from homeostat.core.spec import Root
from homeostat.core.uses import RunUse
from homeostat.drifting import Drifting
from homeostat.outbox import Outbox
from homeostat.own import Own
from homeostat.ports import (
    AlertChannel,
    ArmReader,
    ArmWriter,
    ChangeHistory,
    DeploymentReader,
    Elsewhere,
    Forgotten,
    Prober,
    StillRunning,
    StorageError,
    Written,
)
from homeostat.reservations import Reservations
from homeostat.rollouts import Known, Rollouts
from homeostat.situations import Situations
from homeostat.snapshots import Snapshots
from homeostat.store import Leased, LeaseLost, Store, Stored, TooMuchContention, ledger_row, outbox_rows

log = logging.getLogger(__name__)

MAX_STAGES: Final = 4
"""How often one read may name the next."""

MAX_ROUNDS: Final = 3
"""How often a reconcile may write before it gives up against another writer."""

RETRIES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 60, 60))
"""When a root that failed is tried again by itself; after these it waits for an event or the next sweep."""

UNSEEN: Final = frozenset({Status.IGNORED, Status.BUSY})
"""Of a root that ended so nothing was learned, so that nothing is concluded from it."""

SETTLING_RETRY: Final = timedelta(seconds=30)
SETTLING_LOOKS: Final = 8
"""Looks at what settles: after 30 s, 1 min, 2 min and so on, together about two hours."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The loop with everything that it talks through."""

    registry: Registry
    reader: ArmReader
    writer: ArmWriter
    store: Store
    channel: AlertChannel
    ambient: Ambient
    cap: Mode = Mode.ENFORCE  # HOMEOSTAT_MODE
    settle: Settle = DEFAULT_SETTLE
    source: str = "homeostat"  # of the alerts
    prober: Prober = field(default_factory=Elsewhere)
    changes: ChangeHistory = field(default_factory=Forgotten)
    deployments: DeploymentReader = field(kw_only=True)
    own: Own = field(default_factory=Own)
    public_url: str = ""  # under which people reach the HTTP API
    known: Known = field(default_factory=Known)  # shared by all that is made of this engine

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.store.documents, self.ambient, self.public_url)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.store.blobs, self.store.documents, self.ambient)

    @property
    def situations(self) -> Situations:
        return Situations(
            self.store, self.reader, self.deployments, self.ambient, self.cap, self.own, self.approvals, self.known
        )

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.store, self.channel, self.approvals, self.source)

    @property
    def reservations(self) -> Reservations:
        return Reservations(self.store.documents, self.ambient)

    @property
    def drifting(self) -> Drifting:
        return Drifting(self.store.documents, self.ambient)

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.store, self.known)

    async def reconcile_marked(self, root: Root) -> Outcome | Later | NothingToDo:
        """Does the work that is marked on a root, if there is any and it is time. Sends the root's alerts.

        Raises StorageError and AlertError: the message that led here must then come again.
        """
        taken = await self.store.take(root.id, str(self.ambient.uuid()), self.settle)
        if isinstance(taken, Later):
            return taken
        answer: Outcome | NothingToDo = NothingToDo()
        if isinstance(taken, Leased):
            working = taken.stored.record.working
            causes = working.causes if working else ()
            trigger = Trigger("event", causes, run=record.sweep_in(causes))
            answer = await _Reconcile(self, root, trigger, taken.stored, taken).run()
            if answer.status is Status.BUSY:
                # The lease was lost, and with it the work; of the new owner nobody says that it will live to do it.
                await self.store.enqueue(root.id, self.store.terms.lasts)
        await self.outbox.send(root.id, answer if isinstance(answer, Outcome) else None)
        return answer

    async def reconcile(self, root: Root, trigger: Trigger) -> Outcome:
        """Reconciles a root now, whatever is marked. Its status is BUSY while another instance works on it."""
        stored = await self.store.load(root.id)
        outcome = await _Reconcile(self, root, trigger, stored).run()
        if not trigger.dry_run:
            await self.outbox.try_to_send(root.id, outcome)
        return outcome

    async def carry_out(
        self, plan: Plan, root: Root, trigger: Trigger, leased: Leased, own: Retest | Pause | None = None
    ) -> Outcome:
        """Carries out writes that a person asked for, then goes on as any reconcile: what they changed is judged.

        They pass the gate as all writes do, but for what a person's word stands for: all together or not at all; then
        nothing is written. own: what whoever decided them put up to keep others from undoing them. The lease ends with
        it. Raises StorageError.
        """
        if held := await self.holds_of(plan, root, trigger, leased.stored.record, own):
            words = "; ".join(dict.fromkeys(entry.hold.message for entry in held))
            outcome = Outcome(root.id, Status.HELD, Plan(root.id, held=held), error=words)
            now = self.ambient.now()
            entry = ledger_entry(outcome, trigger, root.targets, now)
            await leased.save(record.released, [ledger_row(entry, now, self.ambient.uuid())])
            return outcome
        outcome = await _Reconcile(self, root, trigger, leased.stored, leased, first=plan).run()
        await self.outbox.try_to_send(root.id, outcome)
        return outcome

    async def holds_of(
        self, plan: Plan, root: Root, trigger: Trigger, known: RootRecord, own: Retest | Pause | None = None
    ) -> tuple[Held, ...]:
        """What the gate says to writes that were decided elsewhere. Raises StorageError."""
        situation = await self.situations.of(root, known, trigger)
        pauses = tuple(pause for pause in situation.pauses if pause != own)
        situation = replace(situation, pauses=pauses, retest=None if situation.retest == own else situation.retest)
        return holds_together(plan, await self.situations.looked_around(situation, root, {}))


class _Overtaken(Exception):
    """Another reconcile of the root began or ended while this one, which had no need of the lease, looked."""


@dataclass(slots=True)
class _Reconcile:
    """One pass of the loop over one root, in the order of the methods."""

    engine: Engine
    root: Root
    trigger: Trigger
    stored: Stored
    leased: Leased | None = None
    first: Plan | None = None  # to be carried out before anything is observed
    written: list[tuple[Action, Written]] = field(default_factory=list)
    blind: list[BlindWrite] = field(default_factory=list)
    arm_time: ArmTime | None = None
    asked_who: bool = False  # Azure, for the authors of changes
    approval: Approval | None = None  # of the last plan's edits that need one
    counted: int = 0  # of `written`, as repairs in the record
    alone: RunUse = field(default_factory=RunUse)  # what it has reserved, where it is a run of its own
    snapshots: list[str] = field(default_factory=list)
    refusals: dict[Key, Hold] = field(default_factory=dict)
    secrets: Comparison | None = None  # by the last observation

    async def run(self) -> Outcome:
        began = self.engine.ambient.monotonic()
        try:
            outcome = await self._outcome()
            outcome = replace(
                outcome,
                written=tuple(action for action, _ in self.written),
                correlations=tuple(ids.correlation_id for _, ids in self.written),
                snapshots=tuple(self.snapshots),
                took=timedelta(seconds=self.engine.ambient.monotonic() - began),
            )
            if outcome.status in UNSEEN:
                await self._let_go()
            else:
                await self._ask_for_approval(outcome)  # before anybody is told of it
                if not self.trigger.dry_run:
                    await self._record(outcome)
        except LeaseLost as lost:
            return Outcome(self.root.id, Status.BUSY, Plan(self.root.id), error=str(lost))
        except Exception:
            # Not for cancellation: a process that dies gives nothing back, and its lease runs out.
            if self.leased is not None:
                await self.leased.abandon()
            raise
        return outcome

    async def _outcome(self) -> Outcome:
        """How it ends where the store answers. A mistake in the spec or of ours is a failure of this root alone."""
        try:
            stopped = await self._write(self.first) if self.first else None
            self.counted = len(self.written)  # what was decided elsewhere repairs no drift
            return stopped or await self._observe_and_write()
        except (StorageError, LeaseLost, TooMuchContention):
            raise
        except HomeostatError as error:
            return self._failed(Plan(self.root.id), error)

    async def _observe_and_write(self) -> Outcome:
        """Rounds of observing and writing, until an observation finds nothing more to write."""
        plan = Plan(self.root.id)
        if self.engine.cap is Mode.IGNORE:
            return Outcome(self.root.id, Status.IGNORED, plan)
        for rounds_left in reversed(range(MAX_ROUNDS + 1)):
            facts, plan, missing = await self._plan()
            root_missing = root_is_missing(self.root.id, facts)
            # No word of a person's creates a web app, so that none makes a moment's 404 its end.
            by_word = self.trigger.create and not (root_missing and self._is_web_app)
            if missing and not (by_word or self._is_gone_for_good()):
                return self._missing()
            if root_missing and not plan.actions:
                return self._gone(plan)
            if self.trigger.dry_run or not plan.actions:
                return self._status(plan, facts)
            if rounds_left and (stopped := await self._write(plan)):
                return stopped
        return self._failed(plan, HomeostatError(f"drifted again after {MAX_ROUNDS} writes: another writer is at work"))

    async def _write(self, plan: Plan) -> Outcome | None:
        """Lease, reservation, intent, apply. None when it is to be observed again.

        That is to verify, or since somebody else wrote first.
        """
        leased = self.leased
        if leased is None:
            leased = await self.engine.store.lease(self.root.id, str(self.engine.ambient.uuid()), self.stored)
            if leased is None:
                return Outcome(self.root.id, Status.BUSY, plan, error="another instance works on this root")
            looked_at, self.stored, self.leased = self.stored, leased.stored, leased
            if leased.lease.token != looked_at.record.token + 1:
                return None  # another owner came and went since this one looked, and may have done the work
        known = leased.stored.record
        if hold := await self.engine.reservations.reserve(plan, self.root, known, self.trigger, self.alone):
            return self._status(held_whole(plan, hold), {})
        self.alone = self.alone.with_plan(plan)
        intent, names = await self._intend(plan, leased)
        try:
            await self._apply(plan, leased, intent, names)
        except ArmError as error:
            return None if error.error_class is ErrorClass.STALE else self._failed(plan, error)
        except StillRunning as running:
            await self._use_approval(plan)
            retry_at = self.engine.ambient.now() + running.retry_after
            return Outcome(self.root.id, Status.SETTLING, plan, error=str(running), retry_at=retry_at)
        await self._use_approval(plan)
        return None

    async def _use_approval(self, plan: Plan) -> None:
        """What ARM has accepted was approved for this once; what it refused may be tried again."""
        if self.approval is not None and self.approval.is_about(plan.edits):
            await self.engine.approvals.use(self.approval)

    # --- observe, diff, plan, guard ---

    async def _plan(self) -> tuple[Facts, Plan, bool]:
        """What was read, what follows from it, and whether something is missing that would have to be gone for good."""
        engine, root = self.engine, self.root
        facts = await self._observe()
        judged = await self._with_changed_secrets(judge(root, facts, engine.registry), facts)
        judged = without_refused(judged, self.refusals)
        if root_is_missing(root.id, facts) and not creates(judged, root.id):
            return facts, root_gone(root), True
        if not judged.edits:
            return facts, Plan(root.id, judged.drifts, held=judged.blocked, withheld=judged.withheld), False
        record_now = self._counted((self.leased or self).stored.record)
        situation = await engine.situations.of(root, record_now, self.trigger, judged.edits, self.alone)
        self.approval = situation.approval
        plan = decide(root, judged, facts, situation, FIRST_GUARDS)
        if plan.actions:  # or else nothing around it can matter
            plan = decide(root, judged, facts, await engine.situations.looked_around(situation, root, facts))
        return facts, plan, misses_container(judged)

    async def _with_changed_secrets(self, judged: Judged, facts: Facts) -> Judged:
        """What differs, with the secrets that have another value than was accepted. The key is read for them alone."""
        guarded = known_secrets.guarded_in(self.root, facts, self.engine.registry)
        self.secrets = Comparison()
        if guarded:
            remembered = (self.leased or self).stored.record.secrets
            key = await self.engine.store.digest_key()
            self.secrets = known_secrets.compare(self.root.id, guarded, remembered, key)
        return known_secrets.with_changes(judged, self.secrets.changed)

    async def _observe(self) -> Facts:
        """What the root's kinds want to know, each ARM resource read once, in as few steps as their reads allow."""
        facts: dict[Query, Fact] = {}
        for _ in range(MAX_STAGES):
            wanted = reads_of(self.root, facts, self.engine.registry)
            if not wanted:
                break
            facts.update(zip(wanted, await asyncio.gather(*map(self._ask, wanted)), strict=True))
        return facts

    async def _ask(self, query: Query) -> Fact:
        if isinstance(query, Read):
            return await self._read(query)
        return await self.engine.prober.probe(query)

    async def _read(self, query: Read) -> Fact:
        """What ARM says now, and what time it says it is."""
        asked = self.engine.ambient.monotonic()
        fact = await self.engine.reader.read(query)
        if isinstance(fact, Found) and fact.at is not None:
            self.arm_time = closer(self.arm_time, ArmTime(fact.at, asked, self.engine.ambient.monotonic()))
        return fact

    # --- attribute ---

    async def _causes(self, plan: Plan) -> Mapping[str, Actor]:
        """By kind, who or what brought the plan's drifts about. Azure is asked at most once, and only for news."""
        known = (self.leased or self).stored.record
        found = causes(self.root, plan.drifts, known)
        if not found.open or found.since is None or self.asked_who:
            return found.known
        self.asked_who = True
        changes = await self.engine.changes.changes(self.root.id, found.since)
        return completed(found, plan.drifts, known, changes)

    # --- intent, apply ---

    async def _intend(self, plan: Plan, leased: Leased) -> tuple[Intent, tuple[str, ...]]:
        """A durable record before the first write: what is about to be done, and the alerts that tell of the drift.

        With it the names of the writes, one for each action: known before they are sent, since an event can overtake an
        answer.
        """
        now = self.engine.ambient.now()
        kinds = sorted({edit.drift.kind for edit in plan.edits})
        actions = tuple(str(action) for action in plan.actions)
        since = self._arm_time_at_least()
        unprotected = {action.resource.key: since for action in plan.actions if action.unprotected}
        intent = Intent(str(self.engine.ambient.uuid()), now, actions, tuple(kinds), unprotected)
        intent = replace(intent, snapshots=snapshot.names(self.root.id, intent))
        before = leased.stored.record.episodes
        episodes, detected = alerts.opened(self.root, plan.drifts, before, now, await self._causes(plan))
        names = tuple(str(self.engine.ambient.uuid()) for _ in plan.actions)

        def transition(current: RootRecord) -> RootRecord:
            named = record.about_to_write(self._counted(current), names, now=now)
            reserved = uses.with_plan(current.reserved, plan, now)
            return replace(record.intending(named, intent), episodes=episodes, reserved=reserved)

        await leased.save(transition, rows=outbox_rows(detected))
        self.counted = len(self.written)
        return intent, names

    async def _apply(self, plan: Plan, leased: Leased, intent: Intent, names: Sequence[str]) -> None:
        """Raises ArmError, StillRunning, LeaseLost and StorageError; what was written by then is in `written`.

        What Azure refuses by a rule is held, and with it what waits for it; a plan of somebody else's ends there.
        """
        for number, (planned, name) in enumerate(zip(plan.actions, names, strict=True), 1):
            if waits_for_refused(planned, self.refusals, plan.actions):
                continue
            known = as_seen(planned)
            self.snapshots.append(await self.engine.snapshots.keep(self.root, known, intent, number, self.trigger))
            await leased.ensure()
            try:
                await self._send(known, name, leased)
            except ArmError as error:
                hold = refusal(error)
                if hold is None or plan is self.first:
                    raise
                self.refusals |= refused(planned, hold)

    async def _send(self, planned: Action, name: str, leased: Leased) -> None:
        read_at = self._arm_time_at_least()
        action = await self._rebased(planned) if planned.unprotected else planned
        try:
            ids = await self.engine.writer.write(action, correlation_id=name, send_by=leased.send_by)
        except StillRunning as running:
            self._keep(action, running.written, read_at)
            raise
        except ArmError as error:
            if error.executed is not Executed.NO:  # it may yet take effect
                self._keep_blind(action, read_at, name, self.engine.store.terms.lands)
            raise
        self._keep(action, ids, read_at)

    def _counted(self, current: RootRecord) -> RootRecord:
        """The record with the repairs that were made since it was stored."""
        limits, now = self.root.policy.flapping, self.engine.ambient.now()
        return replace(current, flaps=flapping.healed(current.flaps, self._healed(), limits, now))

    def _healed(self) -> list[Drift]:
        return [edit.drift for action, _ in self.written[self.counted :] for edit in action.edits]

    def _keep(self, action: Action, ids: Written, read_at: datetime) -> None:
        """What ARM has accepted counts as written, finished or not."""
        self.written.append((action, ids))
        self._keep_blind(action, read_at, ids.correlation_id)

    def _keep_blind(self, action: Action, read_at: datetime, name: str, lands: timedelta = timedelta()) -> None:
        if action.unprotected:
            until = self._arm_time_at_most() + lands
            self.blind.append(BlindWrite(action.resource.key, read_at, until, name))

    def _arm_time_at_least(self) -> datetime:
        """By our own clock where ARM has not said a time yet."""
        ambient = self.engine.ambient
        return self.arm_time.earliest(ambient.monotonic()) if self.arm_time else ambient.now()

    def _arm_time_at_most(self) -> datetime:
        ambient = self.engine.ambient
        return self.arm_time.latest(ambient.monotonic()) if self.arm_time else ambient.now()

    async def _rebased(self, planned: Action) -> Action:
        """Where no ETag protects what others wrote, the edits go over a body that is read right before the write.

        Nothing comes between the two: so its snapshot was taken before, and what it replaces must be the same still.
        """
        match await self._read(Read(planned.type, planned.resource)):
            case Found() as found:
                action = rebase(planned, found)
            case Unreadable(error):
                raise error
            case _:
                raise HomeostatError(f"{planned.resource.short} vanished between two reads")
        if inverses(action) != inverses(planned):
            message = "what is to be replaced changed since its snapshot was taken"
            raise ArmError(0, "Moved", message, ErrorClass.STALE, Executed.NO, request=str(planned))
        return action

    # --- how it ended ---

    def _status(self, plan: Plan, facts: Facts) -> Outcome:
        """The outcome of a root to which nothing (more) is written: the most pressing of what its drifts say."""
        verdicts = {drift.verdict for drift in plan.drifts}
        if Verdict.UNKNOWN in verdicts:
            errors = [fact.error for _, fact in unreadable(facts)]
            return self._unknown(plan, errors[0]) if errors else Outcome(plan.root, Status.UNKNOWN, plan)
        if plan.actions:
            return Outcome(plan.root, Status.PLANNED, plan)
        holds = [held.hold for held in plan.held if held.hold.code != MODE_ALERT]
        if holds:
            retry_at = min((hold.retry_at for hold in holds if hold.retry_at), default=None)
            refused_by_azure = "; ".join(dict.fromkeys(hold.message for hold in self.refusals.values()))
            return Outcome(plan.root, Status.HELD, plan, error=refused_by_azure, retry_at=retry_at)
        if plan.drifted:
            return Outcome(plan.root, Status.DRIFTED, plan)
        if Verdict.SETTLING in verdicts:
            return Outcome(plan.root, Status.SETTLING, plan, retry_at=self._look_again_at())
        return Outcome(plan.root, Status.HEALED if self.written else Status.IN_SYNC, plan)

    def _is_gone_for_good(self) -> bool:
        """Missed twice. A look that writes nothing need not know."""
        since = self.stored.record.missing_since
        missed_twice = since is not None and self.engine.ambient.now() - since >= GONE_AFTER
        return missed_twice or self.trigger.dry_run

    @property
    def _is_web_app(self) -> bool:
        return any(self.root.id.is_type(row.name) for row in (SITE, SLOT))

    def _missing(self) -> Outcome:
        """Once is not proof: a cache behind ARM can lag by some seconds."""
        retry_at = (self.stored.record.missing_since or self.engine.ambient.now()) + GONE_AFTER
        message = f"{self.root.id.short}, or what is to be in it, was not found"
        return Outcome(self.root.id, Status.MISSING, Plan(self.root.id), error=message, retry_at=retry_at)

    def _gone(self, plan: Plan) -> Outcome:
        status = Status.RETIRED if self._is_web_app else Status.HELD
        return Outcome(self.root.id, status, plan, error=f"{self.root.id.short} is gone")

    def _unknown(self, plan: Plan, error: ArmError) -> Outcome:
        return replace(self._failed(plan, error), status=Status.UNKNOWN)

    def _failed(self, plan: Plan, error: HomeostatError) -> Outcome:
        final = isinstance(error, ArmError) and error.is_final
        told = error.retry_after if isinstance(error, ArmError) else None
        retry_at = None if final else self._retry_at(told or timedelta())
        return Outcome(plan.root, Status.FAILED, plan, error=str(error), final=final, retry_at=retry_at)

    def _look_again_at(self) -> datetime | None:
        """Ever later, since what settles at all does so soon; None when it is left to the next event or sweep."""
        looks = self.stored.record.settling
        return self.engine.ambient.now() + SETTLING_RETRY * 2**looks if looks < SETTLING_LOOKS else None

    def _retry_at(self, at_least: timedelta) -> datetime | None:
        """None when the tries are used up."""
        failures = self.stored.record.failures
        return self.engine.ambient.now() + max(RETRIES[failures], at_least) if failures < len(RETRIES) else None

    # --- record, alert ---

    async def _let_go(self) -> None:
        """Ends a reconcile that learned nothing, and so has nothing to say of what was remembered."""
        if self.leased is not None:
            await self.leased.save(record.released)

    async def _ask_for_approval(self, outcome: Outcome) -> None:
        """Makes the id that a hold shows one that can be approved, in a dry run, too."""
        if self.approval is not None and any(held.hold.code == APPROVAL_NEEDED for held in outcome.plan.held):
            await self.engine.approvals.ask(self.approval)

    async def _record(self, outcome: Outcome) -> None:
        """Memory, ledger entry and alerts of the outcome in one batch; then the message for another look, if any."""
        engine = self.engine
        now = engine.ambient.now()
        before = self.leased.stored.record if self.leased else self.stored.record
        begun = self.stored.record.intent  # by an earlier reconcile, which did not live to see its end
        blind = (*record.left_blind(begun, until=self._arm_time_at_most()), *self.blind)
        judged, changed_by = judged_kinds(self.root, engine.registry), await self._causes(outcome.plan)
        after, pending = conclude(
            self.root,
            outcome,
            before,
            blind,
            now,
            begun,
            judged=judged,
            changed_by=changed_by,
            healed=self._healed(),
        )
        if outcome.correlations:  # ARM may have called them otherwise than we did
            after = record.about_to_write(after, outcome.correlations, now=now)
        after = replace(after, retest=self._witnessed(outcome, before.retest, now), secrets=self._known(before))
        look_at = self._next_look(outcome, after.retest, now)
        rows = [*outbox_rows(pending)]
        if begun or is_worth_a_line(outcome):
            blamed = of_entry(outcome, before.episodes, after.episodes)
            entry = ledger_entry(outcome, self.trigger, self.root.targets, now, begun, blamed)
            rows.append(ledger_row(entry, now, engine.ambient.uuid()))
        delay: timedelta | None = None

        def transition(current: RootRecord) -> RootRecord:
            nonlocal delay
            if self.leased is None and record.is_overtaken(current, before, now=now):
                raise _Overtaken
            merged = record.concluded(current, after, before, releases=self.leased is not None)
            if look_at is None:
                return merged
            merged, delay = record.scheduled(merged, at=look_at, now=now)
            return merged

        if self.leased is not None:
            await self.leased.save(transition, rows)
        else:
            try:
                await engine.store.change(self.root.id, transition, rows=rows, known=self.stored)
            except _Overtaken:  # what it saw is old news: the other's conclusion stands, if the other lives to draw it
                await engine.store.look_when_free(self.root.id)
                return
        if delay is not None:
            await engine.store.enqueue(self.root.id, delay)
        if before.episodes and not after.episodes and not outcome.written:
            await engine.drifting.forget(self.root.id)

    def _known(self, before: RootRecord) -> Mapping[str, KnownSecret]:
        """What is to be remembered of the root's secrets."""
        if self.secrets is None:
            return before.secrets
        if self.secrets.anew:
            log.info("%s: accepted as they are now: %s", self.root.id.short, ", ".join(self.secrets.anew))
        return self.secrets.known

    def _witnessed(self, outcome: Outcome, running: Retest | None, now: datetime) -> Retest | None:
        """The root's retest once this outcome is known; one that judged nothing has seen nothing of it."""
        if running is None or outcome.status not in JUDGED:
            return running
        drifts = outcome.plan.drifts
        return retest.witnessed(running, drifts, retest.findings(self.root, drifts, self.engine.registry), now)

    def _next_look(self, outcome: Outcome, running: Retest | None, now: datetime) -> datetime | None:
        """Whatever else the outcome asks for, the end of a retest is not missed."""
        looks = (outcome.retry_at, retest.next_look(running, now) if running else None)
        return min((look for look in looks if look), default=None)
