"""What guards may look at, and what a guard is.

A guard gets an edit or a plan and the situation, and returns None (go on) or a Hold. It is a pure function: what it
needs to know is gathered beforehand, by `homeostat.gate.situations`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from homeostat.core.approvals import Approval
from homeostat.core.errors import HomeostatError
from homeostat.core.flapping import Flaps
from homeostat.core.ids import ResourceId
from homeostat.core.mass import Mass
from homeostat.core.model import Edit, Fact, Facts, Milestone, Mode, Unreadable, Want
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.plan import Hold, Plan
from homeostat.core.policy import DEFAULT_POLICY, Policy
from homeostat.core.retest import Retest
from homeostat.core.rollout import Rollout
from homeostat.core.uses import HourUse, Minutes, RunUse
from homeostat.core.windows import Windows

FLEET: Final = "*"
"""In the place of a target, for a pause of the whole fleet."""


@dataclass(frozen=True, slots=True)
class Pause:
    """target: a target's name, or FLEET. cause: what paused it by itself, such as `rollback`; "" for a person."""

    target: str
    until: datetime
    reason: str
    by: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is read of Azure right before a write, and only then.

    id: the root's. root: its own body. bodies: everything that was read. deployments: those that run in its resource
        group; None if the policy ignores them.
    own: why Homeostat's own site could not be read; None if it was, or need not be.
    """

    id: ResourceId
    root: Fact
    bodies: Facts = field(default_factory=dict)
    deployments: Fact | None = None
    own: Unreadable | None = None


class NotLookedAt(HomeostatError):
    """A guard needs the surroundings, and nobody has read them: a mistake of ours, for which the edit is held."""


@dataclass(frozen=True, slots=True)
class Course:
    """The state of the spec's rollout with regard to a root. version: the spec version that this process has.

    base: the digests of what was declared of the root before.
    """

    rollout: Rollout
    version: str
    base: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class History:
    """What was written and found before, on the root and over the fleet, as far as it was read.

    declared: how many roots there are. max_writes: a person's limit for the writes of their run.
    reserved: the root's writes, by resource. writers: who else wrote to the root lately, by kind, "" for any kind.
    """

    declared: int = 0
    run: RunUse = field(default_factory=RunUse)
    max_writes: int | None = None
    hour: HourUse = field(default_factory=HourUse)
    reserved: Minutes = field(default_factory=dict)
    mass: Mass | None = None
    rollout: Course | None = None
    flaps: Flaps = field(default_factory=dict)
    writers: Mapping[str, str] = field(default_factory=dict)


NO_HISTORY: Final = History()


@dataclass(frozen=True, slots=True)
class Situation:
    """All that guards may look at besides the edit or plan itself.

    surroundings: None until something is about to be written.
    """

    now: datetime
    cap: Mode  # HOMEOSTAT_MODE, the fleet's kill switch
    wants: Mapping[str, Want[Any]]  # the root's, by kind
    targets: tuple[str, ...]  # the root's owners
    pauses: tuple[Pause, ...] = ()
    create: bool = False  # a person allowed containers to be created
    withheld: frozenset[Milestone] = frozenset()  # what other roots of the target do not bring about
    retest: Retest | None = None  # of the root's routing
    policy: Policy = DEFAULT_POLICY
    history: History = NO_HISTORY
    windows: Mapping[str, Windows] = field(default_factory=dict)  # of the owners that have their own
    marked: frozenset[str] = frozenset()  # the kinds for which an owner says `approval: required`
    approval: Approval | None = None  # of the edits that need one
    consents: bool = False  # a person sees this plan and approves it
    own: OwnResources = NOTHING_OWN
    surroundings: Surroundings | None = None

    @property
    def around(self) -> Surroundings:
        """Raises NotLookedAt."""
        if self.surroundings is None:
            raise NotLookedAt("nobody has looked at what is around the write")
        return self.surroundings


type EditGuard = Callable[[Edit, Situation], Hold | None]
type PlanGuard = Callable[[Plan, Situation], Hold | None]
