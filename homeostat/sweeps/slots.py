"""Limits how many chunks of sweeps a process works on at a time: their rows are most of a sweep's memory.

The host hands out more messages at once than there are slots. A process without a free slot holds a chunk for a moment
and then passes it on, since another instance may have one; a chunk that came back several times is put off.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

HOLD_SECONDS: Final = (0.0, 0.2, 0.4, 0.8, 1.0)
"""Seconds for which a process holds a chunk without a free slot: a message cannot be delayed by less than one.

Indexed by how often the chunk was passed on: short at first, so that an idle instance gets it soon, then longer, so
that few messages are sent in vain. After MAX_PASSES no instance is idle; then a process holds one chunk for each slot
without a time limit, so that no slot stays empty while its chunk is put off.
"""

MAX_PASSES: Final = len(HOLD_SECONDS) - 1
"""How often a chunk is passed on; after that it is put off."""

MIN_PUT_OFF: Final = timedelta(seconds=1)
MAX_PUT_OFF: Final = timedelta(minutes=1)
"""Bounds for how long a chunk is put off: a quarter of what the process's last chunk took."""


@dataclass(slots=True)
class ChunkSlots:
    """The slots of one process. query_lock: held while the rows of a chunk are queried."""

    count: int = 2
    query_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _free: asyncio.Semaphore = field(init=False)
    _last_took: timedelta = timedelta()
    _waiting: int = 0  # chunks that wait for a slot without a time limit

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.count)

    async def acquire(self, passed: int) -> bool:
        """Takes a slot. False if none comes free within the time for a chunk that was passed on this often."""
        if passed < MAX_PASSES or self._waiting == self.count:
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_SECONDS[passed]):
                    return await self._free.acquire()
            return False
        self._waiting += 1
        try:
            return await self._free.acquire()
        finally:
            self._waiting -= 1

    def release(self, took: float) -> None:
        """Gives a slot back. took: seconds that its chunk took."""
        self._last_took = timedelta(seconds=took)
        self._free.release()

    @property
    def put_off(self) -> timedelta:
        """How long a chunk is put off before it is worth trying again."""
        return min(MAX_PUT_OFF, max(MIN_PUT_OFF, self._last_took / 4))
