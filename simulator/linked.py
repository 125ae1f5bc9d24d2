"""Linked access: a body that names another resource needs a permission on that resource, too.

ARM looks at the members of a PUT's or PATCH's body that a provider has registered, and answers 403
LinkedAuthorizationFailed for the first one that the caller may not use. What is registered here is what Microsoft's
pages on required permissions name:

- https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet#permissions
- https://learn.microsoft.com/azure/app-service/overview-vnet-integration#permissions
- https://learn.microsoft.com/azure/private-link/rbac-permissions
- https://learn.microsoft.com/azure/role-based-access-control/permissions/networking
- https://learn.microsoft.com/azure/role-based-access-control/permissions/identity
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.arm import Call
from simulator.ids import address

EACH = "*"
"""A step into every item of a list."""
NAMES = "@"
"""A step to the member names of an object."""


@dataclass(frozen=True, slots=True)
class Link:
    """`action` is what follows the type of the resource whose id stands at `path`."""

    path: str
    action: str = "join/action"


_RULE = (
    Link("properties.sourceApplicationSecurityGroups.*.id", "joinNetworkSecurityRule/action"),
    Link("properties.destinationApplicationSecurityGroups.*.id", "joinNetworkSecurityRule/action"),
)
_SITE = (
    Link("properties.virtualNetworkSubnetId"),
    Link("properties.serverFarmId"),
    Link("identity.userAssignedIdentities.@", "assign/action"),
)
_INTEGRATION = (Link("properties.subnetResourceId"),)

LINKS: dict[str, tuple[Link, ...]] = {
    "microsoft.network/virtualnetworks/subnets": (
        Link("properties.networkSecurityGroup.id"),
        Link("properties.routeTable.id"),
        Link("properties.natGateway.id"),
        Link("properties.serviceEndpointPolicies.*.id"),
    ),
    "microsoft.network/networksecuritygroups/securityrules": _RULE,
    "microsoft.network/networksecuritygroups": tuple(
        Link(f"properties.securityRules.*.{link.path}", link.action) for link in _RULE
    ),
    "microsoft.network/privateendpoints": (
        Link("properties.subnet.id"),
        # A manual connection needs none: its owner approves it.
        Link(
            "properties.privateLinkServiceConnections.*.properties.privateLinkServiceId",
            "privateEndpointConnectionsApproval/action",
        ),
    ),
    "microsoft.network/privateendpoints/privatednszonegroups": (
        Link("properties.privateDnsZoneConfigs.*.properties.privateDnsZoneId"),
    ),
    "microsoft.network/privatednszones/virtualnetworklinks": (Link("properties.virtualNetwork.id"),),
    "microsoft.web/sites": _SITE,
    "microsoft.web/sites/slots": _SITE,
    "microsoft.web/sites/networkconfig": _INTEGRATION,
    "microsoft.web/sites/slots/networkconfig": _INTEGRATION,
}
"""By the type that is written, in lower case."""


def linked_operations(call: Call) -> Iterator[tuple[str, str]]:
    """(operation name, id of the resource that it is needed on) of every reference in a written body."""
    if call.request.method not in {"PUT", "PATCH"}:
        return
    links = LINKS.get(call.address.shape, ())
    body = _body(call) if links else None
    for link in links:
        for found in _at(body, link.path.split(".")):
            if isinstance(found, str) and found.startswith("/"):
                yield f"{_type_of(call, found)}/{link.action}", found


def _body(call: Call) -> Any:
    try:
        return json.loads(call.request.body or b"")
    except ValueError:
        return None  # the provider refuses it in words of its own


def _at(body: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield body
    elif path[0] == EACH:
        for item in body if isinstance(body, list) else ():
            yield from _at(item, path[1:])
    elif isinstance(body, dict) and path[0] == NAMES:
        yield from body
    elif isinstance(body, dict):
        yield from _at(body.get(path[0]), path[1:])


def _type_of(call: Call, resource_id: str) -> str:
    """In ARM's casing where the type is known, else as the id spells it."""
    where = address(resource_id)
    known = call.registry.types.get(where.shape)
    if known is not None:
        return known.permission
    return "/".join((where.namespace, *resource_id.partition(f"/{where.namespace}/")[2].split("/")[0::2]))
