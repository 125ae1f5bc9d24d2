"""What the loop works with: the ports, and the parts of its memory that are built on them."""

from dataclasses import dataclass, field

from homeostat.ambient import Ambient
from homeostat.core.model import Mode, Registry
from homeostat.core.record import DEFAULT_SETTLE, Settle
from homeostat.gate.approvals import Approvals
from homeostat.gate.drifting import Drifting
from homeostat.gate.reservations import Reservations
from homeostat.gate.rollouts import RolloutCache, Rollouts
from homeostat.gate.situations import Situations
from homeostat.outbox import Outbox
from homeostat.own import Own
from homeostat.ports.alerts import AlertChannel
from homeostat.ports.azure import ArmReader, ArmWriter, ChangeHistory, DeploymentReader, NoChangeHistory
from homeostat.ports.network import NoProber, Prober
from homeostat.snapshots import Snapshots
from homeostat.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """rollout_cache: shared by all that is built from these parts."""

    registry: Registry
    reader: ArmReader
    writer: ArmWriter
    store: Store
    channel: AlertChannel
    ambient: Ambient
    cap: Mode = Mode.ENFORCE  # HOMEOSTAT_MODE
    settle: Settle = DEFAULT_SETTLE
    source: str = "homeostat"  # of the alerts
    prober: Prober = field(default_factory=NoProber)
    changes: ChangeHistory = field(default_factory=NoChangeHistory)
    deployments: DeploymentReader = field(kw_only=True)
    own: Own = field(default_factory=Own)
    public_url: str = ""  # under which people reach the HTTP API
    rollout_cache: RolloutCache = field(default_factory=RolloutCache)

    @property
    def approvals(self) -> Approvals:
        return Approvals(self.store.documents, self.ambient, self.public_url)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.store.blobs, self.store.documents, self.ambient)

    @property
    def situations(self) -> Situations:
        return Situations(
            self.store,
            self.reader,
            self.deployments,
            self.ambient,
            self.cap,
            self.own,
            self.approvals,
            self.rollout_cache,
        )

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.store, self.channel, self.approvals, self.source)

    @property
    def reservations(self) -> Reservations:
        return Reservations(self.store.documents, self.ambient)

    @property
    def drifting(self) -> Drifting:
        return Drifting(self.store.documents, self.ambient)

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.store, self.rollout_cache)
