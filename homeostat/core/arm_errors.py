"""Which ARM errors may be retried, which are final, and whether a refused write may have been executed.

One table by error code, then one by HTTP status for codes that are not in the first. The codes are those that ARM was
observed to answer with; see also
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Self

from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json

TOO_LATE_TO_SEND: Final = "TooLateToSend"
"""The code, Homeostat's own, of a request that was not sent, as it had waited for too long."""


class ErrorClass(StrEnum):
    """What an error means for the loop."""

    THROTTLED = "throttled"  # wait as long as ARM says, then send the same request again
    BUSY = "busy"  # another operation holds the resource or its parent: wait, then again
    TRANSIENT = "transient"  # the service or the network failed: a read may be repeated at once
    STALE = "stale"  # somebody else wrote first: observe again
    MISSING = "missing"  # the resource itself is not there
    MISSING_PARENT = "missing-parent"  # something above it is not there: says nothing about the resource's deletion
    LOCKED = "locked"  # a management lock: final until a person removes it
    DENIED = "denied"  # a permission is missing: final until a person grants it
    POLICY = "policy"  # Azure Policy refuses: final until the policy or the spec changes
    UNAUTHENTICATED = "unauthenticated"  # the token is missing, expired or for somebody else
    INVALID = "invalid"  # ARM does not accept the request: final until the spec or the code changes
    UNKNOWN = "unknown"  # not in the table: a capped number of retries


class Executed(StrEnum):
    """Whether a write that was answered with an error may have taken effect."""

    NO = "no"
    MAYBE = "maybe"


BY_CODE: Mapping[str, ErrorClass] = {
    "toomanyrequests": ErrorClass.THROTTLED,
    "subscriptionrequeststhrottled": ErrorClass.THROTTLED,
    "resourcerequeststhrottled": ErrorClass.THROTTLED,
    "resourcecollectionrequeststhrottled": ErrorClass.THROTTLED,
    "429": ErrorClass.THROTTLED,
    "retryableerror": ErrorClass.BUSY,
    "retryableerrorduetoanotheroperation": ErrorClass.BUSY,
    "anotheroperationinprogress": ErrorClass.BUSY,
    "referencedresourcenotprovisioned": ErrorClass.BUSY,
    "storageprovisioningstatenotsucceeded": ErrorClass.BUSY,
    "conflict": ErrorClass.BUSY,
    "preconditionfailed": ErrorClass.STALE,
    "canceledandsupersededduetoanotheroperation": ErrorClass.STALE,
    "resourcenotfound": ErrorClass.MISSING,
    "notfound": ErrorClass.MISSING,
    "resourcegroupnotfound": ErrorClass.MISSING_PARENT,
    "parentresourcenotfound": ErrorClass.MISSING_PARENT,
    "subscriptionnotfound": ErrorClass.MISSING_PARENT,
    "invalidresourcereference": ErrorClass.MISSING_PARENT,  # a 400: what a write refers to is not there, or not yet
    "scopelocked": ErrorClass.LOCKED,
    "authorizationfailed": ErrorClass.DENIED,
    "linkedauthorizationfailed": ErrorClass.DENIED,
    "requestdisallowedbypolicy": ErrorClass.POLICY,
    "readonlydisabledsubscription": ErrorClass.DENIED,
    "cannotdeleteresource": ErrorClass.INVALID,
    "missingsubscriptionregistration": ErrorClass.INVALID,
    "operationnotallowed": ErrorClass.INVALID,
    "resourcetypenotsupported": ErrorClass.INVALID,
    "skunotavailable": ErrorClass.INVALID,
    "expiredauthenticationtoken": ErrorClass.UNAUTHENTICATED,
    "invalidauthenticationtoken": ErrorClass.UNAUTHENTICATED,
    "invalidauthenticationtokentenant": ErrorClass.UNAUTHENTICATED,
    "authenticationfailed": ErrorClass.UNAUTHENTICATED,
    "unauthorized": ErrorClass.DENIED,  # Microsoft.Web's 401 for a quota that is used up
    "internalservererror": ErrorClass.TRANSIENT,
    "serviceunavailable": ErrorClass.TRANSIENT,
    "servertimeout": ErrorClass.TRANSIENT,
    "gatewaytimeout": ErrorClass.TRANSIENT,
}

