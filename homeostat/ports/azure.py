"""Azure: Resource Manager, Resource Graph, and who Homeostat is to them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import ArmType
from homeostat.core.attribution import ForeignWrite, Principal
from homeostat.core.budget import Lane
from homeostat.core.errors import HomeostatError
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.core.quotas import Quota


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
    replaced: ARM said that what was to be created was there already, and has been replaced.
    not_told: the refusal to say how the write goes on, where our role lacks the permission to ask.
    """

    request_id: str
    correlation_id: str
    replaced: bool = False
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


class NoChangeHistory:
    """The history of a process that asks for none."""

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:  # noqa: ARG002 - nothing is asked
        return ()


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
