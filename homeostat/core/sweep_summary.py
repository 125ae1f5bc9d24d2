"""The results of a sweep: the end of each root that it marked, and a summary. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from homeostat.core import json
from homeostat.core.asks import Ask, ask_json
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Status
from homeostat.core.record import Mark, RootRecord
from homeostat.core.sweep import MAX_REFUSED, Chunk, Sweep


class End(StrEnum):
    """How a marked root ended."""

    IN_SYNC = "in-sync"
    HEALED = "healed"
    REPORTED = "reported"  # drifted, and only reported by its mode
    HELD = "held"
    FAILED = "failed"
    RETIRED = "retired"


_ENDS: Final[Mapping[str, End]] = {
    Status.HEALED: End.HEALED,
    Status.DRIFTED: End.REPORTED,
    Status.HELD: End.HELD,
    Status.FAILED: End.FAILED,
    Status.UNKNOWN: End.FAILED,
    Status.RETIRED: End.RETIRED,
    Status.SETTLING: End.FAILED,  # while it is looked at again, this is not its end
    Status.MISSING: End.FAILED,
}
_NOT_YET: Final = frozenset({Status.SETTLING, Status.MISSING})


def end_of(record: RootRecord, entries: Sequence[JsonObject], sweep: Sweep) -> End | None:
    """How a marked root ended; None while that is unknown. entries: of its ledger, newest first."""
    if is_waited_for(record, sweep):
        return None
    since = [entry for entry in entries if datetime.fromisoformat(json.text_at(entry, "at")) >= sweep.began]
    if not any(_is_of(entry, sweep.hint) for entry in since):
        return End.IN_SYNC  # finding everything in order leaves no line in the ledger
    newest = next((status for entry in since if (status := json.text_at(entry, "status")) in _ENDS), "")
    if newest in _NOT_YET and record.mark is not None:
        return None
    return _ENDS.get(newest, End.IN_SYNC)


def is_waited_for(record: RootRecord, sweep: Sweep) -> bool:
    """Whether the sweep's look at the root is still to come."""
    return _names(record.mark, sweep.hint) or _names(record.working, sweep.hint)


def refused_in(entries: Iterable[JsonObject], sweep: Sweep) -> frozenset[str]:
    """The actions that the role lacked during the sweep's look at a root. entries: of the root's ledger."""
    of_sweep = [json.at(entry, ("refused",)) for entry in entries if _is_of(entry, sweep.hint)]
    return frozenset(str(action) for found in of_sweep if isinstance(found, Sequence) for action in found)


def _names(mark: Mark | None, hint: str) -> bool:
    return mark is not None and hint in mark.causes


def _is_of(entry: JsonObject, hint: str) -> bool:
    hints = json.at(entry, ("trigger", "hints"))
    return isinstance(hints, Sequence) and hint in hints


# --- the summary ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """checked: as declared, by rows, by ARM, or by a fresh read. drifted: healed, held or only reported.

    unfinished: roots whose end is unknown, those of `lost_chunks` included. took: from its beginning to its end.
    refused: the actions that the role lacks for anything that was read.
    """

    id: str
    cause: str
    began: datetime
    ended: datetime
    spec_version: str
    subscriptions: int
    roots: int
    checked: int
    drifted: int
    healed: int
    held: int
    failed: int
    skipped: int
    unfinished: int
    in_full: int
    calls: int
    queries: int
    ends: Mapping[str, End | None] = field(default_factory=dict)  # by key of a marked root
    lost_chunks: tuple[int, ...] = ()
    unindexed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()

    @property
    def is_finished(self) -> bool:
        return not self.unfinished


def summed_up(
    sweep: Sweep,
    chunks: Mapping[int, Chunk],
    ends: Mapping[str, End | None],
    count: int,
    now: datetime,
    refused: Iterable[str] = (),
) -> Summary:
    """count: of the sweep's chunks. ends: how each marked root ended; None if that is unknown.

    refused: the actions that the role lacked when these were looked at.
    """
    found = Counter(ends.values())
    lost = tuple(number for number in range(count) if number not in chunks or not chunks[number].is_done)
    skipped = sum(chunk.skipped for chunk in chunks.values()) + found[End.RETIRED]
    checked = sum(chunk.checked for chunk in chunks.values()) + found[End.IN_SYNC]
    known = checked + skipped + sum(found.values()) - found[End.IN_SYNC] - found[End.RETIRED]
    return Summary(
        id=sweep.id,
        cause=sweep.cause,
        began=sweep.began,
        ended=now,
        spec_version=sweep.spec_version,
        subscriptions=sweep.subscriptions,
        roots=sweep.roots,
        checked=checked,
        drifted=found[End.HEALED] + found[End.HELD] + found[End.REPORTED],
        healed=found[End.HEALED],
        held=found[End.HELD],
        failed=found[End.FAILED],
        skipped=skipped,
        unfinished=found[None] + (max(0, sweep.roots - known) if lost else 0),
        in_full=sum(chunk.in_full for chunk in chunks.values()),
        calls=sum(chunk.calls for chunk in chunks.values()),
        queries=sum(chunk.queries for chunk in chunks.values()),
        ends=ends,
        lost_chunks=lost,
        unindexed=tuple(dict.fromkeys(chunk.unindexed for chunk in chunks.values() if chunk.unindexed)),
        refused=tuple(sorted({*refused, *(action for chunk in chunks.values() for action in chunk.refused)}))[
            :MAX_REFUSED
        ],
        asks=sweep.asks,
    )


def summary_json(summary: Summary) -> JsonObject:
    """As in the alert, the ledger and the API: counts, without single roots."""
    took = (summary.ended - summary.began).total_seconds()
    return {
        "sweep": summary.id,
        "cause": summary.cause,
        "asked": [ask_json(ask) for ask in summary.asks],
        "began": summary.began.isoformat(),
        "ended": summary.ended.isoformat(),
        "tookSeconds": round(took),
        "specVersion": summary.spec_version,
        "subscriptions": summary.subscriptions,
        "roots": summary.roots,
        "checked": summary.checked,
        "drifted": summary.drifted,
        "healed": summary.healed,
        "held": summary.held,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "unfinished": summary.unfinished,
        "readInFull": summary.in_full,
        "calls": summary.calls,
        "queries": summary.queries,
        "lostChunks": list(summary.lost_chunks),
        "refused": list(summary.refused),
    }
