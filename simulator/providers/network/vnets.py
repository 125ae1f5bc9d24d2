"""Virtual networks. A PUT of one contains its subnets."""

from simulator.arm import Call, ResourceType
from simulator.cloud import Resource
from simulator.errors import bad_request, network_body
from simulator.messages import Json, Response
from simulator.providers.network import nrp, subnets
from simulator.providers.network.security import flow_logs_of
from simulator.providers.network.subnets import SUBNET, VNET

_WRITABLE = ("bgpCommunities", "encryption", "flowTimeoutInMinutes", "ddosProtectionPlan")
_POLICIES_SINCE = "2024-03-01"


def _show_vnet(call: Call, vnet: Resource) -> Json:
    stored = vnet.properties
    shown = {key: value for key, value in stored.items() if key != "privateEndpointVNetPolicies"}
    if call.api_version >= _POLICIES_SINCE:
        shown["privateEndpointVNetPolicies"] = stored["privateEndpointVNetPolicies"]
    shown["subnets"] = [subnets.show(call, each) for each in call.cloud.children(vnet.id, SUBNET)]
    shown["virtualNetworkPeerings"] = []
    logs = flow_logs_of(call.cloud, vnet.id)
    if logs:
        shown["flowLogs"] = logs
    return nrp.view(call.cloud, vnet, shown)


def _put_vnet(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    body = call.body()
    given = nrp.properties_of(body)
    head = nrp.envelope_of(call, body, existing)
    vnet_id = existing.id if existing is not None else call.display_id()
    vnet = Resource(vnet_id, VNET, {**head, "properties": _vnet_properties(call, given, existing, vnet_id)})
    before = call.cloud.children(vnet_id, SUBNET)
    after = _subnets_after(call, given, vnet, before)
    if existing is not None:
        vnet.etag = existing.etag
    unchanged = existing is not None and existing.properties == vnet.properties and _equal(before, after)
    call.cloud.put(vnet)
    for subnet in before:
        call.cloud.remove(subnet.id)
    for subnet in after:
        call.cloud.put(subnet)
    return nrp.written(
        call, vnet, _show_vnet, created=existing is None, changed=not unchanged, family=after, retry_after=3
    )


def _equal(before: list[Resource], after: list[Resource]) -> bool:
    return {each.key: each.properties for each in before} == {each.key: each.properties for each in after}


def _vnet_properties(call: Call, given: Json, existing: Resource | None, vnet_id: str) -> Json:
    space = (given.get("addressSpace") or {}).get("addressPrefixes") or []
    if not space:
        raise bad_request("InvalidRequestFormat", f"Virtual network {vnet_id} has no address space.")
    for text in space:
        subnets.parsed(text, vnet_id)
    old = existing.properties if existing is not None else {}
    dhcp = given.get("dhcpOptions")
    return {
        "resourceGuid": old.get("resourceGuid") or call.cloud.guid(),
        "addressSpace": {"addressPrefixes": list(space)},
        **({"dhcpOptions": {"dnsServers": dhcp.get("dnsServers") or []}} if dhcp is not None else {}),
        **nrp.pick(given, _WRITABLE),
        "privateEndpointVNetPolicies": given.get("privateEndpointVNetPolicies") or "Disabled",
        "enableDdosProtection": bool(given.get("enableDdosProtection", False)),
    }


def _subnets_after(call: Call, given: Json, vnet: Resource, before: list[Resource]) -> list[Resource]:
    """The full set of subnets after a VNet PUT. Without `subnets` the existing ones stay, since 2023-09-01."""
    listed = nrp.list_of(given, "subnets")
    if listed is None:
        listed = [] if call.api_version < nrp.KEEPS_UNNAMED_SUBNETS else None
    after = before if listed is None else [_listed(call, each, vnet) for each in listed]
    kept = {each.key for each in after}
    for subnet in before:
        if subnet.key not in kept:
            subnets.check_unused(call.cloud, subnet)
    for subnet in after:
        subnets.check_fit(vnet, subnet.id, subnet.properties, after)
    return after


def _listed(call: Call, given: Json, vnet: Resource) -> Resource:
    if not given.get("name"):
        raise bad_request("InvalidRequestFormat", "Cannot parse the request: a subnet has no name.")
    subnet_id = f"{vnet.id}/subnets/{given['name']}"
    existing = call.cloud.get(subnet_id)
    properties = subnets.stored_form(call, nrp.properties_of(given), subnet_id)
    if existing is None:
        return Resource(subnet_id, SUBNET, {"properties": properties})
    subnets.check_change(call, existing, properties)
    return Resource(existing.id, SUBNET, {**existing.body, "properties": properties})


def _delete_vnet(call: Call) -> Response:
    def check(vnet: Resource) -> None:
        for subnet in call.cloud.children(vnet.id, SUBNET):
            subnets.check_unused(call.cloud, subnet)

    return nrp.deleted(call, check=check, finish=lambda vnet: call.cloud.remove(vnet.id))


TYPES = (
    ResourceType(
        name=VNET,
        api_versions=nrp.VERSIONS,
        get=nrp.get_root,
        put=_put_vnet,
        patch=nrp.patch_tags,
        delete=_delete_vnet,
        render=_show_vnet,
        error_body=network_body,
        tracked=True,
    ),
)
