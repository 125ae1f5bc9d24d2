"""The rollout of a changed spec: begun when its version is first seen, driven by messages on the work queue.

Its progress is one small document of the fleet. What a version declares is stored as digests in a blob that never
changes, so that any later version can be compared with it; each process reads it once.
"""

import asyncio
import json as standard_json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from homeostat.batches import in_batches
from homeostat.core import alerts, json
from homeostat.core.gate.rollout import ROLLOUT_STOPPED
from homeostat.core.gate.situation import Course
from homeostat.core.plan import Hold
from homeostat.core.progress import Trouble, Waiting, after_look, progress
from homeostat.core.record import IMMEDIATE, RootRecord
from homeostat.core.rollout import (
    Index,
    Rollout,
    State,
    begun,
    changed_targets,
    from_json,
    index_of,
    released,
    to_json,
)
from homeostat.core.spec import Fleet, Root
from homeostat.core.uses import mark_of
from homeostat.gate.fleetwide import ROLLOUT, Fleetwide, Rows
from homeostat.rows import outbox_rows
from homeostat.store import WORK_QUEUE, Store

log = logging.getLogger(__name__)

CONTAINER: Final = "homeostat-state"

LOOK_EVERY: Final = timedelta(minutes=1)
"""How often the roots of a stage are checked for what is left to do."""

DUPLICATE_WITHIN: Final = timedelta(seconds=50)
"""A message that comes this soon after the last look is a duplicate: it is dropped, and sends no further one."""

FOLLOW_EVERY: Final = timedelta(seconds=30)
"""For how long a process relies on its version being the one in force before it looks again."""

STALE_FOR: Final = timedelta(minutes=2)
"""For this long after a version began, a process that loaded another version earlier is taken to be behind."""


@dataclass(slots=True)
class RolloutCache:
    """What a process remembers of rollouts, so that it does not ask again for each root."""

    followed: tuple[str, float] | None = None  # a version, and the monotonic time when it was last seen in force
    indexes: dict[str, Index] = field(default_factory=dict)  # by version; never more than one
    changed: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # by (base, version); one at most
    following: asyncio.Lock = field(default_factory=asyncio.Lock)  # comparing a large fleet takes seconds: do it once


