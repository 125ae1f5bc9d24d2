"""What the loop needs of the outside, as small Protocols, so that it never knows which store it runs on.

Three ports hold everything durable: `Documents` (leases, dirty marks, ledger, outbox), `Queues` (work) and `Blobs`
(desired state, reports, snapshots). `homeostat.azure.storage` keeps them in a storage account, `homeostat.memory` in
the process; one contract suite in tests/state holds both to what is written here.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import ArmType
from homeostat.core.attribution import ForeignWrite, Principal
from homeostat.core.budget import Lane
from homeostat.core.errors import HomeostatError
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.json import Absent, JsonObject
from homeostat.core.marks import LONGEST_DELAY
from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.core.probes import Probe, Probed, Result
from homeostat.core.quotas import Quota

MAX_CHANGES: Final = 100
"""Changes in one atomic batch (an entity group transaction of Azure Tables)."""

MAX_BODY: Final = 700_000
"""Characters of one serialised body. An entity holds 1 MiB; Azurite counts its bytes after base64."""

MAX_BATCH: Final = 1_900_000
"""Characters of all bodies of a batch. Its payload may be 4 MiB, and quoting can double a body on its way."""

MAX_MESSAGE: Final = 48 * 1024
"""Bytes of a queue message, UTF-8. A message holds 64 KiB in base64, which is how the Functions host reads it."""

MAX_DELAY: Final = LONGEST_DELAY
"""The longest that a queue message can stay hidden."""


class StorageError(HomeostatError):
    """Durable state could not be read or written."""


class Conflict(StorageError):
    """Somebody else was there first: a row or blob exists, changed or is gone. Nothing was applied. Read it again."""


class OutcomeUnknown(StorageError):
    """The answer to a write was lost, and what is stored does not tell. Read again before deciding anything."""


class StorageUnavailable(StorageError):
    """The store could not be reached, refused the credential or is throttling, after its retries. Try again later."""


class Unstorable(StorageError):
    """What was to be stored breaks a limit of the store. Trying again does not help."""


@dataclass(frozen=True, slots=True)
class Document:
    """One stored JSON object. `version` is opaque and differs after every write (an ETag)."""

    partition: str
    row: str
    body: JsonObject
    version: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Conflicts when the row exists."""

    row: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Replace:
    """Conflicts when the row is no longer at `version`, or gone."""

    row: str
    body: JsonObject
    version: str


@dataclass(frozen=True, slots=True)
class Upsert:
    """Writes the row whatever is there."""

    row: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Remove:
    """Conflicts when the row is no longer at `version`, or gone. Without a version an absent row is fine."""

    row: str
    version: str | None = None


type Change = Insert | Replace | Upsert | Remove


class Documents(Protocol):
    """JSON objects under a partition and a row. A partition is what a batch can change at once."""

    async def read(self, partition: str, row: str) -> Document | None: ...

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        """Applies all changes or none, and gives the new version of each written row, by row.

        Raises Conflict when a condition failed, OutcomeUnknown when it cannot be known whether it was applied, and
        Unstorable for over MAX_CHANGES changes, one row named twice, an empty key, or bodies over their limits.
        """
        ...

    def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        """The documents with `first <= row < last`, in order of their rows; an empty bound is open.

        Not a snapshot: a row written meanwhile may or may not appear.
        """
        ...

    def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        """The same range of rows in every partition; rows in order within each. Reads the whole table."""
        ...


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message as one receiver holds it. `receipt` is good until the message shows again or is postponed."""

    queue: str
    id: str
    body: str
    dequeue_count: int
    inserted: datetime
    receipt: str


class Receiver(Protocol):
    """The receiving end of queues. In Azure the Functions host has this part, but for queues that no trigger reads."""

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        """Up to `limit` (at most 32) messages, hidden from others for `visibility`."""
        ...

    async def delete(self, message: QueuedMessage) -> None:
        """Raises Conflict when the receipt is no longer good."""
        ...

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        """Hides the message for `delay` from now, under a new receipt. Raises Conflict like `delete`."""
        ...


class Sender(Protocol):
    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Adds a message that shows after `delay`, and never expires. Delivered at least once, in no promised order.

        Raises Unstorable for a body over MAX_MESSAGE or a delay over MAX_DELAY.
        """
        ...


