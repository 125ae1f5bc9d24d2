"""What every backend that private endpoints lead to has in common: its connections and its link resources.

A connection belongs to the backend. Its owner approves or rejects it there, and the endpoint only shows what it says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.arm import Call, ResourceType, envelope, existing
from simulator.cloud import Cloud, Resource
from simulator.errors import ErrorBody, arm_body, bad_request
from simulator.ids import name_of
from simulator.messages import Json, Response
from simulator.operations import Protocol
from simulator.providers.fields import object_at, properties_of, text_at

_STATUSES = {"Approved", "Rejected", "Pending", "Disconnected"}


@dataclass(frozen=True, slots=True)
class Target:
    """A type that private endpoints can lead to; `arm.PrivateLinkTarget` for Microsoft.Network.

    `hosts` gives a resource's host names by group id. With a `protocol` writes of a connection answer 202.
    """

    type: str
    hosts: Callable[[Resource], Mapping[str, tuple[str, ...]]]
    zone: str
    members: Mapping[str, str] = field(default_factory=dict)  # a group's member where it has a name of its own
    link_name: str | None = None  # of its link resource, when that is not the group id
    ready: str = "Succeeded"  # how a finished connection calls itself
    protocol: Protocol | None = None

    def groups(self, resource: Resource) -> Mapping[str, tuple[str, ...]]:
        return self.hosts(resource)

    def connect(self, cloud: Cloud, target: Resource, endpoint_id: str, *, group: str, manual: bool) -> str:
        name = f"{name_of(endpoint_id)}-{cloud.guid()}"
        connection = Resource(f"{target.id}/privateEndpointConnections/{name}", self._connections)
        connection.properties.update(
            privateEndpoint={"id": endpoint_id},
            groupIds=[group],
            privateLinkServiceConnectionState={
                "status": "Pending" if manual else "Approved",
                "description": "" if manual else "Auto-approved",
                "actionsRequired": "None",
            },
            provisioningState=self.ready,
        )
        cloud.put(connection)
        return connection.id

    def types(self, api_versions: tuple[str, ...], *, error_body: ErrorBody = arm_body) -> tuple[ResourceType, ...]:
        """The child types to register beside the backend's own."""
        return (
            ResourceType(
                name=self._connections,
                api_versions=api_versions,
                put=self._put,
                delete=self._delete,
                error_body=error_body,
            ),
            ResourceType(
                name=f"{self.type}/privateLinkResources",
                api_versions=api_versions,
                list=self._link_resources,
                error_body=error_body,
            ),
        )

    def shown(self, cloud: Cloud, target: Resource) -> list[Json]:
        """The connections as the backend's own body lists them."""
        return [{"id": each.id, "properties": each.properties} for each in cloud.children(target.id, self._connections)]

    @property
    def _connections(self) -> str:
        return f"{self.type}/privateEndpointConnections"

    def _put(self, call: Call) -> Response:
        """Approve or reject."""
        connection = existing(call)
        wanted = object_at(properties_of(call), "privateLinkServiceConnectionState")
        if text_at(wanted, "status") not in _STATUSES:
            raise bad_request("InvalidParameter", f"The connection status must be one of {sorted(_STATUSES)}.")

        def decide(_: datetime) -> None:
            connection.properties["privateLinkServiceConnectionState"] = {
                "status": wanted["status"],
                "description": wanted.get("description", ""),
                "actionsRequired": wanted.get("actionsRequired", "None"),
            }
            call.cloud.touch()

        return self._do(call, "UpsertPrivateEndpointConnection", decide, lambda: envelope(connection))

    def _delete(self, call: Call) -> Response:
        if call.resource is None:
            return Response.empty(204)
        gone = call.resource.id
        return self._do(call, "DropPrivateEndpointConnection", lambda _: call.cloud.remove(gone), lambda: None)

    def _do(
        self, call: Call, what: str, work: Callable[[datetime], None], result: Callable[[], Json | None]
    ) -> Response:
        if self.protocol is None:
            work(call.now)
            body = result()
            return Response.empty(200) if body is None else Response.json(200, body)
        headers = call.accept(self.protocol, location=_location(call), finish=work, result=result, delete=True)
        return Response.json(202, {"operation": what, "startTime": call.now.isoformat()}, headers)

    def _link_resources(self, call: Call) -> Response:
        target = call.cloud.get(call.id.rpartition("/")[0])
        assert target is not None, "the gateway has checked the parent"
        return Response.json(200, {"value": [self._link_resource(target, group) for group in self.hosts(target)]})

    def _link_resource(self, target: Resource, group: str) -> Json:
        name = self.link_name or group
        properties: dict[str, Any] = {
            "groupId": group,
            "requiredMembers": [self.members.get(group, group)],
            "requiredZoneNames": [self.zone],
        }
        return {
            "id": f"{target.id}/privateLinkResources/{name}",
            "name": name,
            "type": f"{self.type}/privateLinkResources",
            "properties": properties,
        }


def _location(call: Call) -> str:
    parent = call.parent()
    assert parent is not None, "the gateway has checked the parent"
    found: str = parent.body["location"]
    return found
