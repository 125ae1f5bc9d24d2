"""Gathers what the guards of `homeostat.core.gate` may look at, once for every look that found something to write.

In two steps: what the store knows, and then, only where something is left to be written, what Azure says is around it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from homeostat.ambient import Ambient
from homeostat.approvals import Approvals
from homeostat.core.decision import own_read
from homeostat.core.gate.situation import Situation, Surroundings
from homeostat.core.model import Edit, Fact, Facts, Found, Gone, Mode
from homeostat.core.outcome import Trigger
from homeostat.core.policy import Deployments
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.own import Own
from homeostat.ports import ArmReader, DeploymentReader
from homeostat.store import Store


@dataclass(frozen=True, slots=True)
class Situations:
    store: Store
    reader: ArmReader
    deployments: DeploymentReader
    ambient: Ambient
    cap: Mode
    own: Own
    approvals: Approvals

    async def of(self, root: Root, record: RootRecord, asked: Trigger, edits: Sequence[Edit] = ()) -> Situation:
        """The situation of a root with this record, for which these edits are meant. Raises StorageError."""
        situation = Situation(
            now=self.ambient.now(),
            cap=self.cap,
            wants=root.wants,
            targets=root.targets,
            pauses=await self.store.pauses(),
            create=asked.create,
            withheld=asked.withheld,
            retest=record.retest,
            policy=root.policy,
            windows=root.windows,
            marked=root.marked,
            consents=asked.consents,
            own=self.own.known,
        )
        return replace(situation, approval=await self.approvals.of(root.id, edits, situation))

    async def looked_around(self, situation: Situation, root: Root, facts: Facts) -> Situation:
        """The situation right before a write: one read of the root's own body, and one of its group's deployments."""
        own, body, running = await asyncio.gather(
            self.own.look(self.reader), self._body(root, facts), self._running(root)
        )
        around = Surroundings(root.id, body, facts, running, own)
        return replace(situation, now=self.ambient.now(), own=self.own.known, surroundings=around)

    async def _body(self, root: Root, facts: Facts) -> Fact:
        read = own_read(root.id)
        known = facts.get(read)
        return known if isinstance(known, Found | Gone) else await self.reader.read(read)

    async def _running(self, root: Root) -> Fact | None:
        if root.policy.deployments is Deployments.IGNORE:
            return None
        return await self.deployments.running_deployments(root.id.subscription, root.id.resource_group)
