"""Rows of Resource Graph's table `resources`: tracked resources, and the nested ones with rows of their own.

A row's `properties` are what a GET in the newest api-version shows, nested bodies included: a network has its subnets
in it, an NSG its rules. App settings, zone groups and record sets are in no row.
https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from simulator.arm import Call, ResourceType, shown
from simulator.changes import NESTED_ROWS
from simulator.cloud import Resource
from simulator.ids import address
from simulator.messages import Json
from simulator.providers.kusto import Candidate

_FROM_BODY = ("kind", "sku", "plan", "managedBy", "tags", "identity", "zones", "extendedLocation", "properties")
_INDEX = "Microsoft.ResourceGraph/index"
_EMPTY = {"kind": "", "managedBy": ""}

COLUMNS = frozenset({"id", "name", "type", "tenantId", "location", "resourceGroup", "subscriptionId", *_FROM_BODY})


def candidates(call: Call, types: frozenset[str]) -> Iterator[Candidate]:
    """What a query about these types can select; a row is rendered only when a page shows it.

    Where rows may be old, the index reads a type no more often than that, and shows what it read then.
    """
    old = timedelta(seconds=call.cloud.timing.row_seconds)
    for name in sorted(_kinds(call, types)):
        yield from _as_seen(call, name, old) if old else _now(call, name)


def _now(call: Call, name: str) -> Iterator[Candidate]:
    for each in call.cloud.of_type(name):
        yield Candidate(each.id, name, each.body.get("tags") or {}, partial(row, call, each))


def _as_seen(call: Call, name: str, old: timedelta) -> list[Candidate]:
    index: dict[str, tuple[datetime, list[Candidate]]] = call.cloud.extras.setdefault(_INDEX, {})
    seen = index.get(name)
    if seen is None or call.now - seen[0] >= old:
        seen = index[name] = call.now, [_kept(each) for each in _now(call, name)]
    return seen[1]


def _kept(candidate: Candidate) -> Candidate:
    """The row as it is now, whatever happens to the resource."""
    shown = deepcopy(candidate.row())
    return replace(candidate, tags=dict(candidate.tags), row=lambda: shown)


def _kinds(call: Call, types: frozenset[str]) -> Iterator[str]:
    """The types, in lower case, that have rows: of these, or of all."""
    for name, kind in call.registry.by_name.items():
        if (kind.tracked or name in NESTED_ROWS) and (not types or name in types):
            yield name


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