class Queues(Sender, Receiver, Protocol):
    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        """Up to `limit` (at most 32) of the oldest messages that show now, left as they are: without a receipt."""
        ...

    async def count(self, queue: str) -> int:
        """About how many messages there are, hidden ones included."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    name: str
    size: int
    version: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Blob:
    name: str
    data: bytes
    version: str
    modified: datetime


class Blobs(Protocol):
    async def read(self, container: str, name: str) -> Blob | None: ...

    async def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        expected: str | Absent | None = None,
        content_type: str = "application/octet-stream",
    ) -> str:
        """Stores the blob and gives its new version.

        `expected` is the version that must still be there, ABSENT when there must be none, or None for whatever is
        there. Raises Conflict when it does not hold, OutcomeUnknown as `Documents.apply` does.
        """
        ...

    async def delete(self, container: str, name: str) -> None:
        """Deletes the blob; one that is not there is fine."""
        ...

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """The blobs whose names begin with `prefix`, in order of their names."""
        ...


def serialised(body: JsonObject) -> str:
    """The body as ASCII JSON, in which characters, bytes and the store's UTF-16 units count the same."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def bodies(partition: str, changes: Sequence[Change]) -> dict[str, str]:
    """The serialised bodies to be written, by row. Raises Unstorable where `changes` breaks the port's limits.

    Every implementation calls this first, so that all refuse the same.
    """
    place = f"partition {partition!r}"
    if len(changes) > MAX_CHANGES:
        raise Unstorable(f"{place}: {len(changes)} changes in one batch, at most {MAX_CHANGES} fit: split it")
    if not partition or not all(change.row for change in changes):
        raise Unstorable(f"{place}: a partition and a row need a name of at least one character")
    for row, times in Counter(change.row for change in changes).items():
        if times > 1:
            raise Unstorable(f"{place}: row {row!r} is changed {times} times in one batch: merge the changes")
    written = {change.row: serialised(change.body) for change in changes if not isinstance(change, Remove)}
    for row, text in written.items():
        if len(text) > MAX_BODY:
            raise Unstorable(f"{place}, row {row!r}: {len(text)} characters, at most {MAX_BODY} fit: use a blob")
    if (total := sum(map(len, written.values()))) > MAX_BATCH:
        raise Unstorable(f"{place}: {total} characters in one batch, at most {MAX_BATCH} fit: split it")
    return written


def check_message(queue: str, body: str) -> None:
    """Raises Unstorable for a message over MAX_MESSAGE."""
    if (size := len(body.encode())) > MAX_MESSAGE:
        raise Unstorable(f"queue {queue!r}: a message of {size} bytes, at most {MAX_MESSAGE} fit: refer to a blob")


