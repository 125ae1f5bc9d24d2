"""The managed targets, stored, so that a target that no spec declares any more is reported and not just forgotten.

Each sweep compares them with those of the sweep before; a removed document and an app that no selector selects any more
look alike. Nothing happens to the web app; it is only no longer kept as declared.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import json
from homeostat.core.alerts import unmanaged
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Absent, JsonObject
from homeostat.core.outcome import Decision, Trigger, decision_entry
from homeostat.core.spec import Fleet
from homeostat.fleet.selections import CONTAINER
from homeostat.ports.storage import Blobs, Conflict
from homeostat.rows import ledger_row, outbox_rows
from homeostat.store import Store

log = logging.getLogger(__name__)

BLOB: Final = "targets.json"


@dataclass(frozen=True, slots=True)
class Managed:
    store: Store
    blobs: Blobs
    ambient: Ambient

    async def follow(self, fleet: Fleet) -> tuple[str, ...]:
        """Stores the fleet's targets and reports those that are no longer among them; returns their names.

        They are reported before the new list is stored: after a crash in between they are reported again, under the
        same event id. Raises StorageError.
        """
        blob = await self.blobs.read(CONTAINER, BLOB)
        now = {name: target.web_app for name, target in fleet.targets.items()}
        data = _rendered(now)
        if blob and blob.data == data:
            return ()
        before = _targets_of(blob.data) if blob else {}
        kept = set(now.values())
        gone = {name: app for name, app in before.items() if name not in now and app not in kept}
        for name, app in gone.items():
            await self._tell(name, app, blob.version if blob else "")
        if before != now:
            await self._write(data, blob.version if blob else ABSENT)
        return tuple(gone)

    async def _tell(self, name: str, app: ResourceId, version: str) -> None:
        now = self.ambient.now()
        log.warning("target %s (%s) is no longer managed: no spec declares it", name, app.text)
        alert = unmanaged(name, app, version, now)
        entry = decision_entry(Decision.NO_LONGER_MANAGED, app, (name,), Trigger("spec"), now)
        rows = [*outbox_rows([alert]), ledger_row(entry, now, self.ambient.uuid())]
        await self.store.documents.apply(app.key, rows)

    async def _write(self, data: bytes, version: str | Absent) -> None:
        try:
            await self.blobs.write(CONTAINER, BLOB, data, expected=version, content_type="application/json")
        except Conflict:
            log.info("another instance wrote down the targets at the same time")


def _rendered(targets: Mapping[str, ResourceId]) -> bytes:
    body: JsonObject = {"format": 1, "targets": {name: app.text for name, app in targets.items()}}
    return json.render(body).encode()


def _targets_of(data: bytes) -> Mapping[str, ResourceId]:
    """Empty if the blob is not one of ours."""
    try:
        stored = json.at(json.parse(data), ("targets",))
        if isinstance(stored, Mapping):
            return {name: ResourceId.parse(str(app)) for name, app in stored.items()}
    except (ValueError, RecursionError, HomeostatError) as error:
        log.warning("the targets that were managed make no sense: %s", error)
    return {}
