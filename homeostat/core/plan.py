"""From edits to ARM writes: merged into the fewest requests, in an order that cuts off no needed traffic."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from homeostat.core import json
from homeostat.core.arm_types import ArmType, Concurrency, Shape, arm_type
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import (
    Disruption,
    Drift,
    Edit,
    Fact,
    Facts,
    Found,
    Milestone,
    Obstacle,
    Query,
    Read,
    Unreadable,
    Verdict,
)


class Verb(StrEnum):
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


type Numbers = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Hold:
    """A refusal to write: a code for programs, words and numbers for people, and when to look again."""

    code: str
    message: str
    numbers: Numbers = field(default_factory=dict)
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    drift: Drift
    hold: Hold


@dataclass(frozen=True, slots=True)
class Action:
    """One ARM write.

    etag: the version that the write is based on; sent if the provider honours it.
    creates: nothing was there when it was planned, so nothing may be overwritten.
    before: the body that the edits are applied to; ABSENT if it is unknown, or nothing was there.
    """

    resource: ResourceId
    type: ArmType
    verb: Verb
    edits: tuple[Edit, ...]
    body: Json = field(default=None, repr=False)
    etag: str | None = None
    creates: bool = False
    before: Value = field(default=ABSENT, repr=False, compare=False)

    @property
    def disruption(self) -> Disruption:
        return max((edit.disruption for edit in self.edits), key=list(Disruption).index)

    @property
    def unprotected(self) -> bool:
        """Whether it can replace what others wrote and no precondition would refuse it.

        That is where no ETag is honoured, and for what is to be new where nothing says that it has to be.
        """
        if self.creates and self.type.concurrency is Concurrency.IF_MATCH:
            return not self.type.if_none_match
        if self.type.concurrency is not Concurrency.NONE:
            return False
        if self.verb is Verb.PATCH:
            return any(_carries_over(edit, self.before) for edit in self.edits)
        return self.verb is Verb.PUT and any(edit.path for edit in self.edits)

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.short}"


def _carries_over(edit: Edit, before: Value) -> bool:
    """Whether the edit sends an object with members as they were, which others may have changed since."""
    there = ABSENT if before is ABSENT else json.at(before, edit.path)
    if not isinstance(edit.value, Mapping) or not isinstance(there, Mapping):
        return False
    return any(name in there and there[name] == value for name, value in edit.value.items())


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reconcile of one root will do: every drift is in an action, held, or only reported.

    withheld: the milestones that are not met because of held drifts.
    """

    root: ResourceId
    drifts: tuple[Drift, ...] = ()
    actions: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    withheld: frozenset[Milestone] = frozenset()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that its actions carry out."""
        return tuple(edit for action in self.actions for edit in action.edits)

    @property
    def in_sync(self) -> bool:
        return not self.drifts

    @property
    def drifted(self) -> tuple[Drift, ...]:
        """The certain drifts: neither settling nor unknown."""
        return tuple(drift for drift in self.drifts if drift.verdict in {Verdict.DRIFTED, Verdict.UNMANAGED})

    @property
    def restarts(self) -> int:
        return sum(action.disruption is Disruption.RESTART for action in self.actions)


class StaleBase(HomeostatError):
    """A write would build on a body that is not fresh, such as a Resource Graph row: a mistake of ours."""


class ContradictingEdits(HomeostatError):
    """Two edits set one field to different values: the spec declares it twice."""


_TOP_LEVEL_WRITABLE = frozenset({"location", "tags", "properties", "identity", "zones", "extendedLocation"})


def body_of(resource: ResourceId, facts: Facts) -> Found | None:
    """The freshest body of a resource: read by itself, embedded in its parent's body, or from its parent's listing."""
    row = arm_type(resource)
    own = facts.get(Read(row, resource))
    if isinstance(own, Found):
        return own
    parent = resource.parent
    if parent is None or (parent_row := _row_or_none(parent)) is None:
        return None
    if row.embedded:
        holder = facts.get(Read(parent_row, parent))
        if isinstance(holder, Found):
            for child in json.objects_at(holder.body, *row.embedded):
                if json.text_at(child, "name").lower() == resource.name.lower():
                    return Found(child, holder.etag, holder.fresh)
    listing = facts.get(Read(row, parent, every=True))
    if isinstance(listing, Found):
        for child in json.objects_at(listing.body, "value"):
            if same_id(json.text_at(child, "id"), resource.text):
                return Found(child, json.text_at(child, "etag") or None, listing.fresh)
    return None


def _row_or_none(resource: ResourceId) -> ArmType | None:
    try:
        return arm_type(resource)
    except KeyError:
        return None


def merge(edits: Iterable[Edit], facts: Facts) -> tuple[Action, ...]:
    """The fewest writes that carry out the edits, in dependency order.

    Several embedded children of one parent become one write of the parent; everything else is written by itself.
    Raises ContradictingEdits if two edits disagree about a field, StaleBase if a body to build on is not fresh.
    """
    by_resource: dict[ResourceId, list[Edit]] = defaultdict(list)
    for edit in sorted(edits, key=_edit_order):
        by_resource[edit.resource].append(edit)
    for group in by_resource.values():
        _refuse_contradictions(group)
    families: dict[ResourceId, list[ResourceId]] = defaultdict(list)
    for resource in by_resource:
        parent = resource.parent if arm_type(resource).embedded else None
        families[parent or resource].append(resource)
    actions = [_write(holder, members, by_resource, facts) for holder, members in families.items()]
    return in_dependency_order(sorted(actions, key=lambda action: action.resource), lambda action: action.edits)


def _write(
    holder: ResourceId, members: Sequence[ResourceId], edits: Mapping[ResourceId, Sequence[Edit]], facts: Facts
) -> Action:
    base = facts.get(Read(arm_type(holder), holder))
    if len(members) == 1 and not _is_new_beside_others(members[0], base):
        return _own_write(members[0], edits[members[0]], body_of(members[0], facts))
    if not isinstance(base, Found):
        raise HomeostatError(f"{holder.short} must be read before its children can be written together")
    return _family_write(holder, [edit for member in members for edit in edits[member]], base)


def _is_new_beside_others(member: ResourceId, parent: Fact | None) -> bool:
    """Whether an embedded child is missing from its parent's body: then the parent's ETag protects the child's name.

    A PUT of the child itself would have no ETag, and so replace what somebody may have created under that name.
    """
    path = arm_type(member).embedded
    if not path or not isinstance(parent, Found) or parent.etag is None:
        return False
    names = {json.text_at(child, "name").lower() for child in json.objects_at(parent.body, *path)}
    return member.name.lower() not in names


def rebase(action: Action, found: Found) -> Action:
    """The same edits over a fresher body of the action's resource, which was read right before the write."""
    if any(edit.resource != action.resource for edit in action.edits):
        return _family_write(action.resource, action.edits, found)
    return _own_write(action.resource, action.edits, found)


