"""The state of one simulated Azure: every resource, every running operation, who did what.

A Cloud has no clock and does no I/O. Its only randomness is a generator seeded at birth, so that equal requests at
equal times give equal answers, byte for byte.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from simulator.activity import ActivityLog
from simulator.changes import ChangeLog
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Principal, Response
from simulator.operations import Operation, Protocol
from simulator.places import CHINA, GOVERNMENT, Place
from simulator.throttling import Throttling

if TYPE_CHECKING:
    from simulator.access import Role

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
"""The first of a cloud's subscriptions; `subscription_ids` numbers those that follow."""
TENANT = "00000000-0000-4000-8000-00000000000a"
_REMEMBERED_OPERATIONS = 10_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

OPERATOR = Principal(
    name="operator@contoso.example",
    object_id="00000000-0000-4000-8000-0000000000b1",
    app_id="04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # the Azure CLI's own application id
    tenant_id=TENANT,
    upn="operator@contoso.example",
)
HOMEOSTAT = Principal(
    name="id-homeostat",
    object_id="00000000-0000-4000-8000-0000000000b2",
    app_id="00000000-0000-4000-8000-0000000000c2",
    tenant_id=TENANT,
)
PUBLIC = Place(
    name="AzureCloud",
    arm="management.azure.com",
    authority="login.microsoftonline.com",
    audiences=("management.azure.com", "management.core.windows.net"),
    tenant=TENANT,
    subscription=SUBSCRIPTION,
    application=HOMEOSTAT,
)
PLACES = {place.name: place for place in (PUBLIC, GOVERNMENT, CHINA)}


def subscription_ids(count: int, place: Place = PUBLIC) -> tuple[str, ...]:
    """The ids of so many subscriptions, the place's own first."""
    first = place.subscription
    return (first, *(f"{first[:24]}{first[-1]}{number:011}" for number in range(2, count + 1)))


@dataclass(frozen=True, slots=True)
class Timing:
    """How long operations last. None means as recorded from Azure.

    row_seconds: how old the rows of Resource Graph may be.
    """

    operation_seconds: float | None = 0.0
    retry_after: int | None = None
    row_seconds: float = 0.0


