"""Our part of one of Azure's quotas: how much is left of it, for whom, and when there will be more.

It is a client's estimate. Time raises it, up to our part. Our own requests lower it, and so does an answer that says
that less is left than we thought, since others draw on the same quota. A share of each quota belongs to the owner's
other tools, and we never draw on it. Of the rest a reserve is kept for healing, so that a sweep that takes all it can
get still leaves what a repair needs at once.

It does no I/O. Time is passed in, as seconds of any monotonic clock. It is mutable, since a sweep uses it for each of a
million requests.
"""

import math
from bisect import bisect_right
from collections import deque
from enum import StrEnum
from itertools import accumulate
from typing import Final, Protocol

from homeostat.core import json
from homeostat.core.json import Json, JsonObject
from homeostat.core.quotas import Quota

RESERVED_FOR_HEALING: Final = 0.2
"""A fraction of our part."""

BUDGET_SPENT: Final = "BudgetSpent"
"""The code of a request that was not sent, because our part of a quota is spent."""

DEFAULT_SHARE_LEFT: Final = 0.25
_STEPS: Final = 64
"""The steps of a sliding window: it grants tokens at most a 64th of its length late, and remembers no more steps."""

_ENOUGH: Final = 1e-6
"""Tolerance for sums of floating point numbers, in tokens."""


class Lane(StrEnum):
    HEALING = "healing"  # a person, an event or a repair waits for it
    SWEEPING = "sweeping"  # it looks where nothing is known to be wrong


class Store(Protocol):
    """A number of tokens that changes with time. most: its maximum."""

    most: float

    def level(self, now: float) -> float: ...

    def draw(self, tokens: float, now: float, after: float = 0.0) -> None:
        """Takes tokens that are to be spent `after` seconds, as `due` said."""
        ...

    def lower(self, level: float, now: float) -> None:
        """Makes the level no higher than this: somebody else has drawn."""
        ...

    def due(self, level: float, now: float) -> float:
        """Seconds until there are `level` tokens. More than `most` means that they are drawn as they come."""
        ...

    def to_json(self) -> JsonObject: ...


class TokenBucket:
    """`most` tokens, and `refill` more each second, of `whole` that come for us and others together.

    What others were seen to draw beyond their share comes back by all that there is, until nothing is lacking but what
    is ours: a part that refills slowly would wait for many times as long as the quota takes to fill, while nobody draws
    on it. Should they go on, our next answer says so.
    """

    __slots__ = ("_at", "_debt", "_tokens", "most", "refill", "whole")

    def __init__(
        self, most: float, refill: float, at: float, tokens: float | None = None, whole: float | None = None
    ) -> None:
        self.most, self.refill, self.whole = most, refill, refill if whole is None else whole
        self._tokens, self._at = most if tokens is None else min(tokens, most), at
        self._debt = 0.0  # of what is lacking, what others drew

    def level(self, now: float) -> float:
        if now > self._at:
            passed, self._at = now - self._at, now
            back = min(self._beyond, passed * self.whole)
            self._debt -= back
            self._tokens = min(self.most, self._tokens + back + (passed - back / self.whole) * self.refill)
        return self._tokens

    @property
    def _beyond(self) -> float:
        """What others drew of what is below nothing."""
        return min(self._debt, max(0.0, -self._tokens))

    def draw(self, tokens: float, now: float, after: float = 0.0) -> None:  # noqa: ARG002  # it fills evenly anyway
        self._tokens = self.level(now) - tokens

    def lower(self, level: float, now: float) -> None:
        if (lacking := self.level(now) - level) > 0:
            self._debt, self._tokens = self._debt + lacking, level

    def due(self, level: float, now: float) -> float:
        lacking = level - self.level(now)
        back = min(self._beyond, lacking)
        return back / self.whole + (lacking - back) / self.refill if lacking > _ENOUGH else 0.0

    def to_json(self) -> JsonObject:
        return {"tokens": self._tokens, "at": self._at}


