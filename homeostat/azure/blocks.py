"""Tokens of the shared allowance, taken a block at a time, so that an instance asks the store about once a second.

All requests of a sweep take their tokens here. Of a repair's requests only the one that it can do without does: its
reads and writes never wait for the store. A block that is not used soon expires, which at worst makes a sweep slower;
if blocks were kept, instances could save them up and spend them all at once.
"""

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.budget import RESERVED_FOR_HEALING, Lane, reserve_of, shared_part
from homeostat.core.quotas import Quota
from homeostat.ports.azure import Allowance
from homeostat.ports.storage import StorageError

log = logging.getLogger(__name__)

MIN_BLOCK: Final = 50
"""The least tokens of a block, unless the quota is too small: some are taken before anybody waits for them."""

BLOCKS_PER_PART: Final = 8
STORE_PAUSE: Final = 5.0
"""Seconds until a store that failed is asked again."""


TIDY_EVERY: Final = 1000


@dataclass(slots=True)
class _Stock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    tokens: int = 0
    until: float = 0.0  # on the ambient's monotonic clock


class Blocks:
    """The tokens of one lane that this instance holds, by subscription and quota."""

    def __init__(self, allowance: Allowance, share_left: float, ambient: Ambient, lane: Lane = Lane.SWEEPING) -> None:
        self._allowance = allowance
        self._lane = lane
        self._share_left = share_left
        self._ambient = ambient
        self._stocks: dict[tuple[str, str], _Stock] = {}
        self._taken = 0

    async def take(self, scope: str, quota: Quota, until: float) -> float | None:
        """Takes one token, first come, first served. Returns None, or the seconds until there may be one.

        until: on the ambient's monotonic clock; how long the caller can wait.
        """
        self._taken += 1
        if self._taken % TIDY_EVERY == 0:
            self._stocks = {key: each for key, each in self._stocks.items() if each.lock.locked() or self._has(each)}
        stock = self._stocks.setdefault((scope, quota.name), _Stock())
        stock.waiting += 1
        try:
            async with stock.lock:
                while not self._has(stock):
                    left = max(0.0, until - self._ambient.monotonic())
                    if (wait := await self._fill(stock, scope, quota, left)) > left:
                        return wait
                stock.tokens -= 1
                return None
        finally:
            stock.waiting -= 1

    def _has(self, stock: _Stock) -> bool:
        return stock.tokens > 0 and self._ambient.monotonic() < stock.until

    async def _fill(self, stock: _Stock, scope: str, quota: Quota, within: float) -> float:
        """Takes a block and waits until it may be spent. Returns the seconds to wait; over `within` nothing was taken.

        A store that does not answer is asked again after a pause.
        """
        size = block_of(quota, self._share_left, stock.waiting)
        try:
            wait = await self._allowance.take(scope, quota, size, within, self._lane)
        except StorageError as error:
            log.warning("%s waits: what is left of %s is not known: %s", self._lane.value, quota.name, error)
            size, wait = 0, STORE_PAUSE
        if wait <= within:
            await self._ambient.sleep(wait)
            stock.tokens, stock.until = size, self._ambient.monotonic() + quota.seconds * RESERVED_FOR_HEALING
        return wait


def block_of(quota: Quota, share_left: float, waiting: int = 0) -> int:
    """Tokens of a block: large enough to ask the store seldom, small enough that an instance holds little back."""
    sweeps = shared_part(quota, share_left, 0.0).most - reserve_of(quota, share_left, Lane.SWEEPING)
    return max(1, min(max(MIN_BLOCK, waiting), math.floor(sweeps / BLOCKS_PER_PART)))


@dataclass(frozen=True, slots=True)
class Pace:
    """A request's priority: its lane, and the blocks that it takes tokens from where instances share a quota.

    longest: seconds that it may wait at most, if that is less than for any request.
    """

    lane: Lane = Lane.HEALING
    blocks: Blocks | None = None
    longest: float = math.inf


HEALING: Final = Pace()