@dataclass(frozen=True, slots=True)
class Rollouts:
    store: Store
    cache: RolloutCache

    @property
    def _fleet(self) -> Fleetwide:
        return Fleetwide(self.store.documents, self.store.ambient)

    async def state(self) -> Rollout | None:
        return rollout_in(await self._fleet.read())

    async def course(self, root: Root, rows: Rows) -> Course | None:
        """The rollout's state with regard to a root. None before the first version was seen."""
        rollout = rollout_in(rows)
        if rollout is None:
            return None
        base = frozenset[str]()
        if rollout.state is not State.DONE:
            base = (await self._index(rollout.base)).of(mark_of(root.id))
        return Course(rollout, root.spec_version, base)

    # --- a version is seen ---

    async def follow(self, fleet: Fleet, loaded: datetime, *, first: bool = True) -> None:
        """Begins the rollout of the fleet's version, unless it has begun. Raises StorageError.

        loaded: when this process loaded the version. first: whether it may become the first version ever recorded.
        """
        if self._is_followed(fleet.spec_version):
            return
        async with self.cache.following:
            if not self._is_followed(fleet.spec_version):
                await self._follow(fleet, loaded, first=first)

    def _is_followed(self, version: str) -> bool:
        followed, monotonic = self.cache.followed, self.store.ambient.monotonic()
        return bool(followed and followed[0] == version and monotonic - followed[1] < FOLLOW_EVERY.total_seconds())

    async def _follow(self, fleet: Fleet, loaded: datetime, *, first: bool) -> None:
        now, monotonic = self.store.ambient.now(), self.store.ambient.monotonic()
        version, current = fleet.spec_version, await self.state()
        if current is None and not first:
            return
        if current is None or current.version != version:
            if current is not None and loaded < current.since and abs(now - current.since) < STALE_FOR:
                return  # it is this process that has not noticed the change yet
            if not await self._begin(fleet, current, now):
                return
        self.cache.followed = version, monotonic

    async def _begin(self, fleet: Fleet, current: Rollout | None, now: datetime) -> bool:
        """Begins the rollout. Returns whether this process did it, and no other."""
        base = current.settled_version if current else ""
        await self._keep(fleet)
        changed = await self._changed(fleet, base) if base else ()
        rollout = begun(fleet.spec_version, base, changed, fleet.policy.rollout, now)
        if rollout.state is not State.DONE:
            await self._look_later(rollout)
        if not await self._store(current, rollout):
            return False
        log.info("spec version %s: %d targets changed, %s", rollout.version, rollout.changed, rollout.state)
        await self._catch_up(fleet, rollout, changed)
        return True

    # --- its stages ---

    async def look(self, fleet: Fleet, version: str) -> Waiting | Trouble | None:
        """Checks the stage, and lets the rollout go on, wait or stop. version: the one that the message names."""
        rollout = await self.state()
        if rollout is None or rollout.version != version or not _is_under_way(rollout):
            return None
        if fleet.spec_version != version:
            await self._look_later(rollout)  # another process has that version, or this one soon will
            return None
        now = self.store.ambient.now()
        if rollout.looked_at is not None and now - rollout.looked_at < DUPLICATE_WITHIN:
            return None  # another message does this work
        changed = await self._changed(fleet, rollout.base)
        rollout = await self._catch_up(fleet, rollout, changed)
        if rollout.state is not State.RUNNING:
            return None
        found = progress(rollout, await self._records(fleet, changed[: rollout.admitted]))
        after = replace(after_look(rollout, found, changed, fleet.policy.rollout, now), looked_at=now)
        if _is_under_way(after):
            await self._look_later(after)  # before it is stored, so that no crash ends the chain of messages
        if await self._store(rollout, after) and after.stage != rollout.stage:
            log.info("spec version %s: stage %d of %d, %s", after.version, after.stage, after.of, after.state)
            await self._catch_up(fleet, after, changed)
        return found

    async def _catch_up(self, fleet: Fleet, rollout: Rollout, changed: Sequence[str]) -> Rollout:
        """Marks the targets that were admitted and are not marked yet. After a crash the message comes again."""
        if rollout.marked >= rollout.admitted:
            return rollout
        await self._mark(fleet, changed[rollout.marked : rollout.admitted])
        after = replace(rollout, marked=rollout.admitted)
        return after if await self._store(rollout, after) else rollout

    async def _store(self, before: Rollout | None, after: Rollout) -> bool:
        """Stores the rollout unless it changed since `before`, with an alert if it stopped. Returns whether it did."""
        has_stopped = after.state is State.STOPPED and (before is None or before.state is not State.STOPPED)
        told = (alerts.fleet_held(_stop(after), self.store.ambient.now()),) if has_stopped else ()
        wanted = to_json(after)
        stored = await self._fleet.change(
            ROLLOUT,
            lambda found: wanted if (from_json(found) if found else None) == before else found,
            outbox_rows(told),
        )
        return stored is wanted

    async def release(self, fleet: Fleet, by: str, reason: str) -> Rollout | None:
        """Lets all targets follow, on a person's decision. None when no rollout is under way."""
        rollout = await self.state()
        if rollout is None or rollout.state is State.DONE:
            return None
        after = released(rollout, by, reason)
        await self._look_later(after)
        if await self._store(rollout, after) and fleet.spec_version == rollout.version:
            await self._catch_up(fleet, after, await self._changed(fleet, rollout.base))
        return after

    async def ensure(self) -> None:
        """Sends the message of a running rollout once more: the one before may be in the poison queue."""
        rollout = await self.state()
        if rollout is not None and _is_under_way(rollout):
            await self._look_later(rollout)

    async def _look_later(self, rollout: Rollout) -> None:
        await self.store.queues.send(WORK_QUEUE, json.render({"rollout": rollout.version}), delay=LOOK_EVERY)

    async def _records(self, fleet: Fleet, targets: Collection[str]) -> list[tuple[Root, RootRecord]]:
        ids = sorted({root for name in targets if name in fleet.targets for root in fleet.targets[name].roots})
        stored = await in_batches(ids, self.store.load)
        return [(fleet.roots[root], each.record) for root, each in zip(ids, stored, strict=True)]

    async def _mark(self, fleet: Fleet, targets: Collection[str]) -> None:
        ids = sorted({root for name in targets if name in fleet.targets for root in fleet.targets[name].roots})
        await in_batches(ids, lambda root: self.store.mark(root, "rollout", IMMEDIATE, comes_again=False))

    # --- what versions declare ---

    async def _changed(self, fleet: Fleet, base: str) -> tuple[str, ...]:
        key = base, fleet.spec_version
        if key not in self.cache.changed:
            index = await self._index(base)
            changed = await self.store.ambient.offload(lambda: changed_targets(fleet, index))
            self.cache.changed = {key: changed}
        return self.cache.changed[key]

    async def _keep(self, fleet: Fleet) -> None:
        index = await self.store.ambient.offload(lambda: index_of(fleet))
        body = standard_json.dumps(dict(index.roots), separators=(",", ":")).encode()
        name = _name(fleet.spec_version)
        await self.store.blobs.write(CONTAINER, name, body, content_type="application/json")

    async def _index(self, version: str) -> Index:
        """The digests of a version. If the blob is lost it is empty, so that everything counts as changed."""
        if version not in self.cache.indexes:
            blob = await self.store.blobs.read(CONTAINER, _name(version))
            if blob is None:
                log.warning("what spec version %s declared is lost: all is taken for changed", version)
            self.cache.indexes = {version: Index(standard_json.loads(blob.data)) if blob else Index()}
        return self.cache.indexes[version]


def rollout_in(rows: Rows) -> Rollout | None:
    return from_json(rows[ROLLOUT].body) if ROLLOUT in rows else None


def _is_under_way(rollout: Rollout) -> bool:
    return rollout.state is State.RUNNING or rollout.marked < rollout.admitted


def _name(version: str) -> str:
    return f"declared/{version}.json"


def _stop(rollout: Rollout) -> Hold:
    numbers: dict[str, int | str] = {"stage": rollout.stage, "of": rollout.of, "version": rollout.version}
    message = f"the rollout of version {rollout.version} of the spec stopped in stage {rollout.stage}: {rollout.reason}"
    remedy = "correct the spec, or let all targets follow with `release rollout`"
    return Hold(ROLLOUT_STOPPED, f"{message}; {remedy}", numbers)
