"""Releases: a person lets go on what a mass drift, a stopped rollout or the flap breaker holds back."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from homeostat.batches import in_batches
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.mass_drift import MASS_DRIFT
from homeostat.core.gate.rollout import ROLLOUT
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Decision, Trigger, decision_entry
from homeostat.core.record import IMMEDIATE, RootRecord
from homeostat.core.rollout import State, to_json
from homeostat.core.spec import Fleet, Root
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.gate.fleetwide import MASS_DRIFT as EPISODE
from homeostat.gate.fleetwide import RELEASE, Fleetwide, Rows
from homeostat.gate.reservations import hour_in
from homeostat.gate.rollouts import rollout_in
from homeostat.operations import runs
from homeostat.rows import ledger_row

log = logging.getLogger(__name__)

LETS_GO: Final = "Correct the spec, or let all follow with `python -m homeostat release rollout`"


class NothingToRelease(HomeostatError):
    """No rollout is under way or stopped."""


@dataclass(frozen=True, slots=True)
class Releases:
    engine: Engine
    desired: DesiredState

    async def mass_drift(self, until: datetime, by: str, reason: str) -> JsonObject:
        """Repairs go on until then, however much drifts; the roots that drift are looked at again at once.

        Raises StorageError.
        """
        log.info("a mass drift is released until %s by %s: %s", until.isoformat(), by, reason)
        await self.engine.drifting.release(until, by, reason)
        declared = (await self.desired.fleet()).roots
        roots = [declared[root] for root in await self.engine.drifting.roots() if root in declared]
        await self.tell(Decision.RELEASED, roots, Trigger("release", caller=by, reason=reason))
        return {"released": MASS_DRIFT, "until": until.isoformat(), "by": by, "reason": reason}

    async def rollout(self, by: str, reason: str) -> JsonObject:
        """All targets follow the new version of the spec now. Raises NothingToRelease and StorageError."""
        rollout = await self.engine.rollouts.release(await self.desired.fleet(), by, reason)
        if rollout is None:
            raise NothingToRelease("no rollout of a spec is under way: there is nothing to release")
        log.info("the rollout of version %s is released by %s: %s", rollout.version, by, reason)
        return {"released": ROLLOUT, "version": rollout.version, "by": by, "reason": reason}

    async def reset_breaker(self, target: str, by: str, reason: str) -> JsonObject:
        """Forgets the drifts that tripped the breaker; the target's roots are marked. Raises UnknownTarget."""
        roots = runs.roots_of(await self.desired.fleet(), [target])
        forgotten = await self.forget_flaps(roots)
        await self.tell(Decision.BREAKER_RESET, roots, Trigger("reset-breaker", caller=by, reason=reason))
        return {"target": target, "reset": [*forgotten]}

    async def forget_flaps(self, roots: Iterable[Root]) -> tuple[str, ...]:
        """Forgets the roots' repairs. Returns what had tripped the breaker."""
        forgotten: set[str] = set()

        def without_flaps(current: RootRecord) -> RootRecord:
            forgotten.update(flap.what for flap in current.flaps.values() if flap.trips)
            return replace(current, flaps={})

        await in_batches(roots, lambda root: self.engine.store.change(root.id, without_flaps))
        return tuple(sorted(forgotten))

    async def tell(self, decision: Decision, roots: Iterable[Root], by: Trigger) -> None:
        """Marks the roots, as one sweep, and records in their ledgers what was decided and by whom."""
        now, sweep = self.engine.ambient.now(), f"{by.cause}:{self.engine.ambient.uuid()}"

        async def one(root: Root) -> None:
            entry = decision_entry(decision, root.id, root.targets, by, now)
            rows = (ledger_row(entry, now, self.engine.ambient.uuid()),)
            await self.engine.store.mark(root.id, sweep, IMMEDIATE, comes_again=False, rows=rows)

        await in_batches(roots, one)

    async def state(self) -> JsonObject:
        """What holds the whole fleet back, or soon could: the hour's use, the rollout, a mass drift, the policy."""
        fleet = await self.desired.fleet()
        rows = await Fleetwide(self.engine.store.documents, self.engine.ambient).read()
        rollout = rollout_in(rows)
        return {
            "policy": fleet.policy.model_dump(mode="json"),
            "specVersion": fleet.spec_version,
            "rollout": to_json(rollout) if rollout else None,
            "hour": self._hour(fleet, rows),
            "massDrift": _body(rows, EPISODE),
            "released": _body(rows, f"{RELEASE}{MASS_DRIFT}"),
        }

    async def held(self) -> tuple[str, ...]:
        """What holds the whole fleet now: in words, each with what releases it. Raises StorageError."""
        rows = await Fleetwide(self.engine.store.documents, self.engine.ambient).read()
        released, rollout = _body(rows, f"{RELEASE}{MASS_DRIFT}"), rollout_in(rows)
        until = json.text_at(released, "until") if released else ""
        is_released = bool(until) and datetime.fromisoformat(until) > self.engine.ambient.now()
        drift = None if is_released else _body(rows, EPISODE)
        stopped = rollout if rollout and rollout.state is State.STOPPED else None
        return (
            *([f"a mass drift: {json.text_at(drift, 'message')}"] if drift else []),
            *(
                [f"the rollout of spec version {stopped.version} stopped: {stopped.reason}. {LETS_GO}"]
                if stopped
                else []
            ),
        )

    def _hour(self, fleet: Fleet, rows: Rows) -> JsonObject:
        use = hour_in(rows).at(self.engine.ambient.now())
        caps, declared = fleet.policy.caps, len(fleet.roots)
        return {
            "writes": sum(use.writes.values()),
            "writesAllowed": caps.writes_per_hour,
            "roots": len(use.roots),
            "rootsAllowed": caps.roots_per_hour(declared),
        }


def _body(rows: Rows, name: str) -> JsonObject | None:
    return rows[name].body if name in rows else None
