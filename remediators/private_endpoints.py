"""Private endpoints: each backend is reached at an address inside the network, and its name leads there.

ARM lets nobody change where an endpoint is and what it connects to, so such a difference is reported, not repaired. So
is a connection that its backend's owner has not approved, or has rejected: that is not our decision. What is repaired
is a missing endpoint, if a spec or a person says so, and its DNS zone group, which is handled in `zone_group`.
https://learn.microsoft.com/azure/private-link/private-endpoint-overview
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from homeostat.core import json
from homeostat.core.arm_types import (
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    ArmType,
)
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Drift,
    Edit,
    Facts,
    Found,
    Gone,
    Item,
    Milestone,
    Obstacle,
    Problem,
    Read,
    Scope,
    Verdict,
    Want,
)
from homeostat.core.provisioning import being_written
from remediators import zone_group
from remediators.common import (
    by_key,
    keep_the_rest,
    same_location,
    twice,
    unknown,
    verdict_of,
    why_unread,
)
from remediators.declared_endpoints import (
    KIND,
    EndpointWant,
    PrivateEndpointsSection,
    Wanted,
    endpoint_problems,
    items_of,
)
from remediators.zone_group import NO_GROUP, Groups, ZoneGroupWant

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


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection, and which of the two lists it is in."""

    list: str
    target: str
    group_ids: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True)
class Have:
    """is_gone: the endpoint does not exist. unread: why that is unknown, or ""."""

    location: str = ""
    subnet: str = ""
    connections: tuple[Connection, ...] = ()
    under_way: bool = False
    groups: Groups = NO_GROUP
    is_gone: bool = False
    unread: str = ""

    def connection_to(self, backend: ResourceId) -> Connection | None:
        """The connection to this backend, or else any."""
        exact = (each for each in self.connections if same_id(each.target, backend.text))
        return next(exact, next(iter(self.connections), None))


@dataclass(frozen=True, slots=True)
class PrivateEndpoints:
    """Its root is the private endpoint; the items of a root are the endpoint itself and its zone group."""

    kind: str = KIND
    section: type[PrivateEndpointsSection] = PrivateEndpointsSection
    touches: frozenset[ArmType] = frozenset({PRIVATE_ENDPOINT, PRIVATE_DNS_ZONE_GROUP})

    def items(self, section: PrivateEndpointsSection, scope: Scope) -> tuple[Item[Wanted], ...]:
        return items_of(section, scope)

    unmanaged = keep_the_rest

    def problems(self, section: PrivateEndpointsSection, scope: Scope) -> tuple[Problem, ...]:
        found = (problem for name, spec in section.entries.items() for problem in endpoint_problems(name, spec, scope))
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
            case ZoneGroupWant() if not have.is_gone:  # otherwise it follows, once the endpoint exists
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
        return  # whether that connection is approved says nothing about the missing one
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
    """leads: a zone group follows; then names resolve once both exist."""
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
