"""Network security groups: the group itself exists. Its rules belong to `nsg_rules`, its subnets to `subnet`.

A group that is gone took its rules and associations with it, so it is created again only if the spec or a person says
so; it is created empty, and the next look finds which rules are missing.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from dataclasses import dataclass

from pydantic import Field

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
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
    Want,
)
from remediators.common import ByName, keep_the_rest, reference_problems, unknown, why_unread

ITEM = "group"


class GroupSpec(Section):
    """One network security group."""

    location: str = Field(
        description="Where it is created, if it has to be.", min_length=1, examples=["westeurope", "West Europe"]
    )
    recreate: bool = Field(default=False, description="Whether it is made again unattended when it is gone.")
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")


class NsgSection(ByName[GroupSpec]):
    """Network security groups: by name, RESOURCE-GROUP:NAME, or full resource id."""


@dataclass(frozen=True, slots=True)
class GroupWant:
    location: str
    recreate: bool

    @property
    def body(self) -> Json:
        return {"location": self.location, "properties": {}}


@dataclass(frozen=True, slots=True)
class Have:
    """unread: why the group could not be read, or ""."""

    exists: bool = False
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Nsg:
    """Its root is the NSG; the root's only item is its existence."""

    kind: str = "nsg"
    section: type[NsgSection] = NsgSection
    touches: frozenset[ArmType] = frozenset({NETWORK_SECURITY_GROUP})

    def items(self, section: NsgSection, scope: Scope) -> tuple[Item[GroupWant], ...]:
        return tuple(
            Item(
                scope.resource(reference, NETWORK_SECURITY_GROUP.name),
                ITEM,
                GroupWant(group.location, group.recreate),
                (reference,),
                group.mode,
            )
            for reference, group in section.entries.items()
        )

    unmanaged = keep_the_rest

    def problems(self, section: NsgSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for reference in section.entries
            for problem in reference_problems(scope, reference, NETWORK_SECURITY_GROUP.name, (reference,))
        )

    def reads(self, want: Want[GroupWant], facts: Facts) -> frozenset[Read]:  # noqa: ARG002 - the Protocol's
        return frozenset({_own(want.root)})

    def observe(self, want: Want[GroupWant], facts: Facts) -> Have:
        match facts.get(_own(want.root)):
            case Found():
                return Have(exists=True)
            case Gone():
                return Have()
            case fact:
                return Have(unread=why_unread(fact))

    def diff(self, want: Want[GroupWant], have: Have) -> tuple[Drift, ...]:
        return tuple(
            unknown(self.kind, want.root, (), name, declared.value.location, have.unread)
            if have.unread
            else Drift(self.kind, want.root, (), name, declared.value.body, ABSENT)
            for name, declared in want.items.items()
            if not have.exists
        )

    def edits(self, want: Want[GroupWant], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            _creation(drift, want.items[drift.item].value) for drift in self.diff(want, have) if not have.unread
        )


REMEDIATOR = Nsg()


def _own(group: ResourceId) -> Read:
    return Read(NETWORK_SECURITY_GROUP, group)


def _creation(drift: Drift, wanted: GroupWant) -> Edit:
    return Edit(drift, (), wanted.body, reaches=frozenset({Milestone.NSG_EXISTS}), recreate=wanted.recreate)
