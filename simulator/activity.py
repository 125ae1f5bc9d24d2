"""The activity log: what succeeded or failed, and by whom. Event Grid's resource events are made from it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulator.messages import Principal

_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Activity:
    """One finished write, delete or action. A long-running one is recorded at its completion."""

    at: datetime
    correlation_id: str
    client_request_id: str
    caller: Principal
    method: str
    url: str
    operation_name: str  # ARM's casing: Microsoft.Network/networkSecurityGroups/securityRules/write
    resource_id: str
    status: Literal["Success", "Failure"]
    long_running: bool = False


class ActivityLog:
    """Append-only, read through a cursor, so that every reader keeps its own place."""

    def __init__(self) -> None:
        self._records: deque[Activity] = deque(maxlen=_KEPT)
        self._written = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def cursor(self) -> int:
        """The place after the newest record."""
        return self._written

    @property
    def newest(self) -> Activity:
        return self._records[-1]

    def append(self, record: Activity) -> None:
        self._records.append(record)
        self._written += 1
        for wake in self._listeners:
            wake()

    def since(self, cursor: int = 0) -> tuple[list[Activity], int]:
        """The records after `cursor`, and the cursor to come back with. Only the newest 50,000 are kept."""
        skip = max(0, cursor - (self._written - len(self._records)))
        return list(self._records)[skip:], self._written

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake()` called after each append, in the writer's thread; returns what ends it."""
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)