@dataclass(slots=True)
class Resource:
    """One stored resource.

    `body` is the provider's own form without id, name, type and etag; after changing it in place call `Cloud.touch`.
    """

    id: str
    type: str
    body: Json = field(default_factory=dict)
    etag: str = ""
    provisioning: str = "Succeeded"

    @property
    def key(self) -> str:
        return self.id.lower()

    @property
    def name(self) -> str:
        return name_of(self.id)

    @property
    def properties(self) -> Json:
        found = self.body.setdefault("properties", {})
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of the request log."""

    time: datetime
    duration_ms: float
    method: str
    path: str  # with the query
    status: int  # 0: the connection was dropped
    caller: str
    correlation_id: str
    client_request_id: str = ""
    error: str = ""  # the code of an error answer


class Cloud:
    """One simulated Azure.

    subscriptions: the place's own if none is given. The first is the one that `subscription` names.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        timing: Timing | None = None,
        subscriptions: Sequence[str] = (),
        place: Place = PUBLIC,
    ) -> None:
        self.place = place
        self.subscriptions = tuple(each.lower() for each in subscriptions) or (place.subscription,)
        self.tenant = place.tenant
        self.management_groups = {self.tenant: self.subscriptions}  # below each; the root one has the tenant's name
        self.timing = timing or Timing()
        self.random = Random(seed)  # noqa: S311  # reproducible identifiers, not secrets
        self.activities = ActivityLog()
        self.changes = ChangeLog()
        self.throttling = Throttling()
        self.exchanges: deque[Exchange] = deque(maxlen=100_000)
        self.operations: dict[str, Operation] = {}
        self.revision = 0
        self.answers: dict[tuple[Any, ...], tuple[int, Response]] = {}  # of GETs, valid for one revision
        self.tokens: dict[str, dict[str, Any]] = {}  # the claims of access tokens whose signature was checked
        self.asked: set[str] = set()  # every operation, in lower case, that Homeostat's identity needed so far
        self._role: Role | None = None
        self.extras: dict[str, Any] = {}  # a provider's own state that is no resource, by provider name
        self._resources: dict[str, Resource] = {}
        self._children: dict[str, dict[str, Resource]] = {}
        self._by_type: dict[str, dict[str, Resource]] = {}
        self._pending: list[tuple[datetime, int, Operation]] = []
        self._busy: dict[str, Operation] = {}
        self._sequence = 0

    @property
    def subscription(self) -> str:
        return self.subscriptions[0]

    def forget_history(self) -> None:
        """Drop operations and logs, as after building a world: what follows is all that a reader sees."""
        self.advance(datetime.max.replace(tzinfo=UTC))
        self.operations.clear()
        self.exchanges.clear()
        self.throttling.forget()
        self.activities = ActivityLog()
        self.changes = ChangeLog()

    @property
    def role(self) -> "Role | None":
        """What restricts Homeostat's identity, if anything does."""
        return self._role

    @role.setter
    def role(self, role: "Role | None") -> None:
        self._role = role
        self.answers.clear()  # of reads that it may forbid

    # --- identifiers

    def guid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    # --- resources

    def get(self, resource_id: str) -> Resource | None:
        return self._resources.get(resource_id.lower())

    def put(self, resource: Resource) -> Resource:
        """Store or replace. Children are found through their ids; a parent need not exist."""
        key = resource.key
        self._resources[key] = resource
        self._children.setdefault(parent_of(key), {})[key] = resource
        self._by_type.setdefault(resource.type.lower(), {})[key] = resource
        self.revision += 1
        return resource

    def touch(self) -> None:
        """Say that a stored body was changed in place."""
        self.revision += 1

    def remove(self, resource_id: str) -> None:
        """Forget a resource and everything below it; an absent one is fine."""
        key = resource_id.lower()
        for child in list(self._children.get(key, {}).values()):
            self.remove(child.id)
        resource = self._resources.pop(key, None)
        if resource is not None:
            self._children.get(parent_of(key), {}).pop(key, None)
            self._by_type.get(resource.type.lower(), {}).pop(key, None)
        self._children.pop(key, None)
        self.revision += 1

    def children(self, parent_id: str, type_name: str | None = None) -> list[Resource]:
        """Direct children in the order of their creation, of one full type name if given."""
        found = self._children.get(parent_id.lower(), {}).values()
        if type_name is None:
            return list(found)
        wanted = type_name.lower()
        return [child for child in found if child.type.lower() == wanted]

    def of_type(self, type_name: str, scope: str = "") -> list[Resource]:
        """All resources of a type, below `scope` if given, in the order of their creation."""
        found = self._by_type.get(type_name.lower(), {})
        if not scope:
            return list(found.values())
        prefix = scope.lower().rstrip("/") + "/"
        return [resource for key, resource in found.items() if key.startswith(prefix)]

    def has_named(self, type_name: str, name: str) -> bool:
        """Whether there is a resource of a type and name, in whatever group."""
        end = f"/{name}".lower()
        return any(key.endswith(end) for key in self._by_type.get(type_name.lower(), ()))

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    # --- operations

    def start(
        self,
        protocol: Protocol,
        operation: Callable[[str, datetime], Operation],
        now: datetime,
        *,
        root: str = "",
    ) -> Operation:
        """Begin an operation, made by `operation(id, due)`; until it ends `running(root)` returns it."""
        override = self.timing.operation_seconds
        seconds = protocol.seconds if override is None else override
        if len(self.operations) >= _REMEMBERED_OPERATIONS:
            self.operations = {key: each for key, each in self.operations.items() if not each.done}
        started = operation(self.guid(), now + timedelta(seconds=seconds))
        self.operations[started.id] = started
        self._sequence += 1
        heapq.heappush(self._pending, (started.due, self._sequence, started))
        if root:
            self._busy[root.lower()] = started
        return started

    def running(self, root: str) -> Operation | None:
        """The operation that holds a root resource, or None."""
        held = self._busy.get(root.lower())
        return None if held is None or held.done else held

    def advance(self, now: datetime) -> None:
        """Complete every operation that is due."""
        while self._pending and self._pending[0][0] <= now:
            due, _, operation = heapq.heappop(self._pending)
            operation.finish(due)
            operation.done = True
            self.revision += 1

    def next_due(self) -> datetime | None:
        """When `advance` has something to do next; a server that pushes events sleeps until then."""
        return self._pending[0][0] if self._pending else None
