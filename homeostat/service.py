"""The operations behind the triggers: one service for every trigger of the function app."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final

from homeostat.batches import in_batches
from homeostat.coalescing import Coalescer
from homeostat.config import DEFAULT_RETENTION
from homeostat.core import approvals, json
from homeostat.core.access import DEFAULT_ACCESS, Access
from homeostat.core.approvals import Approval
from homeostat.core.events import Hint, parse_event, route
from homeostat.core.explain import KnownRoot, explain
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.marks import Notice, is_owed
from homeostat.core.outcome import Decision, Outcome, Trigger, decision_entry
from homeostat.core.record import IMMEDIATE, RootRecord, Settle
from homeostat.core.spec import Root, Target
from homeostat.core.target_state import pause_json, target_json
from homeostat.core.written import is_examined, is_own
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.specs import DesiredState
from homeostat.operations import runs
from homeostat.operations.poison import Poison
from homeostat.operations.releases import Releases
from homeostat.operations.remediations import Remediations
from homeostat.operations.retention import Retention
from homeostat.operations.retest import Retests
from homeostat.operations.rollback import Rollbacks
from homeostat.operations.waking import wake_what_waited
from homeostat.ports.azure import Identity, NoIdentity
from homeostat.rows import ledger_row
from homeostat.sweeps.asks import SweepAsks
from homeostat.sweeps.course import SweepAccess, Sweeps

log = logging.getLogger(__name__)

EXPLAINED_ENTRIES: Final = 50
"""How many of a root's newest ledger entries are read to explain its state."""

NOTHING_DECLARED: Final = "no target is declared, or selected: see HOMEOSTAT_SPEC_CONTAINER, or HOMEOSTAT_SPEC_FOLDER"

POISON_REMEDY: Final = "see `python -m homeostat poison`"
ROLE_REMEDY: Final = "assign infra/role.json, or leave out what needs it"


