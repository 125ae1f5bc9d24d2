"""Restores what a write of Homeostat's changed, for a person who wants it undone.

Healing would write it again at the next event, so the target is paused first, for a set time: that is stored before
anything else. Then the fields that the write changed get their former values, all together and through the same gate,
lease, intent, snapshot and ledger as any write. Nothing else is touched. Whatever would be a guess is refused, without
effect: a field that somebody changed since, or a secret, which is not kept.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from homeostat.core import json, snapshot
from homeostat.core.alerts import Episodes
from homeostat.core.arm_types import Shape, arm_type
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.situation import Pause
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, JsonObject, Value
from homeostat.core.model import Drift, Edit, Fact, Facts, Found, Query, Read, Unreadable
from homeostat.core.outcome import Outcome, Status, Trigger, held_json, outcome_json
from homeostat.core.plan import Action, Plan, Verb, merge
from homeostat.core.snapshot import Digest, Inverse, Snapshot, hides, holds, masked
from homeostat.core.spec import Root, Target
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.operations import runs
from homeostat.store import LeaseLost

CAUSE: Final = "rollback"
RETEST_CAUSE: Final = "retest"  # its writes are taken back by the loop

SEARCHED_ENTRIES: Final = 1000
"""How many of a target's newest ledger entries are searched for its last write."""

_SECRET: Final = "(secret)"  # noqa: S105 - shown in the place of a digest


_NOTES: Final[tuple[json.Path, ...]] = (("tags",), ("properties", "description"))
"""What people write on a resource; Azure adds nothing there."""


type _Write = tuple[str, Inverse]
"""The id of a ledger entry, and one field that it changed."""

type _Planning = Callable[[], Awaitable[tuple[Plan, Facts]]]


class RollbackRefused(HomeostatError):
    """Nothing was written: the message says why, and what to do."""


class RollbackFailed(HomeostatError):
    """Azure did not accept it. The target stays paused, so that somebody can look into it."""


