"""The writes of one reconcile: each under the lease, with a snapshot before it and a record of what was sent."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import flapping, snapshot
from homeostat.core.arm_errors import TOO_LATE_TO_SEND, ArmError, ErrorClass, Executed
from homeostat.core.errors import HomeostatError
from homeostat.core.model import Drift, Fact, Found, Gone, Read, Unreadable
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Action, Hold, Plan, rebase
from homeostat.core.record import BlindWrite, Intent, RootRecord
from homeostat.core.refusal import Key, refusal, refused, waits_for_refused
from homeostat.core.snapshot import Digest, as_seen, inverses
from homeostat.core.spec import Root
from homeostat.observing import Observer
from homeostat.ports.azure import ArmWriter, StillRunning, Written
from homeostat.snapshots import Snapshots
from homeostat.store import Leased

FRESH_FOR: Final = (5.0, 5.0, inf)
"""Seconds from the read of a body until it has to be sent where no ETag tells whether it still is the same.

It is read again each time that ARM or a quota puts the write off for longer. The last time it is sent all the same, as
nothing would ever be written while all waits are long; what that may have undone is told.
"""

MOST_BEHIND: Final = timedelta(hours=1)
"""By how much a read is believed to be behind, at most, where ARM itself says that it was."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A snapshot that was stored before its write was decided upon, under the draft of an intent."""

    action: Action
    draft: Intent
    snapshot: str


