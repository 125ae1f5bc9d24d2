"""Which priorities are not available: one belongs to one rule of a direction, and is not taken from a rule that stays.

It is available if its holder is about to give it up: a declared rule that is also repaired, or one that is removed. So
rules can swap priorities. A rule that cannot move blocks the one that was to follow it, and so on.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules
"""

from collections import defaultdict
from collections.abc import Mapping

from homeostat.core.model import Declared, Mode
from remediators.children import Child, Children
from remediators.security_rule import Rule


def conflicts(rules: Mapping[str, Declared[Rule]], have: Children[Rule], leaving: frozenset[str]) -> Mapping[str, str]:
    """Why the priority that a declared rule should get is not available, by item.

    leaving: the names of the undeclared rules that this repair removes.
    """
    holders: dict[tuple[str, int], list[Child[Rule]]] = defaultdict(list)
    for child in have.present.values():
        holders[child.value.slot].append(child)
    items = {name.lower(): name for name in rules}
    blocked: dict[str, str] = {}
    while True:  # a rule that stays blocks the one that was to follow it
        found = {
            name: f"{holder.id.name} holds priority {declared.value.priority} of the {declared.value.direction} rules"
            for name, declared in rules.items()
            for holder in holders[declared.value.slot]
            if holder.id.name.lower() != name.lower()
            and holder.id.name not in leaving
            and _stays(holder, rules, items.get(holder.id.name.lower()), blocked)
        }
        if found == blocked:
            return blocked
        blocked = found


def _stays(
    holder: Child[Rule], rules: Mapping[str, Declared[Rule]], item: str | None, blocked: Mapping[str, str]
) -> bool:
    """Whether a rule keeps its direction and priority in this repair."""
    if item is None:
        return True
    declared = rules[item]
    if declared.mode is not Mode.ENFORCE or item in blocked or holder.under_way:
        return True
    return declared.value.slot == holder.value.slot
