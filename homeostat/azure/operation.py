"""Follows a long-running operation: azure-mgmt-core knows the protocol, this module when to poll and when to stop.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

import logging
from datetime import timedelta
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.core.polling import AsyncLROPoller
from azure.core.polling.base_polling import BadResponse
from azure.mgmt.core import AsyncARMPipelineClient
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

from homeostat.ambient import Ambient
from homeostat.azure.retry import RETRYABLE_READ_ERRORS, Response, named, with_seconds
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed, wait_of

log = logging.getLogger(__name__)

FIRST_WAITS: Final = (0.0, 0.2)
"""Seconds before the first two polls. Most operations are quick; later waits double."""

LONGEST_WAIT: Final = 30.0

FAILED: Final = frozenset({"failed", "canceled", "cancelled"})


_MALFORMED_ANSWER: Final = (AzureError, AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""How azure-core's polling fails on an answer that is not the JSON object which it expects."""


class NotTold(ArmError):
    """ARM accepted the write, and does not let us ask how its operation goes on. Reading the resource tells."""


class _Unfinished(Exception):
    """Not an error: it leaves azure-core's polling loop."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


async def follow(
    client: AsyncARMPipelineClient[Any, Any], answer: Response, ambient: Ambient, seconds: float
) -> timedelta | None:
    """Waits for the operation that `answer` began, for at most `seconds`.

    Returns None when it succeeded. Otherwise it is still running, or ARM is too busy to tell or tells nothing that can
    be read: then it returns how long to wait before looking again. Raises ArmError when the operation failed, with its
    own code, and NotTold when our role does not allow to ask.
    """
    polling = _Polling(ambient, ambient.monotonic() + seconds)
    try:
        await AsyncLROPoller(client, answer, lambda _: None, polling).result()
    except _Unfinished as unfinished:
        return unfinished.retry_after
    except _MALFORMED_ANSWER as error:
        raise _misunderstood(answer, error) from error
    return None


class _Polling(AsyncARMPolling):
    """azure-mgmt-core's protocol with our own clock, pace and deadline.

    The last GET, of the finished resource, is left out: the loop observes it afresh.
    """

    def __init__(self, ambient: Ambient, deadline: float) -> None:
        super().__init__()
        self._ambient = ambient
        self._deadline = deadline
        self._polls = 0

    async def _poll(self) -> None:
        while not self.finished():
            await self._pause()
            await self._ask()
        if self.status().lower() in FAILED:
            answer = self._pipeline_response.http_response
            request = named(self._initial_response.http_response.request)
            raise ArmError.from_operation(self.status(), answer.content.decode("utf-8", "replace"), request)

    async def _pause(self) -> None:
        wait = self._named_wait() or _own_wait(self._polls)  # a Retry-After of 0 must not become a busy loop
        if self._ambient.monotonic() + wait > self._deadline:
            raise _Unfinished(timedelta(seconds=wait))
        await self._ambient.sleep(wait)
        self._polls += 1

    async def _ask(self) -> None:
        try:
            await self.update_status()
        except ArmError as error:
            if error.error_class in RETRYABLE_READ_ERRORS:
                wait = error.retry_after or timedelta(seconds=_own_wait(self._polls))
                raise _Unfinished(wait) from error
            raise _after_acceptance(error) from error
        except (BadResponse, *_MALFORMED_ANSWER) as error:
            # ARM has accepted the write, and this answer says nothing about it: to report a failure would be a guess.
            log.warning("an operation's poll makes no sense, and is left for a later look: %s", type(error).__name__)
            raise _Unfinished(timedelta(seconds=_own_wait(self._polls))) from error

    def _named_wait(self) -> float:
        headers = with_seconds(self._pipeline_response.http_response.headers, self._ambient.now())
        return (wait_of(headers.get("retry-after", "")) or timedelta()).total_seconds()


def _own_wait(polls: int) -> float:
    if polls < len(FIRST_WAITS):
        return FIRST_WAITS[polls]
    return min(LONGEST_WAIT, FIRST_WAITS[-1] * 2.0 ** (polls - len(FIRST_WAITS) + 1))


def _after_acceptance(error: ArmError) -> ArmError:
    """A poll's error as the write's error: an operation that cannot be read says nothing about its resource."""
    missing = error.error_class in {ErrorClass.MISSING, ErrorClass.MISSING_PARENT}
    kind = NotTold if error.error_class is ErrorClass.DENIED else ArmError
    return kind(
        status=error.status,
        code=error.code,
        message=f"accepted, but its operation cannot be followed: {error.message}",
        error_class=ErrorClass.UNKNOWN if missing else error.error_class,
        executed=Executed.NO if error.error_class is ErrorClass.STALE else Executed.MAYBE,
        retry_after=error.retry_after,
        request=error.request,
    )


def _misunderstood(answer: Response, error: Exception) -> ArmError:
    """An answer or a poll that does not follow ARM's protocol."""
    first = answer.http_response
    return ArmError(
        status=getattr(error, "status_code", None) or first.status_code,
        code="OperationUnreadable",
        message=f"accepted, but its operation cannot be followed: {error}",
        error_class=ErrorClass.UNKNOWN,
        request=named(first.request),
    )
