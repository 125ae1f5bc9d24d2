"""Private endpoints: each backend is reached at an address inside the network, and its name leads there.

Of an endpoint ARM lets nobody change where it is and what it connects to, so such a difference is told, not repaired.
Nor is a connection that its backend's owner has not approved, or has refused: that is a decision, and not ours. What is
repaired is a missing endpoint, on a spec's or a person's word, and its DNS zone group, of which `zone_group` knows.
https://learn.microsoft.com/azure/private-link/private-endpoint-overview
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import (
    PRIVATE_DNS_ZONE,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    SUBNET,
    ArmType,
)
from homeostat.core.backends import BACKENDS, backend_of
from homeostat.core.ids import InvalidResourceId, ResourceId, same_id
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Drift,
    Edit,
    Facts,
    Found,
    Gone,
    Item,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Verdict,
    Want,
)
from remediators import zone_group
from remediators.common import (
    ByName,
    backend_kind_problems,
    being_written,
    by_key,
    keep_the_rest,
    name_problems,
    reference_problems,
    same_location,
    twice,
    unknown,
    verdict_of,
    why_unread,
)
from remediators.zone_group import NO_GROUP, Groups, ZoneGroupWant

ENDPOINT, ZONE_GROUP = "endpoint", "zone_group"
"""The items of a root."""

LISTS = ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
STATUS = ("privateLinkServiceConnectionState", "status")
APPROVED = "Approved"


_REMEDIES: Mapping[str, tuple[str, str]] = {
    "pending": ("connection-pending", "waits for approval: the owner of {0} must approve it there"),
    "rejected": ("connection-rejected", "was rejected: have the owner of {0} approve it, or delete the endpoint"),
    "disconnected": (
        "connection-rejected",
        "was removed by the owner of {0}: delete the endpoint, so that it can be made again",
    ),
}
"""By the status of a connection, what it is held with: https://learn.microsoft.com/azure/private-link/manage-private-endpoint"""


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
        "by default the one of the backend's kind, in the web app's resource group.",
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


@dataclass(frozen=True, slots=True)
class Connection:
    """To which of the two lists it belongs, and what it says."""

    list: str
    target: str
    group_ids: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True)
class Have:
    """is_gone: the endpoint is not there. unread: why it is not known, or ""."""

    location: str = ""
    subnet: str = ""
    connections: tuple[Connection, ...] = ()
    under_way: bool = False
    groups: Groups = NO_GROUP
    is_gone: bool = False
    unread: str = ""

    def connection_to(self, backend: ResourceId) -> Connection | None:
        """The connection to this backend, else any."""
        exact = (each for each in self.connections if same_id(each.target, backend.text))
        return next(exact, next(iter(self.connections), None))


