"""A guard holds a repair back with its reason; the most cautious word wins, and a guard that fails holds too."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.approvals import Approval
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.gate.approval import APPROVAL_NEEDED
from homeostat.core.gate.passing import EDIT_GUARDS, GUARD_ERROR, guard_edits, guard_plan
from homeostat.core.gate.situation import FLEET, Pause, Situation, Surroundings
from homeostat.core.gate.standing import MODE_ALERT, PAUSED, RETEST
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.model import Declared, Drift, Edit, Found, Mode, Place, Want
from homeostat.core.plan import Action, Hold, Plan, Verb
from homeostat.core.retest import Retest

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
NSG = ResourceId.of("s", "rg-flask", NETWORK_SECURITY_GROUP.name, "nsg-shared")
MODES = list(Mode)
ASKED = Approval("id", NSG.text, ("app-a",), (), NOW + timedelta(hours=1))
CALM = Surroundings(NSG, Found({}), deployments=Found({"value": []}))


def want(items: Mapping[str, Mode], mode: Mode = Mode.ENFORCE) -> Want[int]:
    declared = {name: Declared(1, mode, ("app-a",), Place("spec", 1)) for name, mode in items.items()}
    return Want(NSG, declared, mode=mode)


def edit(item: str = "rule", recreate: bool | None = None) -> Edit:
    return Edit(Drift("nsg_rules", NSG, ("properties", item), item, "want", "have"), (), "want", recreate=recreate)


def situation(
    mode: Mode = Mode.ENFORCE, cap: Mode = Mode.ENFORCE, pauses: tuple[Pause, ...] = (), *, create: bool = False
) -> Situation:
    wants = {"nsg_rules": want({"rule": mode})}
    return Situation(NOW, cap, wants, ("app-a", "app-b"), pauses, create, approval=ASKED, surroundings=CALM)


def pause(target: str, minutes: float = 60, reason: str = "") -> Pause:
    return Pause(target, NOW + timedelta(minutes=minutes), reason, "Anna")


def codes(edits: list[Edit], given_situation: Situation) -> list[str]:
    _, held = guard_edits(edits, given_situation)
    return [entry.hold.code for _, entry in held]


@given(mode=st.sampled_from(MODES), cap=st.sampled_from(MODES))
def test_only_what_spec_and_cap_both_enforce_is_written(mode: Mode, cap: Mode) -> None:
    allowed, held = guard_edits([edit()], situation(mode, cap))
    assert bool(allowed) is (mode is cap is Mode.ENFORCE)
    assert [entry.hold.code for _, entry in held] == ([] if allowed else [MODE_ALERT])


def test_the_cap_is_named_where_it_holds_and_the_spec_where_that_does() -> None:
    _, ((_, by_cap),) = guard_edits([edit()], situation(cap=Mode.ALERT))
    _, ((_, by_spec),) = guard_edits([edit()], situation(mode=Mode.ALERT))
    assert "HOMEOSTAT_MODE" in by_cap.hold.message
    assert "spec" in by_spec.hold.message


def test_an_item_may_be_held_while_its_neighbour_goes_on() -> None:
    wants = {"nsg_rules": want({"a": Mode.ENFORCE, "b": Mode.ALERT})}
    allowed, held = guard_edits(
        [edit("a"), edit("b")], Situation(NOW, Mode.ENFORCE, wants, ("app-a",), surroundings=CALM)
    )
    assert [each.drift.item for each in allowed] == ["a"]
    assert [each.drift.item for each, _ in held] == ["b"]


def test_what_belongs_to_no_item_goes_by_the_mode_of_its_section() -> None:
    wants = {"nsg_rules": want({"a": Mode.ENFORCE}, Mode.ALERT)}
    assert codes([edit("")], Situation(NOW, Mode.ENFORCE, wants, ("app-a",), surroundings=CALM)) == [MODE_ALERT]


@pytest.mark.parametrize("owner", ["app-a", "app-b", FLEET])
def test_the_pause_of_any_owner_holds_a_shared_root(owner: str) -> None:
    assert codes([edit()], situation(pauses=(pause(owner),))) == [PAUSED]


@pytest.mark.parametrize("other", [pause("app-c"), pause("app-a", 0), pause("app-a", -5), pause("APP-A"), pause("")])
def test_a_pause_of_another_target_or_one_that_has_ended_holds_nothing(other: Pause) -> None:
    assert codes([edit()], situation(pauses=(other,))) == []


def test_the_last_of_several_pauses_says_when_to_look_again() -> None:
    pauses = (pause("app-a", 10), pause(FLEET, 60, "freeze"), pause("app-b", 30))
    _, ((_, held),) = guard_edits([edit()], situation(pauses=pauses))
    assert held.hold.retry_at == NOW + timedelta(minutes=60)
    assert held.hold.numbers["pauses"] == 3
    assert "freeze" in held.hold.message


@pytest.mark.parametrize(
    ("recreate", "create", "held"),
    [(None, False, []), (True, False, []), (False, True, []), (False, False, [APPROVAL_NEEDED])],
)
def test_a_container_is_created_by_the_specs_word_or_a_persons(
    recreate: bool | None, *, create: bool, held: list[str]
) -> None:
    assert codes([edit(recreate=recreate)], situation(create=create)) == held


def test_nobodys_word_lifts_a_pause_or_a_mode() -> None:
    forced = situation(pauses=(pause(FLEET),), create=True)
    assert codes([edit(recreate=False)], forced) == [PAUSED]
    assert codes([edit(recreate=False)], situation(mode=Mode.ALERT, create=True)) == [MODE_ALERT]


def broken(_subject: object, _situation: Situation) -> Hold | None:
    raise ZeroDivisionError("secret numbers")


def never(_subject: object, _situation: Situation) -> Hold | None:
    return Hold("never", "never")


def test_a_guard_that_fails_holds_and_is_named() -> None:
    allowed, ((_, held),) = guard_edits([edit()], situation(), (*EDIT_GUARDS, broken))
    assert allowed == ()
    assert (held.hold.code, held.hold.numbers) == (GUARD_ERROR, {"guard": "broken"})
    assert "secret numbers" not in held.hold.message


def test_a_kind_that_nobody_wants_is_held_by_the_failing_guard() -> None:
    assert codes([edit()], Situation(NOW, Mode.ENFORCE, {}, ())) == [GUARD_ERROR]


def test_the_first_hold_is_the_one_that_is_told() -> None:
    _, ((_, held),) = guard_edits([edit()], situation(), (never, broken))
    assert held.hold.code == "never"


def test_a_plan_without_actions_needs_no_guard_and_one_with_actions_meets_them_all() -> None:
    action = Action(NSG, NETWORK_SECURITY_GROUP, Verb.PUT, (edit(),))
    assert guard_plan(Plan(NSG), situation(), (broken,)) is None
    plan = Plan(NSG, actions=(action,))
    assert guard_plan(plan, situation(), ()) is None
    hold = guard_plan(plan, situation(), (broken, never))
    assert hold is not None
    assert hold.code == GUARD_ERROR


@given(
    modes=st.dictionaries(st.sampled_from("abc"), st.sampled_from(MODES), min_size=1),
    cap=st.sampled_from(MODES),
    pauses=st.lists(st.builds(pause, st.sampled_from(["app-a", "app-c", FLEET]), st.integers(-5, 5)), max_size=3),
)
def test_every_edit_is_either_allowed_or_held(modes: dict[str, Mode], cap: Mode, pauses: list[Pause]) -> None:
    edits = [edit(item) for item in modes]
    allowed, held = guard_edits(
        edits, Situation(NOW, cap, {"nsg_rules": want(modes)}, ("app-a",), tuple(pauses), surroundings=CALM)
    )
    assert {each.drift.key for each in (*allowed, *(each for each, _ in held))} == {each.drift.key for each in edits}
    assert len(allowed) + len(held) == len(edits)
    assert all(each.drift == entry.drift for each, entry in held)


# --- a re-test of routing ---


@pytest.mark.parametrize(
    ("kind", "item", "is_routing"),
    [
        ("route_all", "application_traffic", True),
        ("app_settings", "WEBSITE_VNET_ROUTE_ALL", True),
        ("app_settings", "REDIS_PORT", False),
        ("nsg_rules", "rule", False),
    ],
)
def test_while_a_retest_runs_only_routing_is_held_and_only_until_its_deadline(
    kind: str, item: str, *, is_routing: bool
) -> None:
    repair = Edit(Drift(kind, NSG, ("properties", item), item, "on", "off"), (), "on")
    running = Retest("app-a", NOW + timedelta(minutes=10), "why", "Anna")
    wants = {kind: want({item: Mode.ENFORCE})}
    during = Situation(NOW, Mode.ENFORCE, wants, ("app-a",), retest=running, surroundings=CALM)
    allowed, held = guard_edits([repair], during)
    assert (bool(held), bool(allowed)) == (is_routing, not is_routing)
    assert [(entry.hold.code, entry.hold.retry_at) for _, entry in held] == [(RETEST, running.deadline)] * is_routing
    after = Situation(running.deadline, Mode.ENFORCE, wants, ("app-a",), retest=running, surroundings=CALM)
    assert guard_edits([repair], after) == ((repair,), ())


def test_a_container_whose_edit_forgets_the_word_is_not_created_unasked() -> None:
    forgetful = Edit(Drift("nsg_rules", NSG, (), "rule", "present", ABSENT), (), {"location": "westeurope"})
    assert codes([forgetful], situation()) == [APPROVAL_NEEDED]
    assert codes([forgetful], situation(create=True)) == []
