"""Tokens of what all instances share, taken a block at a time, so that a store is asked once a second.

A sweep's all come from here. Of healing only a question that a repair can do without does: whatever has to be read or
written waits for no store. A block that is not used soon is lost, which makes a sweep slower and nothing else; were it
kept, instances could save up blocks and spend them at once.
"""

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core.budget import RESERVED_FOR_HEALING, Lane, kept, shared_part
from homeostat.core.quotas import Quota
from homeostat.ports import Allowance, StorageError

log = logging.getLogger(__name__)

AHEAD: Final = 50
"""Tokens that are taken though nobody waits for them yet."""

BLOCKS_IN_PART: Final = 8
STORE_PAUSE: Final = 5.0
"""Seconds until a store that failed is asked again."""


TIDIED_EVERY: Final = 1000


@dataclass(slots=True)
class _Stock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    tokens: int = 0
    until: float = 0.0  # on the ambient's monotonic clock


class Blocks:
    """What this instance holds of a lane's tokens, by subscription and quota."""

    def __init__(self, allowance: Allowance, share_left: float, ambient: Ambient, lane: Lane = Lane.SWEEPING) -> None:
        self._allowance = allowance
        self._lane = lane
        self._share_left = share_left
        self._ambient = ambient
        self._stocks: dict[tuple[str, str], _Stock] = {}
        self._taken = 0

    async def take(self, scope: str, quota: Quota, until: float) -> float | None:
        """Takes one token, in the order of asking; or says in how many seconds there may be one, where that is after
        `until`, on the ambient's monotonic clock.
        """
        self._taken += 1
        if self._taken % TIDIED_EVERY == 0:
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
        """Takes a block and waits until it may be spent; the seconds that this takes, when they are too many.

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
    """So large that stores are asked seldom, and so small that what one instance holds back is little."""
    sweeps = shared_part(quota, share_left, 0.0).most - kept(quota, share_left, Lane.SWEEPING)
    return max(1, min(max(AHEAD, waiting), math.floor(sweeps / BLOCKS_IN_PART)))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a request goes: in which lane, and with whose tokens where instances share them.

    longest: seconds that it waits for its turn at most, if less than any request does.
    """

    lane: Lane = Lane.HEALING
    blocks: Blocks | None = None
    longest: float = math.inf


HEALING: Final = Pace()
