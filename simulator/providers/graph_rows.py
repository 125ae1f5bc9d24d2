"""Rows of Resource Graph's table `resources`: tracked resources, and the nested ones with rows of their own.

A row's `properties` are what a GET in the newest api-version shows, nested bodies included: a network has its subnets
in it, an NSG its rules. App settings, zone groups and record sets are in none.
https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
"""

from collections.abc import Iterator
from dataclasses import replace

from simulator.arm import Call, ResourceType, shown
from simulator.changes import NESTED_ROWS
from simulator.cloud import Resource
from simulator.ids import address
from simulator.messages import Json

_FROM_BODY = ("kind", "sku", "plan", "managedBy", "tags", "identity", "zones", "extendedLocation", "properties")
_EMPTY = {"kind": "", "managedBy": ""}

COLUMNS = frozenset({"id", "name", "type", "tenantId", "location", "resourceGroup", "subscriptionId", *_FROM_BODY})


def resources(call: Call, types: frozenset[str]) -> Iterator[Resource]:
    """The resources with rows, of these types (in lower case), or of all."""
    for name, kind in call.registry.by_name.items():
        if (kind.tracked or name in NESTED_ROWS) and (not types or name in types):
            yield from call.cloud.of_type(name)


def row(call: Call, resource: Resource) -> Json:
    kind = call.registry.by_name[resource.type.lower()]
    body = shown(_as_if_read(call, kind, resource), resource)
    where = address(resource.id)
    return {
        "id": resource.id,
        "name": resource.name,
        "type": resource.type.lower(),
        "tenantId": call.cloud.tenant,
        "location": str(body.get("location") or "global").lower().replace(" ", ""),
        "resourceGroup": where.group.lower(),
        "subscriptionId": where.subscription,
        **{name: body.get(name, _EMPTY.get(name)) for name in _FROM_BODY},
    }


def _as_if_read(call: Call, kind: ResourceType, resource: Resource) -> Call:
    return replace(call, address=address(resource.id), api_version=kind.api_versions[0], type=kind)
