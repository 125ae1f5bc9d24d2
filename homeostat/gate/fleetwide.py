"""The state of the whole fleet, in one partition, so that the gate reads it with one query.

Each row is a small document that is only changed by compare-and-swap: `gate:hour` (the writes reserved in the current
hour), `gate:rollout` (the progress of a changed spec), `gate:mass-drift` (the episode, while there is one) and
`gate:release:CODE` (a person's release). The outbox of the fleet's own alerts is in the same partition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.json import JsonObject
from homeostat.ports.storage import Change, Conflict, Document, Documents, Insert, Replace, Upsert
from homeostat.store import TooMuchContention

FLEET_PARTITION: Final = "fleet"
HOUR: Final = "gate:hour"
ROLLOUT: Final = "gate:rollout"
MASS_DRIFT: Final = "gate:mass-drift"
RELEASE: Final = "gate:release:"

_FIRST, _LAST = "gate:", "gate;"
_TRIES = 50
_PAUSE_BETWEEN_TRIES = 0.02  # seconds, growing and spread

type Transition = Callable[[JsonObject | None], JsonObject | None]
"""From the current body to the new one. The same object, or None, leaves the row as it is."""

type Rows = Mapping[str, Document]
"""The gate's rows, by name."""


@dataclass(frozen=True, slots=True)
class Fleetwide:
    documents: Documents
    ambient: Ambient

    async def read(self) -> Rows:
        """Not a snapshot: whatever must hold is checked again when a row is changed."""
        return {row.row: row async for row in self.documents.scan(FLEET_PARTITION, first=_FIRST, last=_LAST)}

    async def change(
        self, row: str, transition: Transition, rows: Sequence[Change] = (), *, known: Document | None = None
    ) -> JsonObject | None:
        """Applies a transition to a row, in one batch with `rows` of its partition. Returns the body afterwards."""
        return await changed(self.documents, self.ambient, (FLEET_PARTITION, row), transition, rows, known=known)

    async def put(self, row: str, body: JsonObject) -> None:
        await self.documents.apply(FLEET_PARTITION, [Upsert(row, body)])


async def changed(
    documents: Documents,
    ambient: Ambient,
    key: tuple[str, str],
    transition: Transition,
    rows: Sequence[Change] = (),
    *,
    known: Document | None = None,
) -> JsonObject | None:
    """Compare-and-swap of one document, in one batch with `rows` of its partition. Raises TooMuchContention.

    Returns the body afterwards. The transition may be called several times, each time with the current body. `known`,
    as it was read earlier, saves the first read. It may be outdated, so a transition that changes nothing is tried
    again on a fresh read.
    """
    partition, row = key
    for tries in range(_TRIES):
        found = known or await documents.read(partition, row)
        before = found.body if found else None
        after = transition(before)
        if after is None or after is before:
            if known is None:
                return before
            known = None
            continue
        known = None
        change: Change = Replace(row, after, found.version) if found else Insert(row, after)
        try:
            await documents.apply(partition, (change, *rows))
        except Conflict:
            await ambient.sleep(_PAUSE_BETWEEN_TRIES * ambient.random() * min(tries + 1, 10))
            continue
        return after
    raise TooMuchContention(f"{partition}/{row} changed under {_TRIES} tries; it is tried again later")
