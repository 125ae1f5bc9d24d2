"""A subnet as it is compared, whichever of ARM's spellings a body uses, and as it is written.

ARM adds members of its own to delegations and service endpoints, and spells ids and services as they were written.
Ranges are handled in `address_room`.
https://learn.microsoft.com/rest/api/virtualnetwork/subnets/get
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from homeostat.core import json
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value
from remediators.address_room import networks_of, prefixes_of

PREFIX, DELEGATION, GROUP, TABLE, ENDPOINTS = (
    ("address_prefix",),
    ("delegation",),
    ("nsg",),
    ("route_table",),
    ("service_endpoints",),
)
"""The paths of drifts: the spec's keys."""

INHABITANTS: Final = ("ipConfigurations", "ipConfigurationProfiles", "privateEndpoints", "resourceNavigationLinks")
"""Properties that list what is in a subnet, besides the services that it is delegated to."""

DELEGATION_NAME: Final = "delegation"
"""The name of a delegation that Homeostat adds. Whatever its name, a delegation's service counts."""


@dataclass(frozen=True, slots=True)
class SubnetWant:
    """endpoints: the services of the service endpoints, sorted. None: not owned."""

    prefix: str
    delegation: str | None = None
    nsg: ResourceId | None = None
    route_table: ResourceId | None = None
    endpoints: tuple[str, ...] | None = None
    recreate: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """An existing subnet. delegations and endpoints: as in its body.

    linked_to: the types of what services keep in it (`Microsoft.Web/serverfarms`). is_inhabited: whether network
    interfaces or the like are in it.
    """

    prefixes: tuple[str, ...] = ()
    delegations: tuple[JsonObject, ...] = ()
    nsg: str = ""
    route_table: str = ""
    endpoints: tuple[JsonObject, ...] = ()
    linked_to: tuple[str, ...] = ()
    is_inhabited: bool = False

    @property
    def delegated_to(self) -> tuple[str, ...]:
        return tuple(sorted(json.text_at(entry, "properties", "serviceName") for entry in self.delegations))

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(sorted(json.text_at(entry, "service") for entry in self.endpoints))


NOTHING: Final = Present()
"""A subnet that differs in everything that is owned."""


def present_of(body: Json) -> Present:
    return Present(
        prefixes=prefixes_of(body),
        delegations=json.objects_at(body, "properties", "delegations"),
        nsg=json.text_at(body, "properties", "networkSecurityGroup", "id"),
        route_table=json.text_at(body, "properties", "routeTable", "id"),
        endpoints=json.objects_at(body, "properties", "serviceEndpoints"),
        linked_to=tuple(
            json.text_at(link, "properties", "linkedResourceType")
            for link in json.objects_at(body, "properties", "serviceAssociationLinks")
        ),
        is_inhabited=any(json.objects_at(body, "properties", member) for member in INHABITANTS),
    )


def differences(wanted: SubnetWant, found: Present) -> dict[Path, tuple[Value, Value]]:
    """The paths of the owned fields that differ, with what is wanted and what is there."""
    differing: dict[Path, tuple[Value, Value]] = {}
    if networks_of(found.prefixes) != networks_of([wanted.prefix]):
        differing[PREFIX] = wanted.prefix, _one_or_many(found.prefixes)
    if wanted.delegation and wanted.delegation.lower() not in _folded(found.delegated_to):
        differing[DELEGATION] = wanted.delegation, _one_or_many(found.delegated_to)
    for path, reference, has in ((GROUP, wanted.nsg, found.nsg), (TABLE, wanted.route_table, found.route_table)):
        if reference and not same_id(reference.text, has):
            differing[path] = reference.text, has or ABSENT
    if wanted.endpoints is not None and _folded(wanted.endpoints) != _folded(found.services):
        differing[ENDPOINTS] = wanted.endpoints, found.services
    return differing


def _one_or_many(texts: tuple[str, ...]) -> Value:
    return texts if len(texts) > 1 else next(iter(texts), ABSENT)


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(str.lower, names))


def members(path: Path, wanted: SubnetWant, found: Present) -> dict[str, Value]:
    """The properties that a repair at `path` sets; other delegations are kept."""
    match path:
        case ("address_prefix",):
            return {"addressPrefix": wanted.prefix, "addressPrefixes": ABSENT}
        case ("delegation",):
            ours: Json = {"name": DELEGATION_NAME, "properties": {"serviceName": wanted.delegation}}
            return {"delegations": [*found.delegations, ours]}
        case ("nsg",):
            return {"networkSecurityGroup": {"id": str(wanted.nsg)}}
        case ("route_table",):
            return {"routeTable": {"id": str(wanted.route_table)}}
        case _:
            return {"serviceEndpoints": list(_endpoints(wanted.endpoints or (), found.endpoints))}


def _endpoints(services: Iterable[str], found: Iterable[JsonObject]) -> Iterator[Json]:
    """Endpoints that are there stay as they are, their locations included."""
    there = {json.text_at(entry, "service").lower(): entry for entry in found}
    for service in services:
        yield there.get(service.lower(), {"service": service})


def shown(wanted: SubnetWant) -> Json:
    return {path[0]: value for path, (value, _) in differences(wanted, NOTHING).items() if value is not ABSENT}
