"""The pattern that every Microsoft.Network resource follows.

A root (VNet, NSG, route table, private endpoint, flow log) owns one ETag, which its children repeat; any write below it
changes it, once when the write is accepted and again when it completes. Writes are accepted with 201 or 200 and an
Azure-AsyncOperation; while one runs, the root is locked against others.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from simulator.arm import Call, read
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bad_request
from simulator.ids import address
from simulator.messages import Json, Response
from simulator.operations import Operation, Protocol

VERSIONS = ("2026-03-01", "2015-06-15")
KEEPS_UNNAMED_SUBNETS = "2023-09-01"

_OPERATION = "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}"
PROTOCOL = Protocol(
    status_path=_OPERATION + "/operations/{id}",
    result_path=_OPERATION + "/operationResults/{id}",
    api_version="",
    retry_after=1,
    result_on_delete_only=True,
    seconds=3.0,
)
_OWN_ETAG = {
    "Microsoft.Network/networkWatchers/flowLogs",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
}
# A write that changed nothing but tags is done at once, and says so without Retry-After.
_AT_ONCE = replace(PROTOCOL, retry_after=None, seconds=0.0)


def root_id(resource_id: str) -> str:
    """The id of the top-level resource that an id lies in."""
    where = address(resource_id)
    return "/".join(where.path.split("/")[: len(where.scope.split("/")) + 4])


def etag_owner(cloud: Cloud, resource: Resource) -> Resource:
    """Whose ETag a resource shows: its root's, but for the few children that have one of their own."""
    if resource.type in _OWN_ETAG:
        return resource
    return cloud.get(root_id(resource.id)) or resource


def tag(cloud: Cloud, resource: Resource) -> str:
    """The ETag of a resource, as header and body show it."""
    return f'W/"{etag_owner(cloud, resource).etag}"'


def view(cloud: Cloud, resource: Resource, properties: Json) -> Json:
    """The envelope of a Network resource; `properties` follow `provisioningState`."""
    shown: Json = {"name": resource.name, "id": resource.id, "etag": tag(cloud, resource), "type": resource.type}
    shown |= {key: resource.body[key] for key in ("location", "tags") if key in resource.body}
    shown["properties"] = {"provisioningState": resource.provisioning, **properties}
    return shown


def guard(call: Call) -> None:
    """Refuse a write while its root is busy (429), or when If-Match does not match (412)."""
    root = root_id(call.id)
    running = call.cloud.running(root)
    if running is not None:
        raise _busy(call, root, running)
    wanted = call.header("if-match")
    existing = call.resource
    if wanted is None or (wanted == "*" and existing is not None):
        return
    has = tag(call.cloud, existing) if existing is not None else ""
    if wanted != has:
        raise _mismatch(call, wanted, has)


def _busy(call: Call, root: str, running: Operation) -> ArmError:
    if call.request.method == "DELETE":
        message = (
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use "
            f"uri: {running.status_url}."
        )
        return ArmError(409, "AnotherOperationInProgress", message)
    detail = {
        "code": "RetryableErrorDueToAnotherOperation",
        "message": f"Operation {call.operation_name} ({call.correlation_id}) is canceled because another operation "
        f"({running.id}) on {root} is in progress. The operation will be retried.",
    }
    return ArmError(
        429, "RetryableError", "A retryable error occurred.", details=[detail], headers={"retry-after": "10"}
    )


def _mismatch(call: Call, wanted: str, has: str) -> ArmError:
    message = f"Etag provided in if-match header {wanted} does not match etag {has} of resource {call.id}."
    detail = {"code": "PreconditionFailedEtagMismatch", "message": message}
    return ArmError(412, "PreconditionFailed", "Precondition failed.", details=[detail])


def written(
    call: Call,
    resource: Resource,
    render: Callable[[Call, Resource], Json],
    *,
    created: bool,
    changed: bool = True,
    family: Iterable[Resource] = (),
    retry_after: int = 1,
    finish: Callable[[], None] = lambda: None,
) -> Response:
    """Answer a PUT that has been stored: 201 or 200, `Updating` until the operation ends.

    `family` are further resources that this write has in hand; `finish` is what becomes true only at the end.
    """
    root = call.cloud.get(root_id(resource.id)) or resource
    owner = etag_owner(call.cloud, resource)
    members = [resource, owner, *family]
    owner.etag = call.cloud.guid()

    def complete(_: datetime) -> None:
        for member in members:
            member.provisioning = "Succeeded"
        if changed or created:
            owner.etag = call.cloud.guid()
        finish()

    if changed or created:
        for member in members:
            member.provisioning = "Updating"
    protocol = replace(PROTOCOL, retry_after=retry_after) if changed or created else _AT_ONCE
    call.cloud.touch()
    body = render(call, resource)
    headers = call.accept(protocol, location=_location(root), finish=complete, root=root.id)
    return Response.json(201 if created else 200, body, headers)


