"""The one retry policy, and the one place where an answer of ARM becomes an ArmError.

It sits in the pipeline, beneath every SDK: around a `begin_*` call a retry would repeat the write when a poll fails.
What may be repeated follows from the core's error table: a read after anything that passes, a write only if the answer
says that nothing was done. There are no long sleeps: if a wait exceeds the budget, the error is raised with
`retry_after`, so that the caller can put the work off.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from tenacity import AsyncRetrying, RetryCallState

from homeostat.ambient import Ambient
from homeostat.azure.credentials import CredentialsUnavailable
from homeostat.azure.unanswered import was_sent
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed, wait_of

log = logging.getLogger(__name__)

type Request = PipelineRequest[HttpRequest]
type Response = PipelineResponse[HttpRequest, AsyncHttpResponse]

RETRYABLE_READ_ERRORS: Final = frozenset({ErrorClass.TRANSIENT, ErrorClass.THROTTLED, ErrorClass.BUSY})
"""Errors that may have passed when a read is repeated."""

RETRYABLE_WRITE_ERRORS: Final = frozenset({ErrorClass.THROTTLED, ErrorClass.BUSY})
"""Errors that may have passed when a write is repeated, provided that it was not executed."""

READ_ONLY_POSTS: Final = ("/list", "/providers/microsoft.resourcegraph/resources")
"""The ends of the paths of POST requests that change nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one request goes on.

    attempts: the first included. unknown: the same, for codes that are not in the error table.
    refreshed: the same, for a token that was refused.
    budget: seconds from the first attempt to the start of the last.
    base, ceiling: seconds of the first and the longest wait where ARM names none, each reduced at random by up to half.
    """

    attempts: int = 6
    unknown: int = 3
    refreshed: int = 2
    budget: float = 20.0
    base: float = 0.5
    ceiling: float = 8.0


class RetryPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Returns an answer of success, or raises ArmError.

    The SDKs stream the first answer of a long-running write and read it themselves, and an empty body can only be read
    once; so a success is passed on unread. A request may bring its own limits, as the option `limits`.
    """

    def __init__(self, ambient: Ambient, limits: Limits = Limits()) -> None:
        super().__init__()
        self._ambient = ambient
        self._limits = limits

    async def send(self, request: Request) -> Response:
        limits = request.context.options.pop("limits", self._limits)
        call = _Call(request.http_request, self._ambient, limits)
        retrying = AsyncRetrying(
            retry=call.may_be_repeated,
            wait=call.wait,
            stop=call.must_stop,
            sleep=self._ambient.sleep,
            reraise=True,
        )
        return await retrying(self._attempt, request)

    async def _attempt(self, request: Request) -> Response:
        where = named(request.http_request)
        try:
            response = await self.next.send(request)
            answer = response.http_response
            if answer.status_code >= 400 and not answer.is_stream_consumed:
                await answer.read()
        except ClientAuthenticationError as error:
            raise CredentialsUnavailable.because(str(error), where) from error
        except AzureError as error:
            raise ArmError.no_answer(str(error), sent=was_sent(error), request=where) from error
        if answer.status_code < 400:
            return response
        headers = with_seconds(answer.headers, self._ambient.now())
        raise ArmError.from_answer(answer.status_code, headers, _text(answer), where)


class _Call:
    """One request through all its attempts. Only its last error and the clock decide whether it is tried again."""

    def __init__(self, request: HttpRequest, ambient: Ambient, limits: Limits) -> None:
        self._reads = only_reads(request)
        self._ambient = ambient
        self._limits = limits
        self._started = ambient.monotonic()

    def may_be_repeated(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, ArmError) and state.attempt_number < self._allowed_attempts(error)

    def _allowed_attempts(self, error: ArmError) -> int:
        if isinstance(error, CredentialsUnavailable):
            return 1
        if error.error_class is ErrorClass.UNAUTHENTICATED:
            return self._limits.refreshed
        if error.error_class is ErrorClass.STALE:
            return 1
        never_sent = error.status == 0 and error.executed is Executed.NO
        if self._reads and error.error_class is ErrorClass.UNKNOWN:
            return self._limits.unknown
        if never_sent or error.error_class in (RETRYABLE_READ_ERRORS if self._reads else RETRYABLE_WRITE_ERRORS):
            return self._limits.attempts
        return 1

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: as ARM says, else growing, with jitter."""
        error = _error_of(state)
        if error.error_class is ErrorClass.UNAUTHENTICATED:
            return 0.0
        if error.retry_after is not None:
            return error.retry_after.total_seconds()
        longest = min(self._limits.ceiling, self._limits.base * 2.0 ** (state.attempt_number - 1))
        return longest * (1 + self._ambient.random()) / 2

    def must_stop(self, state: RetryCallState) -> bool:
        """Whether the wait would exceed the budget. Then the error says how long the work is to be put off."""
        error = _error_of(state)
        spent = self._ambient.monotonic() - self._started
        if spent + state.upcoming_sleep > self._limits.budget:
            error.retry_after = timedelta(seconds=state.upcoming_sleep)
            return True
        log.info("%s; attempt %d, again in %.1f s", error, state.attempt_number, state.upcoming_sleep)
        return False


def _error_of(state: RetryCallState) -> ArmError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, ArmError), "only an ArmError is repeated"
    return error


def only_reads(request: HttpRequest) -> bool:
    """Whether repeating the request can change nothing."""
    path = urlsplit(request.url).path.lower()
    return request.method in {"GET", "HEAD"} or (request.method == "POST" and path.endswith(READ_ONLY_POSTS))


def with_seconds(headers: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """The headers with a Retry-After that is an HTTP-date (RFC 9110, 10.2.3) turned into seconds from `now`."""
    lowered = {name.lower(): value for name, value in headers.items()}
    named = lowered.get("retry-after", "").strip()
    if not named or wait_of(named) is not None:
        return lowered
    try:
        then = parsedate_to_datetime(named)
    except ValueError:
        return lowered
    wait = (then - now).total_seconds() if then.tzinfo else 0.0
    return {**lowered, "retry-after": str(max(0, round(wait)))}


def named(request: HttpRequest) -> str:
    """Method and path, without the query. A link in an answer may be no valid URL."""
    try:
        path = urlsplit(request.url).path
    except ValueError:
        path = request.url.partition("?")[0]
    return f"{request.method} {path}"


def _text(answer: AsyncHttpResponse) -> str:
    return answer.content.decode("utf-8", errors="replace")
