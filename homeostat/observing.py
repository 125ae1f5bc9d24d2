"""One reconcile's looks at the world: reads in stages, and what time ARM said it was."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.arm_errors import ArmError, ErrorClass, denied_action
from homeostat.core.arm_time import ArmTime, closer
from homeostat.core.decision import reads_of
from homeostat.core.model import Fact, Facts, Found, Query, Read, Registry, Unreadable
from homeostat.core.spec import Root
from homeostat.ports import ArmReader, Prober

MAX_STAGES: Final = 4
"""How often one read may name the next."""


@dataclass(slots=True)
class Observer:
    """arm_time: by the closest of the answers so far; None while ARM has not said a time yet.

    refused: the actions that the role lacked for what was asked, whether or not anything depended on the answers.
    """

    registry: Registry
    reader: ArmReader
    prober: Prober
    ambient: Ambient
    arm_time: ArmTime | None = None
    refused: set[str] = field(default_factory=set)
    _begun: asyncio.Task[Facts] | None = field(default=None, init=False)

    def begin(self, root: Root) -> None:
        """Begins the look that the next `observe` gives, so that it goes on beside whatever is awaited before."""
        self._begun = asyncio.create_task(self._look(root))

    def discard(self) -> None:
        """Gives up the look that was begun: the next `observe` looks afresh."""
        if self._begun is not None:
            self._begun.cancel()
            self._begun = None

    async def observe(self, root: Root) -> Facts:
        """What the root's kinds want to know, each ARM resource read once, in as few steps as their reads allow."""
        if self._begun is None:
            return await self._look(root)
        begun, self._begun = self._begun, None
        return await begun

    async def _look(self, root: Root) -> Facts:
        facts: dict[Query, Fact] = {}
        for _ in range(MAX_STAGES):
            wanted = reads_of(root, facts, self.registry)
            if not wanted:
                break
            facts.update(zip(wanted, await asyncio.gather(*map(self._ask, wanted)), strict=True))
        return facts

    async def _ask(self, query: Query) -> Fact:
        if isinstance(query, Read):
            return await self.read(query)
        return await self.prober.probe(query)

    async def read(self, query: Read) -> Fact:
        """What ARM says now, and what time it says it is."""
        asked = self.ambient.monotonic()
        fact = await self.reader.read(query)
        if isinstance(fact, Found) and fact.at is not None:
            self.arm_time = closer(self.arm_time, ArmTime(fact.at, asked, self.ambient.monotonic()))
        if isinstance(fact, Unreadable):
            self.note(fact.error)
        return fact

    def note(self, error: ArmError) -> None:
        """Remembers what was refused, a read or a write, if it was for want of a permission."""
        if error.error_class is ErrorClass.DENIED:
            self.refused.add(denied_action(error))

    def earliest(self) -> datetime:
        """What time it is for ARM at least; by our own clock where ARM has not said a time yet."""
        return self.arm_time.earliest(self.ambient.monotonic()) if self.arm_time else self.ambient.now()

    def latest(self) -> datetime:
        """The same at most."""
        return self.arm_time.latest(self.ambient.monotonic()) if self.arm_time else self.ambient.now()
