"""Alerts on their way out: stored with what they tell of, sent afterwards, kept until the channel has taken them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from homeostat.approvals import Approvals
from homeostat.core.alerts import Alert, AlertType
from homeostat.core.gate.mass_drift import MASS_DRIFT
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome
from homeostat.fleetwide import FLEET_PARTITION
from homeostat.ports import AlertChannel, AlertError, CloudEventData
from homeostat.store import Store

log = logging.getLogger(__name__)

CHANNEL_TRIES: Final = 3
"""How many roots' alerts the channel may refuse before the others are kept for another time."""


@dataclass(frozen=True, slots=True)
class Outbox:
    store: Store
    channel: AlertChannel
    approvals: Approvals
    source: str  # of the alerts

    async def send(self, root: ResourceId, outcome: Outcome | None = None) -> None:
        """Sends what waits for the root, and what the outcome of a reconcile may have had to tell of the fleet.

        Raises AlertError; what was not taken stays there.
        """
        await self._send(root.key, await self.store.outbox(root.key))
        if outcome is not None and any(held.hold.code == MASS_DRIFT for held in outcome.plan.held):
            await self.send_of_fleet()

    async def try_to_send(self, root: ResourceId, outcome: Outcome) -> None:
        """What was done is done, and the alerts are kept: the next reconcile of the root, or sweep, sends them."""
        try:
            await self.send(root, outcome)
        except AlertError as error:
            log.warning("%s: its alerts wait in the outbox: %s", root.short, error)

    async def send_of_fleet(self) -> None:
        """Sends the alerts that are about no root in particular. Raises AlertError."""
        await self._send(FLEET_PARTITION, await self.store.outbox(FLEET_PARTITION))

    async def send_all(self) -> None:
        """Sends what waits in any outbox: alerts whose reconcile died before it could send them.

        What the channel does not take stays there, and one root's alerts do not keep back another's.
        """
        waiting: dict[str, list[Alert]] = {}
        async for root_key, alert in self.store.outboxes():
            waiting.setdefault(root_key, []).append(alert)
        refused = 0
        for root_key, pending in waiting.items():
            try:
                await self._send(root_key, pending)
            except AlertError as error:
                log.warning("%d alerts of %s stay in the outbox: %s", len(pending), root_key, error)
                refused += 1
            if refused == CHANNEL_TRIES:
                break  # it is the channel, not the alerts

    async def _send(self, root_key: str, pending: Sequence[Alert]) -> None:
        if pending:
            # What one reconcile finds and does can bear one time: then a detection goes before what came of it.
            in_order = sorted(pending, key=lambda alert: (alert.time, list(AlertType).index(alert.type), alert.id))
            await self.channel.publish([await self._event(alert) for alert in in_order])
            await self.store.sent(root_key, pending)

    async def _event(self, alert: Alert) -> CloudEventData:
        data = await self.approvals.with_links(alert)
        return CloudEventData(alert.id, alert.type.value, self.source, alert.subject, alert.time, data)
