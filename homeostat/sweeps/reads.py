"""How a sweep reads Azure: rows of Resource Graph first, ARM for the rest; every resource once, every call counted."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from homeostat.ambient import Ambient
from homeostat.core.arm_errors import ErrorClass, denied_action
from homeostat.core.arm_types import SITE
from homeostat.core.budget import BUDGET_SPENT
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.indexed import Rows, queries
from homeostat.core.json import JsonObject
from homeostat.core.model import Fact, Read, Unreadable
from homeostat.paging import every_row
from homeostat.ports.azure import ArmReader, ResourceTable


@dataclass(slots=True)
class SharedReads:
    """Reads of ARM for many roots: a resource that several of them need is read once.

    What belongs to one web app is needed by that app alone, and once; so most answers are not kept.
    calls: how many reads were sent, without those that our own budget held back.
    refused: the actions that the role lacks for what was read.
    """

    reader: ArmReader
    calls: int = 0
    refused: set[str] = field(default_factory=set)
    _asked: dict[Read, asyncio.Future[Fact]] = field(default_factory=dict)

    async def read(self, read: Read) -> Fact:
        if read.type.name.startswith(SITE.name):
            return await self._counted(read)
        known = self._asked.get(read)
        if known is None:
            known = self._asked[read] = asyncio.ensure_future(self._counted(read))
        return await asyncio.shield(known)  # one cancelled caller must not cancel the others' read

    async def _counted(self, read: Read) -> Fact:
        fact = await self.reader.read(read)
        self.calls += 0 if isinstance(fact, Unreadable) and fact.error.code == BUDGET_SPENT else 1
        if isinstance(fact, Unreadable) and fact.error.error_class is ErrorClass.DENIED:
            self.refused.add(denied_action(fact.error))
        return fact


@dataclass(frozen=True, slots=True)
class RowsFirst:
    """Answers from rows where these suffice, else through `beyond`."""

    rows: Rows
    beyond: ArmReader

    async def read(self, read: Read) -> Fact:
        found = self.rows.fact(read)
        return found if found is not None else await self.beyond.read(read)


@dataclass(slots=True)
class CountedPages:
    """The table, counting the pages that were queried and the rows that came."""

    table: ResourceTable
    ambient: Ambient
    queries: int = 0
    rows: int = 0

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        self.queries += 1
        return await self.table.page(query, top=top, token=token)

    async def rows_of(self, roots: Iterable[ResourceId]) -> Rows:
        """The rows of these roots and of what is below them. Raises ArmError."""
        wanted = tuple(roots)
        found: list[JsonObject] = []
        for query in (part for whole in queries(wanted) for part in self.table.apart(whole)):
            found.extend(await every_row(self, query, self.ambient.sleep))
        self.rows += len(found)
        return Rows.of(found, wanted)
