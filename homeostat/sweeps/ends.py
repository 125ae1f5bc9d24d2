"""How the roots that a sweep marked ended, read from their records and ledgers; and the sweep's report."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Final

from homeostat.core.ids import ResourceId
from homeostat.core.sweep import Chunk, Sweep
from homeostat.core.sweep_summary import End, Summary, end_of, is_waited_for, refused_in
from homeostat.store import Store
from homeostat.sweeps.store import REPORTS

_BATCH_SIZE: Final = 50
_SEARCHED_ENTRIES: Final = 20
"""How many of the newest lines of a root's ledger are searched for those of a sweep."""


@dataclass(frozen=True, slots=True)
class Ends:
    """of: how each marked root ended, by its key. refused: the actions that the role lacked for them."""

    of: Mapping[str, End | None]
    refused: frozenset[str]


async def ends_of(sweep: Sweep, chunks: Iterable[Chunk], store: Store, *, force: bool) -> Ends | None:
    """How the marked roots ended. None as soon as that of one is not known yet, unless `force` is set."""
    ends: dict[str, End | None] = {}
    refused: set[str] = set()
    keys = [key for chunk in chunks for key in chunk.marked][::-1]  # what was marked last is worked on last
    for some in batched(keys, _BATCH_SIZE, strict=False):
        found = await asyncio.gather(*(_end_of(sweep, ResourceId.parse(key), store) for key in some))
        if not force and any(end is None for end, _ in found):
            return None
        ends.update(zip(some, (end for end, _ in found), strict=True))
        refused.update(*(each for _, each in found))
    return Ends(ends, frozenset(refused))


async def _end_of(sweep: Sweep, root: ResourceId, store: Store) -> tuple[End | None, frozenset[str]]:
    record = (await store.load(root)).record
    entries = [] if is_waited_for(record, sweep) else await store.history(root, _SEARCHED_ENTRIES)
    return end_of(record, entries, sweep), refused_in(entries, sweep)


async def report(summary: Summary, store: Store) -> None:
    """Stores the report, for programs and for people. Storing it again writes the same blobs."""
    from homeostat.render.sweep import as_json, as_markdown

    for suffix, type_, text in (
        ("json", "application/json", as_json(summary)),
        ("md", "text/markdown; charset=utf-8", as_markdown(summary)),
    ):
        await store.blobs.write(REPORTS, f"{summary.id}.{suffix}", text.encode(), content_type=type_)
