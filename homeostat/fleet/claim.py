"""A claim in a blob, by compare-and-swap: one instance does a piece of work, and the others leave it to that one.

A claim is a hint and no lock: if two instances do the work, it costs some calls more and nothing else, as long as the
results are themselves stored by compare-and-swap. So a claim may expire too early where clocks differ; but it must
expire, since its holder may be dead. It has expired when its time differs from the wall clock, in either direction, by
as long as it lasts, and when it was seen unchanged for that long by the monotonic clock. A holder that makes progress
renews it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Self

from homeostat.ambient import Ambient
from homeostat.core import json
from homeostat.core.json import ABSENT, Json, JsonObject
from homeostat.ports.storage import Blobs, Conflict, StorageError

log = logging.getLogger(__name__)

MAX_DURATION: Final = timedelta(minutes=30)
"""The longest that any claim is believed, whatever it says."""

RENEWALS_PER_TERM: Final = 6.0
"""How often at most a claim is renewed within its duration."""


@dataclass(frozen=True, slots=True)
class Claim:
    """at: when it was put up, renewed or given back. lasts: how long it holds from then on. of: what it is about.

    problem: why the work failed. Such a claim is given back, and tells the others not to try again too soon.
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
            min(timedelta(seconds=lasts), MAX_DURATION),
            frozenset(map(str, of)),
            body.get("held") is True,
            json.text_at(body, "problem"),
        )


@dataclass(slots=True)
class Claims:
    """The claim in one blob, as this instance knows it. While the blob cannot be read, nothing is claimed."""

    blobs: Blobs
    ambient: Ambient
    container: str
    name: str
    ours: Claim | None = field(default=None, init=False)  # while it is held
    _version: "str | json.Absent" = field(default=ABSENT, init=False)
    _seen_at: float = field(default=0.0, init=False)  # on the monotonic clock, when this version was seen first
    _renewed_at: float = field(default=0.0, init=False)

    async def seen(self) -> Claim | None:
        """The stored claim, if it has not expired. Raises StorageError."""
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
        """Puts up a claim in the place of the one last seen. False if another was faster. Raises StorageError."""
        claim = Claim(self.ambient.now(), lasts, of, held=True)
        if not await self._put(claim):
            return False
        self.ours = claim
        return True

    async def renew(self, lasts: timedelta | None = None) -> None:
        """To be called whenever the holder made progress. lasts: its new duration, if that changes."""
        if self.ours is None:
            return
        passed = timedelta(seconds=self.ambient.monotonic() - self._renewed_at)
        if lasts is None and passed < self.ours.lasts / RENEWALS_PER_TERM:
            return
        await self._put_ours(replace(self.ours, at=self.ambient.now(), lasts=lasts or self.ours.lasts))

    async def give_back(self, problem: str = "", lasts: timedelta = timedelta()) -> None:
        """Ends the claim. problem: why the work failed; the others see it for as long as `lasts`."""
        if self.ours is not None:
            of = self.ours.of
            await self._put_ours(Claim(self.ambient.now(), lasts if problem else timedelta(), of, problem=problem))
            self.ours = None

    async def _put_ours(self, claim: Claim) -> None:
        """If the store fails, or another instance took the claim over, the work goes on: a claim is only a hint."""
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
    """None if the blob is not one of ours: then anybody may claim."""
    try:
        return Claim.from_json(json.parse(data))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        log.warning("a claim makes no sense: %s", error)
        return None
