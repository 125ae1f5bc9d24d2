"""A sweep: every declared root looked at once, in chunks that any instance can take up. Pure.

What a sweep is about is decided when it begins and does not change: its chunks are ranges of root keys, kept by the key
at which each begins. Roots that are declared meanwhile fall into one of the ranges, and shift none of them.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import TypeAdapter

from homeostat.core.asks import Ask
from homeostat.core.conclusion import conclude
from homeostat.core.graph import MAX_TOP
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Plan
from homeostat.core.record import Accepted, RootRecord
from homeostat.core.spec import Root

ROWS: Final = 0.99 * MAX_TOP
"""Of a chunk, as many as one page of Resource Graph holds, whose queries are what a sweep has fewest of. A hundredth is
left for what comes to be within a day.
"""

ROWS_OF_A_ROOT: Final = 1.1
"""With what comes along: so many are expected of a fleet of which no sweep has seen any."""

MOST_FIT: Final = 0.9
"""Of the chunks, that are to be one page. A group that is full of other things makes no chunk smaller but its own."""

MAX_CHUNKS: Final = 2000
"""So many beginnings of chunks, ids of up to 300 characters, fit into one document."""

DEFAULT_FULL_READ_DAYS: Final = 14

STALE_AFTER: Final = timedelta(hours=20)
"""A sweep that is older when the timer fires is ended unfinished; a younger one goes on."""

PATIENCE: Final = timedelta(hours=6)
"""How long a sweep waits for its last chunk, and for the end of the repairs that it led to."""

FIRST_LOOK: Final = timedelta(seconds=30)
LAST_LOOK: Final = timedelta(minutes=15)

REMEMBERED: Final = 10
"""Ids of earlier sweeps, by which a message that comes very late is known."""

MAX_ASKS: Final = 10
"""People's words that are kept with one sweep, the latest: the fleet's ledger has them all."""

MAX_REFUSED: Final = 20
"""Actions that are named of those that the role lacks: whoever lacks more has the role not assigned at all."""

AGAIN_AFTER: Final = timedelta(minutes=10)
"""How often the messages of a sweep are sent again at most, on the word of people who ask while it is under way."""


# --- chunks ---------------------------------------------------------------------------------------------------------


def cut(keys: Sequence[str], size: int) -> tuple[str, ...]:
    """The key at which each chunk begins. `keys` are sorted, so that a chunk is about neighbouring resource groups.

    It begins with a resource group where the groups are no larger than chunks: what two chunks have of one group, both
    ask Resource Graph for.
    """
    step = max(size, -(-len(keys) // MAX_CHUNKS))
    found = tuple(keys[start] for start in _starts(keys, step))
    return found if len(found) <= MAX_CHUNKS else tuple(keys[::step])


def _starts(keys: Sequence[str], step: int) -> Iterator[int]:
    start = 0
    while start < len(keys):
        yield start
        start += step
        if start < len(keys):
            group = bisect_left(keys, "".join(keys[start].partition("/providers/")[:2]))
            start = group if group > start - step else start


def members(ids: Sequence[ResourceId], beginnings: Sequence[str], number: int) -> Sequence[ResourceId]:
    """The roots of a chunk as the fleet is now; `ids` are sorted by key. The first and the last chunk are open."""
    first = bisect_left(ids, beginnings[number], key=_key) if number else 0
    last = bisect_left(ids, beginnings[number + 1], key=_key) if number + 1 < len(beginnings) else len(ids)
    return ids[first:last]


def _key(id_: ResourceId) -> str:
    return id_.key


# --- the share that is read in full ---------------------------------------------------------------------------------


def is_read_in_full(root_key: str, after: int, until: int, days: int) -> bool:
    """Whether the root's day, one of every `days`, is among the days that the sweep stands for.

    after, until: the sweep stands for the days behind `after` up to `until`, by their ordinals: nights that were missed
    included. By a hash of the key alone, so that nothing is kept and every night has about as much to read.
    """
    own = int.from_bytes(hashlib.sha256(root_key.encode("utf-8", "surrogatepass")).digest()[:8]) % days
    return (until - own) // days > (after - own) // days


# --- what a sweep is ------------------------------------------------------------------------------------------------


class State(StrEnum):
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Sweep:
    """full_after, full_until: the days whose share it reads in full. earlier: ids of the sweeps before, newest last.

    rows_of_a_root: that Resource Graph answered with, as far as sweeps have seen.
    asks: the words of people that it answers, in the order in which they came; none for most.
    """

    id: str
    cause: str
    began: datetime
    spec_version: str
    roots: int
    subscriptions: int
    beginnings: tuple[str, ...]
    full_after: int
    full_until: int
    state: State = State.RUNNING
    earlier: tuple[str, ...] = ()
    rows_of_a_root: float = ROWS_OF_A_ROOT
    asks: tuple[Ask, ...] = ()

    @property
    def hint(self) -> str:
        """By which the marks and writes of the sweep are known."""
        return f"{self.cause}:{self.id}"

    def is_stale(self, now: datetime) -> bool:
        return now - self.began >= STALE_AFTER

    def next_look(self, now: datetime) -> timedelta:
        """Ever later: what takes long is not asked for often."""
        return min(LAST_LOOK, max(FIRST_LOOK, (now - self.began) / 4))

    def asked_for(self, ask: Ask) -> "Sweep":
        return self if ask in self.asks else replace(self, asks=(*self.asks, ask)[-MAX_ASKS:])

    def is_urged_by(self, ask: Ask) -> bool:
        """Whether its messages, which may be lost, are sent again on that word: the first within each AGAIN_AFTER."""
        turns = [(each.at - self.began) // AGAIN_AFTER for each in self.asks]
        return (ask.at - self.began) // AGAIN_AFTER > max(turns, default=0)


def begun(
    id_: str, cause: str, ids: Sequence[ResourceId], spec_version: str, now: datetime, before: Sweep | None
) -> Sweep:
    """A new sweep of these roots, which are sorted."""
    today = now.date().toordinal()
    rows_of_a_root = before.rows_of_a_root if before else ROWS_OF_A_ROOT
    return Sweep(
        id=id_,
        cause=cause,
        began=now,
        spec_version=spec_version,
        roots=len(ids),
        subscriptions=len({each.subscription.lower() for each in ids}),
        beginnings=cut([each.key for each in ids], int(ROWS / rows_of_a_root)),
        full_after=min(before.full_until, today) if before else today - 1,
        full_until=today,
        earlier=(*before.earlier, before.id)[-REMEMBERED:] if before else (),
        rows_of_a_root=rows_of_a_root,
    )


def ended(sweep: Sweep, chunks: Iterable["Chunk"], *, looked_at_all: bool) -> Sweep:
    """What is left of it: the share that it did not read in full is the next one's to read."""
    return replace(
        sweep,
        state=State.ENDED,
        beginnings=(),
        full_until=sweep.full_until if looked_at_all else sweep.full_after,
        rows_of_a_root=_rows_of_a_root(chunks) or sweep.rows_of_a_root,
    )


