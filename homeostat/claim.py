"""One does it for all: who begins puts up a claim in a blob, by compare-and-swap, and the others let it.

A claim is a hint and no lock. Two who work at once cost some calls, and no more, as long as what they find is itself
stored by compare-and-swap. So it may run out early, where clocks differ, but it must run out: whoever holds it may be
dead. It has when it is older than it says by the clock on the wall, or of the future by as much; and when it was seen
unchanged for as long by a clock that nobody sets. While its holder gets on, it is renewed.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Self

from homeostat.ambient import Ambient
from homeostat.core import json
from homeostat.core.json import ABSENT, Json, JsonObject
from homeostat.ports import Blobs, Conflict, StorageError

log = logging.getLogger(__name__)

LONGEST: Final = timedelta(minutes=30)
"""For which a claim is believed, whatever it says."""

RENEWED_AFTER: Final = 6.0
"""Into how many parts its time is cut: it is renewed by whoever gets on after one of them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """at: when it was put up, renewed or given back. lasts: for how long from then. of: what it is about.

    problem: why nothing came of it. It is given back then too, and tells the others not to try the same too soon.
    """

    at: datetime
    lasts: timedelta = timedelta()
    of: frozenset[str] = frozenset()
    held: bool = False
    problem: str = ""

    def to_json(self) -> JsonObject:
        return {
            "at": self.at.isoformat(),
            "lasts": self.lasts.total_seconds(),
            "of": sorted(self.of),
            "held": self.held,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Raises ValueError and TypeError for what is no claim."""
        if not isinstance(body, Mapping):
            raise TypeError("a claim is an object")
        lasts, of = body.get("lasts"), body.get("of")
        if not isinstance(lasts, int | float) or not isinstance(of, list):
            raise TypeError("a claim lasts for seconds and is about a list of things")
        at = datetime.fromisoformat(json.text_at(body, "at"))
        if at.tzinfo is None:
            raise ValueError("a claim's time has a zone")
        return cls(
            at,
            min(timedelta(seconds=lasts), LONGEST),
            frozenset(map(str, of)),
            body.get("held") is True,
            json.text_at(body, "problem"),
        )


@dataclass(slots=True)
class Claims:
    """The claim in one blob, as this instance knows it. Where the blob cannot be had, nothing is claimed."""

    blobs: Blobs
    ambient: Ambient
    container: str
    name: str
    ours: Claim | None = field(default=None, init=False)  # while it is held
    _version: "str | json.Absent" = field(default=ABSENT, init=False)
    _seen_at: float = field(default=0.0, init=False)  # on the monotonic clock, when this version was seen first
    _renewed_at: float = field(default=0.0, init=False)

    async def seen(self) -> Claim | None:
        """What has been put up and is not over. Raises StorageError."""
        blob = await self.blobs.read(self.container, self.name)
        version = blob.version if blob else ABSENT
        if version != self._version:
            self._version, self._seen_at = version, self.ambient.monotonic()
        claim = _claim_of(blob.data) if blob else None
        return claim if claim is not None and self._lasts(claim) else None

    def _lasts(self, claim: Claim) -> bool:
        for_long = timedelta(seconds=self.ambient.monotonic() - self._seen_at)
        return max(abs(self.ambient.now() - claim.at), for_long) < claim.lasts

    async def take(self, of: frozenset[str], lasts: timedelta) -> bool:
        """Puts up a claim in the place of what was seen last. Whether nobody else was first. Raises StorageError."""
        claim = Claim(self.ambient.now(), lasts, of, held=True)
        if not await self._put(claim):
            return False
        self.ours = claim
        return True

    async def renew(self, lasts: timedelta | None = None) -> None:
        """Called whenever its holder got on. lasts: from now on, if it is another time than before."""
        if self.ours is None:
            return
        passed = timedelta(seconds=self.ambient.monotonic() - self._renewed_at)
        if lasts is None and passed < self.ours.lasts / RENEWED_AFTER:
            return
        await self._put_ours(replace(self.ours, at=self.ambient.now(), lasts=lasts or self.ours.lasts))

    async def give_back(self, problem: str = "", lasts: timedelta = timedelta()) -> None:
        """problem: why nothing came of it, which the others are told for so long."""
        if self.ours is not None:
            of = self.ours.of
            await self._put_ours(Claim(self.ambient.now(), lasts if problem else timedelta(), of, problem=problem))
            self.ours = None

    async def _put_ours(self, claim: Claim) -> None:
        """Without a store, or where another took it over meanwhile, the work goes on: it is a hint."""
        try:
            self.ours = claim if await self._put(claim) else None
        except StorageError as error:
            log.warning("%s/%s cannot be renewed or given back, and runs out: %s", self.container, self.name, error)

    async def _put(self, claim: Claim) -> bool:
        data = json.render(claim.to_json()).encode()
        try:
            self._version = await self.blobs.write(
                self.container, self.name, data, expected=self._version, content_type="application/json"
            )
        except Conflict:
            return False
        self._seen_at = self._renewed_at = self.ambient.monotonic()
        return True


def _claim_of(data: bytes) -> Claim | None:
    """Nothing where the blob is not one of ours: whoever comes first may have it."""
    try:
        return Claim.from_json(json.parse(data))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        log.warning("a claim makes no sense: %s", error)
        return None