class SlidingWindow:
    """`most` tokens in any `length` seconds. at: when tokens were last drawn; of several clocks, the latest time.

    A lane that leaves less in reserve may draw at once even if another has drawn for later: no window of `length` may
    hold too much, nor may a future one. What others were seen to draw comes back evenly within a length, since it is
    unknown when they drew it.
    """

    __slots__ = ("_at", "_debt", "_debt_at", "_drawn", "_slots", "_step", "length", "most")

    def __init__(self, most: float, length: float, at: float = -math.inf) -> None:
        self.most, self.length = most, length
        self._at = at
        self._step = length / _STEPS
        self._slots: deque[list[float]] = deque()  # [end of the step, tokens drawn in it]
        self._drawn = 0.0
        self._debt, self._debt_at = 0.0, 0.0

    def level(self, now: float) -> float:
        while self._slots and self._slots[0][0] + self.length <= now:
            self._drawn -= self._slots.popleft()[1]
        return self.most - self._drawn - self._owed(now)

    def _owed(self, now: float) -> float:
        if not self._debt:
            return 0.0
        return self._debt * max(0.0, 1 - max(0.0, now - self._debt_at) / self.length)

    def draw(self, tokens: float, now: float, after: float = 0.0) -> None:
        self._at = max(self._at, now)
        self.recall((math.floor((self._at + after) / self._step) + 1) * self._step, tokens)

    def recall(self, end: float, tokens: float) -> None:
        """Records tokens that are drawn in the step that ends at `end`."""
        place = len(self._slots)
        while place and self._slots[place - 1][0] > end:
            place -= 1
        if place and self._slots[place - 1][0] == end:
            self._slots[place - 1][1] += tokens
        else:
            self._slots.insert(place, [end, tokens])
        self._drawn += tokens

    def lower(self, level: float, now: float) -> None:
        if (lacking := self.level(now) - level) > 0:
            self._debt, self._debt_at = self._owed(now) + lacking, now

    def due(self, level: float, now: float) -> float:
        now = max(now, self._at)
        if self._slots and self._slots[-1][0] > now + self._step and level <= self.most:
            return self._between(self.most - level, now)
        later = max(0.0, math.ceil(level / self.most - _ENOUGH) - 1)
        lacking = level - later * self.most - self.level(now)
        if lacking <= _ENOUGH:
            return later * self.length
        return later * self.length + self._until(lacking, now)

    def _until(self, lacking: float, now: float) -> float:
        """Seconds until `lacking` tokens have come back: from steps that end, and from the shrinking debt."""
        owed, rate, back = self._owed(now), self._debt / self.length, 0.0
        for end, tokens in self._slots:
            passed = end + self.length - now
            if back + min(owed, rate * passed) >= lacking:
                break
            back += tokens
            if back + min(owed, rate * passed) >= lacking - _ENOUGH:
                return passed
        return max(0.0, lacking - back) / rate if rate else self.length

    def _between(self, drawn: float, now: float) -> float:
        """Seconds until no window holds more than `drawn`, including what is drawn for later."""
        ends = [end for end, _ in self._slots]
        sums = list(accumulate((tokens for _, tokens in self._slots), initial=0.0))

        def within(at: float) -> float:
            first, last = bisect_right(ends, at - self.length + _ENOUGH), bisect_right(ends, at + self._step + _ENOUGH)
            return sums[last] - sums[first]

        for start in (now, *(end + self.length for end in ends if end + self.length > now)):
            ahead = (end - self._step for end in ends if start < end - self._step < start + self.length)
            if all(within(at) <= drawn + _ENOUGH for at in (start, *ahead)):
                return start - now
        raise AssertionError("once all that is drawn has come back nothing is in the way")

    def to_json(self) -> JsonObject:
        return {"drawn": [[end, tokens] for end, tokens in self._slots], "at": self._at}


def shared_part(quota: Quota, share_left: float, now: float, known: JsonObject | None = None) -> Store:
    """The part that all instances draw on together, as it was last stored."""
    return _store(quota, _ours(quota, share_left), share_left, now, known)


def reserve_of(quota: Quota, share_left: float, lane: Lane) -> float:
    """Tokens of our part that a lane leaves to the lane with priority over it."""
    return _reserve(quota, _ours(quota, share_left)) if lane is Lane.SWEEPING else 0.0


def _store(quota: Quota, most: float, share_left: float, now: float, known: JsonObject | None = None) -> Store:
    if not quota.window:
        whole = quota.size / quota.seconds
        at, tokens = _number(known, "at", now), _number(known, "tokens", most)
        return TokenBucket(most, (1 - share_left) * whole, at, tokens, whole)
    window = SlidingWindow(most, quota.seconds, _number(known, "at", -math.inf))
    drawn = json.at(known, ("drawn",)) if known else None
    for slot in drawn if isinstance(drawn, list) else ():
        match slot:
            case [int() | float() as end, int() | float() as tokens]:
                window.recall(float(end), float(tokens))
    return window


def _ours(quota: Quota, share_left: float) -> float:
    ours = quota.size * (1 - share_left)
    return max(1.0, math.floor(ours + _ENOUGH) if quota.window else ours)


def _reserve(quota: Quota, most: float) -> float:
    kept = RESERVED_FOR_HEALING * most
    return max(0.0, min(math.floor(kept) if quota.window else kept, most - 1))


def _number(known: JsonObject | None, name: str, default: float) -> float:
    value: Json = known.get(name) if known else None
    return float(value) if isinstance(value, int | float) else default


class Budget:
    """Our part of one quota, in one region and subscription, for one process."""

    __slots__ = ("_answered", "_drawn", "_shut", "_store", "owners", "quota", "reserve")

    def __init__(self, quota: Quota, share_left: float, now: float) -> None:
        most = _ours(quota, share_left)
        self.quota = quota
        self.owners = quota.size - most
        self.reserve = _reserve(quota, most)
        self._store = _store(quota, most, share_left, now)
        self._shut = now
        self._drawn = self._answered = 0

    @property
    def most(self) -> float:
        return self._store.most

    def left(self, now: float) -> float:
        """Tokens that we may draw; below 0 while others spend our part."""
        level = self._store.level(now)
        return min(0.0, level) if now < self._shut else level

    def wait(self, lane: Lane, now: float, place: int = 1) -> float:
        """Seconds until a lane's next request may go, or the one at this place in its queue."""
        kept = self.reserve if lane is Lane.SWEEPING else 0.0
        start = max(now, self._shut)
        return start - now + self._store.due(kept + place, start)

    def draw(self, now: float) -> int:
        """Takes a token. Returns the number by which `answered` refers to it later."""
        self._store.draw(1.0, now)
        self._drawn += 1
        return self._drawn

    def answered(self, number: int, now: float, remaining: int | None = None) -> None:
        """A request has ended. remaining: of the whole quota, if its answer said so.

        Requests of ours that are still under way may have drawn since then; and the header is a whole number, rounded
        down.
        """
        self._answered += 1
        if remaining is not None:
            since = min(self._drawn - number, self._drawn - self._answered)
            self._store.lower(remaining + 1 - self.owners - since, now)

    def shut(self, seconds: float, now: float) -> None:
        """ARM refuses: nothing is left, and after `seconds` there is one token again."""
        self._shut = max(self._shut, now + seconds)
        self._store.lower(1.0, self._shut)

    def is_full(self, now: float) -> bool:
        """Whether it can be forgotten: it is full, and no request is under way."""
        return self._drawn == self._answered and self.left(now) >= self.most