@dataclass(frozen=True, slots=True)
class PrivateEndpoints:
    """Its root is the private endpoint; the items of a root are the endpoint itself and its zone group."""

    kind: str = "private_endpoints"
    section: type[PrivateEndpointsSection] = PrivateEndpointsSection
    touches: frozenset[ArmType] = frozenset({PRIVATE_ENDPOINT, PRIVATE_DNS_ZONE_GROUP})

    def items(self, section: PrivateEndpointsSection, scope: Scope) -> tuple[Item[Wanted], ...]:
        return tuple(
            item
            for name, spec in section.entries.items()
            if spec.kind in BACKENDS
            for item in _items(name, spec, scope)
        )

    unmanaged = keep_the_rest

    def problems(self, section: PrivateEndpointsSection, scope: Scope) -> tuple[Problem, ...]:
        found = (problem for name, spec in section.entries.items() for problem in _problems(name, spec, scope))
        return (*found, *twice(section.entries, ()))

    # --- observe ---

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        own, group = Read(PRIVATE_ENDPOINT, want.root), _group_want(want)
        return frozenset({own, *(zone_group.reads(want.root, group, facts) if group else ())})

    def observe(self, want: Want[Wanted], facts: Facts) -> Have:
        endpoint = facts.get(Read(PRIVATE_ENDPOINT, want.root))
        if isinstance(endpoint, Gone):
            return Have(is_gone=True)
        if not isinstance(endpoint, Found):
            return Have(unread=why_unread(endpoint), groups=Groups(unread=why_unread(endpoint)))
        group = _group_want(want)
        return Have(
            location=json.text_at(endpoint.body, "location"),
            subnet=json.text_at(endpoint.body, "properties", "subnet", "id"),
            connections=tuple(_connections(endpoint)),
            under_way=being_written(endpoint.body),
            groups=zone_group.observe(want.root, group, facts) if group else NO_GROUP,
        )

    # --- diff ---

    def diff(self, want: Want[Wanted], have: Have) -> tuple[Drift, ...]:
        found = (
            drift for name, item in want.items.items() for drift in self._differences(want, name, item.value, have)
        )
        return by_key(found)

    def _differences(self, want: Want[Wanted], name: str, wanted: Wanted, have: Have) -> Iterator[Drift]:
        match wanted:
            case EndpointWant():
                yield from self._endpoint(want.root, name, wanted, have)
            case ZoneGroupWant() if not have.is_gone:  # else it follows, once the endpoint is there
                yield from zone_group.differences(self.kind, want.root, name, wanted, have.groups)
            case _:
                return

    def _endpoint(self, root: ResourceId, item: str, wanted: EndpointWant, have: Have) -> Iterator[Drift]:
        if have.unread:
            yield unknown(self.kind, root, (), item, _shown(wanted), have.unread)
            return
        if have.is_gone:
            yield Drift(self.kind, root, (), item, _shown(wanted), ABSENT)
            return
        verdict = verdict_of(under_way=have.under_way)
        for path, should, there, agree in _fields(wanted, have):
            if not agree:
                yield Drift(self.kind, root, path, item, should, there, verdict)

    # --- edits ---

    def edits(self, want: Want[Wanted], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(_repair(drift, want, have) for drift in self.diff(want, have) if drift.verdict is Verdict.DRIFTED)


REMEDIATOR = PrivateEndpoints()


def endpoints_of(backend: ResourceId, scope: Scope) -> frozenset[ResourceId]:
    """The private endpoints that a document declares for a backend, as far as its section can be understood."""
    items = _declared(scope)
    return frozenset(
        item.root for item in items if isinstance(item.value, EndpointWant) and item.value.backend == backend
    )


def records_of(zone: ResourceId, scope: Scope) -> Mapping[str, str]:
    """The names, lower case, of the records that a document's zone groups keep in a zone, each with its endpoint's."""
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
    section = scope.sections.get(REMEDIATOR.kind)
    if not isinstance(section, PrivateEndpointsSection):
        return ()
    try:
        return REMEDIATOR.items(section, scope)
    except InvalidResourceId:
        return ()  # its own problems are told where it stands


def _items(name: str, spec: EndpointSpec, scope: Scope) -> Iterator[Item[Wanted]]:
    row, root = BACKENDS[spec.kind], scope.resource(name, PRIVATE_ENDPOINT.name)
    subnet, backend = scope.resource(spec.subnet, SUBNET.name), scope.resource(spec.backend, row.type.name)
    endpoint = EndpointWant(spec.location, subnet, backend, row.group_id, spec.recreate)
    yield Item(root, ENDPOINT, endpoint, (name,), spec.mode)
    if spec.zone_group is not None:
        zone = scope.resource(spec.zone or row.zone, PRIVATE_DNS_ZONE.name)
        yield Item(root, ZONE_GROUP, ZoneGroupWant(spec.zone_group, zone), (name, ZONE_GROUP), spec.mode)


def _problems(name: str, spec: EndpointSpec, scope: Scope) -> Iterator[Problem]:
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


def _group_want(want: Want[Wanted]) -> ZoneGroupWant | None:
    found = (item.value for item in want.items.values() if isinstance(item.value, ZoneGroupWant))
    return next(found, None)


def _connections(endpoint: Found) -> Iterator[Connection]:
    for name in LISTS:
        for body in json.objects_at(endpoint.body, "properties", name):
            groups = json.at(body, ("properties", "groupIds"))
            yield Connection(
                list=name,
                target=json.text_at(body, "properties", "privateLinkServiceId"),
                group_ids=tuple(map(str, groups)) if isinstance(groups, list | tuple) else (),
                status=json.text_at(body, "properties", *STATUS),
            )


def _fields(wanted: EndpointWant, have: Have) -> Iterator[tuple[Path, Value, Value, bool]]:
    """What an endpoint is compared by: path, wanted, found, whether they agree."""
    yield ("location",), wanted.location, have.location, same_location(wanted.location, have.location)
    subnet = wanted.subnet.text
    yield ("properties", "subnet", "id"), subnet, have.subnet or ABSENT, same_id(subnet, have.subnet)
    connection = have.connection_to(wanted.backend)
    if connection is None:
        yield ("properties", LISTS[0]), wanted.backend.text, ABSENT, False
        return
    path, backend = ("properties", connection.list), wanted.backend.text
    if not same_id(connection.target, backend):
        yield (*path, "privateLinkServiceId"), backend, connection.target, False
        return  # whether that connection is approved says nothing about the one that is missing
    groups = {each.lower() for each in connection.group_ids}
    yield (*path, "groupIds"), [wanted.group_id], list(connection.group_ids), wanted.group_id.lower() in groups
    yield (*path, *STATUS), APPROVED, connection.status, connection.status.lower() == APPROVED.lower()


def _shown(wanted: EndpointWant) -> Json:
    return {"subnet": wanted.subnet.text, "backend": wanted.backend.text, "groupId": wanted.group_id}


def _repair(drift: Drift, want: Want[Wanted], have: Have) -> Edit | Obstacle:
    match want.items[drift.item].value:
        case EndpointWant() as wanted if not drift.path:
            return _creation(drift, wanted, leads=_group_want(want) is not None)
        case EndpointWant() as wanted:
            return _obstacle(drift, wanted)
        case ZoneGroupWant() as wanted:
            return zone_group.edit(drift, wanted, have.groups)


_LED_TO = (Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE)  # by the zone group that follows a new endpoint


def _creation(drift: Drift, wanted: EndpointWant, *, leads: bool) -> Edit:
    """With a zone group to follow, names resolve once both are there."""
    target: Json = {"privateLinkServiceId": wanted.backend.text, "groupIds": [wanted.group_id]}
    connection: Json = {"name": drift.resource.name, "properties": target}
    properties: Json = {"subnet": {"id": wanted.subnet.text}, LISTS[0]: [connection]}
    return Edit(
        drift,
        (),
        {"location": wanted.location, "properties": properties},
        after=frozenset({Milestone.SUBNET_READY, *([Milestone.ZONES_EXIST] if leads else [])}),
        reaches=frozenset({Milestone.ENDPOINTS_APPROVED, *(_LED_TO if leads else ())}),
        recreate=wanted.recreate,
    )


def _obstacle(drift: Drift, wanted: EndpointWant) -> Obstacle:
    reaches = frozenset({Milestone.ENDPOINTS_APPROVED})
    if drift.path[-len(STATUS) :] == STATUS:
        status = str(drift.have)
        unclear = ("connection-unclear", "is in a state that nothing is known of: look at it at {0}")
        code, words = _REMEDIES.get(status.lower(), unclear)
        message = f"the connection is {status or 'without a status'}: it {words.format(wanted.backend.name)}"
        return Obstacle(drift, code, message, reaches)
    message = "an endpoint cannot be changed in this: delete it, so that it can be made again, or declare what is there"
    return Obstacle(drift, "endpoint-immutable", message, reaches)
