"""Virtual network links. A network has one link to a zone of a name, and registers its names in one zone at most."""

from simulator.arm import Call, ResourceType, read
from simulator.cloud import Resource
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Response
from simulator.providers.privatedns.common import (
    LINK,
    VERSIONS,
    VNET,
    accepted,
    check_location,
    envelope,
    precondition,
    shown_when_done,
)


def _show_link(call: Call, link: Resource) -> Json:
    busy = call.cloud.running(link.id) is not None
    state = {"virtualNetworkLinkState": "InProgress" if busy else "Completed"}
    return envelope(link, {"provisioningState": "Succeeded", **link.properties, **state})


def _put_link(call: Call) -> Response:
    body = call.body()
    is_put = call.request.method == "PUT"
    if is_put:
        check_location(body)
    existing = call.resource
    given = body.get("properties") or {}
    wanted = given if is_put or existing is None else {**existing.properties, **given}
    link_id = existing.id if existing is not None else call.display_id()
    vnet_id = str((wanted.get("virtualNetwork") or {}).get("id") or "")
    zone = call.parent()
    assert zone is not None  # the gateway has looked
    what = f"The Virtual Network link '{name_of(link_id)}' for the Private DNS zone '{zone.name}'"
    error = precondition(call, what) or _link_error(call, zone, link_id, vnet_id, wanted)

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

    return accepted(call, error, finish, shown_when_done(call, existing))


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
    error = precondition(call, f"The Virtual Network link '{link.name}' for the Private DNS zone '{zone}'")
    return accepted(call, error, lambda: call.cloud.remove(link.id), lambda: None)


TYPES = (
    ResourceType(
        name=LINK, api_versions=VERSIONS, put=_put_link, patch=_patch_link, delete=_delete_link, render=_show_link
    ),
)
