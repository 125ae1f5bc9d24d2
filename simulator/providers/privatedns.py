"""Private DNS: zones, virtual network links, record sets.

Zones and links are accepted with 202 and `{}` and nothing is seen of them until the operation ends; even a failed
precondition shows only there. Record sets are written at once.
"""

import base64
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from simulator.arm import Call, Function, ResourceType, read
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bare_body, resource_not_found
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Response
from simulator.operations import Protocol

ZONE = "Microsoft.Network/privateDnsZones"
LINK = f"{ZONE}/virtualNetworkLinks"
VNET = "Microsoft.Network/virtualNetworks"

_VERSIONS = ("2024-06-01", "2018-09-01")
_RECORDS = {  # record type > (its member, whether it is a list)
    "A": ("aRecords", True),
    "AAAA": ("aaaaRecords", True),
    "CNAME": ("cnameRecord", False),
    "MX": ("mxRecords", True),
    "PTR": ("ptrRecords", True),
    "SOA": ("soaRecord", False),
    "SRV": ("srvRecords", True),
    "TXT": ("txtRecords", True),
}
_INTERNAL_ID_SINCE = "2020-01-01"
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


def _precondition(call: Call, what: str) -> Json | None:
    """The error of a failed If-Match or If-None-Match, None when both hold. `what` names the resource."""
    wanted, unwanted = call.header("if-match"), call.header("if-none-match")
    existing = call.resource
    if unwanted == "*" and existing is not None:
        message = f"{what} exists already and hence cannot be created again."
        return {"code": "PreconditionFailed", "message": message}
    if wanted is None or (existing is not None and wanted in {"*", existing.etag}):
        return None
    return {"code": "PreconditionFailed", "message": f"{what} has been modified (etag mismatch)."}


def _accepted(call: Call, error: Json | None, finish: Callable[[], None], shown: Callable[[], Json | None]) -> Response:
    if call.cloud.running(call.id) is not None and error is None:
        message = f"The resource '{call.id}' has another operation in progress. Please try again later."
        raise ArmError(409, "Conflict", message)
    is_delete = call.request.method == "DELETE"
    headers = call.accept(
        _PROTOCOL, finish=lambda _: finish(), error=error, root=call.id, result=shown, delete=is_delete
    )
    return Response.empty(202, headers) if is_delete else Response.json(202, {}, headers)


def _check_location(body: Json) -> None:
    if str(body.get("location") or "").lower() != "global":
        message = (
            f"The resource location '{body.get('location')}' is not supported. The only supported location is 'global'."
        )
        raise ArmError(400, "LocationNotAvailableForResourceType", message, gateway=True)


def _show(call: Call, resource: Resource | None) -> Callable[[], Json | None]:
    def shown() -> Json | None:
        found = call.cloud.get(resource.id if resource is not None else call.id)
        assert call.type is not None
        return call.type.render(call, found) if found is not None and call.type.render is not None else None

    return shown


# --- zones


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
    return _envelope(zone, properties)


def _envelope(resource: Resource, properties: Json) -> Json:
    shown: Json = {"id": resource.id, "name": resource.name, "type": resource.type, "etag": resource.etag}
    shown |= {key: resource.body[key] for key in ("location", "tags") if resource.body.get(key)}
    return {**shown, "properties": properties}


def _put_zone(call: Call) -> Response:
    body = call.body()
    if call.request.method == "PUT":
        _check_location(body)
    existing = call.resource
    zone_id = existing.id if existing is not None else call.display_id()
    _check_zone_name(name_of(zone_id))

    def finish() -> None:
        stored = call.cloud.get(zone_id) or _new_zone(call.cloud, zone_id)
        if call.request.method == "PUT" or "tags" in body:
            stored.body["tags"] = body.get("tags")
        stored.etag = call.cloud.guid()
        call.cloud.touch()

    error = _precondition(call, f"The Private DNS zone '{name_of(zone_id)}'")
    return _accepted(call, error, finish, _show(call, existing))


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
    error = _precondition(call, f"The Private DNS zone '{zone.name}'")
    return _accepted(call, error, lambda: call.cloud.remove(zone.id), lambda: None)


# --- links


def _show_link(call: Call, link: Resource) -> Json:
    busy = call.cloud.running(link.id) is not None
    state = {"virtualNetworkLinkState": "InProgress" if busy else "Completed"}
    return _envelope(link, {"provisioningState": "Succeeded", **link.properties, **state})


