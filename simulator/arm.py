"""The seam between ARM's front door and the providers behind it.

A provider module lists `ResourceType`s, and `Function`s for URLs that are not a resource. The gateway does everything
that real ARM does before and after a provider: authentication, api-versions, locks, the 404s of groups and parents,
error shapes, correlation ids and the activity log. A handler gets a `Call` and returns a `Response`, or raises
`ArmError`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from simulator.activity import Activity
from simulator.changes import NESTED_ROWS, Row, members
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, ErrorBody, arm_body, resource_not_found
from simulator.ids import Address, address, ancestors, parent_of
from simulator.messages import Json, Principal, Request, Response
from simulator.operations import Operation
from simulator.operations import Protocol as OperationProtocol

type Handler = Callable[["Call"], Response]
type Render = Callable[["Call", Resource], Json]


class PrivateLinkTarget(Protocol):
    """What a type that private endpoints can point at tells Microsoft.Network."""

    def groups(self, resource: Resource) -> Mapping[str, tuple[str, ...]]:
        """The host names behind each group id, e.g. `{"sqlServer": ("sql-flask.database.windows.net",)}`."""

    def connect(self, cloud: Cloud, target: Resource, endpoint_id: str, *, group: str, manual: bool) -> str:
        """Store a privateEndpointConnection below the target (Approved unless `manual`) and return its id.

        The endpoint shows that resource's `properties.privateLinkServiceConnectionState` from then on, so approving,
        rejecting or deleting the connection on the backend shows on the endpoint without further ado.
        """


@dataclass(frozen=True, slots=True)
class Action:
    """A POST below a resource. `permission` is its operation name when that is not `TYPE/NAME/action`."""

    handler: Handler
    permission: str | None = None


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One ARM resource type, and what its provider does with it. A verb left None answers 405."""

    name: str  # in ARM's casing: Microsoft.Network/networkSecurityGroups/securityRules
    api_versions: tuple[str, ...]  # newest first; anything between the last and the first is accepted
    get: Handler | None = None
    put: Handler | None = None
    patch: Handler | None = None
    delete: Handler | None = None
    list: Handler | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)  # by lower-case name
    render: Render | None = None  # a resource as the default `get` and `list` show it
    error_body: ErrorBody = arm_body
    tracked: bool = False  # top-level with a location: listed by /subscriptions/{s}/resources
    extension: bool = False  # may hang on any scope
    parent_checked: bool = True  # the gateway refuses writes below a parent that does not exist
    private_link: PrivateLinkTarget | None = None
    path: str = ""  # literal segments of its URL where it lies outside `/providers/`: subscriptions/resourceGroups

    @property
    def permission(self) -> str:
        """What its operation names begin with."""
        return f"{self.namespace}/{self.path}" if self.path else self.name

    @property
    def namespace(self) -> str:
        return self.name.partition("/")[0]

    @property
    def nested(self) -> bool:
        return self.name.count("/") > 1


@dataclass(frozen=True, slots=True)
class Function:
    """A URL that is not a resource. `path` has the literal segments only, without the names between them:
    `Microsoft.Network/locations/availableDelegations` serves
    `.../providers/Microsoft.Network/locations/{l}/availableDelegations`.
    """

    method: str
    path: str
    handler: Handler
    anonymous: bool = False  # answered without a token


class Registry:
    """Every type and function, by the lower-case shape of its path."""

    def __init__(self, types: Iterable[ResourceType], functions: Iterable[Function] = ()) -> None:
        types = tuple(types)
        self.types = {(each.path or each.name).lower(): each for each in types}
        self.by_name = {each.name.lower(): each for each in types}
        self.functions = {(each.method, each.path.lower()): each for each in functions}
        self.namespaces = {each.namespace.lower(): each.namespace for each in types}