@dataclass(frozen=True, slots=True)
class Rollbacks:
    engine: Engine
    desired: DesiredState

    async def start(
        self, name: str, entry_id: str, duration: timedelta, reason: str, by: str, *, dry_run: bool = False
    ) -> JsonObject:
        """Undoes the writes of one ledger entry or of one snapshot; without an id, the target's last write.

        Raises UnknownTarget, RollbackRefused, RollbackFailed and StorageError.
        """
        fleet = await self.desired.fleet()
        runs.roots_of(fleet, [name])
        entry, snapshots = await self._chosen(fleet.targets[name], entry_id)
        root = fleet.roots[snapshots[0].root]
        undone = _undone(root, snapshots)
        trigger = Trigger(CAUSE, (entry,), caller=by, reason=reason)
        plan, facts = await self._plan(root, undone, snapshots)
        pause = Pause(name, self.engine.ambient.now() + duration, reason or f"entry {entry}", by, CAUSE)
        told: JsonObject = {
            "target": name,
            "entry": entry,
            "root": root.id.text,
            "dryRun": dry_run,
            "restored": [_shown(edit) for action in plan.actions for edit in action.edits],
            "pausedUntil": pause.until.isoformat(),
        }
        others = [each for each in await self.engine.store.pauses() if (each.target, each.cause) == (name, CAUSE)]
        if dry_run:
            record = (await self.engine.store.load(root.id)).record
            own = others[0] if others else pause
            held = await self.engine.holds_of(plan, root, trigger, record, own, facts)
            return {**told, "held": [held_json(each) for each in held]}
        pause = replace(pause, until=max(each.until for each in (pause, *others)))
        trigger = replace(trigger, until=pause.until)
        again = partial(self._plan, root, undone, snapshots)
        outcome = await self._carry_out(root, again, trigger, pause, others)
        done: JsonObject = {"outcome": outcome_json(outcome), "verified": await self._is_restored(undone)}
        return {**told, "pausedUntil": pause.until.isoformat(), **done}

    # --- what is to be undone ---

    async def _chosen(self, target: Target, wanted: str) -> tuple[str, tuple[Snapshot, ...]]:
        """The id to report, and the snapshots of one root, oldest first. Raises RollbackRefused."""
        if snapshot.parsed(wanted):
            found = await self.engine.snapshots.load(wanted)
            if found is None or found.root not in target.roots:
                raise RollbackRefused(f"{target.name} has no snapshot {wanted}")
            return wanted, (found,)
        entry = await self._entry(target, wanted) if wanted else await self._last_write(target)
        names = (*json.texts_at(entry, "snapshots"), *json.texts_at(entry, "unfinished", "snapshots"))
        loaded = [await self.engine.snapshots.load(name) for name in sorted(names)]
        snapshots = tuple(found for found in loaded if found is not None)
        id_ = json.text_at(entry, "id")
        if not snapshots:
            gone = "the snapshots of its writes are no longer kept" if names else "it wrote nothing"
            raise RollbackRefused(f"there is nothing to restore of entry {id_}: {gone}")
        return id_, snapshots

    async def _entry(self, target: Target, id_: str) -> JsonObject:
        for root in target.roots:
            if found := await self.engine.store.entry(root, id_):
                return found
        raise RollbackRefused(f"{target.name} has no ledger entry {id_}: see `history {target.name}`")

    async def _last_write(self, target: Target) -> JsonObject:
        """The newest entry with a write of the loop that has not been rolled back."""
        entries = [entry for root in target.roots for entry in await self.engine.store.history(root, SEARCHED_ENTRIES)]
        done = [entry for entry in entries if json.text_at(entry, "trigger", "cause") == CAUSE and entry.get("written")]
        undone = {hint for entry in done for hint in json.texts_at(entry, "trigger", "hints")}
        newest_first = sorted(entries, key=lambda entry: json.text_at(entry, "id"))
        undone |= _ends_of_retests(newest_first)  # what these wrote took the re-test's own writes back
        for entry in newest_first:
            own = json.text_at(entry, "trigger", "cause") not in {CAUSE, RETEST_CAUSE}
            if own and json.texts_at(entry, "snapshots") and entry["id"] not in undone:
                return entry
        raise RollbackRefused(
            f"there is nothing to restore: no write to {target.name} that is not rolled back is in its ledger"
        )

    # --- how ---

    async def _plan(self, root: Root, undone: Sequence[Inverse], snapshots: Sequence[Snapshot]) -> tuple[Plan, Facts]:
        """The writes that restore the fields over what is there now, and that. Raises RollbackRefused."""
        facts = await self._facts(undone)
        digest = await self.engine.snapshots.digest()
        found = [(each, _current(each, facts, digest)) for each in undone]
        if changed := [(each, now) for each, now in found if not (_is_after(each, now) or _is_before(each, now))]:
            later, record = await self._later_writes(root, snapshots), await self.engine.store.record_of(root.id.key)
            raise RollbackRefused("; ".join(_changed(each, now, later, record.episodes) for each, now in changed))
        edits = [_edit(each, now) for each, now in found if _is_after(each, now)]
        edits = [edit for edit in edits if edit.drift.want != edit.drift.have]
        if not edits:
            raise RollbackRefused("there is nothing to restore: all of it is as it was before that write")
        plan = Plan(root.id, actions=merge(edits, facts))
        for action in plan.actions:
            _refuse_what_no_write_can_do(action)
        return plan, facts

    async def _later_writes(self, root: Root, snapshots: Sequence[Snapshot]) -> list[_Write]:
        """The writes since these snapshots were taken, oldest first."""
        own, since = {each.id for each in snapshots}, snapshots[-1].at
        writes: list[_Write] = []
        for entry in reversed(await self.engine.store.history(root.id, SEARCHED_ENTRIES)):
            if datetime.fromisoformat(json.text_at(entry, "at")) < since:
                continue
            for id_ in json.texts_at(entry, "snapshots"):
                found = None if id_ in own else await self.engine.snapshots.load(id_)
                writes.extend((json.text_at(entry, "id"), each) for each in (found.inverses if found else ()))
        return writes

    async def _facts(self, undone: Sequence[Inverse]) -> Facts:
        """The resources as they are now, and the parents through which several of them are written at once."""
        resources = {each.resource for each in undone}
        parents = {parent for each in resources if arm_type(each).embedded and (parent := each.parent) is not None}
        reads = [Read(arm_type(each), each) for each in sorted(resources | parents)]
        facts: dict[Query, Fact] = {}
        for read in reads:
            facts[read] = await self.engine.reader.read(read)
            match facts[read]:
                case Unreadable(error):
                    raise RollbackRefused(f"{read.id.short} cannot be read: {error}")
                case Found():
                    pass
                case _ if read.id in parents:
                    raise RollbackRefused(f"{read.id.short} is gone: there is nothing to restore it in")
        return facts

    # --- doing it ---

    async def _carry_out(
        self, root: Root, plan: _Planning, trigger: Trigger, pause: Pause, before: Sequence[Pause]
    ) -> Outcome:
        """before: the pause of an earlier rollback of the target, if there is one."""
        await self.engine.store.pause(pause)
        try:
            outcome = await self._write(root, plan, trigger, pause)
        except RollbackRefused:
            await self._unpause(pause, before)
            raise
        if outcome.status is Status.BUSY and not outcome.snapshots:
            await self._unpause(pause, before)
            raise RollbackRefused(f"another instance works on {root.id.short}: try again in a minute")
        if not outcome.snapshots:
            await self._unpause(pause, before)
            raise RollbackRefused(f"{outcome.status}: {outcome.reason}")
        if not outcome.written or outcome.status in {Status.FAILED, Status.BUSY}:
            until, reason = pause.until.isoformat(), outcome.reason or f"it is {outcome.status}"
            raise RollbackFailed(f"{root.id.short} is not rolled back, and stays paused until {until}: {reason}")
        return outcome

    async def _write(self, root: Root, planning: _Planning, trigger: Trigger, pause: Pause) -> Outcome:
        leased = await self.engine.store.lease(root.id, str(self.engine.ambient.uuid()))
        if leased is None:
            return Outcome(root.id, Status.BUSY, Plan(root.id))
        try:
            plan, facts = await planning()
            await self._look_after(root.id, pause)
        except Exception:
            await leased.abandon()
            raise
        try:
            return await self.engine.carry_out(plan, root, trigger, leased, own=pause, facts=facts)
        except LeaseLost:
            return Outcome(root.id, Status.BUSY, Plan(root.id))

    async def _look_after(self, root: ResourceId, pause: Pause) -> None:
        """Enqueues the look that is due when the pause ends, before anything is written.

        So it comes even if this process dies, and no event of the write leads to one. It has a hint of its own, as any
        other look of the root before then would count as this one.
        """
        delay = pause.until - self.engine.ambient.now()
        await self.engine.store.enqueue(root, delay, hint=f"{CAUSE}:{pause.until.isoformat()}")

    async def _unpause(self, pause: Pause, before: Sequence[Pause]) -> None:
        """Restores the pauses as they were: nothing was written, so nothing has to be protected from repair."""
        await (self.engine.store.pause(before[0]) if before else self.engine.store.lift(pause))

    async def _is_restored(self, undone: Sequence[Inverse]) -> bool:
        """Whether a fresh read finds the fields restored. A write that is still under way is not."""
        try:
            facts = await self._facts(undone)
        except RollbackRefused:
            return False
        digest = await self.engine.snapshots.digest()
        return all(_is_before(each, _current(each, facts, digest)) for each in undone)


