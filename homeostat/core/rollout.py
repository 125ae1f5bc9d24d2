"""How a changed spec comes into force in stages: what is remembered of it, and how far a stage reaches. Pure.

Changes are found by comparing the digests of what the new version declares, item by item, with the `Index` of the base:
the version that was in force everywhere before. A target has changed if an item that it declares has. The changed
targets are in a different order for each version; a `cutoff` in that order says which are admitted.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from math import ceil
from typing import Any

from pydantic import TypeAdapter

from homeostat.core.digests import LENGTH, item_digest, kind_digest, root_digests
from homeostat.core.json import JsonObject
from homeostat.core.limits import RolloutStages
from homeostat.core.model import Want
from homeostat.core.spec import Fleet, Root
from homeostat.core.uses import mark_of


class State(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Index:
    """What a version declares: the digests of each root, by its mark, joined into one text to save space."""

    roots: Mapping[str, str] = field(default_factory=dict)

    def of(self, mark: str) -> frozenset[str]:
        digests = self.roots.get(mark, "")
        return frozenset(digests[start : start + LENGTH] for start in range(0, len(digests), LENGTH))


def index_of(fleet: Fleet) -> Index:
    return Index({mark_of(root.id): "".join(sorted(root_digests(root))) for root in fleet.roots.values()})


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far `version` has come. Stages count from 1; in the last one everything is admitted, and the rollout is done.

    base: the version that was in force everywhere before; "" if there was none.
    calm_since: since when everything that the stage admits is as declared.
    """

    version: str
    base: str
    since: datetime
    state: State
    changed: int = 0  # targets
    stage: int = 0
    of: int = 0
    admitted: int = 0  # of the changed targets
    marked: int = 0  # of the admitted ones, those that were marked to be looked at
    cutoff: str = ""
    stage_since: datetime | None = None
    calm_since: datetime | None = None
    looked_at: datetime | None = None  # the last look at the stage
    reason: str = ""  # why it stopped, or was released
    by: str = ""  # who released it

    @property
    def settled_version(self) -> str:
        """The version that is in force everywhere: the base, until this one is."""
        return self.version if self.state is State.DONE else self.base

    def admits(self, target: str) -> bool:
        return self.state is State.DONE or position(self.version, target) <= self.cutoff


@cache
def _adapter() -> TypeAdapter[Rollout]:
    return TypeAdapter(Rollout)


def to_json(rollout: Rollout) -> JsonObject:
    dumped: dict[str, Any] = _adapter().dump_python(rollout, mode="json")
    return dumped


def from_json(body: JsonObject) -> Rollout:
    """Raises ValueError (pydantic.ValidationError) for a document that is not a rollout."""
    return _adapter().validate_python(body)


def position(version: str, target: str) -> str:
    """A target's position among the changed ones: random for each version, so that not always the same goes first."""
    return hashlib.sha256(f"{version}\0{target}".encode()).hexdigest()[:16]


# --- what changed ---------------------------------------------------------------------------------------------------


def changed_owners(
    kind: str, item: str, want: Want[Any], owners: Sequence[str], base: Collection[str]
) -> Sequence[str]:
    """The owners of what an edit of this item follows, if that changed; empty if it did not.

    What belongs to no item, such as the removal of a rule that is no longer declared, follows the whole section.
    """
    if item in want.items:
        return () if item_digest(kind, item, want) in base else want.items[item].owners
    return () if kind_digest(kind, want) in base else owners


def changed_targets(fleet: Fleet, base: Index) -> tuple[str, ...]:
    """The targets whose declarations differ from the base, in the order in which this version admits them."""
    changed: set[str] = set()
    for root in fleet.roots.values():
        known = base.of(mark_of(root.id))
        for kind, want in root.wants.items():
            changed.update(_changed_in(kind, want, root, known))
    return tuple(sorted(changed, key=lambda target: position(fleet.spec_version, target)))


def _changed_in(kind: str, want: Want[Any], root: Root, known: Collection[str]) -> set[str]:
    if kind_digest(kind, want) in known:
        return set()
    by_item = {owner for item in want.items for owner in changed_owners(kind, item, want, root.targets, known)}
    return by_item or set(root.targets)


# --- its course -----------------------------------------------------------------------------------------------------


def begun(version: str, base: str, changed: Sequence[str], limits: RolloutStages, now: datetime) -> Rollout:
    """The rollout of a version that was just found. A first version, or a small change, is in force at once."""
    fresh = Rollout(version, base, now, State.RUNNING, len(changed), of=len(limits.stages), stage_since=now)
    if not base or len(changed) < limits.from_targets:
        return replace(fresh, state=State.DONE, admitted=len(changed), marked=len(changed), stage=fresh.of)
    return advanced(fresh, changed, limits, now)


def advanced(rollout: Rollout, changed: Sequence[str], limits: RolloutStages, now: datetime) -> Rollout:
    """The rollout in its next stage, which admits at least one target more than the one before."""
    stage, of = rollout.stage + 1, len(limits.stages)
    wanted = size(limits.stages[stage - 1], len(changed)) if stage <= of else len(changed)
    admitted = min(max(wanted, rollout.admitted + 1), len(changed))
    after = replace(rollout, stage=min(stage, of), of=of, admitted=admitted, stage_since=now, calm_since=None)
    if stage >= of or admitted == len(changed):
        return replace(after, state=State.DONE, stage=of, admitted=len(changed))
    return replace(after, cutoff=position(rollout.version, changed[admitted - 1]))


def size(stage: float, changed: int) -> int:
    """How many of the changed targets a stage admits."""
    return min(changed, stage if isinstance(stage, int) else max(1, ceil(stage * changed)))


def stopped(rollout: Rollout, reason: str) -> Rollout:
    return replace(rollout, state=State.STOPPED, reason=reason, calm_since=None)


def released(rollout: Rollout, by: str, reason: str) -> Rollout:
    """The rollout after a person released all targets. Those that stopped it are marked once more."""
    done = replace(rollout, state=State.DONE, stage=rollout.of, admitted=rollout.changed, marked=0, calm_since=None)
    return replace(done, by=by, reason=reason)