@dataclass(slots=True)
class Writes:
    """written: what ARM has accepted, finished or not. snapshots: the names of those that were taken.

    refusals: what Azure refused by a rule. counted: how many of `written` are recorded as repairs already.
    """

    root: Root
    trigger: Trigger
    writer: ArmWriter
    keeper: Snapshots
    observer: Observer
    ambient: Ambient
    written: list[tuple[Action, Written]] = field(default_factory=list)
    blind: list[BlindWrite] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    refusals: dict[Key, Hold] = field(default_factory=dict)
    counted: int = 0
    digest: Digest | None = None
    ahead: Ahead | None = None

    def reading_ahead(self, plan: Plan) -> AbstractContextManager[None]:
        """Reads what the plan's first write is based on, if no ETag protects it, beside the storing of its intent."""
        first = self._first(plan)
        return self.observer.reading_ahead(_bases([first[1]] if first else []))

    async def snapshot_ahead(self, plan: Plan) -> None:
        """Stores the state before the plan's first write, beside what its guards still ask about.

        If they hold that write, nothing will name the snapshot.
        """
        if first := self._first(plan):
            number, planned = first
            draft = Intent(str(self.ambient.uuid()), self.ambient.now(), ())
            self.ahead = Ahead(planned, draft, await self._kept(planned, draft, number))

    def draft(self, plan: Plan) -> Intent:
        """The draft of the plan's intent: the one under which the state before its first write is stored, if it is."""
        ahead, self.ahead = self.ahead, None
        first = self._first(plan)
        if ahead is not None and first is not None and first[1] == ahead.action:
            self.snapshots.append(ahead.snapshot)
            return ahead.draft
        return Intent(str(self.ambient.uuid()), self.ambient.now(), ())

    async def snapshot_first(self, plan: Plan, intent: Intent) -> None:
        """Stores the state before the plan's first write. It may run beside the storing of the intent that names it."""
        if first := self._first(plan):
            number, planned = first
            await self._snapshot(planned, intent, number)

    def _first(self, plan: Plan) -> tuple[int, Action] | None:
        """The plan's first write and its number. None if all of them wait for refused ones."""
        ready = (
            (number, planned)
            for number, planned in enumerate(plan.actions, 1)
            if not waits_for_refused(planned, self.refusals, plan.actions)
        )
        return next(ready, None)

    async def prepare(self) -> None:
        """Prepares what every snapshot needs whatever the plan, so that it can run beside other reads."""
        if self.digest is None and not self.trigger.dry_run:
            self.digest = await self.keeper.digest()

    async def _snapshot(self, planned: Action, intent: Intent, number: int) -> None:
        if snapshot.name(self.root.id, intent, number) in self.snapshots:
            return
        self.snapshots.append(await self._kept(planned, intent, number))

    async def _kept(self, planned: Action, intent: Intent, number: int) -> str:
        digest = self.digest = self.digest or await self.keeper.digest()
        found = snapshot.taken(self.root, as_seen(planned), intent, number, self.trigger, digest)
        await self.keeper.keep(found)
        return found.id

    def forget(self, intent: Intent) -> None:
        """Drops the snapshots of an intent under which nothing was written."""
        self.snapshots = [name for name in self.snapshots if name not in intent.snapshots]

    async def apply(
        self, plan: Plan, leased: Leased, intent: Intent, names: Sequence[str], *, together: bool = False
    ) -> None:
        """Carries out the plan under its intent, each write with its id, and a snapshot before each.

        What Azure refuses by a rule becomes a hold, as does what waits for it; if the writes only make sense
        `together`, the first refusal ends them. Raises ArmError, StillRunning, LeaseLost and StorageError; what was
        written by then is in `written`.
        """
        for number, (planned, name) in enumerate(zip(plan.actions, names, strict=True), 1):
            if waits_for_refused(planned, self.refusals, plan.actions):
                continue
            try:
                with self.observer.reading_ahead(_bases([planned])):
                    await self._snapshot(planned, intent, number)
                    await leased.ensure()
                    await self._send(as_seen(planned), name, leased, self._send_by(leased, asked=together))
            except ArmError as error:
                hold = refusal(error)
                if hold is None or together:
                    raise
                self.observer.note(error)
                self.refusals |= refused(planned, hold)

    def _send_by(self, leased: Leased, *, asked: bool) -> float:
        """By when a write has to be sent: under the lease, and before what it was asked for is over."""
        until = self.trigger.until
        if until is None or not asked:
            return leased.send_by
        return min(leased.send_by, self.ambient.monotonic() + (until - self.ambient.now()).total_seconds())

    async def _send(self, planned: Action, name: str, leased: Leased, send_by: float) -> None:
        """Sends a write. What one that nothing protects would replace is read again after every long wait."""
        for fresh_for in FRESH_FOR:
            try:
                await self._send_once(planned, name, leased, send_by, fresh_for)
            except ArmError as error:
                if error.code != TOO_LATE_TO_SEND or self.ambient.monotonic() >= send_by:
                    raise
            else:
                return

    async def _send_once(self, planned: Action, name: str, leased: Leased, send_by: float, fresh_for: float) -> None:
        action, since = planned, self.observer.earliest()
        if planned.unprotected:
            base = await self.observer.base(_base_of(planned))
            action, since = self._rebased(planned, base.fact), base.since
            send_by = min(send_by, base.answered + fresh_for)
        try:
            ids = await self.writer.write(action, correlation_id=name, send_by=send_by)
        except StillRunning as running:
            self._keep(action, running.written, since)
            raise
        except ArmError as error:
            if error.executed is not Executed.NO:  # it may still take effect
                self._keep_blind(action, since, name, leased.store.terms.lands)
            raise
        if ids.not_told:
            self.observer.note(ids.not_told)
        self._keep(action, ids, since)

    def _rebased(self, planned: Action, fact: Fact) -> Action:
        """The action for a resource without ETag: its edits over a body that was read right before the write.

        The snapshot shows what an earlier look found, so what is replaced must still be the same, and what is created
        must still not be there.
        """
        match fact:
            case Gone() if planned.creates:
                return planned
            case Found() if planned.creates:
                raise _moved("somebody made it meanwhile", planned)
            case Found() as found:
                action = rebase(planned, found)
            case Unreadable(error):
                raise error
            case _:
                raise HomeostatError(f"{planned.resource.short} vanished between two reads")
        if inverses(action) != inverses(planned):
            raise _moved("what is to be replaced changed since its snapshot was taken", planned)
        return action

    def _keep(self, action: Action, ids: Written, since: datetime) -> None:
        self.written.append((action, ids))
        if ids.replaced:  # the read that did not show it was behind
            since -= MOST_BEHIND
        self._keep_blind(action, since, ids.correlation_id)

    def _keep_blind(self, action: Action, since: datetime, name: str, lands: timedelta = timedelta()) -> None:
        if action.unprotected:
            self.blind.append(BlindWrite(action.resource.key, since, self.observer.latest() + lands, name))

    # --- repairs, as the flap breaker counts them ---

    def with_repairs(self, current: RootRecord) -> RootRecord:
        """The record with the repairs that were made since it was stored."""
        limits = self.root.policy.flapping
        return replace(current, flaps=flapping.healed(current.flaps, self.repairs(), limits, self.ambient.now()))

    def repairs(self) -> list[Drift]:
        """The drifts that were repaired and are not in the record yet."""
        return [edit.drift for action, _ in self.written[self.counted :] for edit in action.edits]

    def mark_counted(self) -> None:
        """To be called once the record includes all repairs so far, or the writes were none."""
        self.counted = len(self.written)


def _bases(planned: Iterable[Action]) -> Iterator[Read]:
    """What has to be read right before these writes, since no ETag protects them."""
    return (_base_of(each) for each in planned if each.unprotected)


def _base_of(planned: Action) -> Read:
    return Read(planned.type, planned.resource)


def _moved(message: str, planned: Action) -> ArmError:
    """What was looked at is no more: nothing is sent, and it is observed again."""
    return ArmError(0, "Moved", message, ErrorClass.STALE, Executed.NO, request=str(planned))
