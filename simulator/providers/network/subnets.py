"""Subnets, and what App Service and private endpoints leave on a subnet that they use.

A PUT of a virtual network contains its subnets, so `vnets` uses the same checks as a PUT of a single one.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network

from simulator.arm import Call, ResourceType
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bad_request, network_body
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Response
from simulator.providers.network import nrp
from simulator.providers.network.routes import TABLE
from simulator.providers.network.security import GROUP

VNET = "Microsoft.Network/virtualNetworks"
SUBNET = f"{VNET}/subnets"
NIC = "Microsoft.Network/networkInterfaces"
ENDPOINT = "Microsoft.Network/privateEndpoints"
APP_SERVICE_LINK = "AppServiceLink"

_SUBNET_WRITABLE = ("natGateway", "serviceEndpointPolicies", "defaultOutboundAccess", "sharingScope")
_DELEGATION_ACTIONS = {
    "microsoft.web/serverfarms": [f"{SUBNET}/action"],
    "microsoft.sql/servers": [],
    "microsoft.sql/managedinstances": [
        f"{SUBNET}/{verb}/action" for verb in ("join", "prepareNetworkPolicies", "unprepareNetworkPolicies")
    ],
}
_APP_SERVICE = {"microsoft.web/serverfarms", "microsoft.app/environments"}
_JOIN = [f"{SUBNET}/join/action"]
_ENDPOINT_POLICIES_OFF_SINCE = "2022-01-01"
_FULL_LINK_SINCE = "2023-01-01"
_SMALLEST_PREFIX = 29

type Network = IPv4Network | IPv6Network


def prefixes(subnet: Resource) -> list[Network]:
    """The address ranges of a stored subnet."""
    return [ip_network(each) for each in _prefix_texts(subnet.properties)]


def _prefix_texts(properties: Json) -> list[str]:
    one = properties.get("addressPrefix")
    return [one] if one else list(properties.get("addressPrefixes") or [])


def stored_form(call: Call, given: Json, subnet_id: str) -> Json:
    """A subnet as stored: validated on its own, with the server's defaults; one prefix is always the singular."""
    texts = _prefix_texts(given)
    for text in texts:
        parsed(text, subnet_id)
    if not texts:
        message = f"Subnet '{name_of(subnet_id)}' has no address prefix."
        raise bad_request("InvalidRequestFormat", message)
    stored: Json = {"addressPrefix": texts[0]} if len(texts) == 1 else {"addressPrefixes": texts}
    for member, kind in (("networkSecurityGroup", GROUP), ("routeTable", TABLE)):
        found = nrp.reference(call, subnet_id, given.get(member), kind)
        if found is not None:
            stored[member] = found
    stored |= nrp.pick(given, _SUBNET_WRITABLE)
    if given.get("serviceEndpoints"):
        stored["serviceEndpoints"] = [_service_endpoint(each) for each in given["serviceEndpoints"]]
    stored["delegations"] = [_delegation(each, subnet_id) for each in nrp.list_of(given, "delegations") or []]
    default = "Disabled" if call.api_version >= _ENDPOINT_POLICIES_OFF_SINCE else "Enabled"
    stored["privateEndpointNetworkPolicies"] = given.get("privateEndpointNetworkPolicies") or default
    stored["privateLinkServiceNetworkPolicies"] = given.get("privateLinkServiceNetworkPolicies") or "Enabled"
    return stored


def parsed(text: str, holder: str) -> Network:
    try:
        loose = ip_network(text, strict=False)
    except ValueError as error:
        message = f"The address prefix {text} in resource {holder} is not formatted correctly."
        raise bad_request("InvalidAddressPrefixFormat", message) from error
    try:
        return ip_network(text)
    except ValueError as error:
        message = (
            f"The address prefix {text} in resource {holder} has an invalid CIDR notation. For the given prefix "
            f"length, the address prefix should be {loose}."
        )
        raise bad_request("InvalidCIDRNotation", message) from error


def _service_endpoint(given: Json) -> Json:
    return {"service": given.get("service"), "locations": given.get("locations") or ["*"]}


def _delegation(given: Json, subnet_id: str) -> Json:
    service = nrp.properties_of(given).get("serviceName")
    name = given.get("name")
    if not name or not service or "/" not in service:
        message = (
            f"Delegation {name} of subnet {subnet_id} names no service that subnets can be delegated to: '{service}'."
        )
        raise bad_request("InvalidDelegationServiceName", message)
    return {"name": name, "serviceName": service}


