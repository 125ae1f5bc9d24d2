"""Runs, as people and pipelines ask for them: a row for each, and beside it a blob with the outcomes of its roots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeostat.core import json
from homeostat.core.json import JsonObject
from homeostat.ports.storage import MAX_CHANGES, Blobs, Documents, Remove, Upsert

RUN_BLOBS: Final = "homeostat-runs"

_RUNS: Final = "runs"


@dataclass(frozen=True, slots=True)
class RunStore:
    documents: Documents
    blobs: Blobs

    async def save(self, run_id: str, body: JsonObject) -> None:
        """The roots' outcomes are a blob, since those of a fleet fit in no document. It is written before the row."""
        if "roots" in body:
            roots = json.render(body["roots"]).encode("utf-8", "surrogatepass")
            await self.blobs.write(RUN_BLOBS, _blob(run_id), roots, content_type="application/json")
        kept = {name: value for name, value in body.items() if name != "roots"}
        await self.documents.apply(_RUNS, [Upsert(run_id, kept)])

    async def load(self, run_id: str) -> JsonObject | None:
        found = await self.documents.read(_RUNS, run_id)
        if found is None or found.body.get("state") != "done":
            return found.body if found else None
        roots = await self.blobs.read(RUN_BLOBS, _blob(run_id))
        told = json.parse(roots.data.decode("utf-8", "surrogatepass")) if roots else []
        return {**found.body, "roots": told}

    async def forget(self, until: datetime, at_most: int) -> int:
        """Deletes up to `at_most` runs that ended by then, none that has not ended. Returns how many."""
        old: list[str] = []
        async for run in self.documents.scan(_RUNS):
            finished = json.text_at(run.body, "finishedAt")
            if finished and datetime.fromisoformat(finished) <= until:
                old.append(run.row)
            if len(old) == at_most:
                break
        for run_id in old:
            await self.blobs.delete(RUN_BLOBS, _blob(run_id))
        for start in range(0, len(old), MAX_CHANGES):
            await self.documents.apply(_RUNS, [Remove(row) for row in old[start : start + MAX_CHANGES]])
        return len(old)


def _blob(run_id: str) -> str:
    return f"{run_id}.json"