def _undone(root: Root, snapshots: Sequence[Snapshot]) -> tuple[Inverse, ...]:
    """The writes' combined change: of each field, its value before the first of them and after the last.

    Raises RollbackRefused for what cannot be restored.
    """
    by_place: dict[tuple[str, tuple[str, ...]], Inverse] = {}
    for each in snapshot.in_effect(snapshots):
        first = by_place.get((each.resource.key, each.path), each)
        by_place[each.resource.key, each.path] = replace(each, before=first.before)
    for each in by_place.values():
        if each.is_secret:
            raise RollbackRefused(f"what was at {each.place} is secret, and secrets are not kept: set it by hand")
        if each.kind not in root.wants:
            raise RollbackRefused(
                f"nothing of {each.place} is declared any more ({each.kind}): Homeostat leaves it alone"
            )
    return tuple(by_place[key] for key in sorted(by_place))


def _current(inverse: Inverse, facts: Mapping[Query, Fact], digest: Digest) -> Value:
    """The field's current value, masked as in the snapshot."""
    fact = facts[Read(arm_type(inverse.resource), inverse.resource)]
    value = json.at(json.revealed(fact.body), inverse.path) if isinstance(fact, Found) else ABSENT
    shown = frozenset() if hides(inverse.after) or not inverse.path else frozenset({inverse.path[-1].lower()})
    return masked(inverse.resource, inverse.path, value, shown, digest)


