"""Timer triggers: when to run, and what a run is told.

Schedules are NCRONTAB in UTC. A run that should have happened while the host was down happens at its start, marked
past due, where the schedule is monitored (`useMonitor`, and at most once a minute), as the host does. A function is
never run twice at once by its own timer.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from devhost.errors import DevHostError
from devhost.ncrontab import Schedule
from devhost.protos import TypedData
from devhost.settings import resolve
from devhost.worker import Function, Invocation, Worker

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Status:
    """When a timer last ran, when it runs next, and when that was written down."""

    last: datetime
    next: datetime
    updated: datetime

    def as_json(self) -> dict[str, str]:
        return {"Last": self.last.isoformat(), "Next": self.next.isoformat(), "LastUpdated": self.updated.isoformat()}

    @classmethod
    def from_json(cls, document: Mapping[str, str]) -> Self:
        return cls(*(datetime.fromisoformat(document[name]) for name in ("Last", "Next", "LastUpdated")))


class StatusStore:
    """Each timer's status, in memory, or in one JSON file, so that a missed run is noticed after a restart."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._statuses: dict[str, Status] = {}
        if file is not None and file.is_file():
            try:
                document = json.loads(file.read_text())
                self._statuses = {name: Status.from_json(each) for name, each in document.items()}
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise DevHostError(f"{file} is not a timer status file: {error}") from error

    def get(self, name: str) -> Status | None:
        return self._statuses.get(name)

    def put(self, name: str, status: Status) -> None:
        self._statuses[name] = status
        if self._file is not None:
            document = {each: status.as_json() for each, status in sorted(self._statuses.items())}
            self._file.write_text(json.dumps(document, indent=2))


class Timer:
    """Runs one function on its schedule."""

    def __init__(self, worker: Worker, function: Function, settings: Mapping[str, str], statuses: StatusStore) -> None:
        """Raises DevHostError for a schedule that cannot be read."""
        what = f"function '{function.name}'"
        try:
            self.schedule = Schedule.parse(resolve(str(function.trigger["schedule"]), settings, what=what))
        except ValueError as error:
            raise DevHostError(f"{what}: {error}") from error
        self._worker = worker
        self._function = function
        self._statuses = statuses
        self._monitored = function.trigger.get("useMonitor") is not False and not self.schedule.more_than_once_a_minute
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._loop(), name=f"timer {self._function.name}")

    async def stop(self) -> None:
        """Stop the schedule. A run under way goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def fire(self, *, past_due: bool = False) -> Invocation:
        """Run the function now, as the admin endpoint and the schedule both do."""
        now = datetime.now(UTC)
        status = self._statuses.get(self._function.name) or Status(_NEVER, self.schedule.after(now), _NEVER)
        info: dict[str, Any] = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status.as_json(),
            "IsPastDue": past_due,
        }
        reason = f"Timer fired at {now.isoformat()}"
        return await self._worker.invoke(self._function, TypedData(json=json.dumps(info)), reason=reason)

    async def _loop(self) -> None:
        if self._owed_at_start():
            await self.fire(past_due=True)
            self._note(datetime.now(UTC))
        elif self._function.trigger.get("runOnStartup"):
            await self.fire()
        while True:
            due = self._note(None).next
            await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
            await self.fire()
            self._note(due)

    def _owed_at_start(self) -> bool:
        status = self._statuses.get(self._function.name) if self._monitored else None
        return status is not None and status.next < datetime.now(UTC)

    def _note(self, ran: datetime | None) -> Status:
        now = datetime.now(UTC)
        earlier = self._statuses.get(self._function.name)
        last = ran or (earlier.last if earlier else _NEVER)
        status = Status(last, self.schedule.after(max(now, last)), now)
        self._statuses.put(self._function.name, status)
        return status
