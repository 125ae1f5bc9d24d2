"""Subnets: the declared range, delegation and service endpoints, and the associated NSG and route table.

A subnet's PUT replaces it, so everything that is not owned is carried over; it is never written through its network,
whose PUT removes the subnets that it does not list. What is in use cannot be taken away: the addresses and the
delegation of a subnet in use are reported, not written.
https://learn.microsoft.com/azure/app-service/overview-vnet-integration#subnet-requirements
https://learn.microsoft.com/rest/api/virtualnetwork/subnets/create-or-update
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic import Field

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, ROUTE_TABLE, SUBNET, VIRTUAL_NETWORK, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Conflict,
    Disruption,
    Drift,
    Edit,
    Fact,
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
from homeostat.core.provisioning import being_written
from homeostat.core.scalars import OneOrMany
from remediators.address_room import Network, Room, misfit, network_of, room_of
from remediators.children import Child, Children
from remediators.common import ByName, between_targets, by_key, keep_the_rest, reference_problems, why_unread
from remediators.subnet_body import (
    DELEGATION,
    GROUP,
    NOTHING,
    PREFIX,
    TABLE,
    Present,
    SubnetWant,
    differences,
    members,
    present_of,
    shown,
)

OWN_RANGE: Final = "Give each subnet a range of its own."

SMALLEST: Final = 29
"""Prefix length of the smallest IPv4 subnet."""

READY: Final = frozenset({Milestone.SUBNET_READY})

_AFTER: Final[Mapping[Path, frozenset[Milestone]]] = {
    GROUP: frozenset({Milestone.NSG_EXISTS, Milestone.EGRESS_ALLOWED}),
    TABLE: frozenset({Milestone.ROUTES_EXIST}),
}
"""What an association waits for, by its path: or it would cut off what the rules or routes are to let through."""

_SERVICE = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)+(/[A-Za-z0-9]+)+")


class SubnetSpec(Section):
    """One subnet."""

    address_prefix: str = Field(description="The subnet's address range.", examples=["10.10.1.0/24"])
    delegation: str | None = Field(
        default=None,
        description="The service that the subnet is delegated to. Owned only where it is given.",
        examples=["Microsoft.Web/serverFarms"],
    )
    nsg: str | None = Field(
        default=None,
        description="The subnet's NSG: NAME, RESOURCE-GROUP:NAME, or a full resource id. Owned only where it is given.",
        examples=["nsg-appservice-integration"],
    )
    route_table: str | None = Field(
        default=None,
        description="The subnet's route table, named as its NSG. Owned only where it is given.",
        examples=["rt-appservice-integration"],
    )
    service_endpoints: OneOrMany | None = Field(
        default=None,
        description="All services that the subnet has endpoints for. Owned only where it is given.",
        examples=[["Microsoft.Storage"]],
    )
    recreate: bool = Field(default=False, description="Whether it is made again unattended when it is gone.")
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")


class SubnetSection(ByName[SubnetSpec]):
    """Subnets: VNET/SUBNET, RESOURCE-GROUP:VNET/SUBNET, or a full resource id."""


@dataclass(frozen=True, slots=True)
class Have:
    """room: of the network, if it was read."""

    subnets: Children[Present] = field(default_factory=Children[Present])
    room: Room | None = None


@dataclass(frozen=True, slots=True)
class Subnet:
    """Its root is the VNet; an item is a subnet, by name."""

    kind: str = "subnet"
    section: type[SubnetSection] = SubnetSection
    touches: frozenset[ArmType] = frozenset({VIRTUAL_NETWORK, SUBNET})

    def items(self, section: SubnetSection, scope: Scope) -> tuple[Item[SubnetWant], ...]:
        return tuple(
            _item(scope.resource(reference, SUBNET.name), _wanted(spec, scope), (reference,), spec.mode)
            for reference, spec in section.entries.items()
        )

    unmanaged = keep_the_rest

    def problems(self, section: SubnetSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for reference, spec in section.entries.items()
            for problem in (
                *reference_problems(scope, reference, SUBNET.name, (reference,)),
                *_problems(spec, scope, (reference,)),
            )
        ) + tuple(_overlaps(section, scope))

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]:
        """Ranges of different targets' subnets that overlap in one network."""
        return tuple(between_targets(self.kind, wants[self.kind].items, OWN_RANGE, _one_range))

    def reads(self, want: Want[SubnetWant], facts: Facts) -> frozenset[Read]:
        """The subnets; if one is gone, or is to get another range, also the network with everything in it."""
        own = {name: _own(want.root, name) for name in want.items}
        reads = frozenset(own.values())
        if any(_needs_room(want.items[name].value, facts.get(read)) for name, read in own.items()):
            return reads | {Read(VIRTUAL_NETWORK, want.root)}
        return reads

    def observe(self, want: Want[SubnetWant], facts: Facts) -> Have:
        """A subnet is absent only if its own GET says that it is gone and the existing network's body lacks it."""
        network = facts.get(Read(VIRTUAL_NETWORK, want.root))
        room = room_of(network) if isinstance(network, Found) else None
        subnets: dict[str, Child[Present]] = {}
        unsure: dict[str, str] = {}
        for name in want.items:
            own, key = _own(want.root, name), name.lower()
            fact = facts.get(own)
            if isinstance(fact, Found):
                subnets[key] = Child(own.id, present_of(fact.body), being_written(fact.body))
            elif not isinstance(fact, Gone):
                unsure[key] = why_unread(fact)
            elif room is None:
                unsure[key] = f"its network: {why_unread(network)}"
            elif key in room.taken:
                unsure[key] = "its network lists it, and ARM says that it is not there"
        return Have(Children(subnets, unsure), room)

    def diff(self, want: Want[SubnetWant], have: Have) -> tuple[Drift, ...]:
        return by_key(
            drift
            for name, declared in want.items.items()
            for drift in self._drifts(_own(want.root, name).id, name, declared.value, have)
        )

    def _drifts(self, subnet: ResourceId, name: str, wanted: SubnetWant, have: Have) -> Iterator[Drift]:
        return have.subnets.drifts(self.kind, subnet, name, shown(wanted), partial(differences, wanted))

    def edits(self, want: Want[SubnetWant], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            answer
            for drift in self.diff(want, have)
            if drift.verdict is Verdict.DRIFTED
            for answer in _repairs(drift, want.items[drift.item].value, have)
        )


