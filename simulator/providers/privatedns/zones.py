"""Zones. A new one has its SOA record at once; one with links cannot be deleted."""

import base64

from simulator.arm import Call, ResourceType, read
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError
from simulator.ids import name_of
from simulator.messages import Json, Response
from simulator.providers.privatedns.common import (
    LINK,
    VERSIONS,
    ZONE,
    accepted,
    check_location,
    envelope,
    precondition,
    shown_when_done,
)

_INTERNAL_ID_SINCE = "2020-01-01"


def _show_zone(call: Call, zone: Resource) -> Json:
    links = call.cloud.children(zone.id, LINK)
    properties: Json = {
        "maxNumberOfRecordSets": 25000,
        "maxNumberOfVirtualNetworkLinks": 1000,
        "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
        "numberOfRecordSets": len(call.cloud.children(zone.id)) - len(links),
        "numberOfVirtualNetworkLinks": len(links),
        "numberOfVirtualNetworkLinksWithRegistration": sum(each.properties["registrationEnabled"] for each in links),
        "provisioningState": "Succeeded",
    }
    if call.api_version >= _INTERNAL_ID_SINCE:
        properties = {"internalId": zone.body["internalId"], **properties}
    return envelope(zone, properties)


def _put_zone(call: Call) -> Response:
    body = call.body()
    if call.request.method == "PUT":
        check_location(body)
    existing = call.resource
    zone_id = existing.id if existing is not None else call.display_id()
    _check_zone_name(name_of(zone_id))

    def finish() -> None:
        stored = call.cloud.get(zone_id) or _new_zone(call.cloud, zone_id)
        if call.request.method == "PUT" or "tags" in body:
            stored.body["tags"] = body.get("tags")
        stored.etag = call.cloud.guid()
        call.cloud.touch()

    error = precondition(call, f"The Private DNS zone '{name_of(zone_id)}'")
    return accepted(call, error, finish, shown_when_done(call, existing))


def _patch_zone(call: Call) -> Response:
    return read(call) if call.resource is None else _put_zone(call)


def _check_zone_name(name: str) -> None:
    labels = name.rstrip(".").split(".")
    if len(labels) < 2 or not all(1 <= len(each) <= 63 for each in labels):
        message = f"The domain name '{name}' is invalid. The provided record set relative name is invalid."
        raise ArmError(400, "BadRequest", message)


def _new_zone(cloud: Cloud, zone_id: str) -> Resource:
    internal = base64.b64encode(f"ImmutableZoneIdentity;{cloud.guid()};0".encode()).decode()
    zone = cloud.put(Resource(zone_id, ZONE, {"location": "global", "internalId": internal}))
    soa = {
        "host": "azureprivatedns.net",
        "email": "azureprivatedns-host.microsoft.com",
        "serialNumber": 1,
        "refreshTime": 3600,
        "retryTime": 300,
        "expireTime": 2419200,
        "minimumTtl": 10,
    }
    cloud.put(
        Resource(f"{zone_id}/SOA/@", f"{ZONE}/SOA", {"properties": {"ttl": 3600, "soaRecord": soa}}, etag=cloud.guid())
    )
    return zone


def _delete_zone(call: Call) -> Response:
    zone = call.resource
    if zone is None:
        return Response.empty(204)
    links = call.cloud.children(zone.id, LINK)
    if links:
        nested = ",".join(f"{ZONE}/{zone.name}/virtualNetworkLinks/{each.name}" for each in links)
        message = (
            f"Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
            f"'{nested}'. Please delete all nested resources before deleting this resource."
        )
        raise ArmError(409, "CannotDeleteResource", message, gateway=True)
    error = precondition(call, f"The Private DNS zone '{zone.name}'")
    return accepted(call, error, lambda: call.cloud.remove(zone.id), lambda: None)


TYPES = (
    ResourceType(
        name=ZONE,
        api_versions=VERSIONS,
        put=_put_zone,
        patch=_patch_zone,
        delete=_delete_zone,
        render=_show_zone,
        tracked=True,
    ),
)