def _put_link(call: Call) -> Response:
    body = call.body()
    is_put = call.request.method == "PUT"
    if is_put:
        _check_location(body)
    existing = call.resource
    given = body.get("properties") or {}
    wanted = given if is_put or existing is None else {**existing.properties, **given}
    link_id = existing.id if existing is not None else call.display_id()
    vnet_id = str((wanted.get("virtualNetwork") or {}).get("id") or "")
    zone = call.parent()
    assert zone is not None  # the gateway has looked
    what = f"The Virtual Network link '{name_of(link_id)}' for the Private DNS zone '{zone.name}'"
    error = _precondition(call, what) or _link_error(call, zone, link_id, vnet_id, wanted)

    def finish() -> None:
        vnet = call.cloud.get(vnet_id)
        properties: Json = {"registrationEnabled": bool(wanted.get("registrationEnabled", False))}
        if wanted.get("resolutionPolicy"):
            properties["resolutionPolicy"] = wanted["resolutionPolicy"]
        properties["virtualNetwork"] = {"id": vnet.id if vnet is not None else vnet_id}
        old_tags = existing.body.get("tags") if existing is not None else None
        tags = body.get("tags") if is_put or "tags" in body else old_tags
        etag = f'"{call.cloud.guid()[:8]}-0000-0100-0000-{call.cloud.guid()[:8]}0000"'
        call.cloud.put(
            Resource(link_id, LINK, {"location": "global", "tags": tags, "properties": properties}, etag=etag)
        )

    return _accepted(call, error, finish, _show(call, existing))


def _patch_link(call: Call) -> Response:
    return read(call) if call.resource is None else _put_link(call)


def _link_error(call: Call, zone: Resource, link_id: str, vnet_id: str, wanted: Json) -> Json | None:
    """Why a link cannot be, or None: its VNet, another link of that VNet, a second registration zone."""
    vnet = call.cloud.get(vnet_id)
    if vnet is None or vnet.type != VNET:
        return {"code": "BadRequest", "message": f"The virtual network '{vnet_id}' does not exist."}
    existing = call.cloud.get(link_id)
    if existing is not None and existing.properties["virtualNetwork"]["id"].lower() != vnet.key:
        message = f"The virtual network of the link '{existing.name}' cannot be changed."
        return {"code": "BadRequest", "message": message}
    for other in call.cloud.of_type(LINK):
        if other.key == link_id.lower() or other.properties["virtualNetwork"]["id"].lower() != vnet.key:
            continue
        name = name_of(parent_of(other.id))
        if name.lower() == zone.name.lower():
            message = (
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link "
                f"virtual network with '{zone.name}' and '{name}' zones."
            )
            return {"code": "BadRequest", "message": message}
        if wanted.get("registrationEnabled") and other.properties["registrationEnabled"]:
            message = f"The virtual network '{vnet.id}' already has the registration zone '{name}'."
            return {"code": "BadRequest", "message": message}
    return None


def _delete_link(call: Call) -> Response:
    link = call.resource
    if link is None:
        return Response.empty(204)
    zone = name_of(parent_of(link.id))
    error = _precondition(call, f"The Virtual Network link '{link.name}' for the Private DNS zone '{zone}'")
    return _accepted(call, error, lambda: call.cloud.remove(link.id), lambda: None)


# --- record sets


def _show_record(_: Call, record: Resource) -> Json:
    stored = record.properties
    kind = record.type.rpartition("/")[2]
    member, _is_list = _RECORDS[kind]
    zone = name_of(parent_of(record.id))
    fqdn = f"{zone}." if record.name == "@" else f"{record.name}.{zone}."
    properties: Json = {"metadata": stored["metadata"]} if stored.get("metadata") else {}
    properties |= {"fqdn": fqdn, "ttl": stored["ttl"], member: stored[member], "isAutoRegistered": False}
    return {"id": record.id, "name": record.name, "type": record.type, "etag": record.etag, "properties": properties}


def _put_record(call: Call) -> Response:
    existing = call.resource
    error = _precondition(call, f"The Record set {call.address.name}")
    if error is not None:
        raise ArmError(412, error["code"], error["message"])
    assert call.type is not None
    kind = call.type.name.rpartition("/")[2]
    given = call.body().get("properties") or {}
    before = existing.properties if existing is not None and call.request.method == "PATCH" else {}
    stored = _record_properties(kind, {**before, **given})
    record = existing or Resource(call.display_id(), call.type.name)
    record.body["properties"] = stored
    record.etag = call.cloud.guid()
    call.cloud.put(record)
    return Response.json(200 if existing else 201, _show_record(call, record), {"etag": record.etag})


