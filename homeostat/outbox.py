"""Alerts are stored with what they report, sent afterwards, and kept until the channel has accepted them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from homeostat.core.alerts import Alert, AlertType
from homeostat.core.gate.mass_drift import MASS_DRIFT
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome
from homeostat.gate.approvals import Approvals
from homeostat.gate.fleetwide import FLEET_PARTITION
from homeostat.ports.alerts import AlertChannel, AlertError, CloudEventData
from homeostat.store import Store

log = logging.getLogger(__name__)

CHANNEL_TRIES: Final = 3
"""After how many roots whose alerts it refused the channel is left alone until another time."""


@dataclass(frozen=True, slots=True)
class Outbox:
    store: Store
    channel: AlertChannel
    approvals: Approvals
    source: str  # the CloudEvents `source` of the alerts

    async def send(self, root: ResourceId, outcome: Outcome | None = None) -> None:
        """Sends the root's pending alerts, and those of the fleet if this outcome may have caused one.

        Raises AlertError; alerts that were not accepted stay stored.
        """
        await self._send(root.key, await self.store.outbox(root.key))
        if outcome is not None and any(held.hold.code == MASS_DRIFT for held in outcome.plan.held):
            await self.send_of_fleet()

    async def try_to_send(self, root: ResourceId, outcome: Outcome) -> None:
        """As `send`, but a failure is only logged: the root's next reconcile, or a sweep, sends what is stored."""
        try:
            await self.send(root, outcome)
        except AlertError as error:
            log.warning("%s: its alerts wait in the outbox: %s", root.short, error)

    async def send_of_fleet(self) -> None:
        """Sends the alerts that concern no root in particular. Raises AlertError."""
        await self._send(FLEET_PARTITION, await self.store.outbox(FLEET_PARTITION))

    async def send_all(self) -> None:
        """Sends all pending alerts: those whose reconcile died before it could send them.

        Alerts that the channel refuses stay stored, and do not keep back those of other roots.
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
                break  # it is the channel that fails, not the alerts

    async def _send(self, root_key: str, pending: Sequence[Alert]) -> None:
        if pending:
            # Alerts of one reconcile can have the same time: then a detection goes before its outcome.
            in_order = sorted(pending, key=lambda alert: (alert.time, list(AlertType).index(alert.type), alert.id))
            await self.channel.publish([await self._event(alert) for alert in in_order])
            await self.store.sent(root_key, pending)

    async def _event(self, alert: Alert) -> CloudEventData:
        data = await self.approvals.with_links(alert)
        return CloudEventData(alert.id, alert.type.value, self.source, alert.subject, alert.time, data)
