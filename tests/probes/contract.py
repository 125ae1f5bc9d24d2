"""What every kind that only reports promises: the part of a remediator's contract that needs no repair."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_errors import ArmError
from homeostat.core.model import AnyRemediator, Drift, Fact, Facts, Query, Read, Unreadable, Verdict, Want
from homeostat.core.probes import Probe, Probed, Result
from tests.remediators.contract import LOCKED
from tests.remediators.world import World, answer, reversed_everywhere

type Network = Mapping[Probe, Probed]
"""What the network answers; it is silent about all else."""


@dataclass(frozen=True, slots=True)
class Case:
    """A desired state, and a world and network that are in it or, as `wrong` items say, are not."""

    want: Want[Any]
    world: World
    network: Network
    wrong: frozenset[str] = frozenset()


def gather(
    remediator: AnyRemediator, want: Want[Any], world: World, network: Network, refused: ArmError | None = None
) -> Facts:
    facts: dict[Query, Fact] = {}
    for _ in range(4):
        for query in remediator.reads(want, facts) - facts.keys():
            if not isinstance(query, Read):
                facts[query] = network.get(query, Probed(Result.TIMED_OUT))
            else:
                facts[query] = Unreadable(refused) if refused else answer(world, query)
    assert remediator.reads(want, facts) <= facts.keys(), "reads must come to an end within four stages"
    return facts


def look(remediator: AnyRemediator, case: Case, refused: ArmError | None = None) -> tuple[Drift, ...]:
    """The drifts. There is never an edit."""
    have = remediator.observe(case.want, gather(remediator, case.want, case.world, case.network, refused))
    assert remediator.edits(case.want, have) == ()
    return remediator.diff(case.want, have)


class ProbeContract(ABC):
    """Inherit it in a class called TestContract, and say what `cases` are."""

    remediator: ClassVar[AnyRemediator]

    def __init_subclass__(cls) -> None:
        for name, check in vars(ProbeContract).items():
            if name.startswith("holds_"):
                own = FunctionType(check.__code__, check.__globals__, name.replace("holds_", "test_", 1))
                own.__annotations__ = check.__annotations__
                setattr(cls, own.__name__, given(case=cls.cases())(own))

    @staticmethod
    @abstractmethod
    def cases() -> st.SearchStrategy[Case]: ...

    def holds_exactly_what_is_wrong_is_reported(self, case: Case) -> None:
        drifts = look(self.remediator, case)
        assert {drift.item for drift in drifts} == case.wrong
        assert {drift.verdict for drift in drifts} <= {Verdict.DRIFTED}
        assert all(drift.note for drift in drifts)

    def holds_the_answer_does_not_depend_on_any_order(self, case: Case) -> None:
        world = {key: reversed_everywhere(case.world[key]) for key in reversed(list(case.world))}
        items = {name: case.want.items[name] for name in reversed(list(case.want.items))}
        turned = replace(case, want=replace(case.want, items=items), world=world)
        assert look(self.remediator, turned) == look(self.remediator, case)

    def holds_drifts_are_sorted_and_no_two_have_one_key(self, case: Case) -> None:
        keys = [drift.key for drift in look(self.remediator, case)]
        assert keys == sorted(set(keys))

    def holds_from_elsewhere_everything_is_unknown(self, case: Case) -> None:
        network = dict.fromkeys(case.network, Probed(Result.ELSEWHERE))
        drifts = look(self.remediator, replace(case, network=network))
        assert {drift.verdict for drift in drifts} <= {Verdict.UNKNOWN}
        assert {drift.item for drift in drifts} == set(case.want.items)

    def holds_what_cannot_be_read_is_unknown_and_not_wrong(self, case: Case) -> None:
        drifts = look(self.remediator, case, refused=LOCKED)
        assert all(drift.verdict is Verdict.UNKNOWN for drift in drifts if "locked" in drift.note)
        assert {drift.verdict for drift in drifts if drift.path[0] != "health_url"} <= {Verdict.UNKNOWN}

    def test_its_name_is_its_section_s_name_in_the_spec(self) -> None:
        assert self.remediator.kind.isidentifier()
        assert self.remediator.section.model_json_schema()["description"]