@dataclass(frozen=True, slots=True)
class Service:
    engine: Engine
    desired: DesiredState
    settle_by_kind: Mapping[str, Settle]  # where it differs from the engine's
    identity: Identity = field(default_factory=NoIdentity)
    access: Access = DEFAULT_ACCESS
    retention_period: timedelta = DEFAULT_RETENTION  # how long ledger, snapshots and runs are kept
    managed: Managed | None = None
    low_budgets: Callable[[], Sequence[JsonObject]] = tuple  # ARM's quotas of which this instance has less than half
    hints: Coalescer[Hint, bool] = field(default_factory=Coalescer)  # being stored in their roots' records
    sweep_access: SweepAccess = field(default_factory=SweepAccess)  # how sweeps read Azure

    @property
    def remediations(self) -> Remediations:
        return Remediations(self.engine, self.desired)

    @property
    def retests(self) -> Retests:
        return Retests(self.engine, self.desired)

    @property
    def releases(self) -> Releases:
        return Releases(self.engine, self.desired)

    @property
    def rollbacks(self) -> Rollbacks:
        return Rollbacks(self.engine, self.desired)

    @property
    def poison(self) -> Poison:
        return Poison(self.engine, self.desired)

    @property
    def sweeps(self) -> Sweeps:
        return Sweeps(self.engine, self.desired, self.managed, self.sweep_access)

    @property
    def sweep_asks(self) -> SweepAsks:
        return SweepAsks(self.sweeps)

    @property
    def retention(self) -> Retention:
        return Retention(self.engine.store, self.retention_period)

    # --- events: route, mark, enqueue ---

    async def on_event(self, event: Json) -> tuple[Root, ...]:
        """Marks the declared roots that an event concerns: usually one, none if it concerns nothing that is declared.

        A write of our own marks nothing, since it was verified when it was made. Neither does an event that comes
        again, unless its first handling still owes a queue message on which other hints rely. A write counts as our own
        only where the event names our identity as its caller: a correlation id alone can be chosen by anybody. An event
        that names no caller is handled, and held against nobody.

        Raises MalformedEvent; and StorageError, after which the event must be delivered again.
        """
        hint = parse_event(event, self.engine.ambient.now())
        if hint is None:
            return ()
        roots = route(await self.desired.fleet(), hint, self.engine.registry)
        return tuple([root for root in roots if await self.hints.submit(root.id.key, hint, partial(self._mark, root))])

    async def _mark(self, root: Root, hints: Sequence[Hint]) -> list[bool]:
        """Marks a root for those of the hints that are new to it. Returns for each hint whether it was."""
        stored = await self.engine.store.load(root.id)
        news = [await self._news(hint, root, stored.record) for hint in hints]
        if told := [each for each in news if each is not None]:
            await self.engine.store.mark_for(root.id, told, self._settle_of(root), known=stored)
        return [each is not None for each in news]

    async def _news(self, hint: Hint, root: Root, known: RootRecord) -> Notice | None:
        looks_own = is_own(known, hint.correlation_id)
        ours = hint.is_by(await self.identity.principal(root.id.subscription)) if looks_own else False
        foreign = hint.as_foreign_write() if ours is False else None
        if ours or (foreign and is_examined(known, foreign)):
            return Notice(hint.id) if is_owed(known, hint.id) else None
        return Notice(hint.id, foreign)

    # --- the queue worker ---

    async def work(self, message: Json) -> None:
        """Handles one message of the work queue. One that names nothing known is logged and dropped."""
        if run_id := json.text_at(message, "run"):
            await self.remediations.execute(run_id)
            return
        if version := json.text_at(message, "rollout"):
            await self.engine.rollouts.look(await self.desired.fleet(), version)
            await self.engine.outbox.send_of_fleet()
            return
        try:
            root_id = ResourceId.parse(json.text_at(message, "root"))
        except InvalidResourceId:
            log.warning("a work message names neither a root, a run nor a rollout; it is dropped")
            return
        fleet = await runs.followed_fleet(self.engine, self.desired)
        root = fleet.roots.get(root_id)
        if root is None:
            log.info("%s is no longer declared: nothing to do", root_id.short)
            return
        if hint := json.text_at(message, "hint"):
            await self.engine.store.mark(root_id, hint, IMMEDIATE)
            return
        answer = await replace(self.engine, settle=self._settle_of(root)).reconcile_marked(root)
        if isinstance(answer, Outcome):
            log.info("%s: %s%s", root_id.short, answer.status, f", {answer.error}" if answer.error else "")
            await wake_what_waited(self.engine.store, fleet, answer)

    def _settle_of(self, root: Root) -> Settle:
        """The longest settle time of the root's kinds."""
        of_kinds = [self.settle_by_kind.get(kind, self.engine.settle) for kind in root.wants]
        return max(of_kinds, key=lambda settle: settle.after, default=self.engine.settle)

    # --- people: what is declared, what happened, pauses ---

    async def targets(self) -> list[JsonObject]:
        return await self._told((await self.desired.fleet()).targets.values())

    async def target(self, name: str) -> JsonObject:
        """Raises UnknownTarget."""
        (told,) = await self._told([await self.declared(name)])
        return told

    async def history(self, name: str, limit: int, before: str = "") -> list[JsonObject]:
        """The newest ledger entries of a target's roots, newest first. Raises UnknownTarget.

        before: the id of an entry; only older entries are given. The last entry's id asks for the next page.
        """
        target = await self.declared(name)
        entries = [entry for root in target.roots for entry in await self.engine.store.history(root, limit, before)]
        return sorted(entries, key=lambda entry: json.text_at(entry, "id"))[:limit]

    async def explain(self, name: str) -> JsonObject:
        """Why the target is in its state, and what happens next. Reads only the store. Raises UnknownTarget."""
        target = await self.declared(name)
        fleet, store = await self.desired.fleet(), self.engine.store
        known = [
            KnownRoot(fleet.roots[root], (await store.load(root)).record, await store.history(root, EXPLAINED_ENTRIES))
            for root in target.roots
        ]
        pauses = [pause_json(pause) for pause in await self._active_pauses() if pause.target in {FLEET, name}]
        told = explain(target, known, self.engine.cap, self.engine.ambient.now(), self.engine.registry)
        return {**told, "pauses": pauses}

    async def pause(self, pause: Pause) -> None:
        """Raises UnknownTarget."""
        if pause.target != FLEET:
            await self.declared(pause.target)
        await self.engine.store.pause(pause)

    async def resume(self, target: str, by: str, reason: str = "") -> bool:
        """Ends a pause. Its roots are reconciled soon, and their ledgers say who ended it and why.

        Resuming a target also clears what the flap breaker holds of it. Returns whether a pause was in force. Without
        one the rest is done as well, since an earlier call may have died half-way. Raises UnknownTarget.
        """
        fleet = await self.desired.fleet()
        roots = tuple(fleet.roots.values()) if target == FLEET else runs.roots_of(fleet, [target])
        log.info("%s is resumed by %s: %s", "the fleet" if target == FLEET else target, by, reason or "no reason given")
        ended = await self.engine.store.resume(target)
        if target != FLEET:
            await self.releases.forget_flaps(roots)
        await self.releases.tell(Decision.RESUMED, roots, Trigger("resume", caller=by, reason=reason))
        return any(pause.until > self.engine.ambient.now() for pause in ended)

    async def open_approvals(self) -> list[JsonObject]:
        """The requests for approval that are pending, or approved and not used yet."""
        return [approvals.to_json(each) for each in await self.engine.approvals.open()]

    async def decide_approval(self, id_: str, *, yes: bool, by: str) -> Approval:
        """Records a person's decision on a request and marks its root. Raises UnknownApproval and NotPending."""
        rules = (await self.desired.fleet()).policy.approvals
        decided = await self.engine.approvals.decide(id_, yes=yes, by=by, valid_for=rules.valid_for)
        now, trigger = self.engine.ambient.now(), Trigger("approval", (id_,), caller=by)
        root = ResourceId.parse(decided.root)
        decision = Decision.APPROVED if yes else Decision.REJECTED
        entry = decision_entry(decision, root, decided.targets, trigger, now)
        rows = (ledger_row(entry, now, self.engine.ambient.uuid()),)
        hint = f"{decided.state} by {by}: {id_}"
        await self.engine.store.mark(root, hint, IMMEDIATE, comes_again=False, rows=rows)
        return decided

    async def health(self) -> JsonObject:
        """Whether the service can do its work: it has specs, its store answers, nothing holds the whole fleet, and the
        last sweep was refused nothing.

        why: what a person has to put right, each with its remedy. Raises what prevents it from working.
        """
        fleet = await self.desired.fleet()
        pauses = await self._active_pauses()
        poisoned = await self.poison.count()
        problem = self.desired.problem or ("" if fleet.targets else NOTHING_DECLARED)
        why = (
            *([problem] if problem else []),
            *await self.releases.held(),
            *([f"messages that failed too often: {poisoned}: {POISON_REMEDY}"] if poisoned else []),
            *(f"the last sweep was refused {action}: {ROLE_REMEDY}" for action in await self.sweeps.refused()),
        )
        return {
            "status": "degraded" if why else "ok",
            "why": list(why),
            "problem": problem,
            "mode": self.engine.cap.value,
            "targets": len(fleet.targets),
            "roots": len(fleet.roots),
            "pauses": [pause_json(pause) for pause in pauses],
            "poison": poisoned,
            "budgets": list(self.low_budgets()),
        }

    async def declared(self, name: str) -> Target:
        """The target of that name. Raises UnknownTarget."""
        fleet = await self.desired.fleet()
        runs.roots_of(fleet, [name])
        return fleet.targets[name]

    async def _active_pauses(self) -> tuple[Pause, ...]:
        now = self.engine.ambient.now()
        return tuple(pause for pause in await self.engine.store.pauses() if pause.until > now)

    async def _told(self, targets: Collection[Target]) -> list[JsonObject]:
        """The targets as JSON. Each record is read once, however many targets share its root."""
        roots = tuple(dict.fromkeys(root for target in targets for root in target.roots))
        stored = await in_batches(roots, self.engine.store.load)
        records = {root: each.record for root, each in zip(roots, stored, strict=True)}
        pauses = await self._active_pauses()
        return [target_json(target, records, pauses) for target in targets]
