"""The longest chain of dependent ARM calls in a request log: the time below which no caller can come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

_LOG_RESOLUTION: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Call:
    """One line of `GET /_simulator/requests`. Its duration is as the server saw it, the added latency included."""

    method: str
    path: str
    start: datetime
    took: timedelta

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        took = timedelta(milliseconds=line["duration_ms"])
        return cls(line["method"], line["path"], datetime.fromisoformat(line["time"]), took)

    def can_depend_on(self, other: "Call") -> bool:
        """Whether it was sent after the other's answer."""
        return other.start + other.took <= self.start + _LOG_RESOLUTION

    def __str__(self) -> str:
        """A name that is the same in every run. The names of operations are random, so they are left out."""
        collection, name = self.path.partition("?")[0].split("/")[-2:]
        return f"{self.method} {collection}/{'ID' if collection.lower().startswith('operation') else name}"


def longest_chain(calls: Iterable[Call]) -> tuple[Call, ...]:
    """Of all sequences of calls, each sent after the answer of the one before, the one that took longest in sum.

    A call counts as dependent as soon as it may be: whether a caller was free to send it earlier cannot be seen here.
    """
    best: list[tuple[Call, ...]] = []
    for call in sorted(calls, key=lambda each: (each.start + each.took, each.start)):
        before = [chain for chain in best if call.can_depend_on(chain[-1])]
        best.append((*max(before, key=duration, default=()), call))
    return max(best, key=duration, default=())


def duration(chain: Iterable[Call]) -> timedelta:
    return sum((call.took for call in chain), timedelta())
