"""Wakes other roots once a container exists again: those that failed or were held without it are looked at again.

Azure refuses a subnet whose group is gone until a person lets the group be created. That is a write of our own, and no
event of it leads to the subnet.
"""

from collections.abc import Collection

from homeostat.batches import in_batches
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome
from homeostat.core.record import IMMEDIATE
from homeostat.core.spec import Fleet
from homeostat.store import Store


async def wake_what_waited(store: Store, fleet: Fleet, outcome: Outcome, besides: Collection[ResourceId] = ()) -> None:
    """Marks the other roots of the outcome's targets about which something is open, if it created a container.

    besides: roots that are looked at anyway. The mark is a hint, as an event is: if it is lost, the next sweep looks at
    the roots. Raises StorageError.
    """
    root = fleet.roots.get(outcome.root)
    made = [edit for action in outcome.written for edit in action.edits if edit.recreate is not None]
    if root is None or not made:
        return
    others = {other for name in root.targets for other in fleet.targets[name].roots} - {root.id, *besides}

    async def wake(other: ResourceId) -> None:
        record = (await store.load(other)).record
        if record.episodes or record.failing:
            await store.mark(other, f"{root.id.short} was made", IMMEDIATE, comes_again=False)

    await in_batches(sorted(others, key=lambda other: other.key), wake)
