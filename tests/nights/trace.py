"""The record of a night, in the order in which things happened. Promises are judged by this alone.

Everything in it is frozen, and has the same `repr` in every process, so that a digest tells two nights apart.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.nights.declared import Declared
from tests.nights.place import Path, State

# Times are seconds since dusk by the true clock. `who` is a person or an instance; `work` tells apart what an instance
# does at once: one message, one event, one request.


@dataclass(frozen=True, slots=True)
class Call:
    """One ARM request of an instance. status: 0 when no answer came; executed: whether ARM carried it out.

    sent: the place in the trace at which it was sent. tag: the ETag by which ARM would judge If-Match, at execution.
    """

    at: float
    who: str
    work: str
    verb: str
    method: str
    path: str
    status: int
    executed: bool
    sent: int
    sent_at: float
    struck: str = ""
    correlation: str = ""
    if_match: str = ""
    if_none_match: str = ""
    tag: str | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """ARM refused the call before, since a quota is used up, and said in how many seconds there will be more."""

    at: float
    who: str
    work: str
    quota: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Acted:
    """One ARM write of a person."""

    at: float
    who: str
    what: str
    status: int
    correlation: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One write changed the world: the caller, its work, the write's correlation id, the values."""

    at: float
    who: str
    work: str
    correlation: str
    values: Mapping[Path, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """One batch that changed the durable state. A row of None was removed."""

    at: float
    who: str
    work: str
    partition: str
    rows: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """A read of the durable state."""

    at: float
    clock: str  # the instance's own, in ISO form
    who: str
    work: str
    partition: str


@dataclass(frozen=True, slots=True)
class Queued:
    at: float
    who: str
    work: str
    queue: str
    body: str
    delay: float


@dataclass(frozen=True, slots=True)
class Published:
    """One alert that the channel accepted."""

    at: float
    who: str
    id: str
    type: str
    subject: str
    time: str
    data: str


@dataclass(frozen=True, slots=True)
class Read:
    """An instance read the spec."""

    at: float
    who: str
    declared: Declared


@dataclass(frozen=True, slots=True)
class Began:
    """An instance took something up: a message, an event, a request."""

    at: float
    who: str
    work: str
    what: str
    cap: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of a person's request, as JSON."""

    at: float
    who: str
    work: str
    body: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Work ended: with what error, or ""."""

    at: float
    who: str
    work: str
    failure: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Anything else that readers want to know: crashes, jumps, lost events, poison."""

    at: float
    what: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    at: float
    level: str
    text: str


type Seen = (
    Call
    | Refused
    | Acted
    | Changed
    | Stored
    | Looked
    | Queued
    | Published
    | Read
    | Began
    | Answered
    | Ended
    | Happened
    | Logged
)


@dataclass(slots=True)
class Trace:
    dusk: State
    declared: Declared
    seen: list[Seen] = field(default_factory=list)
    sealed: bool = False

    def add(self, seen: Seen) -> None:
        if not self.sealed:
            self.seen.append(seen)

    def of[T](self, type_: type[T]) -> Iterator[tuple[int, T]]:
        """All records of one type, with their places in the trace."""
        return ((place, each) for place, each in enumerate(self.seen) if isinstance(each, type_))

    def states(self) -> Iterator[tuple[int, State]]:
        """The world after each change, with the place of the change."""
        state = dict(self.dusk)
        yield -1, dict(state)
        for place, change in self.of(Changed):
            for path, (_, value) in change.values.items():
                if value is None:
                    state.pop(path, None)
                else:
                    state[path] = value
            yield place, dict(state)

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(map(repr, self.seen)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
