"""Record sets, written at once; and the A records that private endpoints keep in a zone."""

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from simulator.arm import Call, Function, ResourceType, read
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bare_body, resource_not_found
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Response
from simulator.providers.privatedns.common import LINK, VERSIONS, ZONE, precondition

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
    error = precondition(call, f"The Record set {call.address.name}")
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
    error = precondition(call, f"The Record set {record.name}")
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


TYPES = tuple(
    ResourceType(
        name=f"{ZONE}/{kind}",
        api_versions=VERSIONS,
        get=_get_record,
        put=_put_record,
        patch=_patch_record,
        delete=_delete_record,
        render=_show_record,
        error_body=bare_body,
    )
    for kind in _RECORDS
)
FUNCTIONS = (Function("GET", f"{ZONE}/ALL", _list_all),)