REMEDIATOR = Subnet()


# --- from the spec and from bodies -----------------------------------------------------------------------------------


def _item(subnet: ResourceId, wanted: SubnetWant, path: tuple[str, ...], mode: Mode | None) -> Item[SubnetWant]:
    return Item(_holder(subnet), subnet.name, wanted, path, mode)


def _holder(subnet: ResourceId) -> ResourceId:
    network = subnet.parent
    assert network is not None, "a subnet's type has two levels"
    return network


def _own(network: ResourceId, name: str) -> Read:
    return Read(SUBNET, network.child("subnets", name))


def _wanted(spec: SubnetSpec, scope: Scope) -> SubnetWant:
    return SubnetWant(
        prefix=spec.address_prefix,
        delegation=spec.delegation,
        nsg=scope.resource(spec.nsg, NETWORK_SECURITY_GROUP.name) if spec.nsg else None,
        route_table=scope.resource(spec.route_table, ROUTE_TABLE.name) if spec.route_table else None,
        endpoints=None if spec.service_endpoints is None else tuple(sorted(spec.service_endpoints, key=str.lower)),
        recreate=spec.recreate,
    )


def _needs_room(wanted: SubnetWant, fact: Fact | None) -> bool:
    return isinstance(fact, Gone) or (isinstance(fact, Found) and PREFIX in differences(wanted, present_of(fact.body)))


# --- differences and repairs -----------------------------------------------------------------------------------------


def _repairs(drift: Drift, wanted: SubnetWant, have: Have) -> Iterator[Edit | Obstacle]:
    child = have.subnets.named(drift.item)
    if child is None:
        yield _creation(drift, wanted, have.room)
        return
    if obstacle := _obstacle(drift, wanted, child.value, have.room):
        yield obstacle
        return
    after = _AFTER.get(drift.path, frozenset())
    cuts = Disruption.NONE if drift.path in {PREFIX, DELEGATION} else Disruption.CONNECTIVITY
    for member, value in members(drift.path, wanted, child.value).items():
        yield Edit(drift, ("properties", member), value, cuts, after, READY)


