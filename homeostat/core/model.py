"""The vocabulary of the loop and the remediators: what is wanted, what was found, how they differ, what to do.

All of it is immutable data, so that a plan can be guarded, merged, rendered, stored and compared safely.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, Path, Value
from homeostat.core.probes import Probe, Probed
from homeostat.core.secret_value import Secret


class Mode(StrEnum):
    """What is done about a drift."""

    ENFORCE = "enforce"
    ALERT = "alert"
    IGNORE = "ignore"


class Unmanaged(StrEnum):
    """What is done about what the spec does not name."""

    KEEP = "keep"
    REPORT = "report"
    REMOVE = "remove"


_CAUTION = (Mode.ENFORCE, Mode.ALERT, Mode.IGNORE)


def most_cautious(modes: Iterable[Mode]) -> Mode:
    """The mode that wins among several owners, or under a cap. `enforce` if there is none."""
    return max(modes, key=_CAUTION.index, default=Mode.ENFORCE)


# --- what is wanted -------------------------------------------------------------------------------------------------


class Section(BaseModel):
    """Base of a kind's part of a spec document, and of everything in it: unknown keys are errors.

    Its validator is built on first use: most sections are only validated as a part of another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False, defer_build=True)


class Consent(StrEnum):
    """The only value of `approval`. Without the key, the policy decides what needs approval."""

    REQUIRED = "required"


class KindSection(Section):
    """Base of what is under a kind's name in a document."""

    mode: Mode | None = Field(default=None, description="Wins over the target's mode; an item's own mode wins over it.")
    approval: Consent | None = Field(default=None, description="required: each repair waits for a person's approval.")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a spec says something. Lines count from 1.

    used_at: the beginning of the document that says it through a profile, if one does. others: how many more do.
    """

    file: str
    line: int
    used_at: tuple["Place", ...] = ()
    others: int = 0

    def __str__(self) -> str:
        if not self.used_at:
            return f"{self.file}:{self.line}"
        others = f" and {self.others} more" if self.others else ""
        return f"{self.file}:{self.line} (used at {self.used_at[0]}{others})"


WEB_APP: Final = ""
"""In the place of a kind's name, for the web app."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What names in a spec document are relative to: its web app (a site or a slot) and that app's resource group.

    sections: all sections of the document by kind, for a kind whose meaning depends on another.
    asked: records which of these a kind looked at (the web app as WEB_APP): its result holds for every app of the group
        in whose document those are equal.
    """

    app: ResourceId
    sections: Mapping[str, KindSection] = field(default=MappingProxyType({}), compare=False)
    asked: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def web_app(self) -> ResourceId:
        self.asked.add(WEB_APP)
        return self.app

    def section(self, kind: str) -> KindSection | None:
        """The document's section of another kind, if it has one."""
        self.asked.add(kind)
        return self.sections.get(kind)

    def resource(self, reference: str, type_: str) -> ResourceId:
        """A reference as people write it: a full resource id, or the names of `type_`'s levels joined by `/`.

        A name may be preceded by another resource group: `rg-network:vnet-hub/snet-apps`.
        Raises InvalidResourceId.
        """
        if reference.startswith("/"):
            return ResourceId.parse(reference)
        group, found, names = reference.rpartition(":")
        return ResourceId.of(
            self.app.subscription, group if found else self.app.resource_group, type_, *names.split("/")
        )


@dataclass(frozen=True, slots=True)
class Item[T]:
    """One thing that a section owns: on which root, under which name, with which value.

    path: the keys that lead to it in the section, so that errors can name its line.
    mode: the item's own; None inherits from its section, its target and the fleet.
    """

    root: ResourceId
    name: str
    value: T
    path: tuple[str | int, ...]
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in a section, found by its remediator: the keys that lead to it, what is wrong, what to do."""

    path: tuple[str | int, ...]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sections contradict each other. place: of one of them; the message names the other's."""

    place: Place
    message: str
    remedy: str


@runtime_checkable
class Joinable(Protocol):
    """An item's value that several owners declare in part."""

    def joined(self, other: Self) -> Self | None:
        """What both declare together; None if they contradict each other."""
        ...


@dataclass(frozen=True, slots=True)
class Declared[T]:
    """What all owners of an item agree on. mode: the most cautious of theirs."""

    value: T
    mode: Mode
    owners: tuple[str, ...]  # target names, sorted
    place: Place  # of the first owner


@dataclass(frozen=True, slots=True)
class Want[T]:
    """A root's desired state of one kind: the items of all its owners, by name.

    mode: the most cautious of the sections', for what belongs to no item, such as the removal of an unmanaged rule.
    """

    root: ResourceId
    items: Mapping[str, Declared[T]]
    unmanaged: Unmanaged = Unmanaged.KEEP
    mode: Mode = Mode.ENFORCE

    def mode_of(self, item: str) -> Mode:
        return self.items[item].mode if item in self.items else self.mode


# --- what was found -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """One ARM read: a resource, or (`every`) all children of `type` under the resource `id`."""

    type: ArmType
    id: ResourceId
    every: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The body as ARM gave it. It may hold secret values, so its repr does not show it.

    fresh: False for a Resource Graph row, which is never the base of a write.
    at: when it answered, by ARM's own clock.
    """

    body: Json = field(repr=False)
    etag: str | None = None
    fresh: bool = True
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Gone:
    """ARM said that this resource does not exist."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The read failed: locked, forbidden, throttled, broken. It says nothing about the resource."""

    error: ArmError


