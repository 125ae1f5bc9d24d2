"""Which answers to a write are holds, and what they keep from going on."""

import pytest

from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.decision import Judged
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Edit, Milestone
from homeostat.core.plan import Action, Verb
from homeostat.core.refusal import refusal, refused, waits_for_refused, without_refused

pytestmark = pytest.mark.unit

NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg")
READY = frozenset({Milestone.EGRESS_ALLOWED})
LOCKED = ArmError(409, "ScopeLocked", "no", ErrorClass.LOCKED, Executed.NO)


def edit(name: str, *, after: frozenset[Milestone] = frozenset(), reaches: frozenset[Milestone] = frozenset()) -> Edit:
    rule, path = NSG.child("securityRules", name), ("properties", "access")
    return Edit(Drift("nsg_rules", rule, path, name, "Allow", "Deny"), path, "Allow", after=after, reaches=reaches)


def write(*edits: Edit) -> Action:
    return Action(edits[0].resource, SECURITY_RULE, Verb.PUT, edits)


@pytest.mark.parametrize("error_class", ErrorClass)
def test_only_rules_of_azure_are_holds(error_class: ErrorClass) -> None:
    hold = refusal(ArmError(409, "Code", "no", error_class, Executed.NO))
    codes = {ErrorClass.LOCKED: "locked", ErrorClass.DENIED: "not-authorized", ErrorClass.POLICY: "policy-denied"}
    assert (hold.code if hold else None) == codes.get(error_class)


def test_a_write_that_was_accepted_and_may_not_be_followed_is_no_hold() -> None:
    assert refusal(ArmError(403, "AuthorizationFailed", "no", ErrorClass.DENIED, Executed.MAYBE)) is None


def test_what_was_refused_stands_in_the_way_of_what_waits_for_it_with_its_numbers() -> None:
    first, second = edit("a", reaches=READY), edit("b")
    hold = refusal(LOCKED)
    assert hold is not None
    judged = without_refused(Judged((), (first, second)), refused(write(first), hold))
    assert judged.edits == (second,)
    assert judged.withheld == READY
    (blocked,) = judged.blocked
    assert (blocked.hold.code, blocked.hold.numbers) == ("locked", {"status": 409, "code": "ScopeLocked"})


def test_a_planned_write_waits_where_what_it_waits_for_was_refused() -> None:
    first, waiting, other = write(edit("a", reaches=READY)), write(edit("b", after=READY)), write(edit("c"))
    hold = refusal(LOCKED)
    assert hold is not None
    plan, refusals = (first, waiting, other), refused(first, hold)
    assert [waits_for_refused(each, refusals, plan) for each in plan] == [False, True, False]
    assert not waits_for_refused(waiting, {}, plan)
