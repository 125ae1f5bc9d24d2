"""Route tables: the table is there, and the declared routes stand in it as declared; other routes are left alone.

Only `VirtualAppliance` has a next hop's address. A table that is gone is made again with its routes in one write.
https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from homeostat.core import json
from homeostat.core.arm_types import ROUTE, ROUTE_TABLE, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value
from homeostat.core.model import (
    Declared,
    Disruption,
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
    Unmanaged,
    Verdict,
    Want,
)
from remediators.common import (
    ByName,
    Scalar,
    being_changed,
    by_key,
    is_service_tag,
    name_problems,
    reference_problems,
    twice,
    unknown,
    verdict_of,
    why_unread,
)

TABLE: Final = "(table)"
"""The item of a table itself: no route can have this name."""

HOPS: Final = ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None")
APPLIANCE: Final = "VirtualAppliance"

PROPAGATION: Final = ("properties", "disableBgpRoutePropagation")
REACHES: Final = frozenset({Milestone.ROUTES_EXIST})

MEMBERS: Final[Mapping[str, str]] = {
    "address_prefix": "addressPrefix",
    "next_hop_type": "nextHopType",
    "next_hop_ip": "nextHopIpAddress",
}
"""What a body calls the spec's fields of a route."""


def _as_known(written: object) -> object:
    return next((hop for hop in HOPS if isinstance(written, str) and hop.lower() == written.lower()), written)


class RouteSpec(Section):
    """One route."""

    address_prefix: Scalar = Field(
        description="Where it applies: a range or a service tag.", examples=["10.10.0.0/16", "0.0.0.0/0"]
    )
    next_hop_type: Annotated[
        Literal["VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"],
        BeforeValidator(_as_known),
    ] = Field(description="Where it leads. `None` drops the traffic.")
    next_hop_ip: Scalar | None = Field(
        default=None, description="The appliance's address, with VirtualAppliance.", examples=["10.20.0.4"]
    )
    mode: Mode | None = Field(default=None, description="Wins over the table's mode.")


class TableSpec(Section):
    """One route table."""

    location: str = Field(
        description="Where it is created, if it has to be.", min_length=1, examples=["westeurope", "West Europe"]
    )
    recreate: bool = Field(default=False, description="Whether it is made again unattended when it is gone.")
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")
    unmanaged: Unmanaged = Field(default=Unmanaged.KEEP, description="What happens to routes that are not named here.")
    disable_bgp_route_propagation: bool | None = Field(
        default=None, description="Whether routes of a gateway are kept out. Owned only where it is given."
    )
    routes: dict[str, RouteSpec] = Field(default_factory=dict, description="By name.")


class RouteTableSection(ByName[TableSpec]):
    """Route tables: by name, RESOURCE-GROUP:NAME, or full resource id."""


