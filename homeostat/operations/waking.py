"""What a container's return means to others: roots that failed, or were held, while it was gone are looked at again.

A subnet whose group is gone is refused by Azure until somebody lets the group be made anew. That is a write of our own,
of which no event leads to the subnet.
"""

from collections.abc import Collection

from homeostat.batches import in_batches
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome
from homeostat.core.record import IMMEDIATE
from homeostat.core.spec import Fleet
from homeostat.store import Store


async def wake_what_waited(store: Store, fleet: Fleet, outcome: Outcome, besides: Collection[ResourceId] = ()) -> None:
    """Marks the other roots of the targets that depend on what the outcome made, if it made any container.

    Those of which something is open, and which are not looked at anyhow (`besides`). A hint, as an event is: should it
    be lost, the next sweep looks at them. Raises StorageError.
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
