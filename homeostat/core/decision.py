"""From facts to a plan: each kind of a root is judged, each edit guarded, and the allowed ones merged. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import arm_type
from homeostat.core.gate.passing import ASKED_GUARDS, EDIT_GUARDS, guard_edits, guard_plan
from homeostat.core.gate.situation import EditGuard, Situation
from homeostat.core.gate.standing import CONTAINER_GONE
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.model import (
    Drift,
    Edit,
    Facts,
    Gone,
    Milestone,
    Mode,
    Obstacle,
    Query,
    Read,
    Registry,
    Unreadable,
    Verdict,
)
from homeostat.core.plan import Held, Hold, Plan, hold_dependents, merge
from homeostat.core.spec import Root


@dataclass(frozen=True, slots=True)
class Judged:
    """What differs on a root, and what would repair it unless a guard objects.

    obstacles: drifts for which their remediator has no safe edit.
    """

    drifts: tuple[Drift, ...] = ()
    edits: tuple[Edit, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs and nothing is unknown."""
        return not (self.drifts or self.edits or self.obstacles)

    @property
    def blocked(self) -> tuple[Held, ...]:
        return tuple(Held(it.drift, Hold(it.code, it.message, it.numbers)) for it in self.obstacles)

    @property
    def withheld(self) -> frozenset[Milestone]:
        return frozenset(milestone for it in self.obstacles for milestone in it.reaches)


def looked_at(root: Root) -> tuple[str, ...]:
    """The kinds of a root that are not entirely declared `ignore`."""
    return tuple(
        kind
        for kind, want in root.wants.items()
        if want.mode is not Mode.IGNORE or any(item.mode is not Mode.IGNORE for item in want.items.values())
    )


def judged_kinds(root: Root, registry: Registry) -> tuple[str, ...]:
    """Those of them that this process can judge: without a prober, the registry lacks some kinds."""
    return tuple(kind for kind in looked_at(root) if kind in registry)


def reads_of(root: Root, facts: Facts, registry: Registry) -> tuple[Query, ...]:
    """What must be read next, given what is known; sorted. Empty when all is known.

    Kinds that the registry lacks are not looked at. If a child is missing, the root itself is read: only that shows
    whether the root is there.
    """
    wanted = {query for kind in judged_kinds(root, registry) for query in registry[kind].reads(root.wants[kind], facts)}
    if any(_says_missing(facts, query) for query in facts):
        wanted.add(own_read(root.id))
    return tuple(sorted(wanted - facts.keys(), key=_order))


def _order(query: Query) -> tuple[str, str, bool]:
    """ARM before the network."""
    return (query.id.key, query.type.name, query.every) if isinstance(query, Read) else ("~", str(query), False)


def own_read(root: ResourceId) -> Read:
    return Read(arm_type(root), root)


def root_is_missing(root: ResourceId, facts: Facts) -> bool:
    """Whether ARM said that the root itself, or its resource group, is not there."""
    return _says_missing(facts, own_read(root))


def _says_missing(facts: Facts, query: Query) -> bool:
    match facts.get(query):
        case Gone():
            return True
        case Unreadable(error):
            # A subscription that is not found may be one that our identity may not see.
            missing = {ErrorClass.MISSING, ErrorClass.MISSING_PARENT}
            return error.error_class in missing and error.code.lower() != "subscriptionnotfound"
        case _:
            return False


def judge(root: Root, facts: Facts, registry: Registry) -> Judged:
    """The drifts of every kind of a root, with their edits."""
    drifts: list[Drift] = []
    edits: list[Edit] = []
    obstacles: list[Obstacle] = []
    for kind in judged_kinds(root, registry):
        want, remediator = root.wants[kind], registry[kind]
        have = remediator.observe(want, facts)
        of_kind = [drift for drift in remediator.diff(want, have) if want.mode_of(drift.item) is not Mode.IGNORE]
        known = {drift.key for drift in of_kind}
        drifts.extend(of_kind)
        answers = [answer for answer in remediator.edits(want, have) if answer.drift.key in known]
        edits.extend(answer for answer in answers if isinstance(answer, Edit))
        obstacles.extend(answer for answer in answers if isinstance(answer, Obstacle))
    judged = Judged(tuple(drifts), tuple(edits), tuple(obstacles))
    if root_is_missing(root.id, facts) and creates(judged, root.id):
        # What is in it cannot be read before it is created, which is no fault: the next round judges it.
        return replace(judged, drifts=tuple(drift for drift in drifts if drift.verdict is not Verdict.UNKNOWN))
    return judged


def decide(
    root: Root, judged: Judged, facts: Facts, situation: Situation, guards: Sequence[EditGuard] = EDIT_GUARDS
) -> Plan:
    """The plan: what the guards allow, merged into writes, and what they hold.

    Raises ContradictingEdits when two kinds want different values for one field.
    """
    allowed, refused = guard_edits(judged.edits, situation, guards)
    held = (*judged.blocked, *(entry for _, entry in refused))
    stuck: list[Edit | Obstacle] = [*judged.obstacles, *(edit for edit, _ in refused)]
    dependents = hold_dependents(allowed, held, stuck)
    waiting = {entry.drift.key for entry in dependents}
    going = [edit for edit in allowed if edit.drift.key not in waiting]
    stuck.extend(edit for edit in allowed if edit.drift.key in waiting)
    withheld = frozenset(milestone for cause in stuck for milestone in cause.reaches)
    plan = Plan(root.id, judged.drifts, merge(going, facts), (*held, *dependents), withheld)
    hold = guard_plan(plan, situation)
    return plan if hold is None else held_whole(plan, hold)


def held_whole(plan: Plan, hold: Hold) -> Plan:
    """The plan with all of its writes held."""
    edits = [edit for action in plan.actions for edit in action.edits]
    held = {edit.drift.key: Held(edit.drift, hold) for edit in edits}
    withheld = plan.withheld | {milestone for edit in edits for milestone in edit.reaches}
    return replace(plan, actions=(), held=(*plan.held, *held.values()), withheld=withheld)


def holds_together(plan: Plan, situation: Situation) -> tuple[Held, ...]:
    """The holds on writes that a person asked for and that only make sense together; empty if they may go on."""
    _, refused = guard_edits(plan.edits, situation, ASKED_GUARDS)
    if refused:
        return tuple(held for _, held in refused)
    hold = guard_plan(plan, situation)
    return tuple(Held(edit.drift, hold) for edit in plan.edits) if hold else ()


def misses_container(judged: Judged) -> bool:
    """Whether a repair would create a container, which needs proof that the container is gone for good."""
    return any(edit.recreate is not None for edit in judged.edits)


def creates(judged: Judged, root: ResourceId) -> bool:
    """Whether a repair would create the root itself."""
    return any(edit.resource == root and edit.recreate is not None for edit in judged.edits)


def root_gone(root: Root) -> Plan:
    """The plan for a root that is gone and that no kind creates: everything in it waits for a person."""
    drifts = tuple(
        Drift(kind, root.id, (), "", "present", ABSENT, note=f"{root.id.short} is gone") for kind in looked_at(root)
    )
    hold = Hold(CONTAINER_GONE, f"{root.id.short} is gone, and no section declares how it is to be created")
    return Plan(root.id, drifts, held=tuple(Held(drift, hold) for drift in drifts))