def _patch_record(call: Call) -> Response:
    if call.resource is None:
        raise _no_record(call)
    return _put_record(call)


def _record_properties(kind: str, given: Json) -> Json:
    member, is_list = _RECORDS[kind]
    ttl = given.get("ttl")
    if not isinstance(ttl, int) or not 1 <= ttl <= 2147483647:
        raise ArmError(400, "BadRequest", f"The TTL value '{ttl}' is not valid: 1 to 2147483647 is.")
    values = given.get(member)
    if is_list:
        values = list(values or [])
    for value in values if kind in {"A", "AAAA"} and isinstance(values, list) else ():
        _check_ip(kind, value)
    if not is_list and not values:
        raise ArmError(400, "BadRequest", f"The record set has no {member}.")
    stored: Json = {"ttl": ttl, member: values}
    if given.get("metadata"):
        stored["metadata"] = given["metadata"]
    return stored


def _check_ip(kind: str, value: Json) -> None:
    text = value.get("ipv4Address") if kind == "A" else value.get("ipv6Address")
    try:
        _ = IPv4Address(str(text)) if kind == "A" else IPv6Address(str(text))
    except AddressValueError as error:
        raise ArmError(400, "BadRequest", f"The IP address '{text}' is not valid.") from error


def _get_record(call: Call) -> Response:
    if call.resource is None:
        raise _no_record(call)
    return read(call)


def _no_record(call: Call) -> ArmError:
    zone = call.parent()
    name = zone.name if zone is not None else ""
    return ArmError(
        404, "NotFound", f"The resource record '{call.address.name}' does not exist in resource group "
        f"'{call.address.group}' of subscription '{call.address.subscription}' in zone '{name}'."
    )  # fmt: skip


def _delete_record(call: Call) -> Response:
    record = call.resource
    if record is None:
        return Response.empty(204)
    if record.type.endswith("/SOA"):
        raise ArmError(400, "BadRequest", "The SOA record set of a zone cannot be deleted.")
    error = _precondition(call, f"The Record set {record.name}")
    if error is not None:
        raise ArmError(412, error["code"], error["message"])
    call.cloud.remove(record.id)
    return Response.empty(200)


def _list_all(call: Call) -> Response:
    zone = call.parent()
    if zone is None:
        raise resource_not_found(ZONE, call.address.names[0], call.address.group)
    found = [each for each in call.cloud.children(zone.id) if each.type != LINK]
    return Response.json(200, {"value": [_show_record(call, each) for each in found]})


# --- what private endpoints keep in a zone


def set_managed_record(cloud: Cloud, zone_id: str, name: str, ip: str, *, ttl: int, creator: str) -> None:
    """Create or overwrite the A record that a private endpoint's zone group keeps. A missing zone is passed over."""
    zone = cloud.get(zone_id)
    if zone is None:
        return
    properties = {"ttl": ttl, "aRecords": [{"ipv4Address": ip}], "metadata": {"creator": creator}}
    known = cloud.get(f"{zone.id}/A/{name}")
    if known is None or known.properties != properties:
        record_id = known.id if known is not None else f"{zone.id}/A/{name}"
        cloud.put(Resource(record_id, f"{ZONE}/A", {"properties": properties}, etag=cloud.guid()))


def remove_managed_record(cloud: Cloud, zone_id: str, name: str, ip: str) -> None:
    """Take back an A record, if it still says what the zone group wrote."""
    record = cloud.get(f"{zone_id}/A/{name}")
    if record is not None and record.properties["aRecords"] == [{"ipv4Address": ip}]:
        cloud.remove(record.id)


TYPES = (
    ResourceType(
        name=ZONE,
        api_versions=_VERSIONS,
        put=_put_zone,
        patch=_patch_zone,
        delete=_delete_zone,
        render=_show_zone,
        tracked=True,
    ),
    ResourceType(
        name=LINK, api_versions=_VERSIONS, put=_put_link, patch=_patch_link, delete=_delete_link, render=_show_link
    ),
    *(
        ResourceType(
            name=f"{ZONE}/{kind}",
            api_versions=_VERSIONS,
            get=_get_record,
            put=_put_record,
            patch=_patch_record,
            delete=_delete_record,
            render=_show_record,
            error_body=bare_body,
        )
        for kind in _RECORDS
    ),
)
FUNCTIONS = (Function("GET", f"{ZONE}/ALL", _list_all),)
