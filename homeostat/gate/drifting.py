"""The index of drifting roots, and the episode of a mass drift: how much of the whole fleet drifts.

A root has a row from before the gate is asked until some time after its repair, or until it is found as declared
without one. Counting stops at the threshold, and removes expired rows on its way.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import alerts
from homeostat.core.gate import mass_drift
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject, text_at
from homeostat.core.mass import Mass
from homeostat.core.rollout import Rollout
from homeostat.core.spec import Root
from homeostat.core.uses import mark_of
from homeostat.gate.fleetwide import FLEET_PARTITION, MASS_DRIFT, RELEASE, Fleetwide, Rows
from homeostat.ports.storage import MAX_CHANGES, Change, Conflict, Documents, Remove, Upsert
from homeostat.rows import outbox_rows

DRIFTING: Final = "drifting"


@dataclass(frozen=True, slots=True)
class Drifting:
    documents: Documents
    ambient: Ambient

    async def note(self, root: ResourceId, *, anew: bool) -> None:
        """Records that the root has an edit to be written. anew: its declaration has changed."""
        body: JsonObject = {"root": root.text, "seen": self.ambient.now().isoformat(), "anew": anew}
        await self.documents.apply(DRIFTING, [Upsert(mark_of(root), body)])

    async def forget(self, root: ResourceId) -> None:
        await self.documents.apply(DRIFTING, [Remove(mark_of(root))])

    async def roots(self) -> tuple[ResourceId, ...]:
        """All roots in the index."""
        return tuple([ResourceId.parse(text_at(row.body, "root")) async for row in self.documents.scan(DRIFTING)])

    async def mass(self, root: Root, rows: Rows, rollout: Rollout | None, *, noted: bool) -> Mass:
        """How much drifts, for the guards of this root. rows: the fleet's.

        noted: whether the root is in the index already; if not, it is counted too.
        """
        limits, now = root.policy.mass_drift, self.ambient.now()
        threshold = limits.threshold(root.declared)
        drifting, anew = await self._count(mark_of(root.id), threshold, now - limits.within, noted=noted)
        release = rows.get(f"{RELEASE}{mass_drift.MASS_DRIFT}")
        replaced = rollout is not None and bool(rollout.base)
        return Mass(
            drifting,
            threshold,
            anew,
            root.spec_version,
            rollout.since if rollout is not None and replaced else None,
            datetime.fromisoformat(text_at(release.body, "until")) if release else None,
        )

    async def _count(self, own: str, threshold: int, since: datetime, *, noted: bool) -> tuple[int, int]:
        drifting, anew, old = 0 if noted else 1, 0, list[Change]()
        async for row in self.documents.scan(DRIFTING):
            if datetime.fromisoformat(text_at(row.body, "seen")) < since:
                old.append(Remove(row.row, row.version))
            elif noted or row.row != own:
                drifting += 1
                anew += row.body.get("anew") is True
                if drifting > threshold:
                    break
        for start in range(0, len(old), MAX_CHANGES):
            with suppress(Conflict):  # one of them drifts again: the next count removes the rest
                await self.documents.apply(DRIFTING, old[start : start + MAX_CHANGES])
        return drifting, anew

    async def follow(self, mass: Mass, root: Root, rows: Rows) -> None:
        """Begins or ends the fleet's mass drift episode: one alert, however many roots it holds."""
        now = self.ambient.now()
        if not mass.is_one:
            if MASS_DRIFT in rows:
                await self.documents.apply(FLEET_PARTITION, [Remove(MASS_DRIFT)])
            return
        if mass.is_released(now) or MASS_DRIFT in rows:
            return
        hold = mass_drift.hold(mass, root.declared, root.policy.mass_drift.suspect_spec_for, now)
        alert = alerts.fleet_held(hold, now)
        body = {"since": now.isoformat(), "episode": text_at(alert.data, "episode"), "message": hold.message}
        fleet = Fleetwide(self.documents, self.ambient)
        await fleet.change(MASS_DRIFT, lambda current: current or body, outbox_rows((alert,)))

    async def release(self, until: datetime, by: str, reason: str) -> None:
        body = {"until": until.isoformat(), "by": by, "reason": reason, "at": self.ambient.now().isoformat()}
        fleet = Fleetwide(self.documents, self.ambient)
        await fleet.put(f"{RELEASE}{mass_drift.MASS_DRIFT}", body)
