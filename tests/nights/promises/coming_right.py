"""It comes right: in the end everything is as declared."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeostat.core.record import from_json
from tests.nights import schedule
from tests.nights.declared import Item
from tests.nights.evidence import Evidence
from tests.nights.place import CONTAINERS, NSG, ROOTS, THERE, State

LEFT_ALONE: Final = frozenset({"flapping", "cap-resource", "cap-fleet", "waits-for-held", "pause-tag-unreadable"})
"""The holds that may keep a difference until the morning if they are told. Other promises check their reasons."""

WORDLESS: Final = frozenset({"approval-needed", "container-gone"})


def converges_once_faults_stop(evidence: Evidence) -> Iterator[str]:
    """Once faults have stopped and a sweep has run, everything that is enforced and not held is as declared."""
    yield from _amiss(evidence, len(evidence.trace.seen), frozenset())


def converges_without_a_sweep(evidence: Evidence) -> Iterator[str]:
    """A change whose event arrived is repaired without waiting for the next sweep."""
    unexpected = (schedule.Respec, schedule.Cap)  # nothing tells of these but a sweep
    if any(isinstance(each, unexpected) for each in evidence.dawn.schedule.entries):
        return
    struck = evidence.dawn.struck
    if {"denied", "locked", "stale"} & struck.keys():
        return  # a final error waits for a person; and what was read a moment too late seemed in order
    before = evidence.dawn.before_sweep
    jumps = evidence.entries(schedule.Jump)  # by one of hours, all the times to try again at can be over
    given_up = {root for root in ROOTS if jumps and _is_given_up(evidence.record_at(root, before))}
    yield from _amiss(evidence, before, evidence.roots_without_news() | given_up)


def _is_given_up(record: Mapping[str, Any]) -> bool:
    failing = from_json(record).failing
    return failing is not None and failing.next_try is None


def _amiss(evidence: Evidence, until: int, excused: frozenset[str]) -> Iterator[str]:
    state = evidence.state_at(until)
    caps = evidence.entries(schedule.Cap)
    if caps and max(caps, key=lambda each: each.at).mode != "enforce":
        return
    for item in evidence.items():
        if item.mode != "enforce" or item.holds(state) or item.root in excused or _is_blocked(item, state):
            continue
        if evidence.held_codes(item.root, item.kind, until) & LEFT_ALONE:
            continue
        if _waits_for_a_word(evidence, item, state, until) or _waits_for_records(evidence, item, state, until):
            continue
        differs = {path: state.get(path) for path, value in item.wanted.items() if state.get(path) != value}
        yield f"{item.root}: {item.name} is not as declared: {differs}"


def _is_blocked(item: Item, state: State) -> bool:
    """A rule whose priority an undeclared rule has waits for a person (`priority-conflict`)."""
    if item.kind != "nsg_rules":
        return False
    priority = item.wanted[NSG, f"rules/{item.name}/priority"]
    holders = {
        path.split("/")[1]
        for (root, path), value in state.items()
        if root == NSG and path.endswith("/priority") and value == priority
    }
    return any(holder.startswith("human-") for holder in holders)


def _waits_for_a_word(evidence: Evidence, item: Item, state: State, until: int) -> bool:
    """A container that is gone and not recreated unattended waits with everything in it, and that is told."""
    if item.root not in CONTAINERS or (item.root, THERE) in state or item.root in evidence.recreated:
        return False
    kinds = {each.kind for each in evidence.items() if each.root == item.root}
    return any(evidence.held_codes(item.root, kind, until) & WORDLESS for kind in kinds)


def _waits_for_records(evidence: Evidence, item: Item, state: State, until: int) -> bool:
    """A recreated zone is linked only once it has records. Before, it would hide public names."""
    held = "zone-empty" in evidence.held_codes(item.root, item.kind, until)
    return held and not any(root == item.root and path.startswith("A/") for root, path in state)