def _edit_order(edit: Edit) -> tuple[tuple[str, str, Path, str], Path]:
    return edit.drift.key, edit.path


def _refuse_contradictions(edits: Sequence[Edit]) -> None:
    by_path: dict[Path, Edit] = {}
    for edit in edits:
        other = by_path.setdefault(edit.path, edit)
        if other is not edit and other.value != edit.value:
            where = "/".join(edit.path) or "the whole resource"
            raise ContradictingEdits(
                f"{edit.resource.short}: {other.drift.kind} and {edit.drift.kind} want different values for {where}; "
                "declare it in one of them"
            )


def _own_write(resource: ResourceId, edits: Sequence[Edit], base: Found | None) -> Action:
    row = arm_type(resource)
    _refuse_stale(resource, base)
    before: Value = base.body if base else ABSENT
    if row.put is Shape.MERGE and all(edit.path and edit.value is not ABSENT for edit in edits):
        # Only what is edited is sent, so that nothing that others wrote can be lost.
        patch = _fold({}, edits)
        assert patch is not ABSENT, "an edit with a path removes no resource"
        return Action(resource, row, Verb.PATCH, tuple(edits), patch, before=before)
    folded = _fold(base.body if base else {}, edits)
    etag = base.etag if base else None
    if folded is ABSENT:
        return Action(resource, row, Verb.DELETE, tuple(edits), etag=etag, before=before)
    # Without a body the resource may still exist, if it is known through another one: only ABSENT was seen to be gone.
    creates = base is None and all(edit.drift.have is ABSENT for edit in edits)
    return Action(resource, row, Verb.PUT, tuple(edits), writable(folded, row), etag, creates, before)


def _refuse_stale(resource: ResourceId, base: Found | None) -> None:
    if base is not None and not base.fresh:
        raise StaleBase(f"{resource.short} must be read from ARM before it is written")


