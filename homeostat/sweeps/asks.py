"""A sweep that a person asks for: the request is recorded, answered, and can be followed to the sweep that met it.

A request is a line of the fleet's ledger before anything else happens. The sweep under way meets it, if there is one,
or else the first that begins afterwards, whoever asked for that.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeostat.core import json
from homeostat.core.asks import Ask, ask_json
from homeostat.core.json import JsonObject
from homeostat.core.sweep import State
from homeostat.gate.fleetwide import FLEET_PARTITION
from homeostat.ports.storage import Change
from homeostat.rows import ledger_row
from homeostat.store import Store
from homeostat.sweeps.course import Sweeps
from homeostat.sweeps.store import ASKED, SweepStore

MANUAL: Final = "manual"
"""The cause of a sweep that a person asked for."""

QUEUED: Final = "queued"

_SEARCHED_ENTRIES: Final = 1000
"""How many of the newest lines of the fleet's ledger are searched for a request."""


@dataclass(frozen=True, slots=True)
class SweepAsks:
    sweeps: Sweeps

    @property
    def _store(self) -> Store:
        return self.sweeps.engine.store

    async def ask(self, by: str, reason: str) -> JsonObject:
        """Asks for a sweep. Returns its id, and since when it has been running if one under way meets the request.

        Raises StorageError; the ledger may then hold a request that no sweep follows.
        """
        ambient = self.sweeps.engine.ambient
        ask, running = Ask(ambient.now(), by, reason), await self.sweeps.under_way()
        if running and await SweepStore(self._store).keep(ask, running.id, [self._line(ask, running.id)]):
            if running.is_urged_by(ask):
                await self.sweeps.begin(running.id, running.cause)
            return {"id": running.id, "status": State.RUNNING.value, "began": running.began.isoformat()}
        id_ = str(ambient.uuid())
        await self._store.documents.apply(FLEET_PARTITION, [self._line(ask, id_)])
        await self.sweeps.begin(id_, MANUAL, ask)
        return {"id": id_, "status": QUEUED, "began": None}

    def _line(self, ask: Ask, id_: str) -> Change:
        """The request as a line of the fleet's ledger."""
        return ledger_row({"status": ASKED, "sweep": id_, **ask_json(ask)}, ask.at, self.sweeps.engine.ambient.uuid())

    async def show(self, id_: str) -> JsonObject | None:
        """As `Sweeps.show`. For a request whose own sweep never began: the sweep that met it, or `queued` before that.

        Raises StorageError.
        """
        return await self.sweeps.show(id_) or await self._answer_to(id_)

    async def _answer_to(self, id_: str) -> JsonObject | None:
        asked = await self._line_of(id_)
        if asked is None:
            return None
        latest = await self.sweeps.latest(_SEARCHED_ENTRIES)
        since = [sweep for sweep in latest if _time(sweep, "began") >= _time(asked, "at")]
        if since:
            return await self.sweeps.show(json.text_at(since[-1], "sweep"))
        ask = {name: asked[name] for name in ("at", "by", "reason")}
        return {"sweep": id_, "cause": MANUAL, "asked": [ask], "status": QUEUED}

    async def _line_of(self, id_: str) -> JsonObject | None:
        seen = 0
        async for entry in self._store.entries(FLEET_PARTITION):
            if json.text_at(entry, "status") == ASKED and json.text_at(entry, "sweep") == id_:
                return entry
            if (seen := seen + 1) == _SEARCHED_ENTRIES:
                break
        return None


def _time(told: JsonObject, name: str) -> datetime:
    return datetime.fromisoformat(json.text_at(told, name))
