"""Route tables and their routes."""

from ipaddress import ip_address, ip_network

from simulator.arm import Call, ResourceType
from simulator.cloud import Resource
from simulator.errors import bad_request, network_body
from simulator.messages import Json, Response
from simulator.providers.network import nrp
from simulator.providers.network.security import subnets_of

TABLE = "Microsoft.Network/routeTables"
ROUTE = f"{TABLE}/routes"

_HOPS = ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None")


def _route_properties(given: Json, route_id: str) -> Json:
    hop = {each.lower(): each for each in _HOPS}.get(str(given.get("nextHopType") or "").lower())
    if hop is None:
        message = f"Route {route_id} has invalid next hop type '{given.get('nextHopType')}'."
        raise bad_request("RouteInvalidNextHopType", message)
    stored: Json = {"addressPrefix": _prefix(given, route_id), "nextHopType": hop}
    if hop == "VirtualAppliance":
        stored["nextHopIpAddress"] = _next_hop(given, route_id)
    elif given.get("nextHopIpAddress"):
        message = f"Route {route_id} may not have a next hop IP address with next hop type {hop}."
        raise bad_request("NextHopIpAddressNotAllowed", message)
    stored["hasBgpOverride"] = False
    return stored


def _prefix(given: Json, route_id: str) -> str:
    prefix = str(given.get("addressPrefix") or "")
    try:
        ip_network(prefix)
    except ValueError as error:
        if "/" not in prefix and prefix.isalpha():
            return prefix  # a service tag
        message = f"Address prefix {prefix} of route {route_id} is not formatted correctly."
        raise bad_request("InvalidAddressPrefixFormat", message) from error
    return prefix


def _next_hop(given: Json, route_id: str) -> str:
    hop = str(given.get("nextHopIpAddress") or "")
    try:
        ip_address(hop)
    except ValueError as error:
        message = f"Next hop IP address '{hop}' of route {route_id} is invalid."
        raise bad_request("InvalidNextHopIpAddress", message) from error
    return hop


def _show_route(call: Call, route: Resource) -> Json:
    return nrp.view(call.cloud, route, route.properties)


def _show_table(call: Call, table: Resource) -> Json:
    routes = [_show_route(call, each) for each in call.cloud.children(table.id, ROUTE)]
    shown: Json = {**table.properties, "routes": routes}
    subnets = subnets_of(call.cloud, "routeTable", table.id)
    if subnets:
        shown["subnets"] = [{"id": each.id} for each in subnets]
    return nrp.view(call.cloud, table, shown)


def _put_table(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    body = call.body()
    given = nrp.properties_of(body)
    head = nrp.envelope_of(call, body, existing)
    table_id = existing.id if existing is not None else call.display_id()
    routes = [_route_of(each, table_id) for each in nrp.list_of(given, "routes") or []]
    before = [(each.id, each.properties) for each in call.cloud.children(table_id, ROUTE)]
    properties = {
        "resourceGuid": existing.properties["resourceGuid"] if existing is not None else call.cloud.guid(),
        "disableBgpRoutePropagation": bool(given.get("disableBgpRoutePropagation", False)),
    }
    changed = existing is None or existing.properties != properties
    table = existing or call.cloud.put(Resource(table_id, TABLE))
    table.body = {**head, "properties": properties}
    for route_id, _ in before:
        call.cloud.remove(route_id)
    for route in routes:
        call.cloud.put(route)
    changed = changed or before != [(each.id, each.properties) for each in routes]
    return nrp.written(call, table, _show_table, created=existing is None, changed=changed, family=routes)


def _route_of(given: Json, table_id: str) -> Resource:
    if not given.get("name"):
        raise bad_request("InvalidRequestFormat", "Cannot parse the request: a route has no name.")
    route_id = f"{table_id}/routes/{given['name']}"
    return Resource(route_id, ROUTE, {"properties": _route_properties(nrp.properties_of(given), route_id)})


def _put_route(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    route_id = existing.id if existing is not None else call.display_id()
    properties = _route_properties(nrp.properties_of(call.body()), route_id)
    changed = existing is None or existing.properties != properties
    route = existing or call.cloud.put(Resource(route_id, ROUTE))
    route.body["properties"] = properties
    return nrp.written(call, route, _show_route, created=existing is None, changed=changed)


def _check_unused(call: Call, table: Resource) -> None:
    users = subnets_of(call.cloud, "routeTable", table.id)
    if users:
        message = (
            f"Route table {table.id} is in use and cannot be deleted. It is used by "
            f"{', '.join(each.id for each in users)}."
        )
        raise bad_request("InUseRouteTableCannotBeDeleted", message)


def _delete_table(call: Call) -> Response:
    return nrp.deleted(
        call,
        check=lambda table: _check_unused(call, table),
        finish=lambda table: call.cloud.remove(table.id),
    )


def _delete_route(call: Call) -> Response:
    return nrp.deleted(call, check=lambda _: None, finish=lambda route: call.cloud.remove(route.id))


TYPES = (
    ResourceType(
        name=TABLE,
        api_versions=nrp.VERSIONS,
        get=nrp.get_root,
        put=_put_table,
        patch=nrp.patch_tags,
        delete=_delete_table,
        render=_show_table,
        error_body=network_body,
        tracked=True,
    ),
    ResourceType(
        name=ROUTE,
        api_versions=nrp.VERSIONS,
        get=nrp.get_child,
        put=_put_route,
        delete=_delete_route,
        render=_show_route,
        error_body=network_body,
    ),
)
