"""Wakes other roots once a container is there for them: those that failed or were held without it are looked at again.

Azure refuses a subnet whose group is gone until a person lets the group be created, and an app whose subnet is not
delegated. What puts that right is a write of our own, and no event of it leads to the subnet or the app.
"""

from collections.abc import Collection

from homeostat.batches import in_batches
from homeostat.core.arm_types import arm_type
from homeostat.core.ids import ResourceId
from homeostat.core.model import Edit
from homeostat.core.outcome import Outcome
from homeostat.core.record import IMMEDIATE
from homeostat.core.spec import Fleet
from homeostat.store import Store


async def wake_what_waited(store: Store, fleet: Fleet, outcome: Outcome, besides: Collection[ResourceId] = ()) -> None:
    """Marks the other roots of the outcome's targets about which something is open, if it wrote what they waited for.

    besides: roots that are looked at anyway. The mark is a hint, as an event is: if it is lost, the next sweep looks at
    the roots. Raises StorageError.
    """
    root = fleet.roots.get(outcome.root)
    if root is None or not any(_readies(edit) for action in outcome.written for edit in action.edits):
        return
    others = {other for name in root.targets for other in fleet.targets[name].roots} - {root.id, *besides}

    async def wake(other: ResourceId) -> None:
        record = (await store.load(other)).record
        if record.episodes or record.failing:
            await store.mark(other, f"{root.id.short} is ready", IMMEDIATE, comes_again=False)

    await in_batches(sorted(others, key=lambda other: other.key), wake)


def _readies(edit: Edit) -> bool:
    """Whether it makes a container, or of one what others wait for. What is in it has many owners, and wakes nobody."""
    return edit.recreate is not None or (arm_type(edit.resource).container and bool(edit.reaches))
