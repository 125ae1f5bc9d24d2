"""The words that the loop and the remediators share: what is wanted, what was found, how they differ, what to do.

All of it is frozen data, so that a plan can be guarded, merged, rendered, stored and compared without surprises.
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
    """What happens about a drift. `ordered` runs from the boldest to the most cautious."""

    ENFORCE = "enforce"
    ALERT = "alert"
    IGNORE = "ignore"


class Unmanaged(StrEnum):
    """What happens to what the spec does not name."""

    KEEP = "keep"
    REPORT = "report"
    REMOVE = "remove"


_CAUTION = (Mode.ENFORCE, Mode.ALERT, Mode.IGNORE)


def most_cautious(modes: Iterable[Mode]) -> Mode:
    """The mode that wins where several owners, or a cap, have a say. Without any, `enforce`."""
    return max(modes, key=_CAUTION.index, default=Mode.ENFORCE)


# --- what is wanted -------------------------------------------------------------------------------------------------


class Section(BaseModel):
    """Base of a kind's part of a spec document, and of everything in it: unknown keys are errors.

    What checks it is built when it is first checked as a whole: most are only ever checked as a part of another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False, defer_build=True)


class Consent(StrEnum):
    """The one value of `approval`: without the key, what waits for a person is the policy's to say."""

    REQUIRED = "required"


class KindSection(Section):
    """Base of what stands under a kind's name in a document."""

    mode: Mode | None = Field(default=None, description="Wins over the target's mode; an item's own mode wins over it.")
    approval: Consent | None = Field(default=None, description="required: each repair waits for a person's approval.")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a spec says something. Lines count from 1.

    used_at: where the document begins that says it through a profile, if one does; `others`: how many more there are.
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
"""Stands for the web app among the names of kinds."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What names in a spec document are relative to: its web app (a site or a slot) and that app's resource group.

    sections: all of the document's, by kind, for a kind whose meaning depends on a neighbour's.
    asked: notes which of these a kind looked at (the web app as WEB_APP), so that what it said of an equal section
    holds for every app of the group in whose document those are equal too.
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
        """A reference as operators write it: a full resource id, or the names of `type_`'s levels joined by `/`.

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
    """One thing that a section owns: on which root, under which name, which value.

    path: the keys that lead to it in the section, so that errors can name its line.
    mode: what the item itself asks for; None inherits from its section, its target and the fleet.
    """

    root: ResourceId
    name: str
    value: T
    path: tuple[str | int, ...]
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a section, found by its remediator: the keys that lead to it, what is wrong, what to do."""

    path: tuple[str | int, ...]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sections ask for what cannot both be. `place` is that of one of them, the message names the other's."""

    place: Place
    message: str
    remedy: str


@runtime_checkable
class Joinable(Protocol):
    """An item's value that its owners declare in part, each its own."""

    def joined(self, other: Self) -> Self | None:
        """What both together declare; None when they contradict each other."""
        ...


@dataclass(frozen=True, slots=True)
class Declared[T]:
    """What all owners of an item agreed on. `mode` is the most cautious of theirs."""

    value: T
    mode: Mode
    owners: tuple[str, ...]  # target names, sorted
    place: Place  # of the first owner


@dataclass(frozen=True, slots=True)
class Want[T]:
    """A root's desired state of one kind: the items of all its owners, by name.

    mode: of what belongs to no item, such as the removal of an unmanaged rule: the most cautious of the sections'.
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
    """The body as ARM gave it. It may hold secret values, so it never shows itself.

    fresh is False for a Resource Graph row, which is never the base of a write.
    at: when, by ARM's own clock, it answered.
    """

    body: Json = field(repr=False)
    etag: str | None = None
    fresh: bool = True
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Gone:
    """ARM said that this very resource is not there."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The read failed: locked, forbidden, throttled, broken. It says nothing about the resource."""

    error: ArmError


type Query = Read | Probe
"""What can be asked: an ARM resource, or with a probe the network itself."""

type Fact = Found | Gone | Unreadable | Probed
"""What was learned: of a Read the first three, of a probe the last."""

type Facts = Mapping[Any, Fact]
"""By Query. A mapping's keys are invariant to a type checker, and a mapping of Reads alone is to serve as well."""

# --- how they differ ------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    DRIFTED = "drifted"
    SETTLING = "settling"  # a write is still under way, or a reference not yet resolved: look again
    UNKNOWN = "unknown"  # it could not be read or judged
    UNMANAGED = "unmanaged"  # nobody declares it, and the section asks to hear of such things


@dataclass(frozen=True, slots=True)
class Drift:
    """One field that differs. `want` and `have` are fit to be shown: a secret value never gets in here."""

    kind: str
    resource: ResourceId
    path: Path
    item: str  # its name in Want.items; "" when it belongs to no item
    want: Value
    have: Value
    verdict: Verdict = Verdict.DRIFTED
    note: str = ""

    @property
    def key(self) -> tuple[str, str, Path, str]:
        """Identifies and orders drifts: the same difference found twice has the same key."""
        return (self.kind, self.resource.key, self.path, self.item)


class Disruption(StrEnum):
    """What a write can do to traffic that flows now."""

    NONE = "none"
    RESTART = "restart"  # the app restarts
    CONNECTIVITY = "connectivity"  # connections may be cut


class Milestone(StrEnum):
    """Points that an edit can wait for or bring about, so that no repair cuts what another still needs."""

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

    An `ABSENT` value removes the field, or with the empty path the resource. `value` may be a secret and is not shown.
    recreate: for an edit that creates a container, whether the spec lets that happen unattended; None for all others.
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
    """Why a remediator knows of no safe edit for a drift: a hold's code, and the words that go with it.

    reaches: the milestones that are not met while the drift stays. numbers: what decided, as of a hold.
    """

    drift: Drift
    code: str
    message: str
    reaches: frozenset[Milestone] = frozenset()
    numbers: Mapping[str, int | str] = field(default_factory=dict)


class Remediator[S: KindSection, T, Have](Protocol):
    """One kind of drift. Pure: facts in, drifts and edits out.

    The loop asks `reads` again with the facts at hand until it names nothing new, at most four times.
    `diff` is sorted by `Drift.key`. `edits` answers for each repairable drift with an Edit, or with an Obstacle
    where a repair would break something; drifts it leaves out are reported only.
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
    """A remediator that knows how another kind's section can contradict its own on one root.

    Asked once for every root, when a fleet is loaded, with all that is wanted of the root, by kind.
    """

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]: ...


@dataclass(frozen=True, slots=True)
class GuardedSecret:
    """A secret that is declared without its value, so that a change of it is told and not repaired.

    value: None while it is not there or cannot be seen. rotated: what the spec says of its last intended change.
    """

    resource: ResourceId
    path: Path
    item: str
    value: Secret | None
    rotated: str = ""


@runtime_checkable
class KeepsSecrets(Protocol):
    """A remediator of which some items are secrets without a declared value."""

    def secrets(self, want: Want[Any], facts: Facts) -> tuple[GuardedSecret, ...]:
        """Every such item of the want."""
        ...


type AnyRemediator = Remediator[Any, Any, Any]
type Registry = Mapping[str, AnyRemediator]
