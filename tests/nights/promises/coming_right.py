"""It comes right: in the end everything is as declared."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeostat.core.record import from_json
from tests.nights import schedule
from tests.nights.declared import DELEGATION, Item
from tests.nights.evidence import Evidence
from tests.nights.place import CONTAINERS, NETWORK, NSG, ROOTS, THERE, Path, State
from tests.nights.trace import Changed

LEFT_ALONE: Final = frozenset({"flapping", "cap-resource", "cap-fleet", "waits-for-held", "pause-tag-unreadable"})
"""The holds that may keep a difference until the morning if they are told. Other promises check their reasons."""

WORDLESS: Final = frozenset({"approval-needed", "container-gone"})


def converges_once_faults_stop(evidence: Evidence) -> Iterator[str]:
    """Once faults have stopped and a sweep has run, everything that is enforced and not held is as declared."""
    for item, differs in _amiss(evidence, len(evidence.trace.seen), frozenset()):
        yield f"{item.root}: {item.name} is not as declared: {differs}"


def converges_without_a_sweep(evidence: Evidence) -> Iterator[str]:
    """A change whose event arrived is repaired without waiting for the next sweep."""
    if _waits_for_somebody(evidence):
        return
    before = evidence.dawn.before_sweep
    for item, differs in _amiss(evidence, before, evidence.roots_without_news() | _given_up(evidence)):
        yield f"{item.root}: {item.name} is not as declared: {differs}"


def a_retest_ends_by_itself(evidence: Evidence) -> Iterator[str]:
    """What a re-test switched off is on again without a sweep, whatever becomes of events."""
    if _waits_for_somebody(evidence):
        return
    before = evidence.dawn.before_sweep
    for item, differs in _amiss(evidence, before, evidence.roots_of("poison") | _given_up(evidence)):
        if all(_is_of_a_retest(evidence, path, before) for path in differs):
            yield f"{item.root}: {item.name} was switched off, and is not on again: {differs}"


def _is_of_a_retest(evidence: Evidence, path: Path, until: int) -> bool:
    changes = [each for place, each in evidence.of(Changed) if place < until and path in each.values]
    return bool(changes) and bool(changes[-1].work) and evidence.is_retest(changes[-1].work)


def _waits_for_somebody(evidence: Evidence) -> bool:
    """Whether there was something that only a sweep or a person can bring up."""
    unexpected = (schedule.Respec, schedule.Cap)  # nothing tells of these but a sweep
    if any(isinstance(each, unexpected) for each in evidence.dawn.schedule.entries):
        return True
    struck = evidence.dawn.struck  # a final error waits for a person; what was read a moment too late seemed in order
    return bool({"denied", "locked", "stale"} & struck.keys())


def _given_up(evidence: Evidence) -> frozenset[str]:
    """The roots that were given up. After a jump of hours all their retry times can be over."""
    if not evidence.entries(schedule.Jump):
        return frozenset()
    return frozenset(root for root in ROOTS if _is_given_up(evidence.record_at(root, evidence.dawn.before_sweep)))


def _is_given_up(record: Mapping[str, Any]) -> bool:
    failing = from_json(record).failing
    return failing is not None and failing.next_try is None


def _amiss(evidence: Evidence, until: int, excused: frozenset[str]) -> Iterator[tuple[Item, Mapping[Path, Any]]]:
    """The items that differ though nothing holds or excuses them, with what is there instead."""
    state = evidence.state_at(until)
    caps = evidence.entries(schedule.Cap)
    if caps and max(caps, key=lambda each: each.at).mode != "enforce":
        return
    for item in evidence.items():
        if item.mode != "enforce" or item.holds(state) or item.root in excused or _is_blocked(item, state):
            continue
        if evidence.held_codes(item.root, item.kind, until) & LEFT_ALONE:
            continue
        if any(waits(evidence, item, state, until) for waits in _WAITS):
            continue
        yield item, {path: state.get(path) for path, value in item.wanted.items() if state.get(path) != value}


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


def _waits_for_its_subnet(evidence: Evidence, item: Item, state: State, until: int) -> bool:
    """An app is joined once its subnet is there and delegated. Until then it fails or is held, and that is told."""
    if item.kind != "vnet_integration" or DELEGATION in state.get((NETWORK, "subnets/integration/delegations"), ()):
        return False
    return "failing" in evidence.record_at(item.root, until) or bool(evidence.held_codes(item.root, item.kind, until))


_WAITS: Final = (_waits_for_a_word, _waits_for_records, _waits_for_its_subnet)
"""The waits that only end when a person acts."""
