"""Limits how often callers may call this instance.

Counted in memory, by each instance: it keeps one caller from starving the others and the instance from being flooded;
whatever costs ARM calls is limited elsewhere, by leases and settle times. A count shared by all instances would cost a
storage call for each request, and protect nothing more.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from homeostat.core.access import EVERYBODY, Access, Bucket, take
from homeostat.core.errors import HomeostatError

MAX_BUCKETS: Final = 1000
"""Callers that are remembered. Those that have been quiet for longest are forgotten first."""

_ALL: Final = ""


class TooManyRequests(HomeostatError):
    """retry_after: in whole seconds, at least one."""

    def __init__(self, whose: str, retry_after: timedelta) -> None:
        self.retry_after = max(1, ceil(retry_after.total_seconds()))
        super().__init__(f"{whose} too often within a minute: try again in {self.retry_after} s")


@dataclass(slots=True)
class Limiter:
    _buckets: OrderedDict[tuple[str, bool], Bucket] = field(default_factory=OrderedDict)

    def admit(self, budget: str, access: Access, now: datetime, *, is_write: bool) -> None:
        """Counts one request of the caller known as `budget` (never empty). Raises TooManyRequests.

        Requests that are refused to one caller do not count against the others.
        """
        rate = access.writes if is_write else access.reads
        own, wait = take(self._buckets.get((budget, is_write)), rate, now)
        if wait is not None:
            self._keep(budget, own, is_write=is_write)
            raise TooManyRequests("you have asked", wait)
        everybody, wait = take(self._buckets.get((_ALL, is_write)), rate.times(EVERYBODY), now)
        if wait is not None:
            self._keep(_ALL, everybody, is_write=is_write)
            raise TooManyRequests("all callers together have asked", wait)
        self._keep(budget, own, is_write=is_write)
        self._keep(_ALL, everybody, is_write=is_write)

    def _keep(self, budget: str, bucket: Bucket, *, is_write: bool) -> None:
        self._buckets[budget, is_write] = bucket
        self._buckets.move_to_end((budget, is_write))
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
