"""What zones, links and record sets share: their names, preconditions, and the operation that writes a zone or link."""

from collections.abc import Callable

from simulator.arm import Call
from simulator.cloud import Resource
from simulator.errors import ArmError
from simulator.messages import Json, Response
from simulator.operations import Protocol

ZONE = "Microsoft.Network/privateDnsZones"
LINK = f"{ZONE}/virtualNetworkLinks"
VNET = "Microsoft.Network/virtualNetworks"
VERSIONS = ("2024-06-01", "2018-09-01")

_BASE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network"
_PROTOCOL = Protocol(
    status_path=_BASE + "/privateDnsOperationStatuses/{id}",
    result_path=_BASE + "/privateDnsOperationResults/{id}",
    api_version="",
    retry_after=30,
    poll_retry_after=30,
    running_status=202,
    seconds=5.0,
)


def precondition(call: Call, what: str) -> Json | None:
    """The error of a failed If-Match or If-None-Match, None when both hold. `what` names the resource."""
    wanted, unwanted = call.header("if-match"), call.header("if-none-match")
    existing = call.resource
    if unwanted == "*" and existing is not None:
        message = f"{what} exists already and hence cannot be created again."
        return {"code": "PreconditionFailed", "message": message}
    if wanted is None or (existing is not None and wanted in {"*", existing.etag}):
        return None
    return {"code": "PreconditionFailed", "message": f"{what} has been modified (etag mismatch)."}


def accepted(call: Call, error: Json | None, finish: Callable[[], None], shown: Callable[[], Json | None]) -> Response:
    if call.cloud.running(call.id) is not None and error is None:
        message = f"The resource '{call.id}' has another operation in progress. Please try again later."
        raise ArmError(409, "Conflict", message)
    is_delete = call.request.method == "DELETE"
    headers = call.accept(
        _PROTOCOL, finish=lambda _: finish(), error=error, root=call.id, result=shown, delete=is_delete
    )
    return Response.empty(202, headers) if is_delete else Response.json(202, {}, headers)


def check_location(body: Json) -> None:
    if str(body.get("location") or "").lower() != "global":
        message = (
            f"The resource location '{body.get('location')}' is not supported. The only supported location is 'global'."
        )
        raise ArmError(400, "LocationNotAvailableForResourceType", message, gateway=True)


def shown_when_done(call: Call, resource: Resource | None) -> Callable[[], Json | None]:
    def shown() -> Json | None:
        found = call.cloud.get(resource.id if resource is not None else call.id)
        assert call.type is not None
        return call.type.render(call, found) if found is not None and call.type.render is not None else None

    return shown


def envelope(resource: Resource, properties: Json) -> Json:
    shown: Json = {"id": resource.id, "name": resource.name, "type": resource.type, "etag": resource.etag}
    shown |= {key: resource.body[key] for key in ("location", "tags") if resource.body.get(key)}
    return {**shown, "properties": properties}
