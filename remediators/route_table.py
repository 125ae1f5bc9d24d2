"""Route tables: the table exists, and the declared routes are in it as declared; other routes are left alone.

Only `VirtualAppliance` has a next hop's address. A table that is gone is created again with its routes in one write.
https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from homeostat.core import json
from homeostat.core.arm_types import ROUTE, ROUTE_TABLE, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    Conflict,
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
from homeostat.core.scalars import Scalar
from remediators.children import Children, Embedded
from remediators.common import (
    ByName,
    between_targets,
    by_key,
    is_service_tag,
    name_problems,
    reference_problems,
    twice,
    unknown,
    verdict_of,
)
from remediators.route import Route, changes, differences, prefix_key, route_of

TABLE: Final = "(table)"
"""The item for the table itself: no route can have this name."""

HOPS: Final = ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None")
APPLIANCE: Final = "VirtualAppliance"

PROPAGATION: Final = ("properties", "disableBgpRoutePropagation")
REACHES: Final = frozenset({Milestone.ROUTES_EXIST})


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
    """no_propagation: None if it is not owned."""

    location: str
    recreate: bool
    no_propagation: bool | None


@dataclass(frozen=True, slots=True)
class Have:
    """is_gone: the table does not exist. no_propagation: whether it keeps a gateway's routes out."""

    is_gone: bool = False
    no_propagation: bool = False
    routes: Children[Route] = field(default_factory=Children[Route])


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

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]:
        """Prefixes for which several targets declare a route: a table can have one."""
        return tuple(between_targets(self.kind, _routes(wants[self.kind]), "Keep one of the two.", _one_prefix))

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        return _ROUTES.reads(want.root, _routes(want), facts)

    def observe(self, want: Want[Wanted], facts: Facts) -> Have:
        table = facts.get(Read(ROUTE_TABLE, want.root))
        if isinstance(table, Gone):
            return Have(is_gone=True)
        # null and absent are false
        no_propagation = isinstance(table, Found) and json.at(table.body, PROPAGATION) is True
        return Have(no_propagation=no_propagation, routes=_ROUTES.observe(want.root, _routes(want), facts))

    def diff(self, want: Want[Wanted], have: Have) -> tuple[Drift, ...]:
        if have.is_gone:
            return tuple(self._missing(want))
        return by_key((*self._owned(want, have), *self._extras(want, have)))

    def _missing(self, want: Want[Wanted]) -> Iterator[Drift]:
        """Only the table: it is created again together with its declared routes."""
        if TABLE in want.items:
            yield Drift(self.kind, want.root, (), TABLE, _whole(want), ABSENT)

    def _owned(self, want: Want[Wanted], have: Have) -> Iterator[Drift]:
        for name, declared in want.items.items():
            wanted = declared.value
            if isinstance(wanted, Route):
                own = _ROUTES.own(want.root, name).id
                yield from have.routes.drifts(self.kind, own, name, wanted.shown, partial(differences, wanted))
            elif have.routes.unread:
                yield unknown(self.kind, want.root, (), name, wanted.location, have.routes.unread)
            elif wanted.no_propagation not in {None, have.no_propagation}:
                verdict = verdict_of(under_way=have.routes.under_way)
                wants, has = wanted.no_propagation, have.no_propagation
                yield Drift(self.kind, want.root, PROPAGATION, name, wants, has, verdict)

    def _extras(self, want: Want[Wanted], have: Have) -> Iterator[Drift]:
        if want.unmanaged is Unmanaged.KEEP:
            return
        for route in have.routes.besides(want.items):
            yield Drift(self.kind, route.id, (), "", ABSENT, route.value.shown, Verdict.UNMANAGED)

    def edits(self, want: Want[Wanted], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(edit for drift in self.diff(want, have) for edit in _repairs(drift, want, have))


_ROUTES: Final = Embedded(ROUTE_TABLE, ROUTE, route_of)

REMEDIATOR = RouteTable()


# --- from the spec to what is wanted --------------------------------------------------------------------------------


def _items(table: ResourceId, spec: TableSpec, reference: str) -> Iterator[Item[Wanted]]:
    own = TableWant(spec.location, spec.recreate, spec.disable_bgp_route_propagation)
    yield Item(table, TABLE, own, (reference,), spec.mode)
    for name, route in spec.routes.items():
        wanted = Route(route.address_prefix, route.next_hop_type, route.next_hop_ip or "")
        yield Item(table, name, wanted, (reference, "routes", name), route.mode or spec.mode)


def _routes(want: Want[Wanted]) -> Mapping[str, Declared[Route]]:
    return {name: declared for name, declared in want.items.items() if isinstance(declared.value, Route)}  # type: ignore[misc] # narrowed by its value


# --- repairs ---------------------------------------------------------------------------------------------------------


def _repairs(drift: Drift, want: Want[Wanted], have: Have) -> Iterator[Edit]:
    if drift.verdict is Verdict.UNMANAGED and want.unmanaged is Unmanaged.REMOVE:
        yield Edit(drift, (), ABSENT, Disruption.CONNECTIVITY)
    if drift.verdict is not Verdict.DRIFTED:
        return
    wanted = want.items[drift.item].value
    if isinstance(wanted, Route):
        for path, value in changes(drift.path, wanted):
            yield Edit(drift, path, value, Disruption.CONNECTIVITY, reaches=REACHES)
    elif have.is_gone:
        yield Edit(drift, (), _whole(want), reaches=REACHES, recreate=wanted.recreate)
    else:
        yield Edit(drift, PROPAGATION, wanted.no_propagation, Disruption.CONNECTIVITY)


def _whole(want: Want[Wanted]) -> Json:
    """The table as it is created: a route that is only watched is not written."""
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
        other = first.setdefault(prefix_key(route.address_prefix), name)
        if other != name:
            message = f"{other} is a route for {route.address_prefix} already"
            yield Problem((*path, name, "address_prefix"), message, "Keep one of the two.")


def _one_prefix(one: Route, other: Route) -> str:
    alike = prefix_key(one.address_prefix) == prefix_key(other.address_prefix)
    return f"the prefix {one.address_prefix}, as has" if alike else ""


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
