"""Microsoft.Resources and the subscription itself: groups, locks, provider metadata, cloud endpoints."""

from simulator.arm import Call, ResourceType
from simulator.cloud import Resource
from simulator.messages import Response


def _put_group(call: Call) -> Response:
    body = call.body()
    existing = call.resource
    stored = Resource(
        existing.id if existing else call.id, GROUP, {key: body[key] for key in ("location", "tags") if key in body}
    )
    stored.properties["provisioningState"] = "Succeeded"
    call.cloud.put(stored)
    return Response.json(
        200 if existing else 201, {"id": stored.id, "name": stored.name, "type": stored.type, **stored.body}
    )


GROUP = "Microsoft.Resources/resourceGroups"
TYPES = (
    ResourceType(
        name=GROUP, path="subscriptions/resourceGroups", api_versions=("2025-04-01", "2016-06-01"), put=_put_group
    ),
)