BY_STATUS: Mapping[int, ErrorClass] = {
    400: ErrorClass.INVALID,
    401: ErrorClass.UNAUTHENTICATED,
    403: ErrorClass.DENIED,
    408: ErrorClass.TRANSIENT,
    409: ErrorClass.BUSY,
    412: ErrorClass.STALE,
    422: ErrorClass.INVALID,
    423: ErrorClass.LOCKED,
    429: ErrorClass.THROTTLED,
    500: ErrorClass.TRANSIENT,
    502: ErrorClass.TRANSIENT,
    503: ErrorClass.TRANSIENT,
    504: ErrorClass.TRANSIENT,
}

REFUSED_UNEXECUTED = frozenset(
    {
        ErrorClass.THROTTLED,
        ErrorClass.BUSY,
        ErrorClass.STALE,
        ErrorClass.MISSING,
        ErrorClass.MISSING_PARENT,
        ErrorClass.LOCKED,
        ErrorClass.DENIED,
        ErrorClass.POLICY,
        ErrorClass.UNAUTHENTICATED,
        ErrorClass.INVALID,
    }
)
"""Answers by which the request was refused before anything was done."""

FINAL = frozenset(
    {
        ErrorClass.LOCKED,
        ErrorClass.DENIED,
        ErrorClass.POLICY,
        ErrorClass.INVALID,
    }
)
"""Errors that the same request gets again until a person changes something."""

MESSAGE_LIMIT = 400
CODE_LIMIT = 100
"""Characters of ARM's message and code that are kept: bodies can be pages of HTML."""

REQUEST_LIMIT = 1000
"""The same for the request, which may have followed a link in an answer."""

LONGEST_WAIT = timedelta(days=1)
"""Longer waits are not believed: after a day the request is sent again."""

MAX_DIGITS = 9
BODY_LIMIT = 16 * 1024
"""Characters of a body without JSON that are searched: what it says about the error is at its beginning."""

_FOR_SUPPORT = "Please provide below info when asking for support"
_TAG = re.compile(r"<[^<>]*>")  # no `<` inside, so that a page full of them is not slow
_DIGITS = re.compile(r"[0-9]+")
_SECONDS_IN_TEXT = re.compile(r"(?:after|in) '?([0-9]{1,4})'? seconds", re.IGNORECASE)


@dataclass(eq=False)  # exceptions are compared by identity
class ArmError(HomeostatError):
    """An answer of ARM that is not a success, or no answer at all (`status` 0). Its texts are cut: they are stored."""

    status: int
    code: str
    message: str
    error_class: ErrorClass
    executed: Executed = Executed.MAYBE
    retry_after: timedelta | None = None
    request: str = ""  # "PUT /subscriptions/...", without the query

    def __post_init__(self) -> None:
        self.code, self.message = self.code[:CODE_LIMIT], _cut(self.message)
        self.request = self.request[:REQUEST_LIMIT]

    def __str__(self) -> str:
        where = f"{self.request}: " if self.request else ""
        return f"{where}{self.status or 'no answer'} {self.code}: {self.message}"

    @property
    def is_final(self) -> bool:
        return self.error_class in FINAL

    @classmethod
    def from_answer(cls, status: int, headers: Mapping[str, str], body: str, request: str = "") -> Self:
        """Classifies an error answer. `headers` may be in any case; `body` is the raw text, JSON or not."""
        code, message = _code_and_message(body)
        error_class = BY_CODE.get(code.lower()) or _by_status(status)
        return cls(
            status=status,
            code=code or f"HTTP {status}",
            message=message,
            error_class=error_class,
            executed=Executed.NO if error_class in REFUSED_UNEXECUTED else Executed.MAYBE,
            retry_after=_retry_after(headers, message),
            request=request,
        )

    @classmethod
    def from_operation(cls, state: str, body: str, request: str = "") -> Self:
        """A long-running operation that was accepted and then ended as `state`, `Failed` or `Canceled`.

        Its poll is answered with HTTP 200; only the code in `body` says what went wrong.
        """
        error = cls.from_answer(200, {}, body, request)
        if error.code == "HTTP 200":
            error.code = f"Operation{state.capitalize()}"
        error.message = error.message or f"the operation ended as {state}"
        return error

    @classmethod
    def no_answer(cls, reason: str, *, sent: bool, request: str = "") -> Self:
        """No answer came: connection refused, or timed out. sent: whether the request can have arrived."""
        return cls(
            status=0,
            code="NoAnswer",
            message=reason,
            error_class=ErrorClass.TRANSIENT,
            executed=Executed.MAYBE if sent else Executed.NO,
            request=request,
        )


