"""Translates the storage SDKs' errors into ours, and finds out what became of a write.

Reads and queue messages may simply be repeated, so the SDKs' own retry policies serve them. A conditional write may
not: if its answer is lost, the repeated request finds the row that the first one wrote, and "already exists" would be
taken for another's work. So writes are sent without the SDKs' retries, carry an id, and are repeated by `settled`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
)

from homeostat.azure.unanswered import was_sent
from homeostat.ports.storage import Conflict, OutcomeUnknown, StorageError, StorageUnavailable, Unstorable

PAUSES: Final = (0.2, 0.8, 3.2)
"""Seconds between the attempts of a write."""

_TOO_LARGE: Final = frozenset({"EntityTooLarge", "PropertyValueTooLarge", "RequestBodyTooLarge", "MessageTooLarge"})
_MADE_ALREADY: Final = frozenset({"TableAlreadyExists", "QueueAlreadyExists", "ContainerAlreadyExists"})
_CONFLICTS: Final = frozenset(
    {
        "EntityAlreadyExists",
        "UpdateConditionNotSatisfied",
        "EntityNotFound",
        "ResourceNotFound",
        "BlobAlreadyExists",
        "ConditionNotMet",
        "BlobNotFound",
    }
)
"""A condition of ours failed. Other answers of 404, 409 and 412 are about missing tables, leases and policies."""


def code(error: AzureError) -> str:
    """The service's error code, such as `EntityAlreadyExists`; "" when there was no answer."""
    found = getattr(error, "error_code", None)
    return str(getattr(found, "value", found) or "")


def translated(place: str, error: AzureError) -> StorageError:
    """The error as one of ours. place: what was read or written."""
    if isinstance(error, ClientAuthenticationError) or getattr(error, "status_code", None) == 403:
        return StorageUnavailable(
            f"{place}: the storage account refused the credential ({code(error) or _line(error)}): correct "
            "AzureWebJobsStorage, or give the app's identity the account's Storage data contributor roles"
        )
    if code(error) in _TOO_LARGE:
        return Unstorable(f"{place}: too large for the storage account ({code(error)})")
    if isinstance(error, HttpResponseError):
        return StorageUnavailable(f"{place}: the storage account answered {error.status_code} {code(error)}: try later")
    return StorageUnavailable(f"{place}: the storage account cannot be reached: {_line(error)}")


@contextmanager
def translating(place: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise translated(place, error) from error


@contextmanager
def making(place: str) -> Iterator[None]:
    """For creating a table, queue or container, which another instance may do at the same time."""
    try:
        yield
    except ResourceExistsError as error:
        if code(error) not in _MADE_ALREADY:
            raise translated(place, error) from error


async def settled[T](place: str, write: Callable[[], Awaitable[T]], recognise: Callable[[], Awaitable[T | None]]) -> T:
    """The result of a conditional write, which is repeated while its outcome is open.

    write: sends one request. recognise: reads back, and returns the result if it finds the write's id. Raises Conflict
    only if nothing can have been applied, and OutcomeUnknown if an answer was lost and the write is not recognised.
    """
    open_since: AzureError | None = None
    last: AzureError | None = None
    for pause in (0.0, *PAUSES):
        await asyncio.sleep(pause)
        try:
            return await write()
        except AzureError as error:
            last = error
            fate = _fate(error)
            if fate is _Fate.LOST:
                open_since = error
            elif fate is _Fate.REFUSED:
                break
    assert last is not None
    if open_since is None:
        raise _refusal(place, last) from last
    if (found := await _recognised(recognise)) is not None:
        return found
    raise OutcomeUnknown(f"{place}: no answer to a write ({_line(open_since)}): read it again") from open_since


class _Fate(Enum):
    NOT_EXECUTED = auto()  # repeat it
    LOST = auto()  # repeat it, and remember that it may have been applied
    REFUSED = auto()  # the service considered it and refused


def _fate(error: AzureError) -> _Fate:
    if not was_sent(error):
        return _Fate.NOT_EXECUTED
    if isinstance(error, ClientAuthenticationError):
        return _Fate.REFUSED
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status == 429:
        return _Fate.NOT_EXECUTED
    if status is None or status == 408 or status >= 500:
        return _Fate.LOST
    return _Fate.REFUSED


def _refusal(place: str, error: AzureError) -> StorageError:
    if code(error) in _CONFLICTS:
        return Conflict(f"{place}: somebody else was there first ({code(error)}): read it again")
    return translated(place, error)


async def _recognised[T](recognise: Callable[[], Awaitable[T | None]]) -> T | None:
    try:
        return await recognise()
    except StorageUnavailable:
        return None  # the caller then reports that the outcome is unknown


def _line(error: AzureError) -> str:
    return error.message.partition("\n")[0][:200]
