"""The channel that takes alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from homeostat.core.errors import HomeostatError
from homeostat.core.json import JsonObject


class AlertError(HomeostatError):
    """The channel did not take the events. Publish them again, with the same ids."""


@dataclass(frozen=True, slots=True)
class CloudEventData:
    """One CloudEvents 1.0 event. Consumers know a repetition by `source` and `id`."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: JsonObject


class AlertChannel(Protocol):
    async def publish(self, events: Sequence[CloudEventData]) -> None:
        """Delivers all events, at least once. Raises AlertError when any of them may not have been taken."""
        ...
