"""An azure-core transport that answers from a Cloud in this process: the real SDKs on top, no socket beneath."""

from collections.abc import AsyncIterator, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl  # what azure-core's own transports return

from simulator import identity
from simulator.clock import Clock
from simulator.cloud import HOMEOSTAT, Cloud
from simulator.exchange import Exchanger
from simulator.messages import Headers, Request, Response


class CloudTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponseImpl]):
    """Sends every request to one Exchanger. A dropped connection raises ServiceResponseError, as aiohttp's would."""

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger

    async def send(self, request: HttpRequest, **_: Any) -> AsyncHttpResponseImpl:
        answer = await self._at(request).exchange(_inward(request))
        if answer is None:
            raise ServiceResponseError("Server disconnected")
        response = _outward(request, answer)
        await response.read()
        return response

    def _at(self, request: HttpRequest) -> Exchanger:  # noqa: ARG002  # there is one place only
        """Who answers the request."""
        return self._exchanger

    async def sleep(self, duration: float) -> None:
        await self._exchanger.clock.sleep(duration)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class CloudsTransport(CloudTransport):
    """Several clouds on one clock, each at its place's hosts. Another host raises ServiceRequestError."""

    def __init__(self, exchangers: Iterable[Exchanger]) -> None:
        found = list(exchangers)
        super().__init__(found[0])
        self._by_host = {host: each for each in found for host in (each.cloud.place.arm, each.cloud.place.authority)}

    def _at(self, request: HttpRequest) -> Exchanger:
        host = urlsplit(request.url).hostname or ""
        if host not in self._by_host:
            raise ServiceRequestError(f"Cannot connect to host {host}: Name or service not known")
        return self._by_host[host]


class CloudCredential:
    """An async credential of Homeostat's identity that a Cloud honours."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self._cloud, self._clock = cloud, clock

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        info = await self.get_token_info(*scopes)
        return AccessToken(info.token, info.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        del options
        now = self._clock.now()
        audience = scopes[0].removesuffix("/.default")
        return AccessTokenInfo(
            identity.issue(self._cloud, HOMEOSTAT, audience, now),
            int(now.timestamp()) + identity.LIFETIME,
        )

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def _inward(request: HttpRequest) -> Request:
    url = urlsplit(request.url)
    headers = Headers({"host": url.netloc, **request.headers})
    query = {name.lower(): value for name, value in parse_qsl(url.query, keep_blank_values=True)}
    return Request(request.method, unquote(url.path), query, headers, _bytes(request))


def _bytes(request: HttpRequest) -> bytes:
    # The pipeline hands over both azure.core.rest and legacy requests; `content` and `data` hold what was serialised.
    content = getattr(request, "_data", None) if not hasattr(request, "data") else request.data
    content = request.content if content is None else content
    if content is None:
        return b""
    if isinstance(content, Mapping):  # a form
        return urlencode(content).encode()
    return content.encode() if isinstance(content, str) else bytes(content)


def _outward(request: HttpRequest, answer: Response) -> AsyncHttpResponseImpl:
    async def body(**_: Any) -> AsyncIterator[bytes]:
        yield answer.body

    return AsyncHttpResponseImpl(
        request=request,
        internal_response=_Closed(),
        status_code=answer.status,
        reason=HTTPStatus(answer.status).phrase,
        content_type=answer.headers.get("content-type"),
        headers=answer.headers,
        stream_download_generator=body,
        block_size=1 << 20,
    )


class _Closed:
    """The connection that an in-process answer never had."""

    async def close(self) -> None:
        """Nothing to close."""