type Query = Read | Probe
"""What can be read: an ARM resource, or the network itself, with a probe."""

type Fact = Found | Gone | Unreadable | Probed
"""What was found: by a Read one of the first three, by a probe the last."""

type Facts = Mapping[Any, Fact]
"""By Query. The keys of a Mapping are invariant, and a mapping of Reads alone must be accepted as well."""

NO_FACTS: Final[Facts] = MappingProxyType({})

# --- how they differ ------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    DRIFTED = "drifted"
    SETTLING = "settling"  # a write is still under way, or a reference is not resolved yet: look again
    UNKNOWN = "unknown"  # it could not be read or judged
    UNMANAGED = "unmanaged"  # nobody declares it, and the section wants such things reported


@dataclass(frozen=True, slots=True)
class Drift:
    """One field that differs. want, have: never secret values, since they are shown."""

    kind: str
    resource: ResourceId
    path: Path
    item: str  # its name in Want.items; "" if it belongs to no item
    want: Value
    have: Value
    verdict: Verdict = Verdict.DRIFTED
    note: str = ""

    @property
    def key(self) -> tuple[str, str, Path, str]:
        """Identifies and orders drifts: the same difference has the same key each time."""
        return (self.kind, self.resource.key, self.path, self.item)


class Disruption(StrEnum):
    """What a write can do to current traffic."""

    NONE = "none"
    RESTART = "restart"  # the app restarts
    CONNECTIVITY = "connectivity"  # connections may be cut


class Milestone(StrEnum):
    """Points that an edit can wait for or bring about, so that no repair cuts off what another still needs."""

    SUBNET_READY = "subnet-ready"  # the integration subnet is there, delegated, with its NSG and route table
    NSG_EXISTS = "nsg-exists"
    ROUTES_EXIST = "routes-exist"
    ZONES_EXIST = "zones-exist"
    IDENTITY_EXISTS = "identity-exists"
    ENDPOINTS_APPROVED = "endpoints-approved"
    RECORDS_EXIST = "records-exist"  # the zones hold the endpoints' addresses
    NAMES_RESOLVE = "names-resolve"  # private DNS answers
    EGRESS_ALLOWED = "egress-allowed"  # the NSG lets the backends' ports through
    INTEGRATED = "integrated"  # the app is in its subnet


@dataclass(frozen=True, slots=True)
class Edit:
    """How one drift is repaired: `value` at `path` of the resource's body; the empty path is the whole resource.

    An `ABSENT` value removes the field, or with the empty path the resource. `value` may be a secret and is never
    shown. recreate: for an edit that creates a container, whether the spec allows that unattended; None for all others.
    """

    drift: Drift
    path: Path
    value: Value = field(repr=False)
    disruption: Disruption = Disruption.NONE
    after: frozenset[Milestone] = frozenset()
    reaches: frozenset[Milestone] = frozenset()
    recreate: bool | None = None

    @property
    def resource(self) -> ResourceId:
        return self.drift.resource


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a remediator has no safe edit for a drift: the code and message of a hold.

    reaches: the milestones that are not met while the drift stays. numbers: as a hold's.
    """

    drift: Drift
    code: str
    message: str
    reaches: frozenset[Milestone] = frozenset()
    numbers: Mapping[str, int | str] = field(default_factory=dict)


class Remediator[S: KindSection, T, Have](Protocol):
    """One kind of drift. Pure: facts in, drifts and edits out.

    The loop calls `reads` again with the facts at hand until it names nothing new, at most four times.
    `diff` is sorted by `Drift.key`. `edits` answers each repairable drift with an Edit, or with an Obstacle
    where a repair would break something; drifts that it leaves out are only reported.
    """

    @property
    def kind(self) -> str: ...
    @property
    def section(self) -> type[S]: ...
    @property
    def touches(self) -> frozenset[ArmType]: ...

    def items(self, section: S, scope: Scope) -> tuple[Item[T], ...]: ...
    def unmanaged(self, section: S, scope: Scope) -> Mapping[ResourceId, Unmanaged]: ...
    def problems(self, section: S, scope: Scope) -> tuple[Problem, ...]: ...
    def reads(self, want: Want[T], facts: Facts) -> frozenset[Query]: ...
    def observe(self, want: Want[T], facts: Facts) -> Have: ...
    def diff(self, want: Want[T], have: Have) -> tuple[Drift, ...]: ...
    def edits(self, want: Want[T], have: Have) -> tuple[Edit | Obstacle, ...]: ...


@runtime_checkable
class ConflictAware(Protocol):
    """A remediator that knows what sections can contradict on one root: those of another kind, or of several targets.

    Called once for every root when a fleet is loaded, with all that is wanted of the root, by kind. What one section
    says against itself is among its `problems`.
    """

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]: ...


@dataclass(frozen=True, slots=True)
class GuardedSecret:
    """A secret that is declared without its value, so that a change of it is reported and not repaired.

    value: None if it is not there or cannot be seen. rotated: the spec's note of its last intended change.
    """

    resource: ResourceId
    path: Path
    item: str
    value: Secret | None
    rotated: str = ""


@runtime_checkable
class KeepsSecrets(Protocol):
    """A remediator some of whose items are secrets without a declared value."""

    def secrets(self, want: Want[Any], facts: Facts) -> tuple[GuardedSecret, ...]:
        """Every such item of the want."""
        ...


type AnyRemediator = Remediator[Any, Any, Any]
type Registry = Mapping[str, AnyRemediator]
