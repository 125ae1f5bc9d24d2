"""What guards may look at, and what a guard is.

A guard gets what is to be done and the situation, and answers None (go on) or a Hold. It is a pure function: what it
needs to know of the world is gathered before, by `homeostat.situations`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from homeostat.core.model import Edit, Milestone, Mode, Want
from homeostat.core.plan import Hold, Plan
from homeostat.core.policy import DEFAULT_POLICY, Policy
from homeostat.core.retest import Retest

FLEET: Final = "*"
"""The name under which a pause of the whole fleet is kept."""


@dataclass(frozen=True, slots=True)
class Pause:
    """`target` is a target's name or FLEET; `cause` what put it up by itself, `rollback`, or "" for a person."""

    target: str
    until: datetime
    reason: str
    by: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that guards may look at besides the edit or plan itself."""

    now: datetime
    cap: Mode  # HOMEOSTAT_MODE, the fleet's kill switch
    wants: Mapping[str, Want[Any]]  # the root's, by kind
    targets: tuple[str, ...]  # the root's owners
    pauses: tuple[Pause, ...] = ()
    create: bool = False  # a person allowed containers to be created
    withheld: frozenset[Milestone] = frozenset()  # what other roots of the target were to bring about and do not
    retest: Retest | None = None  # of the root's routing
    policy: Policy = DEFAULT_POLICY


type EditGuard = Callable[[Edit, Situation], Hold | None]
type PlanGuard = Callable[[Plan, Situation], Hold | None]