@dataclass(slots=True)
class Call:
    """One authenticated request, addressed to a resource type or function."""

    cloud: Cloud
    registry: Registry
    request: Request
    now: datetime
    address: Address
    api_version: str
    caller: Principal
    correlation_id: str
    type: ResourceType | None = None  # set by the gateway's routing
    operation: Operation | None = None  # set by `accept`
    quotas: dict[str, str] = field(default_factory=dict)  # the headers that tell what is left of the caller's quotas
    operation_name: str = ""
    row: "Row | None" = None  # what Resource Graph shows of the addressed resource, before the handler ran

    @property
    def id(self) -> str:
        """The addressed id, in the caller's casing."""
        return self.address.path

    @property
    def target_id(self) -> str:
        """The resource that is acted on: for an action's URL the resource before the action's name."""
        path = self.address.path
        return path.rpartition("/")[0] if self.address.is_collection and self.request.method == "POST" else path

    @property
    def base_url(self) -> str:
        return f"https://{self.request.headers.get('host', 'management.azure.com')}"

    @property
    def resource(self) -> Resource | None:
        return self.cloud.get(self.address.path)

    def parent(self) -> Resource | None:
        """The resource above the addressed one; for a collection the resource that it belongs to."""
        path = self.address.path
        return self.cloud.get(path.rpartition("/")[0] if self.address.is_collection else parent_of(path))

    def body(self) -> Json:
        """The request body, a fresh JSON object that the handler may keep. 400 for anything else."""
        try:
            parsed = json.loads(self.request.body or b"")
        except ValueError as error:
            message = f"The request content was invalid and could not be deserialized: '{error}'."
            raise ArmError(400, "InvalidRequestContent", message, gateway=True) from error
        if not isinstance(parsed, dict):
            message = "The request content was invalid and could not be deserialized: 'a JSON object is expected'."
            raise ArmError(400, "InvalidRequestContent", message, gateway=True)
        return parsed

    def header(self, name: str) -> str | None:
        found: str | None = self.request.headers.get(name)
        return found

    def display_id(self) -> str:
        """The id to store: the caller's name casing under the parent's stored id."""
        parent = self.cloud.get(parent_of(self.address.path))
        path = self.address.path
        return path if parent is None else parent.id + path[len(parent.id) :]

    def accept(
        self,
        protocol: OperationProtocol,
        *,
        location: str = "global",
        finish: Callable[[datetime], None] = lambda _: None,
        error: Json | None = None,
        root: str = "",
        result: Callable[[], Json | None] | None = None,
        delete: bool = False,
    ) -> dict[str, str]:
        """Begin a long-running operation and return the headers that announce it.

        `finish(at)` runs when it completes and is not run when `error` (`{"code", "message"}`) makes it fail. `root` is
        held busy meanwhile. The activity is recorded at completion.
        """

        def complete(at: datetime) -> None:
            if error is None:
                finish(at)
            self.record("Failure" if error else "Success", at, long_running=True)

        def make(operation_id: str, due: datetime) -> Operation:
            query = f"?api-version={protocol.api_version or self.api_version}"
            names = {"subscription": self.address.subscription, "group": self.address.group, "id": operation_id}
            names["location"] = location.lower().replace(" ", "")

            def url(template: str | None) -> str:
                return f"{self.base_url}{template.format(**names)}{query}" if template else ""

            return Operation(
                operation_id, protocol, location, self.id, self.now, due,
                url(protocol.status_path), url(protocol.result_path), complete, error=error, result=result,
            )  # fmt: skip

        self.operation = self.cloud.start(protocol, make, self.now, root=root)
        return announce(self.cloud, self.operation, delete=delete)

    def record(self, status: str, at: datetime, *, long_running: bool = False) -> None:
        """Write the activity record of this call."""
        if not self.operation_name:
            return
        self.cloud.activities.append(
            Activity(
                at=at,
                correlation_id=self.correlation_id,
                client_request_id=self.header("x-ms-client-request-id") or "",
                caller=self.caller,
                method=self.request.method,
                url=f"{self.base_url}{self.address.path}?api-version={self.api_version}",
                operation_name=self.operation_name,
                resource_id=self.address.path,
                status="Success" if status == "Success" else "Failure",
                long_running=long_running,
            )
        )
        if status == "Success" and self.row is not None:
            self.cloud.changes.note(self.row, _shown_row(self, self.row.id), self.cloud.activities.newest)

    def remember_row(self) -> None:
        """Called before the handler of a write runs."""
        if self.type is None or self.type.extension:
            return
        for id_ in ancestors(self.target_id):
            kind = self.registry.types.get(address(id_).shape)
            if kind is not None and (kind.tracked or kind.name.lower() in NESTED_ROWS):
                self.row = Row(id_, kind.name.lower(), _shown_row(self, id_))
                return


def _shown_row(call: Call, resource_id: str) -> Json | None:
    resource = call.cloud.get(resource_id)
    return None if resource is None else members(shown(call, resource))


def announce(cloud: Cloud, operation: Operation, *, delete: bool = False, poll: bool = False) -> dict[str, str]:
    """The headers that tell a client how to follow an operation."""
    protocol = operation.protocol
    headers = {"azure-asyncoperation": operation.status_url} if operation.status_url else {}
    if operation.result_url and (delete or not protocol.result_on_delete_only):
        headers["location"] = operation.result_url
    after = protocol.poll_retry_after if poll else protocol.retry_after
    if after is not None:
        headers["retry-after"] = str(after if cloud.timing.retry_after is None else cloud.timing.retry_after)
    return headers


# --- defaults that most types share


def envelope(resource: Resource) -> Json:
    """id, name, type, then the stored body."""
    return {"id": resource.id, "name": resource.name, "type": resource.type, **resource.body}


def shown(call: Call, resource: Resource) -> Json:
    """A resource as its type renders it."""
    kind = call.registry.by_name.get(resource.type.lower())
    return kind.render(call, resource) if kind is not None and kind.render is not None else envelope(resource)


def existing(call: Call) -> Resource:
    """The addressed resource, or the gateway's 404."""
    if call.resource is None:
        assert call.type is not None
        raise resource_not_found(call.type.name, "/".join(call.address.names), call.address.group)
    return call.resource


def read(call: Call) -> Response:
    """The default `get`: 200 with the rendered resource, or the gateway's 404."""
    resource = existing(call)
    return Response.json(200, shown(call, resource), {"etag": resource.etag} if resource.etag else None)


def listing(call: Call) -> Response:
    """The default `list`: below a parent, a resource group or the whole subscription."""
    assert call.type is not None
    scope = call.address.path.rpartition("/")[0] if call.type.nested else call.address.scope
    found = call.cloud.of_type(call.type.name, scope)
    return Response.json(200, {"value": [shown(call, each) for each in found]})