def _family_write(parent: ResourceId, edits: Sequence[Edit], base: Found) -> Action:
    """One PUT of the parent that carries over every child that no edit touches, in the order in which they were."""
    _refuse_stale(parent, base)
    own, of_children = _parted(edits, parent)
    row, embedded = arm_type(parent), arm_type(of_children[0].resource).embedded
    body = _fold(base.body, own)
    assert body is not ABSENT, "nobody deletes a parent and edits its children in one go"
    pending: dict[str, list[Edit]] = defaultdict(list)
    for edit in of_children:
        pending[edit.resource.name.lower()].append(edit)
    members: list[Json] = []
    for member in json.objects_at(body, *embedded):
        name = json.text_at(member, "name")
        members.extend(_member(name, member, pending.pop(name.lower(), [])))
    for added in pending.values():
        members.extend(_member(added[0].resource.name, {}, added))
    whole = writable(json.with_value(body, embedded, members), row)
    return Action(parent, row, Verb.PUT, tuple(edits), whole, base.etag, before=base.body)


def _parted(edits: Iterable[Edit], parent: ResourceId) -> tuple[list[Edit], list[Edit]]:
    """The parent's own edits, and those of its children."""
    own: list[Edit] = []
    of_children: list[Edit] = []
    for edit in edits:
        (own if edit.resource == parent else of_children).append(edit)
    return own, of_children


def _member(name: str, body: Json, edits: Sequence[Edit]) -> tuple[Json, ...]:
    """A child inside its parent's body, where it is known by its name; empty if it is to be deleted."""
    folded = _fold(body, edits)
    return () if folded is ABSENT else ({**_object(folded), "name": name},)


def _object(value: Json) -> Mapping[str, Json]:
    assert isinstance(value, Mapping), "a resource body is a JSON object"
    return value


def _fold(body: Json, edits: Iterable[Edit]) -> Value:
    """The body with all edits applied; `ABSENT` if the resource is to be deleted. Shallow paths go first."""
    result: Value = body
    for edit in sorted(edits, key=lambda edit: len(edit.path)):
        if not edit.path:
            result = edit.value
        elif result is not ABSENT:
            result = json.with_value(result, edit.path, edit.value)
    return result


def writable(body: Json, row: ArmType) -> Json:
    """The parts of a body that may be sent back: no envelope, and no read-only properties.

    A read shows what is not there as null, such as the tags of app settings; a write leaves it out.
    """
    members = _object(body).items()
    envelope: dict[str, Json] = {
        key: value for key, value in members if key in _TOP_LEVEL_WRITABLE and value is not None
    }
    if "properties" in envelope:
        envelope["properties"] = json.without_keys(envelope["properties"], row.read_only)
    return envelope


def in_dependency_order[T](things: Iterable[T], edits_of: Callable[[T], Iterable[Edit]]) -> tuple[T, ...]:
    """Puts things whose edits bring a milestone about before those that wait for it, and keeps the order otherwise.

    A cycle is cut at its first thing, since everything must have its turn.
    """
    waiting = [(thing, *_milestones(tuple(edits_of(thing)))) for thing in things]
    unmet = Counter(milestone for _, reached, _ in waiting for milestone in reached)
    ordered: list[T] = []
    while waiting:
        ready = (place for place, (_, _, awaited) in enumerate(waiting) if not any(unmet[each] for each in awaited))
        thing, reached, _ = waiting.pop(next(ready, 0))
        unmet.subtract(reached)
        ordered.append(thing)
    return tuple(ordered)


def _milestones(edits: Iterable[Edit]) -> tuple[set[Milestone], set[Milestone]]:
    """What the edits bring about, and what they wait for and do not bring about themselves."""
    reached = {milestone for edit in edits for milestone in edit.reaches}
    return reached, {milestone for edit in edits for milestone in edit.after} - reached


def hold_dependents(edits: Sequence[Edit], held: Sequence[Held], stuck: Sequence[Edit | Obstacle]) -> tuple[Held, ...]:
    """The drifts of those allowed `edits` that wait, even indirectly, for a milestone that a `stuck` one withholds.

    A milestone is met when everything that reaches it is done: if one of three allow rules is held, egress is not
    allowed. `held` is only used for the codes in the message.
    """
    missing = {milestone for cause in stuck for milestone in cause.reaches}
    waiting: dict[tuple[str, str, Path, str], Held] = {}
    causes = ", ".join(sorted({entry.hold.code for entry in held}))
    while newly := [edit for edit in edits if edit.after & missing and edit.drift.key not in waiting]:
        for edit in newly:
            words = f"waits for {', '.join(sorted(edit.after & missing))}"
            waiting[edit.drift.key] = Held(edit.drift, Hold("waits-for-held", words, {"held": causes}))
        missing.update(milestone for edit in newly for milestone in edit.reaches)
    return tuple(waiting[key] for key in sorted(waiting))


def unreadable(facts: Facts) -> tuple[tuple[Query, Unreadable], ...]:
    return tuple((query, fact) for query, fact in facts.items() if isinstance(fact, Unreadable))
