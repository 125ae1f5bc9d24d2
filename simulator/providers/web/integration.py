"""VNet integration: which subnet an app's outbound traffic leaves through.

It has two doors to one state: the site's `virtualNetworkSubnetId` and the child `networkConfig/virtualNetwork`. Leaving
keeps the routing flags as they are (recorded: vnetRouteAllEnabled stays true after the DELETE).
"""

from simulator.arm import Call
from simulator.cloud import Resource
from simulator.errors import ArmError, bad_request
from simulator.ids import name_of, parent_of
from simulator.messages import Json, Response
from simulator.providers import network
from simulator.providers.fields import properties_of, text_at
from simulator.providers.web.regions import compact, display
from simulator.providers.web.shape import sites_of_plan
from simulator.providers.web.state import Site, site_of

_SUBNETS_PER_PLAN = 2
_SMALLEST_PREFIX = 28  # https://learn.microsoft.com/azure/app-service/overview-vnet-integration#subnet-requirements
_WITHOUT_INTEGRATION = {"Free", "Shared", "Dynamic"}


def connect(call: Call, site: Site, subnet_id: str | None, *, plan: str) -> None:
    """Integrate with a subnet, or with none. 400 or 404 for a subnet that cannot be joined."""
    if not subnet_id:
        leave(call, site)
        return
    subnet = _joinable(call, site, subnet_id, plan)
    if site.subnet is not None and site.subnet.lower() != subnet.key:
        leave(call, site)
    network.join_app_service(call, subnet.id, plan, site.id)
    site.properties["virtualNetworkSubnetId"] = subnet.id


def leave(call: Call, site: Site) -> None:
    """Give the subnet up; nothing happens without one."""
    subnet = site.properties.pop("virtualNetworkSubnetId", None)
    if subnet:
        network.leave_app_service(call.cloud, subnet, site.id)


def exchange(call: Call, one: Site, other: Site) -> None:
    """Each joins what the other was joined to, and routes as the other did."""
    subnets, routings = (other.subnet, one.subnet), (dict(other.routing), dict(one.routing))
    for site in (one, other):
        leave(call, site)
    for site, subnet, routing in zip((one, other), subnets, routings, strict=True):
        if subnet is not None:
            network.join_app_service(call, subnet, site.plan, site.id)
            site.properties["virtualNetworkSubnetId"] = subnet
        site.routing.update(routing)


def get(call: Call) -> Response:
    site = site_of(call)
    return Response.json(200, _swift_body(site))


def put(call: Call) -> Response:
    """PUT and PATCH: join the subnet that the body names."""
    site = site_of(call)
    subnet = text_at(properties_of(call), "subnetResourceId")
    if not subnet:
        raise bad_request("BadRequest", "The property subnetResourceId is required.")
    connect(call, site, subnet, plan=site.plan)
    site.changed(call)
    return Response.json(200, _swift_body(site), {"etag": f'"{site.etag}"'})


def delete(call: Call) -> Response:
    site = site_of(call)
    leave(call, site)
    site.changed(call)
    quoted = call.api_version < "2025-05-01"
    return Response.empty(200, {"etag": f'"{site.etag}"' if quoted else site.etag})


def connections(call: Call) -> Response:
    """The integrations as a bare JSON array."""
    site = site_of(call)
    found = _connection(call, site)
    return Response.json(200, [] if found is None else [found])


def connection(call: Call) -> Response:
    site = site_of(call)
    found = _connection(call, site)
    if found is None or found["name"].lower() != call.address.name.lower():
        raise ArmError(404, "NotFound", f"Cannot find VNET Connection with name {call.address.name}.")
    return Response.json(200, found)


def vnet_name(call: Call, site: Site) -> str:
    """The integration's name, `<resource guid of the VNet>_<subnet>`; "" without one."""
    if site.subnet is None:
        return ""
    vnet = call.cloud.get(parent_of(site.subnet))
    guid = vnet.properties.get("resourceGuid", "") if vnet is not None else ""
    return f"{guid}_{name_of(site.subnet)}"


def _joinable(call: Call, site: Site, subnet_id: str, plan_id: str) -> Resource:
    subnet, vnet = call.cloud.get(subnet_id), call.cloud.get(parent_of(subnet_id))
    if subnet is None or vnet is None:
        message = f"Subnet {name_of(subnet_id)} in VNET {name_of(parent_of(subnet_id))} was not found."
        raise ArmError(404, "NotFound", message)
    if compact(vnet.body["location"]) != compact(site.location):
        message = (
            f"VNET {vnet.name} is in {vnet.body['location']}, but regional integration needs it in {site.location}."
        )
        raise bad_request("BadRequest", message)
    if network.subnets.prefixes(subnet)[0].prefixlen > _SMALLEST_PREFIX:
        message = (
            f"Subnet {subnet.name} is smaller than the /{_SMALLEST_PREFIX} that virtual network integration needs."
        )
        raise bad_request("BadRequest", message)
    plan = call.cloud.get(plan_id)
    if plan is not None and plan.body["sku"]["tier"] in _WITHOUT_INTEGRATION:
        message = f"App Service Plan {plan.name} does not support virtual network integration in its pricing tier."
        raise bad_request("BadRequest", message)
    others = [each for each in sites_of_plan(call.cloud, plan_id) if each.id != site.id]
    used = {each.subnet.lower() for each in others if each.subnet}
    if len(used | {subnet.key}) > _SUBNETS_PER_PLAN:
        message = f"Adding this VNET would exceed the App Service Plan VNET limit of {_SUBNETS_PER_PLAN}"
        raise ArmError(409, "Conflict", message)
    return subnet


def _swift_body(site: Site) -> Json:
    return {
        "id": f"{site.id}/networkConfig/virtualNetwork",
        "name": "virtualNetwork",
        "type": f"{site.resource.type}/networkConfig",
        "location": display(site.location),
        "properties": {"subnetResourceId": site.subnet, "swiftSupported": True},
    }


def _connection(call: Call, site: Site) -> Json | None:
    if site.subnet is None:
        return None
    name = vnet_name(call, site)
    return {
        "id": f"{site.id}/virtualNetworkConnections/{name}",
        "name": name,
        "type": "Microsoft.Web/sites/virtualNetworkConnections",  # of a slot's too
        "location": display(site.location),
        "properties": {
            "vnetResourceId": site.subnet,
            "certThumbprint": None,
            "certBlob": None,
            "routes": None,
            "resyncRequired": False,
            "dnsServers": None,
            "isSwift": True,
        },
    }
