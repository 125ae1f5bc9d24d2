"""A root's children by name, such as an NSG's rules: whether each is there, and how it differs.

A parent's body or a listing can lag behind what was just written, and so can a child's own GET. A child is absent only
if both lack it; if one of the two could not be read, nothing is certain.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from homeostat.core import json
from homeostat.core.arm_types import ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import Drift, Facts, Found, Gone, Read
from homeostat.core.provisioning import being_written
from remediators.common import unknown, verdict_of, why_unread

type Difference = tuple[Value, Value]
"""What is wanted, and what is there."""


@dataclass(frozen=True, slots=True)
class Child[T]:
    """A child that is there, and its value. under_way: a write to it is still under way."""

    id: ResourceId
    value: T
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Children[T]:
    """present: by lower-case name. under_way: a write to their parent is still under way.

    unsure: those, by lower-case name, of which neither presence nor absence is certain, and why.
    unread: why nothing is known of any of them, or "".
    """

    present: Mapping[str, Child[T]] = field(default_factory=dict)
    unsure: Mapping[str, str] = field(default_factory=dict)
    under_way: bool = False
    unread: str = ""

    def named(self, name: str) -> Child[T] | None:
        return self.present.get(name.lower())

    def besides(self, names: Iterable[str]) -> tuple[Child[T], ...]:
        """Those with other names."""
        named = {name.lower() for name in names}
        return tuple(child for name, child in self.present.items() if name not in named)

    def drifts(
        self, kind: str, own: ResourceId, item: str, whole: Value, differing: Callable[[T], Mapping[Path, Difference]]
    ) -> Iterator[Drift]:
        """How the child with an item's name differs from what is wanted.

        own: where it is to be. whole: what is wanted, to be shown. differing: gives the differing fields of a child's
        value, by path.
        """
        child = self.named(item)
        verdict = verdict_of(under_way=self.under_way or (child is not None and child.under_way))
        if reason := self.unread or self.unsure.get(item.lower()):
            yield unknown(kind, own, (), item, whole, reason)
        elif child is None:
            yield Drift(kind, own, (), item, whole, ABSENT, verdict)
        else:
            for path, (wants, has) in differing(child.value).items():
                yield Drift(kind, child.id, path, item, wants, has, verdict)


@dataclass(frozen=True, slots=True)
class Embedded[T]:
    """Children that are also in their parent's body. value_of: the value of a child's body; None if it has none."""

    parent: ArmType
    type: ArmType
    value_of: Callable[[Json], T | None]

    def own(self, root: ResourceId, name: str) -> Read:
        return Read(self.type, root.child(self.type.name.rpartition("/")[2], name))

    def reads(self, root: ResourceId, names: Iterable[str], facts: Facts) -> frozenset[Read]:
        """The parent; and each of the named that the parent's body lacks, by itself."""
        parent = Read(self.parent, root)
        fact = facts.get(parent)
        if not isinstance(fact, Found):
            return frozenset({parent})
        listed = self._by_name(root, self._listed(fact))
        return frozenset({parent, *(self.own(root, name) for name in names if name.lower() not in listed)})

    def observe(self, root: ResourceId, names: Iterable[str], facts: Facts) -> Children[T]:
        """The parent's children, and whether each of the named is among them."""
        parent = facts.get(Read(self.parent, root))
        if not isinstance(parent, Found):
            return Children(unread=why_unread(parent))
        own = {name: facts.get(self.own(root, name)) for name in names}
        seen = (answer.body for answer in own.values() if isinstance(answer, Found))
        present = self._by_name(root, (*self._listed(parent), *seen))
        unsure = {
            name.lower(): why_unread(answer)
            for name, answer in own.items()
            if name.lower() not in present and not isinstance(answer, Gone)
        }
        return Children(present, unsure, being_written(parent.body))

    def _listed(self, parent: Found) -> Iterable[Json]:
        return json.objects_at(parent.body, *self.type.embedded)

    def _by_name(self, root: ResourceId, bodies: Iterable[Json]) -> Mapping[str, Child[T]]:
        return {
            name.lower(): Child(self.own(root, name).id, value, being_written(body))
            for body in bodies
            if (name := json.text_at(body, "name")) and (value := self.value_of(body)) is not None
        }