def deleted(call: Call, *, check: Callable[[Resource], None], finish: Callable[[Resource], None]) -> Response:
    """Answer a DELETE: 202 with both headers, 204 for what is not there. `check` may refuse; `finish` forgets it."""
    resource = call.resource
    if resource is None:
        return Response.empty(204)
    guard(call)
    check(resource)
    root = call.cloud.get(root_id(resource.id)) or resource
    resource.provisioning = "Deleting"

    def complete(_: datetime) -> None:
        finish(resource)
        root.etag = call.cloud.guid()

    call.cloud.touch()
    return Response.empty(
        202, call.accept(PROTOCOL, location=_location(root), finish=complete, root=root.id, delete=True)
    )


def _location(root: Resource) -> str:
    return str(root.body.get("location", "westeurope"))


def patch_tags(call: Call) -> Response:
    """PATCH of a root: tags alone, at once (https://learn.microsoft.com/rest/api/virtualnetwork, Update Tags)."""
    resource = call.resource
    assert call.type is not None
    assert call.type.render is not None
    if resource is None:
        raise child_not_found(call.id)
    guard(call)
    resource.body["tags"] = call.body().get("tags", {})
    resource.etag = call.cloud.guid()
    call.cloud.touch()
    return Response.json(200, call.type.render(call, resource))


def get_child(call: Call) -> Response:
    """GET below a root: the provider's own 404 when the parent lives."""
    resource = call.resource
    if resource is None:
        raise child_not_found(call.id)
    assert call.type is not None
    assert call.type.render is not None
    return Response.json(200, call.type.render(call, resource), {"etag": tag(call.cloud, resource)})


def get_root(call: Call) -> Response:
    """GET of a root: the gateway's 404 when it is not there."""
    return read(call) if call.resource is None else get_child(call)


def child_not_found(resource_id: str) -> ArmError:
    """NotFound, whose message shows names in upper case, as recorded from Azure."""
    head, _, tail = address(resource_id).path.partition("/providers/")
    segments = tail.split("/")
    shown = "/".join(each.upper() if index >= 2 and index % 2 == 0 else each for index, each in enumerate(segments))
    return ArmError(404, "NotFound", f"Resource {head}/providers/{shown} not found.")


def properties_of(body: Json) -> Json:
    """The `properties` of a request; 400 InvalidRequestFormat when they are no object."""
    found = body.get("properties")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _malformed("properties", "a JSON object")
    return found


def list_of(properties: Json, name: str) -> list[Json] | None:
    """A list of objects in a request, None when absent."""
    found = properties.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _malformed(name, "a JSON array of objects")
    return found


def _malformed(name: str, wanted: str) -> ArmError:
    detail = {
        "code": "InvalidJson",
        "message": f"Cannot deserialize the current JSON into '{name}': {wanted} is required.",
    }
    return ArmError(400, "InvalidRequestFormat", "Cannot parse the request.", details=[detail])


def pick(properties: Json, names: Iterable[str]) -> Json:
    """The writable members that a request gives a value."""
    return {name: properties[name] for name in names if properties.get(name) is not None}


def envelope_of(call: Call, body: Json, existing: Resource | None) -> Json:
    """Location (compact) and tags of a root. 400 for a missing or a changed location."""
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    if existing is not None and existing.body["location"] != location:
        message = (
            f"The resource '{call.address.name}' already exists in location '{existing.body['location']}' in resource "
            f"group '{call.address.group}'. A resource with the same name cannot be created in location '{location}'."
        )
        raise ArmError(409, "InvalidResourceLocation", message, gateway=True)
    found: Json = {"location": location}
    if body.get("tags") is not None:
        found["tags"] = body["tags"]
    return found


def reference(call: Call, holder: str, value: Json | None, type_name: str) -> Json | None:
    """A checked reference `{"id": ...}` in the referenced resource's own casing; None when there is none.

    400 InvalidResourceReference when it names nothing or something of another type.
    """
    wanted = (value or {}).get("id")
    if not wanted:
        return None
    found = call.cloud.get(str(wanted))
    if found is None or found.type.lower() != type_name.lower():
        message = (
            f"Resource {wanted} referenced by resource {holder} was not found. Please make sure that the referenced "
            "resource exists, and that both resources are in the same region."
        )
        raise bad_request("InvalidResourceReference", message)
    return {"id": found.id}