_MISSING_RESOURCE = re.compile(r"[Rr]esource '?([^'\s]*/[^'\s]+)'? (?:under resource group .* was )?not found")


def missing_resource(message: str) -> str:
    """The resource that a 404's message says is missing: from its namespace on, lower case; "" if it names none.

    For a rule of an NSG that is gone, ARM answers `ResourceNotFound` and names the NSG.
    """
    found = _MISSING_RESOURCE.search(message)
    return found.group(1).lower().rpartition("/providers/")[2] if found else ""


_DENIED_ACTION = re.compile(r"does not have (?:authorization|permission) to perform action(?:\(s\))? '([^']+)'")


def denied_action(error: ArmError) -> str:
    """The action that the caller's role lacks, as ARM names it; if it names none, the request that was refused."""
    found = _DENIED_ACTION.search(error.message)
    return found.group(1) if found else f"{error.request}: {error.status} {error.code}"


def _by_status(status: int) -> ErrorClass:
    # A 404 without a known code may come from anything between here and the resource: it is not proof of deletion.
    return BY_STATUS.get(status, ErrorClass.UNKNOWN)


def _code_and_message(body: str) -> tuple[str, str]:
    """Reads both error shapes: `{"error": {"code", "message"}}` and Microsoft.Web's `{"Code", "Message"}`.

    Resource Graph says what is wrong only in the `details` of the former.
    """
    try:
        parsed: Json = json.parse(body)
    except ValueError:
        return "", _first_words(_TAG.sub(" ", body[:BODY_LIMIT]))
    error = json.at(parsed, ("error",))
    shape = error if isinstance(error, Mapping) else parsed
    details = json.objects_at(shape, "details")
    if details and json.text_at(shape, "message").startswith(_FOR_SUPPORT):
        shape = details[0]
    code = json.text_at(shape, "code") or json.text_at(shape, "Code")
    message = json.text_at(shape, "message") or json.text_at(shape, "Message")
    return code, _first_words(message)


def _first_words(text: str) -> str:
    return _cut(" ".join(text.split()))


def _cut(text: str) -> str:
    """The text, with a visible mark where it was cut."""
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 4]} ..."


def _retry_after(headers: Mapping[str, str], message: str) -> timedelta | None:
    """Retry-After in seconds (RFC 9110, 10.2.3), or the wait that some providers give only in their message.

    The pipeline, which knows the time, has turned an HTTP-date into seconds.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    milliseconds = lowered.get("x-ms-retry-after-ms") or lowered.get("retry-after-ms") or ""
    if (wait := wait_of(milliseconds, timedelta(milliseconds=1))) is not None:
        return wait
    if (wait := wait_of(lowered.get("retry-after", ""))) is not None:
        return wait
    if found := _SECONDS_IN_TEXT.search(message):
        return wait_of(found.group(1))
    resets = clock_seconds(lowered.get("x-ms-user-quota-resets-after", ""))
    return None if resets is None else timedelta(seconds=resets)


def wait_of(text: str, unit: timedelta = timedelta(seconds=1)) -> timedelta | None:
    """A wait as a header gives it, at most LONGEST_WAIT; None unless it is all digits."""
    if not _DIGITS.fullmatch(text):
        return None
    return min(int(text) * unit, LONGEST_WAIT) if len(text) <= MAX_DIGITS else LONGEST_WAIT


def clock_seconds(text: str) -> float | None:
    """Seconds of a wait as Resource Graph writes it, `00:00:05`; None for anything else.

    https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
    """
    found = re.fullmatch(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?", text.strip())
    return float(int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])) if found else None