def _is_after(inverse: Inverse, current: Value) -> bool:
    """Whether the field still has the value that the write left.

    What was created whole would go whole, with the notes that somebody has made on it since.
    """
    return holds(current, inverse.after) and (bool(inverse.path) or _notes(current) == _notes(inverse.after))


def _notes(resource: Value) -> list[Value]:
    found = [ABSENT if resource is ABSENT else json.at(resource, path) for path in _NOTES]
    return [note or ABSENT for note in found]


def _is_before(inverse: Inverse, current: Value) -> bool:
    return holds(current, inverse.before)


def _refuse_what_no_write_can_do(action: Action) -> None:
    if action.verb is Verb.DELETE and action.type.container:
        raise RollbackRefused(f"{action.resource.short} was created, and may hold others' things: remove it by hand")
    if action.type.put is Shape.MERGE and action.verb is not Verb.PATCH:
        raise RollbackRefused(f"{action.resource.short} lacked a field, and no PATCH removes one: remove it by hand")


def _changed(inverse: Inverse, current: Value, later: Sequence[_Write], episodes: Episodes) -> str:
    """Who changed it, as far as is known: a later write of ours, the actor of an open episode, or somebody else."""
    now, wrote = _word(current), _word(inverse.after)
    words = f"{inverse.place} is {now} now, while the write left {wrote}: "
    place = (inverse.resource, inverse.path)
    writes = [entry for entry, each in later if (each.resource, each.path) == place]
    if writes:
        return f"{words}entry {writes[0]} wrote it since: roll that back first"
    episode = episodes.get(inverse.kind)
    who = episode.changed_by.name if episode and episode.changed_by.is_known else "somebody else"
    return f"{words}{who} changed it since, and it is left to them"


def _word(value: Value) -> str:
    if value is ABSENT:
        return "not there"
    return _SECRET if hides(value) else json.render(value)


def _edit(inverse: Inverse, current: Value) -> Edit:
    have: Value = _SECRET if current is not ABSENT and hides(current) else current
    drift = Drift(inverse.kind, inverse.resource, inverse.path, inverse.item, inverse.before, have, note="rolled back")
    return Edit(drift, inverse.path, inverse.before, inverse.disruption)


def _shown(edit: Edit) -> JsonObject:
    """`to` is left out where the field, or the resource, is to be absent again."""
    shown: JsonObject = {
        "kind": edit.drift.kind,
        "item": edit.drift.item,
        "resource": edit.resource.text,
        "path": "/".join(edit.path),
    }
    return shown if edit.value is ABSENT else {**shown, "to": edit.value}


def _ends_of_retests(newest_first: Sequence[JsonObject]) -> set[str]:
    """The ids of the entries that restored the routing after a re-test: the first that wrote to its places again."""
    ends: set[str] = set()
    switched_off: set[tuple[str, str]] = set()
    for entry in reversed(newest_first):
        places = _places(entry)
        if json.text_at(entry, "trigger", "cause") == RETEST_CAUSE:
            switched_off |= places
        elif places & switched_off:
            switched_off -= places
            ends.add(json.text_at(entry, "id"))
    return ends


def _places(entry: JsonObject) -> set[tuple[str, str]]:
    """What the entry's writes changed: resource and path."""
    written = json.objects_at(entry, "written")
    drifts = (drift for write in written for drift in json.objects_at(write, "repairs"))
    return {(json.text_at(drift, "resource").lower(), json.text_at(drift, "path")) for drift in drifts}
