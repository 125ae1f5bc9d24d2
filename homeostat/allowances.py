"""The request budget that all instances share: one row for each subscription and quota, by compare-and-swap.

A row holds the state of `homeostat.core.budget.shared_part`, in seconds of the wall clock. An instance whose clock is
behind takes fewer tokens; one whose clock is ahead takes what accrues between two times of its own clock.
"""

from dataclasses import dataclass
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.budget import Lane, reserve_of, shared_part
from homeostat.core.json import JsonObject
from homeostat.core.quotas import Quota
from homeostat.gate.fleetwide import changed
from homeostat.ports.storage import Documents, StorageUnavailable
from homeostat.store import TooMuchContention

PARTITION: Final = "arm-allowance"


@dataclass(frozen=True, slots=True)
class SharedAllowance:
    """The Allowance port over Documents."""

    documents: Documents
    ambient: Ambient
    share_left: float

    async def take(self, scope: str, quota: Quota, tokens: int, within: float, lane: Lane) -> float:
        wait, left_alone = 0.0, reserve_of(quota, self.share_left, lane)

        def transition(current: JsonObject | None) -> JsonObject | None:
            nonlocal wait
            now = self.ambient.now().timestamp()
            part = shared_part(quota, self.share_left, now, current)
            wait = part.due(left_alone + tokens, now)
            if wait > within:
                return None
            part.draw(tokens, now, after=wait)
            return part.to_json()

        try:
            await changed(self.documents, self.ambient, (PARTITION, f"{scope or 'tenant'}:{quota.name}"), transition)
        except TooMuchContention as error:
            raise StorageUnavailable(str(error)) from error
        return wait
