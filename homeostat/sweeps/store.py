"""What is stored of a sweep: a document and a summary in the fleet's partition, and a row for each chunk.

They are in that partition so that the sweep's end, its ledger line and its alert are one atomic batch.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from homeostat.core import json
from homeostat.core.asks import Ask
from homeostat.core.json import JsonObject
from homeostat.core.sweep import Chunk, State, Sweep, chunk_from_json, chunk_to_json, from_json, further, to_json
from homeostat.gate.fleetwide import FLEET_PARTITION, changed
from homeostat.ports.storage import MAX_CHANGES, Change, Insert, Remove, Replace
from homeostat.store import Store

CHUNKS: Final = "sweep-chunks"
REPORTS: Final = "homeostat-reports"

SWEPT: Final = "swept"
ASKED: Final = "asked"
"""In the place of a status in lines of the fleet's ledger: a sweep ended, or a person asked for one."""

_ROW: Final = "sweep"


@dataclass(frozen=True, slots=True)
class Current:
    """The sweep that is under way, or the last one."""

    sweep: Sweep
    version: str


@dataclass(frozen=True, slots=True)
class SweepStore:
    store: Store

    async def current(self) -> Current | None:
        found = await self.store.documents.read(FLEET_PARTITION, _ROW)
        return Current(from_json(found.body), found.version) if found else None

    async def put(self, sweep: Sweep, before: Current | None, rows: Sequence[Change] = ()) -> None:
        """Stores the sweep in the place of `before`, in one batch with `rows` of the fleet. Raises Conflict."""
        body = to_json(sweep)
        change: Change = Replace(_ROW, body, before.version) if before else Insert(_ROW, body)
        await self.store.documents.apply(FLEET_PARTITION, (change, *rows))

    async def keep(self, ask: Ask, id_: str, rows: Sequence[Change] = ()) -> bool:
        """Adds a person's request to the sweep with this id if that is running, in one batch with `rows` of the fleet.

        Returns whether it was. Raises TooMuchContention.
        """
        is_kept = False

        def transition(current: JsonObject | None) -> JsonObject | None:
            nonlocal is_kept
            sweep = from_json(current) if current else None
            is_kept = sweep is not None and sweep.id == id_ and sweep.state is State.RUNNING
            if sweep is None or not is_kept or ask in sweep.asks:
                return current
            return to_json(sweep.asked_for(ask))

        await changed(self.store.documents, self.store.ambient, (FLEET_PARTITION, _ROW), transition, rows)
        return is_kept

    async def chunk(self, sweep: Sweep, number: int) -> Chunk | None:
        found = await self.store.documents.read(CHUNKS, _chunk_row(sweep.id, number))
        return chunk_from_json(found.body) if found else None

    async def save_chunk(self, sweep: Sweep, number: int, chunk: Chunk) -> Chunk:
        """Stores a chunk's progress, unless another instance has stored more. Returns what is stored now."""

        def transition(current: JsonObject | None) -> JsonObject:
            known = chunk_from_json(current) if current else None
            kept = further(known, chunk)
            return current if current is not None and kept is known else chunk_to_json(kept)

        key = CHUNKS, _chunk_row(sweep.id, number)
        stored = await changed(self.store.documents, self.store.ambient, key, transition)
        return chunk_from_json(stored) if stored else chunk

    async def chunks(self, sweep: Sweep) -> dict[int, Chunk]:
        """The chunks of which anything is stored, by number."""
        first, last = f"{sweep.id}:", f"{sweep.id};"
        found = self.store.documents.scan(CHUNKS, first=first, last=last)
        return {int(row.row.rpartition(":")[2]): chunk_from_json(row.body) async for row in found}

    async def forget_chunks(self, kept: Sweep) -> None:
        """Removes the rows of all sweeps but `kept`."""
        rows = [each async for each in self._chunk_rows() if not each.startswith(f"{kept.id}:")]
        for start in range(0, len(rows), MAX_CHANGES):
            await self.store.documents.apply(CHUNKS, [Remove(row) for row in rows[start : start + MAX_CHANGES]])

    async def _chunk_rows(self) -> AsyncIterator[str]:
        async for found in self.store.documents.scan(CHUNKS):
            yield found.row

    async def summaries(self, limit: int) -> list[JsonObject]:
        """The summaries of the last sweeps that ended, newest first."""
        found: list[JsonObject] = []
        async for entry in self.store.entries(FLEET_PARTITION):
            if json.text_at(entry, "status") == SWEPT:
                found.append(entry)
            if len(found) == limit:
                break
        return found


def _chunk_row(id_: str, number: int) -> str:
    return f"{id_}:{number:06d}"