def whole_seconds(delay: timedelta) -> int:
    """A message's delay as queues take it: in seconds, rounded up. Raises Unstorable when it is out of range."""
    if not timedelta() <= delay <= MAX_DELAY:
        raise Unstorable(f"a delay of {delay} for a queue message: it must be from 0 to {MAX_DELAY.days} days")
    return -(-delay // timedelta(seconds=1))


# --- ARM ------------------------------------------------------------------------------------------------------------


class StillRunning(HomeostatError):
    """ARM accepted a write and has not finished it in time. It goes on by itself: look again after `retry_after`."""

    def __init__(self, resource: ResourceId, written: "Written", retry_after: timedelta) -> None:
        super().__init__(f"{resource.short}: ARM is still carrying out the write; look again in {retry_after}")
        self.resource = resource
        self.written = written
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Written:
    """By which ids a write is recognised later, in events and in the Activity Log.

    request_id: what we called it, `x-ms-client-request-id` (`data.httpRequest.clientRequestId` of its event).
    correlation_id: what ARM calls it, `x-ms-correlation-request-id` (`data.correlationId` of its event).
    not_told: the refusal to say how the write goes on, where our role lacks the permission to ask.
    """

    request_id: str
    correlation_id: str
    not_told: ArmError | None = None


class ArmReader(Protocol):
    async def read(self, read: Read) -> Fact:
        """What ARM says now. Every failure is a fact too: Unreadable, with the reason.

        With `every`, all pages are followed into one `{"value": [...]}`; Unreadable when any of them fails.
        """
        ...


class SubscriptionReader(Protocol):
    async def read_all(self, type_: ArmType, subscription: str) -> Fact:
        """All resources of a type in a subscription, as one `{"value": [...]}`; Unreadable like a read with `every`."""
        ...


class DeploymentReader(Protocol):
    async def running_deployments(self, subscription: str, resource_group: str) -> Fact:
        """The deployments that run in a resource group, as one `{"value": [...]}`; Unreadable like any other read."""
        ...


class ArmWriter(Protocol):
    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        """Carries the action out, and returns when its operation has ended in success.

        correlation_id: what the write is to be called; one is made up when it is empty.
        send_by: when, on the ambient's monotonic clock, it is too late to send it, be it for the first time or again:
        then it is an ArmError of the class STALE, and nothing was sent.
        Raises ArmError when ARM refuses or fails (`executed` says whether it may have had an effect), and StillRunning
        when the operation outlasts the deadline or can no longer be followed: released, not failed.
        """
        ...


class Identity(Protocol):
    async def principal(self, subscription: str) -> Principal | None:
        """Our principal in the cloud of that subscription; None while it is unknown."""
        ...


class NoIdentity:
    """The identity of a process that receives no events."""

    async def principal(self, subscription: str) -> Principal | None:  # noqa: ARG002 - nobody is asked
        return None


class ChangeHistory(Protocol):
    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:
        """Who changed the root and its children since then, oldest first, as far as Azure remembers.

        Empty where it cannot say. Raises ArmError only if the permission to ask is missing, which must be reported.
        """
        ...


class ResourceTable(Protocol):
    """The rows of Azure Resource Graph. They lag by minutes, and silently lack what the caller may not read."""

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        """Raises ArmError; of code `ResponsePayloadTooLarge` where fewer rows must be asked for."""
        ...

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        """The query as several that can fail independently: one for each cloud that it covers."""
        ...


class Allowance(Protocol):
    """What all instances together may send to ARM."""

    async def take(self, scope: str, quota: Quota, tokens: int, within: float, lane: Lane) -> float:
        """Takes tokens and returns in how many seconds they may be spent; takes none if that is more than `within`.

        scope: a subscription, or "" for the tenant. Raises StorageError if it is unknown what is left.
        """
        ...


class NoChangeHistory:
    """The history of a process that asks for none."""

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:  # noqa: ARG002 - nothing is asked
        return ()


# --- the network -----------------------------------------------------------------------------------------------------


class Prober(Protocol):
    async def probe(self, probe: Probe) -> Probed:
        """What the network answers, in bounded time. Every failure is an answer too."""
        ...


class NoProber:
    """The prober of a process that runs in no app's network."""

    async def probe(self, probe: Probe) -> Probed:  # noqa: ARG002 - nothing is asked
        return Probed(Result.ELSEWHERE)


# --- alerts ---------------------------------------------------------------------------------------------------------


class AlertError(HomeostatError):
    """The channel did not take the events. Publish them again, with the same ids."""


@dataclass(frozen=True, slots=True)
class CloudEventData:
    """One CloudEvents 1.0 event. Consumers know a repetition by `source` and `id`."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: JsonObject


class AlertChannel(Protocol):
    async def publish(self, events: Sequence[CloudEventData]) -> None:
        """Delivers all events, at least once. Raises AlertError when any of them may not have been taken."""
        ...
