"""Template deployments, as far as others wait for them: a PUT runs for as long as an operation does, and ends.

Templates are not carried out, so only empty ones are accepted.
https://learn.microsoft.com/rest/api/resources/deployments
"""

from datetime import datetime

from simulator.arm import Call, ResourceType, envelope
from simulator.cloud import Resource
from simulator.errors import bad_request
from simulator.messages import Json, Response
from simulator.operations import Protocol

NAME = "Microsoft.Resources/deployments"
_RUN = Protocol(
    status_path="/subscriptions/{subscription}/resourceGroups/{group}/operationStatuses/{id}",
    api_version="2021-04-01",
    retry_after=5,
    seconds=60.0,
)


def _put(call: Call) -> Response:
    given: Json = call.body().get("properties") or {}
    mode = str(given.get("mode") or "")
    if mode.lower() != "incremental":
        raise bad_request("InvalidDeployment", f"The deployment mode '{mode}' is not simulated: use 'Incremental'.")
    if (given.get("template") or {}).get("resources"):
        raise bad_request("InvalidTemplate", "A template with resources is not simulated: leave them out.")
    existing = call.resource
    properties: Json = {
        "mode": "Incremental",
        "provisioningState": "Running",
        "timestamp": call.now.isoformat().replace("+00:00", "Z"),
        "correlationId": call.correlation_id,
    }
    running = Resource(existing.id if existing is not None else call.id, NAME, {"properties": properties})
    call.cloud.put(running)

    def finish(at: datetime) -> None:
        properties["provisioningState"] = "Succeeded"
        properties["timestamp"] = at.isoformat().replace("+00:00", "Z")

    return Response.json(200 if existing else 201, envelope(running), call.accept(_RUN, finish=finish))


def _list(call: Call) -> Response:
    """Lists those of one resource group. The only known filter is the provisioning state."""
    name, operator, state = (*call.request.query.get("$filter", "").split(" ", 2), "", "", "")[:3]
    if name and (name, operator) != ("provisioningState", "eq"):
        raise bad_request("InvalidFilterInQueryString", "Only `provisioningState eq 'STATE'` is simulated.")
    wanted = state.strip("'").lower()
    found = [
        each
        for each in call.cloud.of_type(NAME, call.address.scope)
        if not wanted or str(each.properties["provisioningState"]).lower() == wanted
    ]
    return Response.json(200, {"value": [envelope(each) for each in found]})


TYPES = (ResourceType(name=NAME, api_versions=("2025-04-01", "2019-10-01"), put=_put, list=_list),)