def _creation(drift: Drift, wanted: SubnetWant, room: Room | None) -> Edit | Obstacle:
    if obstacle := _misfit(drift, wanted, room):
        return obstacle
    paths = tuple(differences(wanted, NOTHING))
    whole: dict[str, Value] = {}
    for path in paths:
        whole |= members(path, wanted, NOTHING)
    body: Json = {"properties": {name: value for name, value in whole.items() if value is not ABSENT}}
    after = frozenset[Milestone]().union(*(_AFTER.get(path, frozenset()) for path in paths))
    return Edit(drift, (), body, after=after, reaches=READY, recreate=wanted.recreate)


def _obstacle(drift: Drift, wanted: SubnetWant, found: Present, room: Room | None) -> Obstacle | None:
    """Why what is there cannot become what is wanted."""
    if drift.path == PREFIX:
        if found.is_inhabited or found.linked_to:
            return Obstacle(
                drift, "subnet-in-use", f"{drift.item} is in use, and then its addresses cannot change", READY
            )
        return _misfit(drift, wanted, room)
    others = [service for service in found.linked_to if service.lower() != (wanted.delegation or "").lower()]
    if drift.path == DELEGATION and (found.is_inhabited or others):
        users = ", ".join(others) or "network interfaces"
        message = f"{drift.item} is in use by {users}, and then it cannot be delegated to another service"
        return Obstacle(drift, "subnet-in-use", message, READY)
    return None


def _misfit(drift: Drift, wanted: SubnetWant, room: Room | None) -> Obstacle | None:
    """Why the declared range does not fit into the network."""
    range_ = network_of(wanted.prefix)
    if room is None or range_ is None:
        return Obstacle(drift, "unreadable", "what else is in its network could not be read", READY)
    if found := misfit(range_, drift.item, room):
        return Obstacle(drift, *found, READY)
    return None


# --- problems of the spec --------------------------------------------------------------------------------------------


def _problems(spec: SubnetSpec, scope: Scope, path: tuple[str | int, ...]) -> Iterator[Problem]:
    network = network_of(spec.address_prefix)
    if network is None:
        remedy = "Write the first address of the range and the length of its prefix: 10.10.1.0/24."
        yield Problem((*path, "address_prefix"), f"{spec.address_prefix!r} is no address range", remedy)
    elif network.version == 4 and network.prefixlen > SMALLEST:
        message = f"{network} is smaller than a subnet can be"
        yield Problem((*path, "address_prefix"), message, f"Use a prefix length of at most {SMALLEST}.")
    if spec.delegation is not None and not _SERVICE.fullmatch(spec.delegation):
        remedy = "Write a service as Microsoft.Web/serverFarms, or leave it out."
        yield Problem((*path, "delegation"), f"{spec.delegation!r} names no service", remedy)
    for key, reference, type_ in (
        ("nsg", spec.nsg, NETWORK_SECURITY_GROUP.name),
        ("route_table", spec.route_table, ROUTE_TABLE.name),
    ):
        if reference is not None:
            yield from reference_problems(scope, reference, type_, (*path, key))


def _overlaps(section: SubnetSection, scope: Scope) -> Iterator[Problem]:
    """Declared subnets of one network whose ranges overlap."""
    declared: dict[ResourceId, list[tuple[str, Network]]] = defaultdict(list)
    for reference, spec in section.entries.items():
        network = network_of(spec.address_prefix)
        if network is None or reference_problems(scope, reference, SUBNET.name, (reference,)):
            continue
        siblings = declared[_holder(scope.resource(reference, SUBNET.name))]
        for other, range_ in siblings:
            if network.overlaps(range_):
                message = f"{network} overlaps with {range_} of {other}"
                yield Problem((reference, "address_prefix"), message, OWN_RANGE)
        siblings.append((reference, network))


def _one_range(one: SubnetWant, other: SubnetWant) -> str:
    first, second = network_of(one.prefix), network_of(other.prefix)
    overlap = first is not None and second is not None and second.overlaps(first)
    return f"the range {second}, which overlaps with {first} of" if overlap else ""
