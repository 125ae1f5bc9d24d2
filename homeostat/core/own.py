"""What Homeostat itself runs on: its function app, storage, subnet, zones and identities. Pure.

A repair of these could cut off Homeostat itself. So no target may declare them, and no write touches them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from homeostat.core.arm_types import STORAGE_ACCOUNT
from homeostat.core.ids import ResourceId


@dataclass(frozen=True, slots=True)
class OwnResources:
    """storage_account: its name is enough, since it is unique in its cloud; empty if unknown.

    An account of that name in another cloud is left alone as well.
    """

    ids: frozenset[ResourceId] = frozenset()
    storage_account: str = ""

    def touched_by(self, resource: ResourceId) -> ResourceId | None:
        """The own resource that `resource` is, is in, or contains; None if there is none."""
        return self.around(resource) or next(self._within(resource), None)

    def around(self, resource: ResourceId) -> ResourceId | None:
        """The own resource that `resource` is, or is in."""
        for each in resource.lineage:
            if each in self.ids or self._is_storage(each):
                return each
        return None

    def named(self, root: ResourceId, item: str) -> ResourceId | None:
        """The own resource that is `item` within `root`, where `root` also holds others', as a network does subnets."""
        return next((each for each in self._within(root) if each.name.lower() == item.lower()), None)

    def _within(self, resource: ResourceId) -> Iterator[ResourceId]:
        return (each for each in sorted(self.ids) if resource in each.lineage)

    def _is_storage(self, resource: ResourceId) -> bool:
        name = self.storage_account.lower()
        return bool(name) and resource.is_type(STORAGE_ACCOUNT.name) and resource.name.lower() == name


NOTHING_OWN = OwnResources()
