"""Remediations: a person or pipeline asks for targets to be reconciled, and follows the run that comes of it.

A run is stored before anything is done, and the queue has a message for it. So a run whose process dies is carried out
by another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json, JsonObject
from homeostat.core.outcome import Status, Trigger, outcome_json, worst
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.operations import runs
from homeostat.operations.run_store import RunStore
from homeostat.operations.waking import wake_what_waited
from homeostat.store import WORK_QUEUE

RUN_BACKUP: Final = timedelta(minutes=5)
"""When the queue takes over a run whose HTTP request died before the run was done."""


class NotConfirmed(HomeostatError):
    """The caller confirmed another number of targets than are declared."""


@dataclass(frozen=True, slots=True)
class Remediations:
    engine: Engine
    desired: DesiredState

    @property
    def run_store(self) -> RunStore:
        return RunStore(self.engine.store.documents, self.engine.store.blobs)

    async def all_targets(self, confirm: int) -> tuple[str, ...]:
        """Every target's name, for a caller who knows how many there are. Raises NotConfirmed."""
        names = tuple((await self.desired.fleet()).targets)
        if len(names) != confirm:
            raise NotConfirmed(f'there are {len(names)} targets, not {confirm}: send "confirm": {len(names)}')
        return names

    async def start(self, targets: Sequence[str], trigger: Trigger, *, backup: bool = False) -> str:
        """Stores a run and enqueues it: at once, or as the backup of a caller who executes it. Raises UnknownTarget."""
        runs.roots_of(await self.desired.fleet(), targets)
        run_id = str(self.engine.ambient.uuid())
        run: JsonObject = {
            "id": run_id,
            "state": "queued",
            "targets": list(targets),
            "requestedAt": self.engine.ambient.now().isoformat(),
            "dryRun": trigger.dry_run,
            "create": trigger.create,
            "maxWrites": trigger.max_writes,
            "caller": trigger.caller,
            "reason": trigger.reason,
        }
        await self.run_store.save(run_id, run)
        delay = RUN_BACKUP if backup else timedelta()
        await self.engine.store.queues.send(WORK_QUEUE, json.render({"run": run_id}), delay=delay)
        return run_id

    async def execute(self, run_id: str) -> JsonObject | None:
        """Carries out a stored run, unless it is done. After a crash it starts over: every root is observed afresh."""
        run = await self.load(run_id)
        if run is None or run["state"] == "done":
            return run
        targets = [str(name) for name in _list(run["targets"])]
        trigger = _trigger_of(run)
        try:
            fleet = await runs.followed_fleet(self.engine, self.desired, first=not trigger.dry_run)
            roots = runs.roots_of(fleet, targets)
        except runs.UnknownTarget as error:  # no longer declared since the run was asked for
            return await self._end(run, {"status": Status.FAILED.value, "error": str(error), "roots": []})
        outcomes = await runs.reconcile(self.engine, roots, trigger)
        for outcome in outcomes:
            await wake_what_waited(self.engine.store, fleet, outcome, besides=[root.id for root in roots])
        status = worst([outcome.status for outcome in outcomes])
        return await self._end(run, {"status": status.value, "roots": [outcome_json(outcome) for outcome in outcomes]})

    async def load(self, run_id: str) -> JsonObject | None:
        """The run as it is stored; None if there is none of that id."""
        return await self.run_store.load(run_id)

    async def _end(self, run: JsonObject, result: JsonObject) -> JsonObject:
        done: JsonObject = {**run, "state": "done", "finishedAt": self.engine.ambient.now().isoformat(), **result}
        await self.run_store.save(json.text_at(run, "id"), done)
        return done


def _trigger_of(run: JsonObject) -> Trigger:
    run_id, max_writes = json.text_at(run, "id"), run.get("maxWrites")
    return Trigger(
        "manual",
        (run_id,),
        caller=json.text_at(run, "caller"),
        reason=json.text_at(run, "reason"),
        create=run.get("create") is True,
        dry_run=run["dryRun"] is True,
        run=run_id,
        max_writes=max_writes if isinstance(max_writes, int) else None,
    )


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
