"""The declared identities are there; none is ever taken away."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Milestone, Mode, Scope, Verdict, Want
from homeostat.core.plan import Verb, merge
from remediators.identity import (
    REMEDIATOR,
    SYSTEM,
    USER_ASSIGNED_IDENTITY,
    IdentitySection,
    IdentityWant,
    SystemWant,
    UserWant,
)
from tests.remediators.contract import Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
MINE, SECOND, THEIRS = (
    resource(USER_ASSIGNED_IDENTITY, name, group="rg-identity") for name in ("id-flask", "id-second", "id-theirs")
)
TOLD = {"principalId": "5f0c", "clientId": "91aa"}


def site(*users: str, system: bool = False, spelled: str = "", **properties: Json) -> World:
    """`spelled` stands in for the identity's type."""
    names = [name for name, there in (("SystemAssigned", system), ("UserAssigned", bool(users))) if there]
    identity: dict[str, Json] = {"type": spelled or ", ".join(names)}
    if system:
        identity |= {"principalId": "77aa", "tenantId": "0011"}
    if users:
        identity["userAssignedIdentities"] = dict.fromkeys(users, TOLD)
    members: dict[str, Json] = {"identity": identity} if names or spelled else {}
    return {APP: body_of(APP, {"state": "Running", **properties}, location="West Europe", **members)}


def wanted(
    *users: ResourceId, system: bool | None = None, recreate: bool = False, modes: dict[str, Mode] | None = None
) -> Want[Any]:
    items: dict[str, IdentityWant] = {user.key: UserWant(user) for user in users}
    if system is not None:
        items[SYSTEM] = SystemWant(system, recreate)
    return want_of(APP, items, modes=modes or {})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    users = draw(st.lists(st.sampled_from([MINE, SECOND]), unique=True))
    system = draw(st.sampled_from([True, None] if users else [True]))
    foreign = [THEIRS.text] if draw(st.booleans()) else []
    spelled = [draw(st.sampled_from([user.text, user.text.lower(), user.text.upper()])) for user in users]
    there = site(*spelled, *foreign, system=bool(system))
    left = [user for user in spelled if draw(st.booleans())]
    broken = site(*left, *foreign, system=bool(system) and draw(st.booleans()))
    return Case(wanted(*users, system=system), there, broken)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """The site but for its identity, and of that the identities that nobody declares."""
        owned = {item.value.id.key for item in want.items.values() if isinstance(item.value, UserWant)}
        users = json.at(world[APP], ("identity", "userAssignedIdentities"))
        foreign = [name for name in users if name.lower() not in owned] if isinstance(users, dict) else []
        return [json.with_value(world[APP], ("identity",), ABSENT), foreign]


@pytest.mark.parametrize(
    ("want", "world"),
    [
        pytest.param(wanted(system=True), site(system=True), id="system-assigned"),
        pytest.param(wanted(system=True), site(THEIRS.text, system=True), id="both in one type"),
        pytest.param(wanted(system=True), site(spelled="SystemAssigned,UserAssigned"), id="both without a space"),
        pytest.param(wanted(system=True), site(spelled="systemassigned"), id="in lower case"),
        pytest.param(wanted(system=False), site(), id="none wanted, identity absent"),
        pytest.param(wanted(system=False), site(spelled="None"), id="none wanted, type None"),
        pytest.param(wanted(system=False), site(THEIRS.text), id="only a user-assigned one"),
        pytest.param(wanted(MINE), site(MINE.text.upper(), system=True), id="the id in capitals"),
        pytest.param(
            wanted(MINE),
            site(MINE.text.replace("resourceGroups", "resourcegroups")),
            id="the id as App Service spells it",
        ),
    ],
)
def test_what_only_looks_different_is_no_drift(want: Want[Any], world: World) -> None:
    assert look(REMEDIATOR, want, world).drifts == ()


