"""How one reconcile observes: it reads in stages, and keeps track of ARM's time."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.arm_errors import ArmError, ErrorClass, denied_action
from homeostat.core.arm_time import ArmTime, closer
from homeostat.core.decision import reads_of
from homeostat.core.model import Fact, Facts, Found, Query, Read, Registry, Unreadable
from homeostat.core.spec import Root
from homeostat.eager import begun
from homeostat.ports.azure import ArmReader
from homeostat.ports.network import Prober

MAX_STAGES: Final = 4
"""The longest chain of reads in which one names the next."""

AS_GOOD_AS_NEW: Final = 0.1
"""Seconds for which a write may be based on an answer: what others change in that time, it would overwrite."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a write is based on. since: the earliest that ARM can have read it, by its clock. answered: monotonic."""

    fact: Fact
    since: datetime
    answered: float


@dataclass(slots=True)
class Observer:
    """arm_time: from the most precise answer so far; None before ARM has sent a time.

    refused: the actions that the role lacked for what was read, whether or not anything depended on the answers.
    """

    registry: Registry
    reader: ArmReader
    prober: Prober
    ambient: Ambient
    arm_time: ArmTime | None = None
    refused: set[str] = field(default_factory=set)
    _begun: asyncio.Task[Facts] | None = field(default=None, init=False)
    _ahead: dict[Read, asyncio.Task[Base]] = field(default_factory=dict, init=False)

    def begin(self, root: Root) -> None:
        """Starts the look that the next `observe` returns, so that it runs beside whatever is awaited until then."""
        self._begun = begun(self._look(root))

    def discard(self) -> None:
        """Discards the look that was started: the next `observe` looks afresh."""
        if self._begun is not None:
            self._begun.cancel()
            self._begun = None

    async def observe(self, root: Root) -> Facts:
        """What the root's kinds want to know: each ARM resource is read once, in as few steps as possible."""
        if self._begun is None:
            return await self._look(root)
        look, self._begun = self._begun, None
        return await look

    @contextmanager
    def reading_ahead(self, queries: Iterable[Read]) -> Iterator[None]:
        """Reads what writes will be based on beside whatever is awaited until `base` asks for it."""
        ahead = {query: begun(self._base(query)) for query in queries if query not in self._ahead}
        self._ahead |= ahead
        try:
            yield
        finally:
            for query in ahead:
                if unused := self._ahead.pop(query, None):
                    unused.cancel()

    async def base(self, query: Read) -> Base:
        """What a write is based on that no ETag protects, and that is therefore sent right after this read.

        One that was begun ahead is repeated if what it ran beside has taken longer than `AS_GOOD_AS_NEW`.
        """
        if ahead := self._ahead.pop(query, None):
            base = await ahead
            if self.ambient.monotonic() - base.answered <= AS_GOOD_AS_NEW:
                return base
        return await self._base(query)

    async def _base(self, query: Read) -> Base:
        since = self.earliest()
        fact = await self.read(query)
        return Base(fact, since, self.ambient.monotonic())

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
        """Reads from ARM, and notes ARM's time."""
        asked = self.ambient.monotonic()
        fact = await self.reader.read(query)
        if isinstance(fact, Found) and fact.at is not None:
            self.arm_time = closer(self.arm_time, ArmTime(fact.at, asked, self.ambient.monotonic()))
        if isinstance(fact, Unreadable):
            self.note(fact.error)
        return fact

    def note(self, error: ArmError) -> None:
        """Remembers the action of a refused read or write, if a permission was missing."""
        if error.error_class is ErrorClass.DENIED:
            self.refused.add(denied_action(error))

    def earliest(self) -> datetime:
        """The earliest that ARM's time can be; our own time before ARM has sent one."""
        return self.arm_time.earliest(self.ambient.monotonic()) if self.arm_time else self.ambient.now()

    def latest(self) -> datetime:
        """The latest that it can be."""
        return self.arm_time.latest(self.ambient.monotonic()) if self.arm_time else self.ambient.now()
