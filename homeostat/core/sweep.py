"""A sweep: every declared root is checked once, in chunks that any instance can take up. Pure.

What a sweep covers is decided when it begins: its chunks are ranges of root keys, each stored as the key at which it
begins. Roots that are declared meanwhile fall into one of the ranges, and do not move any.
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
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.graph import MAX_TOP
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Plan
from homeostat.core.record import Accepted, RootRecord
from homeostat.core.spec import Root

ROWS_PER_CHUNK: Final = 0.99 * MAX_TOP
"""Rows of a chunk: those of one page of Resource Graph, since queries are a sweep's scarcest resource. A hundredth is
left for resources that are created within a day.
"""

DEFAULT_ROWS_PER_ROOT: Final = 1.1
"""Rows of a root, with those of others that come along: what is expected before any sweep has measured it."""

SINGLE_PAGE_SHARE: Final = 0.9
"""The share of chunks that are to fit into one page: a resource group full of other things only affects its own."""

MAX_CHUNKS: Final = 2000
"""The beginnings of this many chunks, ids of up to 300 characters, fit into one document."""

DEFAULT_FULL_READ_DAYS: Final = 14

STALE_AFTER: Final = timedelta(hours=20)
"""A sweep that is older than this when the timer fires is ended unfinished; a younger one goes on."""

DEADLINE: Final = timedelta(hours=6)
"""How long a sweep waits for its last chunk, and for the end of the repairs that it caused."""

FIRST_LOOK: Final = timedelta(seconds=30)
LAST_LOOK: Final = timedelta(minutes=15)

MAX_EARLIER: Final = 10
"""How many earlier sweeps' ids are kept, to recognise messages that come very late."""

MAX_ASKS: Final = 10
"""How many requests of people are kept with one sweep, the latest ones: the fleet's ledger has them all."""

MAX_REFUSED: Final = 20
"""How many of the actions that the role lacks are named: if more are missing, the role is not assigned at all."""

RESEND_AFTER: Final = timedelta(minutes=10)
"""How often at most a running sweep's messages are sent again because people ask for it."""


# --- chunks ---------------------------------------------------------------------------------------------------------


