"""The one way to ARM: every read and every SDK's write goes through this pipeline and one HTTP session; pages of rows
have another session.

azure-core's own retries and azure-mgmt-core's registration of resource providers are left out on purpose: the former
would repeat writes, the latter sends a POST that nobody asked for, and then the write again.
"""

import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncHTTPPolicy, CustomHookPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from homeostat.ambient import Ambient
from homeostat.azure.clouds import Cloud
from homeostat.azure.governor import Governor, GovernorPolicy
from homeostat.azure.retry import Limits, Request, Response, RetryPolicy, named
from homeostat.core.arm_errors import TOO_LATE_TO_SEND, ArmError, ErrorClass, Executed
from homeostat.core.errors import HomeostatError

log = logging.getLogger(__name__)

type Transport = AsyncHttpTransport[HttpRequest, Any]  # each transport has a response class of its own
type Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]

REQUEST_ID: Final = "x-ms-client-request-id"
CORRELATION_ID: Final = "x-ms-correlation-request-id"

SEND_BY: Final = "send_by"
"""A call's option: until when, on the ambient's monotonic clock, it may be sent."""

PART_BYTES: Final = 1 << 16
"""The chunk size for streamed answers. With azure-core's 4 KiB, a page of Resource Graph would have 1,500 chunks."""

READ_BY: Final = "read_by"
"""A call's option, a `ReadBy`: it reads the body of a successful answer while that arrives, once for each attempt. The
call's answer then has headers and no content. An exception of the reader ends the call, unless the connection broke.
"""

type ReadBy = Callable[[AsyncIterator[bytes]], Awaitable[None]]

CONNECTIONS: Final = 32
"""Connections to one host, so many that calls which hang at ARM never keep a lease from being renewed. They carry 320
calls of 100 ms in a second, more than one core can handle, and each takes a quarter of a MiB while it is open.
"""

CONNECTIONS_OF_PAGES: Final = 2
"""The same for pages of Resource Graph: a process reads one at a time, and now and then a second. They have connections
of their own, because a connection keeps a buffer as large as the largest answer: a third of a MiB for a page. Nor does
a page then wait behind hundreds of reads.
"""

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 70
"""ARM gives a provider 60 s to answer, and then answers 504. `homeostat.core.leases` relies on both."""


def arm_pipeline(
    transport: Transport,
    credential: AsyncTokenCredential,
    cloud: Cloud,
    ambient: Ambient,
    governor: Governor,
    limits: Limits | None = None,
) -> Pipeline:
    """The policies, outermost first. Those below the retry policy run again for each attempt."""
    return AsyncPipeline(
        transport,
        [
            _NamesPolicy(ambient),
            CustomHookPolicy(),
            _OwnCloudPolicy(cloud),
            RetryPolicy(ambient, limits or Limits()),
            AsyncARMChallengeAuthenticationPolicy(credential, cloud.scope),
            _ReadByPolicy(),
            GovernorPolicy(governor, ambient),
            _InTimePolicy(ambient),
            _LogPolicy(ambient),
        ],
    )


def http_session(
    environment: Mapping[str, str] | None = None,
    *,
    connections: int = CONNECTIONS,
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """A session for many pipelines, with one TLS context. Needs a running event loop.

    tls: another session's context, since making one takes a while.
    """
    environment = os.environ if environment is None else environment
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=connections, ssl=tls or tls_context(environment)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # azure-core does it
        trust_env=names_proxy(environment),
    )
    # aiohttp repeats a PUT by itself when a kept connection turns out to be closed, though ARM may have received it.
    session._retry_connection = False  # noqa: SLF001  # it offers no other switch; a test holds it to this
    return session


def names_proxy(environment: Mapping[str, str]) -> bool:
    """Whether requests may have to go through a proxy.

    Only then may aiohttp look for one: it does so for each request, and in a thread also for a .netrc file.
    """
    names = ("http_proxy", "https_proxy", "all_proxy")
    return any(value and name.lower() in names for name, value in environment.items())


class NoSuchBundle(HomeostatError):
    """A variable names a file that cannot be read or holds no certificates."""