def check_fit(vnet: Resource, subnet_id: str, properties: Json, siblings: list[Resource]) -> None:
    """400 unless the subnet lies within its VNet and apart from its siblings."""
    name = name_of(subnet_id)
    spaces = [ip_network(each) for each in vnet.properties["addressSpace"]["addressPrefixes"]]
    for network in (ip_network(text) for text in _prefix_texts(properties)):
        small = network.version == 4 and network.prefixlen > _SMALLEST_PREFIX
        if small or not any(_within(network, space) for space in spaces):
            message = f"Subnet '{name}' is not valid in virtual network '{vnet.name}'."
            raise bad_request("NetcfgInvalidSubnet", message)
        for sibling in siblings:
            if sibling.key != subnet_id.lower() and any(network.overlaps(each) for each in prefixes(sibling)):
                message = (
                    f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing "
                    f"subnet in virtual network '{vnet.name}'."
                )
                raise bad_request("NetcfgSubnetRangesOverlap", message)


def _within(network: Network, space: Network) -> bool:
    return network.version == space.version and space.supernet_of(network)  # type: ignore[arg-type]  # versions agree


def users(cloud: Cloud, subnet: Resource) -> list[str]:
    """The ids of what holds a subnet: network interfaces' configurations and service association links."""
    held = [config for config, _ in interfaces(cloud, subnet)]
    links = [f"{subnet.id}/serviceAssociationLinks/{APP_SERVICE_LINK}"] if subnet.body.get("apps") else []
    return [*held, *links]


def interfaces(cloud: Cloud, subnet: Resource) -> list[tuple[str, Resource]]:
    """The (ipConfiguration id, private endpoint) pairs in a subnet, ids in the upper case that Azure shows."""
    found = []
    for endpoint in cloud.of_type(ENDPOINT):
        if endpoint.properties["subnet"]["id"].lower() == subnet.key and endpoint.properties.get("nic"):
            nic, config = endpoint.properties["nic"], endpoint.properties["ipConfiguration"]
            head, _, name = nic.rpartition("/")
            shown = f"{_group_upper(head)}/{name.upper()}/ipConfigurations/{config.upper()}"
            found.append((shown, endpoint))
    return found


def _group_upper(path: str) -> str:
    parts = path.split("/")
    return "/".join(part.upper() if index == 4 else part for index, part in enumerate(parts))


def check_change(call: Call, subnet: Resource, properties: Json) -> None:
    """Refuse to take away the addresses or the delegation that somebody uses."""
    holders = users(call.cloud, subnet)
    if holders and _prefix_texts(subnet.properties) != _prefix_texts(properties):
        kept = _prefix_texts(properties)
        lost = [each for each in _prefix_texts(subnet.properties) if each not in kept]
        message = f"IpPrefix {', '.join(lost)} on Subnet {subnet.name} has active allocations and cannot be deleted."
        raise bad_request("InUsePrefixCannotBeDeleted", message)
    services = {each["serviceName"].lower() for each in properties["delegations"]}
    if subnet.body.get("apps") and "microsoft.web/serverfarms" not in services:
        message = (
            f"Subnet {subnet.id} requires any of the following delegation(s) [Microsoft.Web/serverFarms] to reference "
            f"service association link {subnet.id}/serviceAssociationLinks/{APP_SERVICE_LINK}."
        )
        raise bad_request("SubnetMissingRequiredDelegation", message)


def check_unused(cloud: Cloud, subnet: Resource) -> None:
    holders = users(cloud, subnet)
    if holders:
        message = (
            f"Subnet {subnet.name} is in use by {', '.join(holders)} and cannot be deleted. In order to delete the "
            "subnet, delete all the resources within the subnet. See aka.ms/deletesubnet."
        )
        raise bad_request("InUseSubnetCannotBeDeleted", message)


def show(call: Call, subnet: Resource) -> Json:
    cloud, stored, etag = call.cloud, subnet.properties, nrp.tag(call.cloud, subnet)
    shown = {key: value for key, value in stored.items() if key not in {"delegations", "serviceEndpoints"}}
    held = interfaces(cloud, subnet)
    if held:
        shown["ipConfigurations"] = [{"id": config} for config, _ in held]
        shown["privateEndpoints"] = [{"id": _endpoint_reference(endpoint.id)} for _, endpoint in held]
    if stored.get("serviceEndpoints"):
        state = {"provisioningState": subnet.provisioning}
        shown["serviceEndpoints"] = [{**state, **each} for each in stored["serviceEndpoints"]]
    if subnet.body.get("apps"):
        shown["serviceAssociationLinks"] = [_association(call, subnet, etag)]
    shown["delegations"] = [_show_delegation(subnet, each, etag) for each in stored["delegations"]]
    return nrp.view(cloud, subnet, shown)


def _endpoint_reference(endpoint_id: str) -> str:
    head, _, name = endpoint_id.rpartition("/")
    return f"{_group_upper(head)}/{name.upper()}"


