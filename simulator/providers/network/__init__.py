"""Microsoft.Network: VNets, network security groups, route tables, private endpoints, network watchers.

`nrp` holds what all of them share; private DNS, which Azure serves from elsewhere, is `providers.privatedns`.
"""

from simulator.arm import Call, Function
from simulator.messages import Response
from simulator.providers.network import endpoints, routes, security, subnets, vnets, watchers, zone_groups
from simulator.providers.network.subnets import join_app_service, leave_app_service

__all__ = ["FUNCTIONS", "TYPES", "join_app_service", "leave_app_service"]

_DELEGATIONS = (
    ("Microsoft.Web/serverFarms", ["Microsoft.Network/virtualNetworks/subnets/action"]),
    ("Microsoft.App/environments", ["Microsoft.Network/virtualNetworks/subnets/join/action"]),
    ("Microsoft.ContainerInstance/containerGroups", ["Microsoft.Network/virtualNetworks/subnets/action"]),
)


def _available_delegations(call: Call) -> Response:
    base = f"/subscriptions/{call.address.subscription}/providers/Microsoft.Network/availableDelegations"
    value = []
    for service, actions in _DELEGATIONS:
        name = service.replace("/", ".")
        kind = "Microsoft.Network/availableDelegations"
        value.append({"name": name, "id": f"{base}/{name}", "type": kind, "serviceName": service, "actions": actions})
    return Response.json(200, {"value": value})


TYPES = (
    *vnets.TYPES,
    *subnets.TYPES,
    *security.TYPES,
    *routes.TYPES,
    *endpoints.TYPES,
    *zone_groups.TYPES,
    *watchers.TYPES,
)
FUNCTIONS = (Function("GET", "Microsoft.Network/locations/availableDelegations", _available_delegations),)
