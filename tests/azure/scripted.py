"""What the tests of the ARM adapters stand on: a clock of their own, and ARM's side of a conversation as a script.

The script sits beneath the real pipeline and the real SDKs, where the network would be.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl  # what azure-core's own transports return
from azure.core.utils import case_insensitive_dict

from homeostat.azure.arm import Arm, arm_over
from homeostat.azure.clouds import CLOUDS
from homeostat.azure.retry import Limits
from homeostat.core.ids import ResourceId

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
ARM = CLOUDS["azurecloud"].arm


def resource(type_: str, *names: str) -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, "rg-flask", type_, *names)


@dataclass
class VirtualAmbient:
    """Time that passes only by sleeping; chance that always draws `draw`. `offset` is how wrong the clock is set."""

    time: datetime = datetime(2026, 3, 1, 2, tzinfo=UTC)
    draw: float = 0.0
    slept: list[float] = field(default_factory=list)
    named: int = 0
    offset: timedelta = timedelta()

    def now(self) -> datetime:
        return self.time + self.offset

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.time += timedelta(seconds=seconds)

    def uuid(self) -> UUID:
        self.named += 1
        return UUID(int=self.named)

    def random(self) -> float:
        return self.draw

    async def offload[T](self, work: Callable[[], T]) -> T:
        return work()


@dataclass(frozen=True)
class Answer:
    """`took` is how long, in seconds, ARM lets us wait for it; `breaks` is what ends it in the middle of its body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    took: float = 0.0
    breaks: BaseException | None = None

    @property
    def content(self) -> bytes:
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def refusal(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message}}, named)


class Script(AsyncHttpTransport[HttpRequest, AsyncHttpResponseImpl]):
    """Gives its answers in order, or raises them, and keeps what it was asked."""

    def __init__(self, ambient: VirtualAmbient, answers: Iterable[Answer | Exception]) -> None:
        self._ambient = ambient
        self._answers = deque(answers)
        self.requests: list[HttpRequest] = []
        self.responses: list[AsyncHttpResponseImpl] = []

    @property
    def calls(self) -> list[str]:
        """`GET networkSecurityGroups/nsg`: the method, and the path after the provider's namespace."""
        return [f"{each.method} {_short(urlsplit(each.url).path)}" for each in self.requests]

    @property
    def unspoken(self) -> int:
        return len(self._answers)

    async def send(self, request: HttpRequest, *, stream: bool = False, **_: Any) -> AsyncHttpResponseImpl:
        self.requests.append(_copy(request))
        await asyncio.sleep(0)  # others go on meanwhile, as they do while a network answers
        answer = self._answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        self._ambient.time += timedelta(seconds=answer.took)
        response = _response(request, answer)
        self.responses.append(response)
        if not stream:
            await response.read()
        return response

    async def sleep(self, duration: float) -> None:
        raise AssertionError(f"azure-core sleeps {duration} s by itself")

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


def _copy(request: HttpRequest) -> HttpRequest:
    """The request as it is now: retries change its headers. Event Grid's client sends azure-core's older class."""
    content = request.content if hasattr(request, "content") else request.body
    return HttpRequest(request.method, request.url, headers=dict(request.headers), content=content)


def _short(path: str) -> str:
    return path.rpartition("/providers/")[2].partition("/")[2]


def _response(request: HttpRequest, answer: Answer) -> AsyncHttpResponseImpl:
    async def chunks(**_: Any) -> AsyncIterator[bytes]:
        half = len(answer.content) // 2
        yield answer.content[:half]
        if answer.breaks:
            raise answer.breaks
        yield answer.content[half:]

    return AsyncHttpResponseImpl(
        request=request,
        internal_response=_NoConnection(),
        status_code=answer.status,
        reason="",
        content_type=None,
        headers=case_insensitive_dict(answer.headers),
        stream_download_generator=chunks,
        block_size=1 << 20,
    )


class _NoConnection:
    async def close(self) -> None: ...


@dataclass
class Tokens:
    """A credential that issues a new token whenever it is asked, and counts."""

    issued: int = 0
    claims: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    failure: Exception | None = None

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        info = await self.get_token_info(*scopes)
        return AccessToken(info.token, info.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        if self.failure is not None:
            raise self.failure
        self.issued += 1
        if options and (claims := options.get("claims")):
            self.claims.append(claims)
        self.scopes.extend(scopes)
        return AccessTokenInfo(f"token-{self.issued}", 4_000_000_000)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@dataclass
class Conversation:
    arm: Arm
    script: Script
    ambient: VirtualAmbient
    tokens: Tokens


def conversation(
    *answers: Answer | Exception,
    limits: Limits | None = None,
    deadline: float = 120,
    draw: float = 0.0,
    tokens: Tokens | None = None,
) -> Conversation:
    ambient = VirtualAmbient(draw=draw)
    script = Script(ambient, answers)
    tokens = tokens or Tokens()
    arm = arm_over(script, tokens, CLOUDS["azurecloud"], ambient, limits=limits, deadline=timedelta(seconds=deadline))
    return Conversation(arm, script, ambient, tokens)