def _show_delegation(subnet: Resource, delegation: Json, etag: str) -> Json:
    service = delegation["serviceName"]
    return {
        "name": delegation["name"],
        "id": f"{subnet.id}/delegations/{delegation['name']}",
        "etag": etag,
        "properties": {
            "provisioningState": "Succeeded",
            "serviceName": service,
            "actions": _DELEGATION_ACTIONS.get(service.lower(), _JOIN),
        },
        "type": f"{SUBNET}/delegations",
    }


def _association(call: Call, subnet: Resource, etag: str) -> Json:
    plan = next(iter(subnet.body["apps"].values()))
    properties: Json = {
        "provisioningState": "Succeeded",
        "linkedResourceType": "Microsoft.Web/serverfarms",
        "link": plan if call.api_version >= _FULL_LINK_SINCE else name_of(plan),
        "enabledForArmDeployments": False,
        "allowDelete": False,
        "locations": [],
    }
    if call.api_version >= _FULL_LINK_SINCE:
        properties["subnetId"] = subnet.body["guid"]
    return {
        "name": APP_SERVICE_LINK,
        "id": f"{subnet.id}/serviceAssociationLinks/{APP_SERVICE_LINK}",
        "etag": etag,
        "type": f"{SUBNET}/serviceAssociationLinks",
        "properties": properties,
    }


def _put_subnet(call: Call) -> Response:
    nrp.guard(call)
    existing, vnet = call.resource, call.parent()
    assert vnet is not None  # the gateway has looked
    subnet_id = existing.id if existing is not None else call.display_id()
    properties = stored_form(call, nrp.properties_of(call.body()), subnet_id)
    check_fit(vnet, subnet_id, properties, call.cloud.children(vnet.id, SUBNET))
    if existing is not None:
        check_change(call, existing, properties)
    changed = existing is None or existing.properties != properties
    subnet = existing or call.cloud.put(Resource(subnet_id, SUBNET, {}))
    subnet.body["properties"] = properties
    return nrp.written(call, subnet, show, created=existing is None, changed=changed, retry_after=3)


def _delete_subnet(call: Call) -> Response:
    return nrp.deleted(
        call,
        check=lambda subnet: check_unused(call.cloud, subnet),
        finish=lambda subnet: call.cloud.remove(subnet.id),
    )


# --- App Service


def join_app_service(call: Call, subnet_id: str, plan_id: str, app_id: str) -> Resource:
    """Hold a subnet for an app; the first app of it creates the service association link. Returns the subnet.

    400 when the subnet does not exist or is not delegated to Microsoft.Web/serverFarms.
    """
    subnet = call.cloud.get(subnet_id)
    if subnet is None or subnet.type != SUBNET:
        raise bad_request("BadRequest", f"Virtual network subnet {subnet_id} was not found.")
    services = {each["serviceName"].lower() for each in subnet.properties["delegations"]}
    if not services & _APP_SERVICE:
        message = (
            f"Subnet {subnet.name} in VNET {name_of(parent_of(subnet.id))} is missing required delegation to "
            "Microsoft.Web/serverFarms."
        )
        raise bad_request("BadRequest", message)
    apps: Json = subnet.body.setdefault("apps", {})
    if not apps:
        _new_etag(call.cloud, subnet)
        subnet.body["guid"] = call.cloud.guid()
    apps[app_id.lower()] = plan_id
    call.cloud.touch()
    return subnet


def leave_app_service(cloud: Cloud, subnet_id: str, app_id: str) -> None:
    """Release a subnet from an app; the last one takes the service association link with it. Absent is fine."""
    subnet = cloud.get(subnet_id)
    if subnet is None or app_id.lower() not in subnet.body.get("apps", {}):
        return
    del subnet.body["apps"][app_id.lower()]
    if not subnet.body["apps"]:
        _new_etag(cloud, subnet)
    cloud.touch()


def _new_etag(cloud: Cloud, subnet: Resource) -> None:
    vnet = cloud.get(parent_of(subnet.id))
    assert vnet is not None
    vnet.etag = cloud.guid()


def next_address(cloud: Cloud, subnet: Resource) -> str:
    """The lowest free address of a subnet; Azure keeps the first four (0 to 3). 400 when it is full."""
    taken = {endpoint.properties.get("address") for _, endpoint in interfaces(cloud, subnet)}
    for index, address in enumerate(prefixes(subnet)[0]):
        if index > 3 and str(address) not in taken:
            return str(address)
    message = f"Subnet {subnet.name} does not have enough capacity for 1 IP addresses."
    raise ArmError(400, "SubnetIsFull", message)


TYPES = (
    ResourceType(
        name=SUBNET,
        api_versions=nrp.VERSIONS,
        get=nrp.get_child,
        put=_put_subnet,
        delete=_delete_subnet,
        render=show,
        error_body=network_body,
    ),
)
