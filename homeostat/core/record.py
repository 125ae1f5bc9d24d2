"""What is remembered of a root between two reconciles. Pure.

The store keeps a record as one document and changes it by compare-and-swap, so that each transition of it (in `marks`
and `written`) is atomic with any number of instances.
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
    """How long a root is left alone after events: `after` the last one, but at most `at_most` after the first."""

    after: timedelta = timedelta(seconds=15)
    at_most: timedelta = timedelta(minutes=2)


DEFAULT_SETTLE: Final = Settle()
IMMEDIATE: Final = Settle(timedelta(), timedelta())


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a root. token: grows with every owner."""

    owner: str
    token: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """The root may have changed, first at `since`, and is not to be taken up before `settled`.

    A `since` in the future is no change: it is when somebody wants to look at the root again.
    """

    since: datetime
    settled: datetime
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The one work message that is under way for the root. by: the hint that enqueued it, or `marks.NOBODY`."""

    due: datetime
    by: str


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """The id of a write of ours, chosen before it is sent: its event can arrive before its answer."""

    correlation_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BlindWrite:
    """A write of ours without the protection of an ETag: what others wrote between the two times may be overwritten.

    Both are ARM's times, as those of events are.
    """

    resource: str
    read_at: datetime
    written_at: datetime
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Episode:
    """The time from the first detection of a kind's drift on the root to its end. state: the last transition.

    changed_by: who caused the drift that was reported last.
    items: the spec's names of what has differed during the episode; "" for what belongs to no item.
    """

    id: str
    opened: datetime
    state: str
    fingerprint: str = ""  # of what the last transition reported, so that the same is not reported twice
    changed_by: Actor = UNKNOWN
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was declared of a kind when the root was last seen as declared, at `at`.

    digest: of the declaration (`homeostat.core.versions.wants_digest`). version: of the spec that had it.
    """

    digest: str
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret's value as last accepted: its digest, the name of the digest's key, and the spec's `rotated`."""

    digest: str
    rotated: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """Writes that were begun. If it is found unfinished: observe again, never replay.

    unprotected: by resource, since when, by ARM's clock, a write without ETag may have been on its way.
    snapshots: the names of the snapshots to be taken before each write, if it comes to that write.
    """

    id: str
    at: datetime
    actions: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # whose drifts the writes repair
    unprotected: Mapping[str, datetime] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failing:
    """A series of failed tries of a root. error: of the last one. next_try: None if none is planned.

    writing: whether writing failed, not reading; then only a successful write, or none to make, ends the series.
    """

    since: datetime
    failures: int
    error: str
    next_try: datetime | None = None
    writing: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of the last look that could judge the root. version: the spec's at that time."""

    version: str
    status: str
    holds: tuple[str, ...] = ()  # codes


@dataclass(frozen=True, slots=True)
class RootRecord:
    """The fields down to `pending` say whose turn it is, the others what was found and done."""

    lease: Lease | None = None
    token: int = 0
    mark: Mark | None = None
    working: Mark | None = None  # the mark that the lease's owner took up; it stays if the owner dies
    pending: Pending | None = None
    missing_since: datetime | None = None
    retired: bool = False
    failing: Failing | None = None
    settling: int = 0  # consecutive looks that found something still settling
    intent: Intent | None = None
    episodes: Mapping[str, Episode] = field(default_factory=dict)  # by kind
    foreign_writes: tuple[ForeignWrite, ...] = ()
    unexplained: tuple[ForeignWrite, ...] = ()  # from earlier looks, which could not tell what they changed
    examined: tuple[str, ...] = ()  # names of foreign writes whose effect a look has judged
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
        """Consecutive ones."""
        return self.failing.failures if self.failing else 0


_ADAPTER: TypeAdapter[RootRecord] = TypeAdapter(RootRecord)


def to_json(record: RootRecord) -> JsonObject:
    dumped: dict[str, Any] = _ADAPTER.dump_python(record, mode="json", exclude_defaults=True)
    return dumped


def from_json(body: JsonObject) -> RootRecord:
    """Raises ValueError (pydantic.ValidationError) for a document that is not a record."""
    return _ADAPTER.validate_python(body)
