"""Azure in the model: a call is a wait and a draw on the simulator's buckets. The governor above it is the real one.

No request is built and no body parsed, which makes a million of them affordable. The governor learns of a refusal as
the pipeline would tell it, and the call is repeated within the same budget of time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from azure.core.rest import AsyncHttpResponse, HttpRequest

from homeostat.ambient import Ambient
from homeostat.azure.blocks import HEALING, Pace
from homeostat.azure.governor import ROUTED, Governor
from homeostat.core.arm_errors import ArmError, clock_seconds
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.json import JsonObject
from homeostat.core.model import Fact, Found, Read, Unreadable
from simulator.cloud import HOMEOSTAT
from simulator.errors import ArmError as Refusal
from simulator.ids import address
from simulator.messages import Headers
from simulator.throttling import USER_QUOTA, USER_QUOTA_RESETS, Throttling

_QUERY_PATH: Final = "/providers/Microsoft.ResourceGraph/resources"
_SENT: Final = {method: HttpRequest(method, "https://management.azure.com/") for method in ("GET", "POST")}
"""What the governor is shown of a request. It looks at the method; the resource only shows in its messages."""

_FOUND: Final = Found({})
_ROW: Final[JsonObject] = {}


@dataclass(frozen=True, slots=True)
class _Answer:
    """The part of an answer that the governor looks at."""

    status_code: int
    headers: Mapping[str, str]
    request: HttpRequest
    content: bytes = b"{}"
    is_stream_consumed: bool = True


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call to Resource Manager and a page of Resource Graph take, in seconds."""

    arm: float = 0.05
    graph: float = 0.05


@dataclass(frozen=True, slots=True)
class Calls:
    """One instance's calls to Azure. All instances share `throttling`."""

    governor: Governor
    throttling: Throttling
    ambient: Ambient
    latency: Latency

    async def call(self, method: str, path: str, pace: Pace, seconds: float) -> Mapping[str, str]:
        """The answer's headers. Raises ArmError if the budget or Azure has no room within the time of the governor."""
        until = self.ambient.monotonic() + self.governor.longest
        request = _SENT[method]
        while True:
            passage = await self.governor.enter(request, path, pace, until)
            await self.ambient.sleep(seconds)
            answer = self._answered(request, path)
            await self.governor.answered(passage, cast("AsyncHttpResponse", answer))
            if answer.status_code == 200:
                return answer.headers
            wait = float(answer.headers.get("retry-after") or clock_seconds(answer.headers[USER_QUOTA_RESETS]) or 1)
            if self.ambient.monotonic() + wait > until:
                raise ArmError.from_answer(429, answer.headers, answer.content.decode())
            await self.ambient.sleep(wait)

    def _answered(self, request: HttpRequest, path: str) -> _Answer:
        try:
            told = self.throttling.admit(request.method, address(path), HOMEOSTAT, self.ambient.now())
        except Refusal as refusal:
            body = f'{{"error": {{"code": "{refusal.code}", "message": "throttled"}}}}'
            return _Answer(429, self._headers(refusal.headers), request, body.encode())
        return _Answer(200, self._headers(told), request)

    def _headers(self, told: Mapping[str, str]) -> Headers:
        return Headers({**told, ROUTED: f"{self.throttling.region}:1"})


@dataclass(frozen=True, slots=True)
class ModelReader:
    """An ArmReader that finds whatever is read."""

    calls: Calls
    pace: Pace = HEALING

    async def read(self, read: Read) -> Fact:
        path, method = read.id.text, "GET"
        if read.every:
            path = f"{path}/{read.type.collection}"
        elif read.id.name.lower() in read.type.listed:
            path, method = f"{path}/list", "POST"
        try:
            await self.calls.call(method, path, self.pace, self.calls.latency.arm)
        except ArmError as error:
            return Unreadable(error)
        return _FOUND


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A ResourceTable whose rows are empty. `count` says how many rows a query has."""

    calls: Calls
    count: Callable[[RowQuery], int]
    pace: Pace = HEALING

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        headers = await self.calls.call("POST", _QUERY_PATH, self.pace, self.calls.latency.graph)
        total, first = self.count(query), int(token or 0)
        after = first + top
        left = headers.get(USER_QUOTA, "")
        return Page(
            (_ROW,) * min(top, total - first),
            total,
            str(after) if after < total else "",
            int(left) if left.isdigit() else None,
            clock_seconds(headers.get(USER_QUOTA_RESETS, "")) or 0.0,
        )

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return (query,)
