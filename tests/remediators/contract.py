"""What every remediator promises, whatever its kind. A kind's test class inherits this and brings its own worlds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_errors import ArmError
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import AnyRemediator, Declared, Mode, Place, Unmanaged, Verdict, Want
from tests.remediators.world import World, healed, look, reversed_everywhere
from tests.support.bodies import without_nulls

LOCKED = ArmError.from_answer(409, {}, '{"error": {"code": "ScopeLocked", "message": "locked"}}')


@dataclass(frozen=True, slots=True)
class Case:
    """A root's desired state, a world that is in it, and the same world after some independent changes."""

    want: Want[Any]
    world: World
    broken: World

    @property
    def is_broken(self) -> bool:
        return self.world != self.broken


def declared(value: object, mode: Mode = Mode.ENFORCE) -> Declared[Any]:
    return Declared(value, mode, ("app-flask",), Place("homeostat.yaml", 1))


def want_of(
    root: ResourceId,
    items: Mapping[str, object],
    unmanaged: Unmanaged = Unmanaged.KEEP,
    modes: Mapping[str, Mode] = MappingProxyType({}),
) -> Want[Any]:
    """A want with these values; `modes` names the items that are not to be enforced."""
    found = {name: declared(value, modes.get(name, Mode.ENFORCE)) for name, value in items.items()}
    return Want(root, found, unmanaged)


class RemediatorContract(ABC):
    """Inherit it in a class called TestContract, and say what `cases` and `unowned` are.

    What holds of every case is a `holds_` method here and becomes a test of each class that inherits, since Hypothesis
    wants a test function of its own for every class.
    """

    remediator: ClassVar[AnyRemediator]

    def __init_subclass__(cls) -> None:
        for name, check in vars(RemediatorContract).items():
            if name.startswith("holds_"):
                own = FunctionType(check.__code__, check.__globals__, name.replace("holds_", "test_", 1))
                own.__annotations__ = check.__annotations__
                setattr(cls, own.__name__, given(case=cls.cases())(own))

    @staticmethod
    @abstractmethod
    def cases() -> st.SearchStrategy[Case]:
        """Worlds with repairable changes to what is owned, and settled ones with none."""

    @staticmethod
    @abstractmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """All of a world that the want does not own."""

    def holds_a_state_does_not_differ_from_itself(self, case: Case) -> None:
        seen = look(self.remediator, case.want, case.world)
        assert seen.drifts == ()
        assert seen.answers == ()

    def holds_every_change_to_what_is_owned_is_found(self, case: Case) -> None:
        assert bool(look(self.remediator, case.want, case.broken).drifts) == case.is_broken

    def holds_the_merged_edits_leave_no_drift_and_a_second_plan_is_empty(self, case: Case) -> None:
        seen = look(self.remediator, case.want, case.broken)
        assert seen.obstacles == ()
        again = look(self.remediator, case.want, healed(case.broken, seen))
        assert again.drifts == ()
        assert again.answers == ()

    def holds_nothing_but_what_is_owned_is_touched(self, case: Case) -> None:
        after = healed(case.broken, look(self.remediator, case.want, case.broken))
        before, now = self.unowned(case.broken, case.want), self.unowned(after, case.want)
        assert json.render(now) == json.render(before)

    def holds_the_answer_does_not_depend_on_any_order(self, case: Case) -> None:
        turned = {key: reversed_everywhere(case.broken[key]) for key in reversed(list(case.broken))}
        want = replace(case.want, items={name: case.want.items[name] for name in reversed(list(case.want.items))})
        straight, reverse = look(self.remediator, case.want, case.broken), look(self.remediator, want, turned)
        assert [drift.key for drift in reverse.drifts] == [drift.key for drift in straight.drifts]
        assert [drift.verdict for drift in reverse.drifts] == [drift.verdict for drift in straight.drifts]
        assert [entry.drift.key for entry in reverse.answers] == [entry.drift.key for entry in straight.answers]

    def holds_null_says_what_absence_says(self, case: Case) -> None:
        """Rows of Resource Graph are read without their nulls."""
        lean = {id_: without_nulls(body) for id_, body in case.broken.items()}
        seen, seen_lean = (look(self.remediator, case.want, world) for world in (case.broken, lean))
        assert seen_lean.drifts == seen.drifts

    def holds_drifts_are_sorted_and_no_two_have_one_key(self, case: Case) -> None:
        keys = [drift.key for drift in look(self.remediator, case.want, case.broken).drifts]
        assert keys == sorted(set(keys))

    def holds_what_cannot_be_read_is_unknown_and_not_absent(self, case: Case) -> None:
        seen = look(self.remediator, case.want, case.broken, refused=LOCKED)
        assert sorted(drift.item for drift in seen.drifts) == sorted(case.want.items)
        assert {drift.verdict for drift in seen.drifts} <= {Verdict.UNKNOWN}
        assert all("locked" in drift.note for drift in seen.drifts)
        assert seen.answers == ()

    def test_its_name_is_its_section_s_name_in_the_spec(self) -> None:
        assert self.remediator.kind.isidentifier()
        assert self.remediator.section.model_json_schema()["description"]