def _rows_of_a_root(chunks: Iterable["Chunk"]) -> float:
    """With which most chunks would have been one page; 0.0 where none was asked for.

    No less than one, so that a chunk has no more roots than a page has rows, however little is known of them.
    """
    found = sorted(max(1.0, chunk.rows / chunk.asked) for chunk in chunks if chunk.asked)
    return found[int(MOST_FIT * (len(found) - 1))] if found else 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """How far a chunk has come: of `of` roots `done`, the last of them `upto`. marked: keys of those that may differ.

    checked: in sync and at rest. skipped: not looked at. calls: to ARM. queries: of Resource Graph. in_full: the roots
    that were read through ARM alone, by their turn. rows: that came when it was asked for all of `asked` roots, whether
    or not they were theirs. unindexed: why Resource Graph answered nothing, if so. refused: the actions that the role
    lacks for what was asked.
    """

    of: int = 0
    done: int = 0
    upto: str = ""
    checked: int = 0
    skipped: int = 0
    in_full: int = 0
    calls: int = 0
    queries: int = 0
    rows: int = 0
    asked: int = 0
    seconds: float = 0.0
    marked: tuple[str, ...] = ()
    unindexed: str = ""
    is_done: bool = False
    refused: tuple[str, ...] = ()


def further(current: Chunk | None, mine: Chunk) -> Chunk:
    """Of two states of one chunk, which two instances may be at, the one that is further."""
    if current is None or _how_far(mine) > _how_far(current):
        return mine
    return current


def _how_far(chunk: Chunk) -> tuple[bool, str, int, int]:
    return chunk.is_done, chunk.upto, len(chunk.marked), chunk.calls


_SWEEP: TypeAdapter[Sweep] = TypeAdapter(Sweep)
_CHUNK: TypeAdapter[Chunk] = TypeAdapter(Chunk)


def to_json(sweep: Sweep) -> JsonObject:
    dumped: dict[str, Any] = _SWEEP.dump_python(sweep, mode="json")
    return dumped


def from_json(body: JsonObject) -> Sweep:
    """Raises ValueError for what is none."""
    return _SWEEP.validate_python(body)


def chunk_to_json(chunk: Chunk) -> JsonObject:
    dumped: dict[str, Any] = _CHUNK.dump_python(chunk, mode="json", exclude_defaults=True)
    return dumped


def chunk_from_json(body: JsonObject) -> Chunk:
    """Raises ValueError for what is none."""
    return _CHUNK.validate_python(body)


# --- a root at rest -------------------------------------------------------------------------------------------------


def is_at_rest(root: Root, record: RootRecord, judged: Iterable[str], now: datetime) -> bool:
    """Whether nothing would become of a look that finds the root as declared: nothing to remember, and nobody to tell.

    It is asked of the very function that concludes looks, so that it cannot disagree with it. Whatever is marked,
    leased or begun is somebody's turn, and no rest.
    """
    if record.mark or record.working or record.lease or (record.retest and record.retest.runs(now)):
        return False
    as_declared = Outcome(root.id, Status.IN_SYNC, Plan(root.id))
    after, told = conclude(root, as_declared, record, (), now, record.intent, judged=tuple(judged))
    return not told and _without_times(after) == _without_times(record)


_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


def _without_times(record: RootRecord) -> RootRecord:
    """Without when, and by which version of the spec, it was seen as declared: by what is declared it is known."""
    accepted: Mapping[str, Accepted] = {
        kind: replace(each, version="", at=_NO_TIME) for kind, each in record.accepted.items()
    }
    judgement = replace(record.judgement, version="") if record.judgement else None
    return replace(record, accepted=accepted, judgement=judgement)
