"""What is remembered of a root between two reconciles. Pure.

The store keeps a record as one document and changes it by compare-and-swap, so that each transition of it (in
`marks` and `written`) is atomic however many instances there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from homeostat.core.attribution import UNKNOWN, Actor, ForeignWrite
from homeostat.core.flapping import Flap
from homeostat.core.json import JsonObject
from homeostat.core.retest import Retest


@dataclass(frozen=True, slots=True)
class Settle:
    """How long a root is left alone after an event: `after` the last one, but at most `at_most` after the first."""

    after: timedelta = timedelta(seconds=15)
    at_most: timedelta = timedelta(minutes=2)


DEFAULT_SETTLE: Final = Settle()
AT_ONCE: Final = Settle(timedelta(), timedelta())


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a root. `token` grows with every owner."""

    owner: str
    token: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """The root may have changed, first at `since`, and is not to be taken up before `settled`.

    A `since` that is still to come is no change: it is when somebody wants to look at the root again.
    """

    since: datetime
    settled: datetime
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The one work message that is under way for the root. `by` is the hint that enqueued it, or `marks.NOBODY`."""

    due: datetime
    by: str


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """What a write of ours is called, chosen before it is sent: its event can come before its answer."""

    correlation_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BlindWrite:
    """A write of ours that no ETag protected: what was written between the two times may have been overwritten.

    Both are ARM's times, as those of events are.
    """

    resource: str
    read_at: datetime
    written_at: datetime
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Episode:
    """The time from the first detection of a kind's drift on the root to its end. `state` is the last transition.

    changed_by: who brought the drift about that was told last.
    items: what the spec calls that which has differed in it; "" for what belongs to no item.
    """

    id: str
    opened: datetime
    state: str
    fingerprint: str = ""  # of what the last transition told, so that the same is not told twice
    changed_by: Actor = UNKNOWN
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was declared of a kind when the root was last seen to be so, at `at`.

    digest: of what is declared (`homeostat.core.versions.wants_digest`). version: of the spec that declared it.
    """

    digest: str
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret's value as it was last accepted: its digest, the name of the digest's key, and the spec's `rotated`."""

    digest: str
    rotated: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """Writes that were begun. Found unfinished, it means: observe again, never replay.

    unprotected: by resource, since when, by ARM's clock, a write that no ETag protected may have been on its way.
    snapshots: the names of those that are taken of the state before each write, if it comes to them.
    """

    id: str
    at: datetime
    actions: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # whose drifts they repair
    unprotected: Mapping[str, datetime] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failing:
    """Tries of a root that failed in a row. `error` is the last one's, `next_try` None when no try is planned.

    writing: whether it could be read, so that only a write that succeeds, or need not be made, is the end of it.
    """

    since: datetime
    failures: int
    error: str
    next_try: datetime | None = None
    writing: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the last look ended that could judge the root. version: of the spec by which it was judged."""

    version: str
    status: str
    holds: tuple[str, ...] = ()  # codes


@dataclass(frozen=True, slots=True)
class RootRecord:
    """The fields down to `pending` are about whose turn it is, the others about what was found and done."""

    lease: Lease | None = None
    token: int = 0
    mark: Mark | None = None
    working: Mark | None = None  # the mark that the lease's owner took up; an owner that dies leaves it here
    pending: Pending | None = None
    missing_since: datetime | None = None
    retired: bool = False
    failing: Failing | None = None
    settling: int = 0  # looks in a row that found something still settling
    intent: Intent | None = None
    episodes: Mapping[str, Episode] = field(default_factory=dict)  # by kind
    foreign_writes: tuple[ForeignWrite, ...] = ()
    unexplained: tuple[ForeignWrite, ...] = ()  # of earlier looks, which could not tell what had come of them
    examined: tuple[str, ...] = ()  # names of foreign writes of which a look has judged what came of them
    own_writes: tuple[OwnWrite, ...] = ()
    accepted: Mapping[str, Accepted] = field(default_factory=dict)  # by kind
    blind_writes: tuple[BlindWrite, ...] = ()
    retest: Retest | None = None  # the last one of the root's routing
    reserved: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # writes: see `homeostat.core.uses`
    flaps: Mapping[str, Flap] = field(default_factory=dict)  # by drift: see `homeostat.core.flapping`
    judgement: Judgement | None = None
    secrets: Mapping[str, KnownSecret] = field(default_factory=dict)  # by kind and item

    @property
    def failures(self) -> int:
        """In a row."""
        return self.failing.failures if self.failing else 0


_ADAPTER: TypeAdapter[RootRecord] = TypeAdapter(RootRecord)


def to_json(record: RootRecord) -> JsonObject:
    dumped: dict[str, Any] = _ADAPTER.dump_python(record, mode="json", exclude_defaults=True)
    return dumped


def from_json(body: JsonObject) -> RootRecord:
    """Raises ValueError (pydantic.ValidationError) for a document that is not a record."""
    return _ADAPTER.validate_python(body)
