"""A run: several roots for a person who asked. All are observed first; then each is reconciled, in dependency order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from homeostat.batches import in_batches
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.model import Edit, Milestone
from homeostat.core.outcome import Outcome, Status, Trigger, unmet
from homeostat.core.plan import in_dependency_order
from homeostat.core.spec import Fleet, Root
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState

MAX_PASSES: Final = 3
"""How many times a run may go through its roots."""

BUSY_TRIES: Final = 15
BUSY_PAUSE: Final = 2.0
"""Seconds between tries. All tries take half a minute, in which another instance ends an ordinary repair."""


class UnknownTarget(HomeostatError):
    """No spec declares a target of that name."""


def roots_of(fleet: Fleet, targets: Sequence[str]) -> tuple[Root, ...]:
    """The roots of these targets, each once, sorted. Raises UnknownTarget, which names all that are unknown."""
    unknown = sorted(set(targets) - fleet.targets.keys())
    if unknown:
        known = ", ".join(list(fleet.targets)[:20]) or "none"
        raise UnknownTarget(f"no spec declares {', '.join(map(repr, unknown))}; declared targets: {known}")
    ids = sorted({root for name in targets for root in fleet.targets[name].roots})
    return tuple(fleet.roots[root] for root in ids)


async def followed_fleet(engine: Engine, desired: DesiredState, *, first: bool = True) -> Fleet:
    """The fleet, once the rollout of its spec version is up to date. Raises SpecError and StorageError.

    first: whether its version may become the first one ever recorded.
    """
    fleet = await desired.fleet()
    await engine.rollouts.follow(fleet, desired.loaded or engine.ambient.now(), first=first)
    return fleet


async def examine(engine: Engine, roots: Sequence[Root], trigger: Trigger) -> tuple[Outcome, ...]:
    """What a reconcile of each root would do now, in dependency order. Reads only.

    What waits for something that is held on another root is held too, transitively.
    """
    dry = replace(trigger, dry_run=True)
    by_id = {root.id: root for root in roots}
    looks = dict(zip(by_id, await in_batches(roots, partial(engine.reconcile, trigger=dry)), strict=True))
    while dependents := _that_await(withheld := _withheld(looks.values()), looks):
        dry = replace(dry, withheld=withheld)
        again = await in_batches(map(by_id.__getitem__, dependents), partial(engine.reconcile, trigger=dry))
        looks.update(zip(dependents, again, strict=True))
    return in_dependency_order(looks.values(), _edits)


def _that_await(withheld: Collection[Milestone], looks: Mapping[ResourceId, Outcome]) -> list[ResourceId]:
    return [root for root, look in looks.items() if not _awaited(look).isdisjoint(withheld)]


async def reconcile(engine: Engine, roots: Sequence[Root], trigger: Trigger) -> tuple[Outcome, ...]:
    """Reconciles the roots one after the other, those first on which others depend. A dry run only looks.

    Roots that the first look found as declared come last, in batches: a write to another root may have changed what
    they lack, as an endpoint whose zone is new lacks its records there.

    Some roots need several passes: a zone is created before its endpoints' records, and linked after them. So held
    roots are tried again for as long as other roots were written to meanwhile.
    """
    looks = await examine(engine, roots, trigger)
    if trigger.dry_run:
        return looks
    outcomes = {look.root: look for look in looks}
    by_id = {root.id: root for root in roots}
    quiet = [look.root for look in looks if look.status is Status.IN_SYNC]
    turn, known = [look.root for look in looks if look.status is not Status.IN_SYNC], _withheld(looks)
    for passes_left in reversed(range(MAX_PASSES)):
        withheld, wrote, deferred = known, False, set[ResourceId]()
        for root in turn:
            if passes_left and wrote and _awaited(outcomes[root]) & (withheld - known):
                deferred.add(root)  # what it waits for may be written in the next pass
                continue
            outcome = await _patiently(engine, by_id[root], replace(trigger, withheld=withheld))
            withheld |= unmet(outcome)
            wrote = wrote or bool(outcome.written)
            outcomes[root] = _together(outcomes[root], outcome)
        work = partial(_patiently, engine, trigger=replace(trigger, withheld=withheld))
        ended = await in_batches(map(by_id.__getitem__, quiet), work)
        outcomes.update(zip(quiet, ended, strict=True))
        wrote, quiet = wrote or any(outcome.written for outcome in ended), []
        turn = [root for root, outcome in outcomes.items() if root in deferred or outcome.status is Status.HELD]
        if not (wrote and turn):
            break
        known = trigger.withheld
    return tuple(outcomes.values())


def _together(earlier: Outcome, later: Outcome) -> Outcome:
    """The outcome of a root over two passes: the later one, together with what was written in the earlier."""
    return replace(
        later,
        status=Status.HEALED if later.status is Status.IN_SYNC and earlier.written else later.status,
        written=earlier.written + later.written,
        correlations=earlier.correlations + later.correlations,
        took=earlier.took + later.took,
        snapshots=earlier.snapshots + later.snapshots,
    )


async def _patiently(engine: Engine, root: Root, trigger: Trigger) -> Outcome:
    for _ in range(BUSY_TRIES):
        outcome = await engine.reconcile(root, trigger)
        if outcome.status is not Status.BUSY:
            return outcome
        await engine.ambient.sleep(BUSY_PAUSE)
    outcome = await engine.reconcile(root, trigger)
    if outcome.status is Status.BUSY:
        await engine.store.look_when_free(root.id)
    return outcome


def _edits(look: Outcome) -> list[Edit]:
    return [edit for action in look.plan.actions for edit in action.edits]


def _awaited(look: Outcome) -> frozenset[Milestone]:
    return frozenset(milestone for edit in _edits(look) for milestone in edit.after)


def _withheld(looks: Iterable[Outcome]) -> frozenset[Milestone]:
    return frozenset(milestone for look in looks for milestone in look.plan.withheld)
