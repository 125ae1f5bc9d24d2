"""Private endpoints, and the network interfaces that they make."""

from simulator.arm import Call, ResourceType
from simulator.cloud import Cloud, Resource
from simulator.errors import bad_request, network_body
from simulator.ids import parent_of
from simulator.messages import Json, Response
from simulator.providers.network import nrp
from simulator.providers.network.subnets import ENDPOINT, NIC, SUBNET, next_address
from simulator.providers.network.zone_groups import ZONE_GROUP, withdraw

_LISTS = ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
_APPROVED = {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
_GONE = {"status": "Disconnected", "description": "", "actionsRequired": "None"}


# --- endpoints


def _show_endpoint(call: Call, endpoint: Resource) -> Json:
    stored, etag = endpoint.properties, nrp.tag(call.cloud, endpoint)
    shown: Json = {"resourceGuid": stored["resourceGuid"]}
    for name in _LISTS:
        shown[name] = [_show_connection(call.cloud, endpoint, name, each, etag) for each in stored[name]]
    shown["customNetworkInterfaceName"] = stored["customNetworkInterfaceName"]
    shown["subnet"] = stored["subnet"]
    shown["ipConfigurations"] = stored["ipConfigurations"]
    shown["networkInterfaces"] = [{"id": stored["nic"]}]
    grouped = bool(call.cloud.children(endpoint.id, ZONE_GROUP))
    ready = endpoint.provisioning == "Succeeded" and not grouped
    shown["customDnsConfigs"] = _dns_configs(endpoint) if ready else []
    return nrp.view(call.cloud, endpoint, shown)


def _dns_configs(endpoint: Resource) -> list[Json]:
    stored = endpoint.properties
    return [{"fqdn": each, "ipAddresses": [stored["address"]]} for each in stored["fqdns"]]


def _show_connection(cloud: Cloud, endpoint: Resource, kind: str, connection: Json, etag: str) -> Json:
    return {
        "name": connection["name"],
        "id": f"{endpoint.id}/{kind}/{connection['name']}",
        "etag": etag,
        "properties": {
            "provisioningState": "Succeeded",
            **{
                key: connection[key]
                for key in ("privateLinkServiceId", "groupIds", "requestMessage")
                if key in connection
            },
            "privateLinkServiceConnectionState": _state(cloud, connection),
        },
        "type": f"{ENDPOINT}/{kind}",
    }


def _state(cloud: Cloud, connection: Json) -> Json:
    """The backend's own word on the connection, when the backend keeps one."""
    if not connection.get("peer"):
        return _APPROVED
    peer = cloud.get(connection["peer"])
    if peer is None:
        return _GONE
    state: Json = peer.properties["privateLinkServiceConnectionState"]
    return {"description": "", "actionsRequired": "None", **state}


def _put_endpoint(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    body = call.body()
    given = nrp.properties_of(body)
    head = nrp.envelope_of(call, body, existing)
    subnet = nrp.reference(call, call.id, given.get("subnet"), SUBNET)
    if subnet is None:
        raise bad_request("InvalidRequestFormat", f"Private endpoint {call.id} has no subnet.")
    if existing is not None:
        return _update(call, existing, head, given, subnet)
    return _create(call, head, given, subnet)


def _create(call: Call, head: Json, given: Json, subnet: Json) -> Response:
    connections = {name: [_wanted(call, each) for each in nrp.list_of(given, name) or []] for name in _LISTS}
    if sum(len(each) for each in connections.values()) != 1:
        message = f"Private endpoint {call.id} must have exactly one private link service connection."
        raise bad_request("PrivateEndpointMustHaveExactlyOneConnection", message)
    holder = call.cloud.get(subnet["id"])
    assert holder is not None  # checked as a reference
    endpoint = Resource(call.display_id(), ENDPOINT, {**head, "properties": {}})
    custom = given.get("customNetworkInterfaceName") or ""
    name = custom or f"{endpoint.name}.nic.{call.cloud.guid()}"
    endpoint.properties.update(
        {
            "resourceGuid": call.cloud.guid(),
            "subnet": subnet,
            "customNetworkInterfaceName": custom,
            "ipConfigurations": given.get("ipConfigurations") or [],
            "nic": f"{parent_of(endpoint.id)}/providers/{NIC}/{name}",
            "ipConfiguration": f"privateEndpointIpConfig.{call.cloud.guid()}",
            "address": next_address(call.cloud, holder),
            "fqdns": [],
            **connections,
        }
    )
    call.cloud.put(endpoint)
    for kind in _LISTS:
        for connection in connections[kind]:
            _connect(call, endpoint, connection, manual=kind == _LISTS[1])
    _make_interface(call, endpoint)
    _renew(call.cloud, subnet["id"])
    return nrp.written(call, endpoint, _show_endpoint, created=True, retry_after=10)


def _update(call: Call, endpoint: Resource, head: Json, given: Json, subnet: Json) -> Response:
    """Tags and request messages may change; an endpoint stays where it is and what it points at."""
    stored = endpoint.properties
    if subnet["id"].lower() != stored["subnet"]["id"].lower():
        raise bad_request("PrivateEndpointSubnetCannotBeChanged", f"Subnet of {endpoint.id} cannot be changed.")
    for kind in _LISTS:
        listed = nrp.list_of(given, kind)
        targets = [_wanted(call, each)["privateLinkServiceId"].lower() for each in listed or []]
        if listed is not None and targets != [each["privateLinkServiceId"].lower() for each in stored[kind]]:
            message = f"Private link service connections of {endpoint.id} cannot be changed."
            raise bad_request("PrivateEndpointConnectionsCannotBeChanged", message)
    endpoint.body = {**head, "properties": stored}
    return nrp.written(call, endpoint, _show_endpoint, created=False, changed=False)


def _wanted(call: Call, given: Json) -> Json:
    properties = nrp.properties_of(given)
    target = properties.get("privateLinkServiceId") or ""
    if call.cloud.get(target) is None:
        message = (
            f"Resource {target} referenced by resource {call.id} was not found. Please make sure that the referenced "
            "resource exists, and that both resources are in the same region."
        )
        raise bad_request("InvalidResourceReference", message)
    wanted = {"name": given.get("name"), "privateLinkServiceId": target, "groupIds": properties.get("groupIds") or []}
    if properties.get("requestMessage"):
        wanted["requestMessage"] = properties["requestMessage"]
    return wanted


def _connect(call: Call, endpoint: Resource, connection: Json, *, manual: bool) -> None:
    target = call.cloud.get(connection["privateLinkServiceId"])
    assert target is not None  # checked by _wanted
    link = (
        call.registry.by_name[target.type.lower()].private_link
        if target.type.lower() in call.registry.by_name
        else None
    )
    if link is None:
        return
    known = link.groups(target)
    names = {each.lower(): each for each in known}
    group = names.get(next(iter(connection["groupIds"]), "").lower())
    if group is None:
        message = f"Group id {connection['groupIds']} is not valid for {target.id}: one of {', '.join(known)} is."
        call.cloud.remove(endpoint.id)
        raise bad_request("InvalidGroupId", message)
    connection["peer"] = link.connect(call.cloud, target, endpoint.id, group=group, manual=manual)
    endpoint.properties["fqdns"] = list(known[group])


def _make_interface(call: Call, endpoint: Resource) -> None:
    stored = endpoint.properties
    body = {"location": endpoint.body["location"], "properties": {"endpoint": endpoint.id}}
    interface = call.cloud.put(Resource(stored["nic"], NIC, body, etag=call.cloud.guid()))
    interface.properties["resourceGuid"] = call.cloud.guid()


def _renew(cloud: Cloud, subnet_id: str) -> None:
    """An interface that comes or goes changes its VNet's ETag."""
    vnet = cloud.get(parent_of(subnet_id))
    if vnet is not None:
        vnet.etag = cloud.guid()


def _delete_endpoint(call: Call) -> Response:
    def finish(endpoint: Resource) -> None:
        stored = endpoint.properties
        for group in call.cloud.children(endpoint.id, ZONE_GROUP):
            withdraw(call.cloud, group)
        for kind in _LISTS:
            for connection in stored[kind]:
                call.cloud.remove(connection.get("peer") or "")
        call.cloud.remove(stored["nic"])
        call.cloud.remove(endpoint.id)
        _renew(call.cloud, stored["subnet"]["id"])

    return nrp.deleted(call, check=lambda _: None, finish=finish)


# --- network interfaces


def _show_interface(call: Call, interface: Resource) -> Json:
    endpoint = call.cloud.get(interface.properties.get("endpoint") or "")
    shown: Json = {
        "resourceGuid": interface.properties["resourceGuid"],
        "ipConfigurations": [_show_configuration(call, interface, endpoint)] if endpoint is not None else [],
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "macAddress": "",
        "vnetEncryptionSupported": False,
        "enableIPForwarding": False,
        "disableTcpStateTracking": False,
        "hostedWorkloads": [],
        "tapConfigurations": [],
        "nicType": "Standard",
    }
    if endpoint is not None:
        shown["privateEndpoint"] = {"id": endpoint.id}
    return nrp.view(call.cloud, interface, shown)


def _show_configuration(call: Call, interface: Resource, endpoint: Resource) -> Json:
    stored = endpoint.properties
    name = stored["ipConfiguration"]
    connection = (stored[_LISTS[0]] or stored[_LISTS[1]])[0]
    group = next(iter(connection["groupIds"]), "")
    return {
        "name": name,
        "id": f"{interface.id}/ipConfigurations/{name}",
        "etag": nrp.tag(call.cloud, interface),
        "type": f"{NIC}/ipConfigurations",
        "properties": {
            "provisioningState": "Succeeded",
            "privateIPAddress": stored["address"],
            "privateIPAllocationMethod": "Dynamic",
            "subnet": stored["subnet"],
            "primary": True,
            "privateIPAddressVersion": "IPv4",
            "privateLinkConnectionProperties": {
                "groupId": group,
                "requiredMemberName": group,
                "fqdns": list(stored["fqdns"]),
            },
        },
    }


def _refuse_delete(call: Call) -> Response:
    if call.resource is None:
        return Response.empty(204)
    message = f"Network Interface {call.id} is managed by a private endpoint and cannot be deleted."
    raise bad_request("NetworkInterfaceCannotBeDeletedUsedByPrivateEndpoint", message)


TYPES = (
    ResourceType(
        name=ENDPOINT,
        api_versions=nrp.VERSIONS,
        get=nrp.get_root,
        put=_put_endpoint,
        delete=_delete_endpoint,
        render=_show_endpoint,
        error_body=network_body,
        tracked=True,
    ),
    ResourceType(
        name=NIC,
        api_versions=nrp.VERSIONS,
        get=nrp.get_root,
        delete=_refuse_delete,
        render=_show_interface,
        error_body=network_body,
        tracked=True,
    ),
)