def session_transport(session: aiohttp.ClientSession) -> Transport:
    """A transport over the shared session, which outlives it."""
    transport: Transport = AioHttpTransport(
        session=session,
        session_owner=False,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        connection_data_block_size=PART_BYTES,
    )
    return transport


def tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Trusts what the system trusts, and the bundles that SSL_CERT_FILE and REQUESTS_CA_BUNDLE name.

    If azure-core got a CA path, it would build a context, and open a connection, for every request. Raises
    NoSuchBundle.
    """
    context = ssl.create_default_context()
    bundles = {environment.get(name, ""): name for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}  # often one file
    for bundle, name in bundles.items():
        if bundle:
            try:
                context.load_verify_locations(cafile=bundle)
            except OSError as error:  # SSLError, for a file without certificates, is one
                reason = error.strerror or type(error).__name__
                raise NoSuchBundle(f"{name} is {bundle!r}: name a file of certificates in PEM ({reason})") from error
    return context


class _NamesPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Sets the user agent and the request's id. azure-core's own policy would make ids from clock and network card."""

    def __init__(self, ambient: Ambient) -> None:
        super().__init__()
        self._ambient = ambient

    def on_request(self, request: Request) -> None:
        given = request.context.options.pop("request_id", None)  # pollers pass on their write's id in this way
        headers = request.http_request.headers
        headers.setdefault("User-Agent", "homeostat")
        if REQUEST_ID not in headers:
            headers[REQUEST_ID] = given or str(self._ambient.uuid())


class _OwnCloudPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Sends the token to this cloud only: the URLs of pages and operations come from answers."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self._cloud = cloud

    def on_request(self, request: Request) -> None:
        url = request.http_request.url
        if not self._cloud.owns(url):
            raise ArmError(
                status=0,
                code="ForeignHost",
                message=f"{url.partition('?')[0]} is not part of {self._cloud.arm}; the token is not sent there",
                error_class=ErrorClass.INVALID,
                executed=Executed.NO,
                request=named(request.http_request),
            )


class _ReadByPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Reads answers with the call's `READ_BY`, completely and releasing the connection, as a transport does otherwise.

    It is below retries and challenges, so that these see an answer that broke off, and a refusal with its body. It is
    above the governor, which sees the headers of every answer.
    """

    async def send(self, request: Request) -> Response:
        context = request.context
        read = context.setdefault(READ_BY, context.options.pop(READ_BY, None))  # options are for the first attempt
        if read is None:
            return await self.next.send(request)
        context.options["stream"] = True
        response = await self.next.send(request)
        async with response.http_response as answer:
            if answer.status_code < 400:
                await read(answer.iter_bytes())
            else:
                await answer.read()
        return response


class _InTimePolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Sends nothing after the call's `SEND_BY`. Below retries, token and governor, since their waits count too."""

    def __init__(self, ambient: Ambient) -> None:
        super().__init__()
        self._ambient = ambient

    async def send(self, request: Request) -> Response:
        context = request.context
        send_by = context.setdefault(SEND_BY, context.options.pop(SEND_BY, None))  # given to the first attempt only
        if send_by is not None and self._ambient.monotonic() > send_by:
            raise ArmError(
                status=0,
                code=TOO_LATE_TO_SEND,
                message="it waited for too long: its lease is over, or what it is based on may be; look again first",
                error_class=ErrorClass.STALE,
                executed=Executed.NO,
                request=named(request.http_request),
            )
        return await self.next.send(request)


class _LogPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Logs one line for each attempt, without bodies, headers and queries: they hold settings and tokens."""

    def __init__(self, ambient: Ambient) -> None:
        super().__init__()
        self._ambient = ambient

    async def send(self, request: Request) -> Response:
        started = self._ambient.monotonic()
        response = await self.next.send(request)
        if log.isEnabledFor(logging.DEBUG):
            took = (self._ambient.monotonic() - started) * 1000
            sent = request.http_request
            log.debug(
                "%s %d in %.0f ms, %s", named(sent), response.http_response.status_code, took, sent.headers[REQUEST_ID]
            )
        return response
