"""The backends' public network access: whether a server, vault or cache accepts connections from the public network.

By default this is reported, not enforced: others may use a backend too. Public access is only closed when the private
path is proven: everything that it needs is in place, and the backend itself says that the endpoints declared for it are
approved. Otherwise closing it would turn a drift into an outage.
https://learn.microsoft.com/azure/private-link/private-link-overview
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import ArmType
from homeostat.core.backends import BACKENDS, DISABLED, ENABLED, Backend
from homeostat.core.ids import ResourceId
from homeostat.core.model import (
    Disruption,
    Drift,
    Edit,
    Facts,
    Found,
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
from remediators.common import ByName, backend_kind_problems, keep_the_rest, reference_problems, unknown, why_unread
from remediators.declared_endpoints import endpoints_of

ITEM = "public_network_access"


class AccessSpec(Section):
    """Public network access of one backend."""

    kind: str = Field(description="The backend's.", examples=["sql"], json_schema_extra={"enum": [*BACKENDS]})
    public_network_access: Literal["Enabled", "Disabled"] = Field(
        default="Disabled", description="Whether it takes connections from the public network."
    )
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")


class BackendAccessSection(ByName[AccessSpec]):
    """Backends by name, RESOURCE-GROUP:NAME, or full resource id."""

    mode: Mode | None = Field(default=Mode.ALERT, description="alert unless said otherwise; an item's own mode wins.")


@dataclass(frozen=True, slots=True)
class AccessWant:
    """endpoints: the private endpoints that the owners declare for the backend. It closes when all are approved."""

    access: str
    backend: Backend
    endpoints: frozenset[ResourceId] = frozenset()

    def joined(self, other: "AccessWant") -> "AccessWant | None":
        """Every owner adds its own endpoints."""
        if (self.access, self.backend) != (other.access, other.backend):
            return None
        return replace(self, endpoints=self.endpoints | other.endpoints)


@dataclass(frozen=True, slots=True)
class Have:
    """access: as the backend says. connections: the status of each private endpoint's connection, by the endpoint's id
    in lower case. unread: why the backend could not be read, or "".
    """

    access: str = ENABLED
    connections: tuple[tuple[str, str], ...] = ()
    unread: str = ""

    def unproven(self, endpoints: frozenset[ResourceId]) -> str:
        """Why the private path is not known to work, in words; "" if it is."""
        approved = {endpoint for endpoint, status in self.connections if status.lower() == "approved"}
        missing = sorted(endpoint.short for endpoint in endpoints if endpoint.key not in approved)
        if missing:
            return f"it has no approved connection of {', '.join(missing)}"
        return "" if approved else "it has no approved private endpoint connection"


@dataclass(frozen=True, slots=True)
class BackendAccess:
    """Its root is the backend; the root's only item is its public network access."""

    kind: str = "backend_access"
    section: type[BackendAccessSection] = BackendAccessSection
    touches: frozenset[ArmType] = frozenset(row.type for row in BACKENDS.values())

    def items(self, section: BackendAccessSection, scope: Scope) -> tuple[Item[AccessWant], ...]:
        return tuple(
            Item(
                root := scope.resource(reference, BACKENDS[spec.kind].type.name),
                ITEM,
                AccessWant(spec.public_network_access, BACKENDS[spec.kind], endpoints_of(root, scope)),
                (reference, ITEM),
                spec.mode,
            )
            for reference, spec in section.entries.items()
            if spec.kind in BACKENDS
        )

    unmanaged = keep_the_rest

    def problems(self, section: BackendAccessSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for reference, spec in section.entries.items()
            for problem in (
                backend_kind_problems(spec.kind, (reference, "kind"))
                or reference_problems(scope, reference, BACKENDS[spec.kind].type.name, (reference,))
            )
        )

    def reads(self, want: Want[AccessWant], facts: Facts) -> frozenset[Read]:  # noqa: ARG002 - one read needs no other
        return frozenset(_own(want.root, item.value) for item in want.items.values())

    def observe(self, want: Want[AccessWant], facts: Facts) -> Have:
        for item in want.items.values():
            found = facts.get(_own(want.root, item.value))
            if not isinstance(found, Found):
                return Have(unread=why_unread(found))
            return Have(item.value.backend.public_network_access(found.body), tuple(sorted(_connections(found))))
        return Have()

    def diff(self, want: Want[AccessWant], have: Have) -> tuple[Drift, ...]:
        return tuple(
            drift for name, item in want.items.items() for drift in self._difference(want.root, name, item.value, have)
        )

    def _difference(self, root: ResourceId, name: str, wanted: AccessWant, have: Have) -> Iterator[Drift]:
        path = wanted.backend.public_access
        if have.unread:
            yield unknown(self.kind, root, path, name, wanted.access, have.unread)
        elif have.access.lower() != wanted.access.lower():
            yield Drift(self.kind, root, path, name, wanted.access, have.access)

    def edits(self, want: Want[AccessWant], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            _repair(drift, want.items[drift.item].value, have)
            for drift in self.diff(want, have)
            if drift.verdict is Verdict.DRIFTED
        )


REMEDIATOR = BackendAccess()


def _own(root: ResourceId, wanted: AccessWant) -> Read:
    return Read(wanted.backend.type, root)


def _connections(backend: Found) -> Iterator[tuple[str, str]]:
    """The connected private endpoints, and how the backend sees each."""
    for connection in json.objects_at(backend.body, "properties", "privateEndpointConnections"):
        endpoint = json.text_at(connection, "properties", "privateEndpoint", "id").lower()
        yield endpoint, json.text_at(connection, "properties", "privateLinkServiceConnectionState", "status")


def _repair(drift: Drift, wanted: AccessWant, have: Have) -> Edit | Obstacle:
    if wanted.access != DISABLED:
        return Edit(drift, drift.path, wanted.access)
    if reason := have.unproven(wanted.endpoints):
        message = f"{drift.resource.name} stays open: {reason}, and what connects to it would be cut off"
        return Obstacle(drift, "private-path-unproven", message)
    after = frozenset({Milestone.INTEGRATED, Milestone.NAMES_RESOLVE, Milestone.ENDPOINTS_APPROVED})
    return Edit(drift, drift.path, wanted.access, Disruption.CONNECTIVITY, after)
