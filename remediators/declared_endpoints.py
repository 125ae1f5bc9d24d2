"""Private endpoints as a spec declares them, for their own kind and for others.

A backend's public access is closed only if the endpoints declared for it are approved, and a record that an endpoint's
zone group maintains may not be declared by anybody else: so this is separate from how endpoints are observed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from homeostat.core.arm_types import PRIVATE_DNS_ZONE, PRIVATE_ENDPOINT, SUBNET
from homeostat.core.backends import BACKENDS, backend_of
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.model import Item, Mode, Problem, Scope, Section
from remediators.common import ByName, backend_kind_problems, name_problems, reference_problems
from remediators.zone_group import ZoneGroupWant

KIND = "private_endpoints"

ENDPOINT, ZONE_GROUP = "endpoint", "zone_group"
"""The items of a root."""


class EndpointSpec(Section):
    """One private endpoint."""

    location: str = Field(description="The region of its subnet's network.", examples=["westeurope"])
    subnet: str = Field(
        description="VNET/SUBNET, RESOURCE-GROUP:VNET/SUBNET, or a full resource id.",
        examples=["vnet-appservice/snet-private-endpoints"],
    )
    backend: str = Field(description="NAME, RESOURCE-GROUP:NAME, or a full resource id.", examples=["sql-flask"])
    kind: str = Field(description="The backend's.", examples=["sql"], json_schema_extra={"enum": [*BACKENDS]})
    recreate: bool = Field(
        default=False, description="Whether it is made again unattended; a new connection may need approval."
    )
    zone_group: str | None = Field(
        default=None, description="The name of its DNS zone group; without one none is looked at.", examples=["default"]
    )
    zone: str | None = Field(
        default=None,
        description="The zone that the group leads to: NAME, RESOURCE-GROUP:NAME, or a full resource id; "
        "by default the one of the backend's kind in the location's cloud, in the web app's resource group.",
    )
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")


class PrivateEndpointsSection(ByName[EndpointSpec]):
    """Private endpoints by name, RESOURCE-GROUP:NAME, or full resource id."""


@dataclass(frozen=True, slots=True)
class EndpointWant:
    location: str
    subnet: ResourceId
    backend: ResourceId
    group_id: str
    recreate: bool = False


type Wanted = EndpointWant | ZoneGroupWant


def items_of(section: PrivateEndpointsSection, scope: Scope) -> tuple[Item[Wanted], ...]:
    return tuple(
        item for name, spec in section.entries.items() if spec.kind in BACKENDS for item in _items(name, spec, scope)
    )


def _items(name: str, spec: EndpointSpec, scope: Scope) -> Iterator[Item[Wanted]]:
    row, root = BACKENDS[spec.kind], scope.resource(name, PRIVATE_ENDPOINT.name)
    subnet, backend = scope.resource(spec.subnet, SUBNET.name), scope.resource(spec.backend, row.type.name)
    endpoint = EndpointWant(spec.location, subnet, backend, row.group_id, spec.recreate)
    yield Item(root, ENDPOINT, endpoint, (name,), spec.mode)
    if spec.zone_group is not None:
        zone = scope.resource(spec.zone or row.zone(spec.location), PRIVATE_DNS_ZONE.name)
        yield Item(root, ZONE_GROUP, ZoneGroupWant(spec.zone_group, zone), (name, ZONE_GROUP), spec.mode)


def endpoint_problems(name: str, spec: EndpointSpec, scope: Scope) -> Iterator[Problem]:
    yield from reference_problems(scope, name, PRIVATE_ENDPOINT.name, (name,))
    yield from reference_problems(scope, spec.subnet, SUBNET.name, (name, "subnet"))
    if spec.kind not in BACKENDS:
        yield from backend_kind_problems(spec.kind, (name, "kind"))
        return
    yield from reference_problems(scope, spec.backend, BACKENDS[spec.kind].type.name, (name, "backend"))
    if spec.zone is not None:
        yield from reference_problems(scope, spec.zone, PRIVATE_DNS_ZONE.name, (name, "zone"))
    if spec.zone is not None and spec.zone_group is None:
        yield Problem((name, "zone"), "zone is given without a zone_group", "Name the zone_group, or remove the zone.")
    if spec.zone_group is not None:
        yield from name_problems(spec.zone_group, "zone group", (name, ZONE_GROUP))
        if spec.zone is None and not BACKENDS[spec.kind].zone(spec.location):
            message = f"the private DNS zone of {spec.kind} in {spec.location} is not known"
            yield Problem((name, ZONE_GROUP), message, "Name the zone beside it, as the endpoint's own page shows it.")


def endpoints_of(backend: ResourceId, scope: Scope) -> frozenset[ResourceId]:
    """The private endpoints that a document declares for a backend, as far as its section is valid."""
    items = _declared(scope)
    return frozenset(
        item.root for item in items if isinstance(item.value, EndpointWant) and item.value.backend == backend
    )


def records_of(zone: ResourceId, scope: Scope) -> Mapping[str, str]:
    """The names, lower case, of the records that a document's zone groups maintain in a zone, with their endpoints'."""
    items = _declared(scope)
    leading = {item.root for item in items if isinstance(item.value, ZoneGroupWant) and item.value.zone == zone}
    return {
        row.record(item.value.backend, item.value.location): item.root.name
        for item in items
        if item.root in leading
        and isinstance(item.value, EndpointWant)
        and (row := backend_of(item.value.backend)) is not None
    }


def _declared(scope: Scope) -> tuple[Item[Wanted], ...]:
    section = scope.section(KIND)
    if not isinstance(section, PrivateEndpointsSection):
        return ()
    try:
        return items_of(section, scope)
    except InvalidResourceId:
        return ()  # its own problems are reported where they are