@dataclass(frozen=True, slots=True)
class TableWant:
    """no_propagation: None where it is not owned."""

    location: str
    recreate: bool
    no_propagation: bool | None


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it is compared. next_hop_ip: "" where there is none."""

    address_prefix: str
    next_hop_type: str
    next_hop_ip: str = ""

    @property
    def key(self) -> "Route":
        """Equal for what ARM takes for the same route."""
        return Route(_prefix_key(self.address_prefix), self.next_hop_type.lower(), _address_key(self.next_hop_ip))

    @property
    def shown(self) -> Json:
        return {name: value for name in MEMBERS if (value := getattr(self, name))}

    @property
    def body(self) -> JsonObject:
        return {"properties": {member: value for name, member in MEMBERS.items() if (value := getattr(self, name))}}


@dataclass(frozen=True, slots=True)
class Present:
    """A route that is there. under_way: a write to it has not come to its end."""

    id: ResourceId
    route: Route
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Have:
    """routes: by lower-case name. unread: why the table could not be read, or "".

    unsure: the routes, by lower-case name, of which neither presence nor absence is certain, and why.
    """

    exists: bool = True
    no_propagation: bool = False
    routes: Mapping[str, Present] = field(default_factory=dict)
    under_way: bool = False
    unread: str = ""
    unsure: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Present | None:
        return self.routes.get(name.lower())


type Wanted = TableWant | Route


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Its root is the route table; an item is a route, by name, or the table itself."""

    kind: str = "route_table"
    section: type[RouteTableSection] = RouteTableSection
    touches: frozenset[ArmType] = frozenset({ROUTE_TABLE, ROUTE})

    def items(self, section: RouteTableSection, scope: Scope) -> tuple[Item[Wanted], ...]:
        return tuple(
            item
            for reference, table in section.entries.items()
            for item in _items(scope.resource(reference, ROUTE_TABLE.name), table, reference)
        )

    def unmanaged(self, section: RouteTableSection, scope: Scope) -> Mapping[ResourceId, Unmanaged]:
        return {scope.resource(name, ROUTE_TABLE.name): table.unmanaged for name, table in section.entries.items()}

    def problems(self, section: RouteTableSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for reference, table in section.entries.items()
            for problem in (
                *reference_problems(scope, reference, ROUTE_TABLE.name, (reference,)),
                *twice(table.routes, (reference, "routes")),
                *_repeated_prefixes(table, (reference, "routes")),
                *(
                    problem
                    for name, route in table.routes.items()
                    for problem in _route_problems(name, route, (reference, "routes", name))
                ),
            )
        )

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        table = Read(ROUTE_TABLE, want.root)
        fact = facts.get(table)
        if not isinstance(fact, Found):
            return frozenset({table})
        listed = _by_name(_listed(want.root, fact))
        return frozenset({table, *(_own(want.root, name) for name in _routes(want) if name.lower() not in listed)})

    def observe(self, want: Want[Wanted], facts: Facts) -> Have:
        """A route is absent only when the living table lacks it and its own GET says that it is gone."""
        fact = facts.get(Read(ROUTE_TABLE, want.root))
        if not isinstance(fact, Found):
            return Have(exists=False, unread="" if isinstance(fact, Gone) else why_unread(fact))
        own = {name: facts.get(_own(want.root, name)) for name in _routes(want)}
        seen = (p for answer in own.values() if isinstance(answer, Found) for p in _present(want.root, answer.body))
        routes = _by_name((*_listed(want.root, fact), *seen))
        return Have(
            no_propagation=json.at(fact.body, PROPAGATION) is True,  # null and absent are false
            routes=routes,
            under_way=being_changed(fact.body),
            unsure={
                name.lower(): why_unread(answer)
                for name, answer in own.items()
                if name.lower() not in routes and not isinstance(answer, Gone)
            },
        )

    def diff(self, want: Want[Wanted], have: Have) -> tuple[Drift, ...]:
        if have.unread:
            drifts = [self._unread(want.root, name, have.unread, item.value) for name, item in want.items.items()]
        elif not have.exists:
            drifts = list(self._missing(want))
        else:
            drifts = [*self._owned(want, have), *self._extras(want, have)]
        return by_key(drifts)

    def _unread(self, table: ResourceId, name: str, reason: str, wanted: Wanted) -> Drift:
        if isinstance(wanted, Route):
            return unknown(self.kind, _own(table, name).id, (), name, wanted.shown, reason)
        return unknown(self.kind, table, (), name, wanted.location, reason)

    def _missing(self, want: Want[Wanted]) -> Iterator[Drift]:
        """The table alone: it is made again with what is declared of its routes."""
        if TABLE in want.items:
            yield Drift(self.kind, want.root, (), TABLE, _whole(want), ABSENT)

    def _owned(self, want: Want[Wanted], have: Have) -> Iterator[Drift]:
        for name, declared in want.items.items():
            if isinstance(declared.value, Route):
                yield from self._of_route(want.root, name, declared.value, have)
            elif declared.value.no_propagation not in {None, have.no_propagation}:
                verdict = verdict_of(under_way=have.under_way)
                wants = declared.value.no_propagation
                yield Drift(self.kind, want.root, PROPAGATION, name, wants, have.no_propagation, verdict)

    def _of_route(self, table: ResourceId, name: str, wanted: Route, have: Have) -> Iterator[Drift]:
        own, present = _own(table, name).id, have.named(name)
        under_way = have.under_way or (present is not None and present.under_way)
        verdict = verdict_of(under_way=under_way)
        if reason := have.unsure.get(name.lower(), ""):
            yield unknown(self.kind, own, (), name, wanted.shown, reason)
        elif present is None:
            yield Drift(self.kind, own, (), name, wanted.shown, ABSENT, verdict)
        else:
            for key in MEMBERS:
                if getattr(wanted.key, key) != getattr(present.route.key, key):
                    wants, has = getattr(wanted, key) or ABSENT, getattr(present.route, key) or ABSENT
                    yield Drift(self.kind, present.id, (key,), name, wants, has, verdict)

    def _extras(self, want: Want[Wanted], have: Have) -> Iterator[Drift]:
        if want.unmanaged is Unmanaged.KEEP:
            return
        owned = {name.lower() for name in want.items}
        for present in have.routes.values():
            if present.id.name.lower() not in owned:
                yield Drift(self.kind, present.id, (), "", ABSENT, present.route.shown, Verdict.UNMANAGED)

    def edits(self, want: Want[Wanted], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(edit for drift in self.diff(want, have) for edit in _repairs(drift, want, have))


REMEDIATOR = RouteTable()


# --- from the spec and from bodies to routes -------------------------------------------------------------------------


def _items(table: ResourceId, spec: TableSpec, reference: str) -> Iterator[Item[Wanted]]:
    own = TableWant(spec.location, spec.recreate, spec.disable_bgp_route_propagation)
    yield Item(table, TABLE, own, (reference,), spec.mode)
    for name, route in spec.routes.items():
        wanted = Route(route.address_prefix, route.next_hop_type, route.next_hop_ip or "")
        yield Item(table, name, wanted, (reference, "routes", name), route.mode or spec.mode)


def _routes(want: Want[Wanted]) -> Mapping[str, Declared[Route]]:
    return {name: declared for name, declared in want.items.items() if isinstance(declared.value, Route)}  # type: ignore[misc] # narrowed by its value


def _own(table: ResourceId, name: str) -> Read:
    return Read(ROUTE, table.child("routes", name))


def _listed(table: ResourceId, fact: Found) -> Iterator[Present]:
    for body in json.objects_at(fact.body, *ROUTE.embedded):
        yield from _present(table, body)


def _by_name(routes: Iterable[Present]) -> Mapping[str, Present]:
    return {present.id.name.lower(): present for present in routes}


def _present(table: ResourceId, body: Json) -> Iterator[Present]:
    if name := json.text_at(body, "name"):
        found = Route(*(json.text_at(body, "properties", member) for member in MEMBERS.values()))
        yield Present(_own(table, name).id, found, being_changed(body))


def _prefix_key(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text.lower()


def _address_key(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text.lower()


# --- repairs ---------------------------------------------------------------------------------------------------------


def _repairs(drift: Drift, want: Want[Wanted], have: Have) -> Iterator[Edit]:
    if drift.verdict is Verdict.UNMANAGED and want.unmanaged is Unmanaged.REMOVE:
        yield Edit(drift, (), ABSENT, Disruption.CONNECTIVITY)
    if drift.verdict is not Verdict.DRIFTED:
        return
    wanted = want.items[drift.item].value
    if isinstance(wanted, Route):
        for path, value in _changes(drift.path, wanted):
            yield Edit(drift, path, value, Disruption.CONNECTIVITY, reaches=REACHES)
    elif have.exists:
        yield Edit(drift, PROPAGATION, wanted.no_propagation, Disruption.CONNECTIVITY)
    else:
        yield Edit(drift, (), _whole(want), reaches=REACHES, recreate=wanted.recreate)


def _changes(path: Path, wanted: Route) -> Iterator[tuple[Path, Value]]:
    if not path:
        yield (), wanted.body
        return
    (key,) = path
    yield ("properties", MEMBERS[key]), getattr(wanted, key) or ABSENT


def _whole(want: Want[Wanted]) -> Json:
    """The table as it is made: a route that is only watched is not written."""
    table = want.items[TABLE].value
    assert isinstance(table, TableWant), "only the table itself has this name"
    routes: list[Json] = [
        {"name": name, **declared.value.body}
        for name, declared in _routes(want).items()
        if declared.mode is Mode.ENFORCE
    ]
    properties: dict[str, Json] = {"routes": routes}
    if table.no_propagation is not None:
        properties["disableBgpRoutePropagation"] = table.no_propagation
    return {"location": table.location, "properties": properties}


# --- problems of the spec --------------------------------------------------------------------------------------------


def _repeated_prefixes(table: TableSpec, path: tuple[str, ...]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name, route in table.routes.items():
        other = first.setdefault(_prefix_key(route.address_prefix), name)
        if other != name:
            message = f"{other} is a route for {route.address_prefix} already"
            yield Problem((*path, name, "address_prefix"), message, "Keep one of the two.")


def _route_problems(name: str, route: RouteSpec, path: tuple[str, ...]) -> Iterator[Problem]:
    yield from name_problems(name, "route", path)
    if not _is_prefix(route.address_prefix):
        remedy = "Write a CIDR prefix such as 10.10.0.0/16, or a service tag."
        yield Problem((*path, "address_prefix"), f"{route.address_prefix!r} is not valid here", remedy)
    if route.next_hop_type == APPLIANCE and not _is_address(route.next_hop_ip or ""):
        message = f"{route.next_hop_ip or 'nothing'} is no address of an appliance"
        yield Problem((*path, "next_hop_ip"), message, "Write the appliance's IP address.")
    if route.next_hop_type != APPLIANCE and route.next_hop_ip is not None:
        message = f"a route to {route.next_hop_type} has no next hop's address"
        yield Problem((*path, "next_hop_ip"), message, "Leave it out, or use VirtualAppliance.")


def _is_prefix(text: str) -> bool:
    if is_service_tag(text):
        return True
    try:
        ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