def cut(keys: Sequence[str], size: int) -> tuple[str, ...]:
    """The key at which each chunk begins. keys: sorted, so that a chunk consists of neighbouring resource groups.

    A chunk begins with a resource group unless the group is larger than a chunk: if two chunks share a group, both
    query all of it.
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
    """The roots of a chunk in the current fleet. ids: sorted by key. The first and the last chunk are open-ended."""
    first = bisect_left(ids, beginnings[number], key=_key) if number else 0
    last = bisect_left(ids, beginnings[number + 1], key=_key) if number + 1 < len(beginnings) else len(ids)
    return ids[first:last]


def _key(id_: ResourceId) -> str:
    return id_.key


# --- the share that is read in full ---------------------------------------------------------------------------------


def is_read_in_full(root_key: str, after: int, until: int, days: int) -> bool:
    """Whether the root's day, one of every `days`, is among the days that the sweep covers.

    after, until: the sweep covers the days after `after` up to `until`, as ordinals: missed nights are included. The
    day is a hash of the key, so that nothing is stored and every night has about as much to read.
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

    rows_of_a_root: rows of Resource Graph for each root, as measured by sweeps so far.
    asks: the requests of people that it meets, in the order in which they came; none for most.
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
    rows_of_a_root: float = DEFAULT_ROWS_PER_ROOT
    asks: tuple[Ask, ...] = ()

    @property
    def hint(self) -> str:
        """The name of the sweep's marks and writes."""
        return f"{self.cause}:{self.id}"

    def is_stale(self, now: datetime) -> bool:
        return now - self.began >= STALE_AFTER

    def next_look(self, now: datetime) -> timedelta:
        """The time to the next look, at growing intervals."""
        return min(LAST_LOOK, max(FIRST_LOOK, (now - self.began) / 4))

    def asked_for(self, ask: Ask) -> "Sweep":
        return self if ask in self.asks else replace(self, asks=(*self.asks, ask)[-MAX_ASKS:])

    def is_urged_by(self, ask: Ask) -> bool:
        """Whether the request sends its messages, which may be lost, again: the first within each AGAIN_AFTER does."""
        turns = [(each.at - self.began) // RESEND_AFTER for each in self.asks]
        return (ask.at - self.began) // RESEND_AFTER > max(turns, default=0)


def begun(
    id_: str, cause: str, ids: Sequence[ResourceId], spec_version: str, now: datetime, before: Sweep | None
) -> Sweep:
    """A new sweep of these roots, which are sorted."""
    today = now.date().toordinal()
    rows_of_a_root = before.rows_of_a_root if before else DEFAULT_ROWS_PER_ROOT
    return Sweep(
        id=id_,
        cause=cause,
        began=now,
        spec_version=spec_version,
        roots=len(ids),
        subscriptions=len({each.subscription.lower() for each in ids}),
        beginnings=cut([each.key for each in ids], int(ROWS_PER_CHUNK / rows_of_a_root)),
        full_after=min(before.full_until, today) if before else today - 1,
        full_until=today,
        earlier=(*before.earlier, before.id)[-MAX_EARLIER:] if before else (),
        rows_of_a_root=rows_of_a_root,
    )


def ended(sweep: Sweep, chunks: Iterable["Chunk"], *, looked_at_all: bool) -> Sweep:
    """The sweep when it has ended: the next one also reads the share that this one did not read in full."""
    return replace(
        sweep,
        state=State.ENDED,
        beginnings=(),
        full_until=sweep.full_until if looked_at_all else sweep.full_after,
        rows_of_a_root=_rows_of_a_root(chunks) or sweep.rows_of_a_root,
    )


def _rows_of_a_root(chunks: Iterable["Chunk"]) -> float:
    """Rows for each root with which most chunks would have been one page; 0.0 if nothing was queried.

    At least one, so that a chunk never has more roots than a page has rows.
    """
    found = sorted(max(1.0, chunk.rows / chunk.asked) for chunk in chunks if chunk.asked)
    return found[int(SINGLE_PAGE_SHARE * (len(found) - 1))] if found else 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """The progress of a chunk: `done` of `of` roots, the last of them `upto`. marked: keys of those that may differ.

    checked: in sync and at rest. skipped: not looked at. calls: to ARM. queries: of Resource Graph. in_full: roots read
    through ARM alone because it was their turn. rows: that came when all of `asked` roots were queried, whether or not
    they were theirs. unindexed: why Resource Graph did not answer, if so. refused: the actions that the role lacks for
    what was read.
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
    """Of two states of one chunk, which two instances may be working on, the one that is further."""
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
    """Raises ValueError for anything else."""
    return _SWEEP.validate_python(body)


def chunk_to_json(chunk: Chunk) -> JsonObject:
    dumped: dict[str, Any] = _CHUNK.dump_python(chunk, mode="json", exclude_defaults=True)
    return dumped


def chunk_from_json(body: JsonObject) -> Chunk:
    """Raises ValueError for anything else."""
    return _CHUNK.validate_python(body)


# --- a root at rest -------------------------------------------------------------------------------------------------


def is_at_rest(root: Root, record: RootRecord, judged: Iterable[str], now: datetime) -> bool:
    """Whether a look that finds the root as declared would have no effect: nothing to remember, nobody to alert.

    It asks the very function that concludes looks, so that the two cannot disagree. A root that is marked, leased or
    being written is not at rest.
    """
    if record.mark or record.working or record.lease or (record.retest and record.retest.runs(now)):
        return False
    as_declared = Outcome(root.id, Status.IN_SYNC, Plan(root.id))
    after, told = conclude(root, as_declared, record, Evidence(record.intent, judged=tuple(judged)), now)
    return not told and _without_times(after) == _without_times(record)


_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


def _without_times(record: RootRecord) -> RootRecord:
    """Without when, and by which version of the spec, it was seen as declared."""
    accepted: Mapping[str, Accepted] = {
        kind: replace(each, version="", at=_NO_TIME) for kind, each in record.accepted.items()
    }
    judgement = replace(record.judgement, version="") if record.judgement else None
    return replace(record, accepted=accepted, judgement=judgement)