@pytest.mark.parametrize("recreate", [True, False])
def test_a_system_assigned_identity_is_made_again_on_somebody_s_word_only(recreate: bool) -> None:
    seen = look(REMEDIATOR, wanted(system=True, recreate=recreate), site())
    (edit,) = seen.edits
    assert edit.recreate is recreate
    assert edit.reaches == {Milestone.IDENTITY_EXISTS}
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.body) == (Verb.PATCH, {"identity": {"type": "SystemAssigned"}})


def test_attaching_a_user_assigned_identity_keeps_all_others_and_needs_nobody_s_word() -> None:
    seen = look(REMEDIATOR, wanted(MINE), site(THEIRS.text, system=True))
    (edit,) = seen.edits
    assert edit.recreate is None
    (action,) = merge(seen.edits, seen.facts)
    assert action.body == {
        "identity": {
            "type": "SystemAssigned, UserAssigned",
            "userAssignedIdentities": {THEIRS.text: {}, MINE.text: {}},
        }
    }


@pytest.mark.parametrize(
    ("going", "type_"),
    [("both", "SystemAssigned, UserAssigned"), ("user", "UserAssigned"), ("system", "SystemAssigned, UserAssigned")],
)
def test_whichever_of_two_missing_identities_may_go_on_the_write_says_no_more_than_that(going: str, type_: str) -> None:
    modes = {MINE.key: Mode.ALERT} if going == "system" else {}
    seen = look(REMEDIATOR, wanted(MINE, system=True, modes=modes), site(THEIRS.text))
    allowed = [edit for edit in seen.edits if going == "both" or (edit.drift.item == SYSTEM) == (going == "system")]
    (action,) = merge(allowed, seen.facts)
    assert json.at(action.body, ("identity", "type")) == type_
    users = json.at(action.body, ("identity", "userAssignedIdentities"))
    assert users == ({THEIRS.text: {}} if going == "system" else {THEIRS.text: {}, MINE.text: {}})


def test_an_identity_that_is_not_to_be_there_is_told_and_never_removed() -> None:
    seen = look(REMEDIATOR, wanted(system=False), site(system=True))
    assert [(drift.want, drift.have) for drift in seen.drifts] == [(ABSENT, "SystemAssigned")]
    assert [obstacle.code for obstacle in seen.obstacles] == ["removal-by-hand"]
    assert seen.edits == ()


def test_a_difference_during_an_operation_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, wanted(MINE, system=True), site(inProgressOperationId="53c5536f"))
    assert {drift.verdict for drift in seen.drifts} == {Verdict.SETTLING}
    assert seen.answers == ()


def test_several_missing_identities_are_attached_by_one_write() -> None:
    world = site()
    seen = look(REMEDIATOR, wanted(MINE, SECOND), world)
    assert len(merge(seen.edits, seen.facts)) == 1
    assert look(REMEDIATOR, wanted(MINE, SECOND), healed(world, seen)).drifts == ()


# --- the section ---------------------------------------------------------------------------------------------------


def test_only_what_is_given_is_owned() -> None:
    scope = Scope(APP)
    assert REMEDIATOR.items(IdentitySection(), scope) == ()
    section = IdentitySection(system_assigned=True, user_assigned=("rg-identity:id-flask", THEIRS.text), recreate=True)
    assert REMEDIATOR.problems(section, scope) == ()
    assert {item.name: item.value for item in REMEDIATOR.items(section, scope)} == {
        SYSTEM: SystemWant(present=True, recreate=True),
        MINE.key: UserWant(MINE),
        THEIRS.key: UserWant(THEIRS),
    }


@pytest.mark.parametrize(
    ("users", "path"),
    [
        (("a/b",), ("user_assigned", 0)),
        ((APP.text,), ("user_assigned", 0)),
        (("id-a", "rg-flask:ID-A"), ("user_assigned", 1)),
    ],
)
def test_a_wrong_reference_is_a_problem_at_its_place(users: tuple[str, ...], path: tuple[str, int]) -> None:
    (problem,) = REMEDIATOR.problems(IdentitySection(user_assigned=users), Scope(APP))
    assert problem.path == path
