"""What needs a person's word, what exactly is approved, and what a link is worth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import approvals
from homeostat.core.approvals import (
    Approval,
    ApprovalRules,
    Containers,
    NotPending,
    Reason,
    Removals,
    State,
    creates_container,
    decided,
    from_json,
    identify,
    is_signed,
    reason,
    renewed,
    request,
    signature,
    to_json,
)
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.model import Drift, Edit, Verdict

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = b"k" * 32
NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg")
RULE = NSG.child("securityRules", "allow")


def edit(value: Any = "Allow", path: tuple[str, ...] = ("properties", "access"), **drift: Any) -> Edit:
    return Edit(Drift("nsg_rules", RULE, path, "allow", "want", "have", **drift), path, value)


CHANGE = edit()
REMOVAL = edit(ABSENT, (), verdict=Verdict.UNMANAGED)
FIELD_GOES = edit(ABSENT, ("properties", "description"))
UNMANAGED_FIELD_GOES = edit(ABSENT, ("properties", "THEIRS"), verdict=Verdict.UNMANAGED)


def container(recreate: bool | None) -> Edit:
    drift = Drift("nsg", NSG, (), "nsg", "present", ABSENT)
    return Edit(drift, (), {"location": "westeurope"}, recreate=recreate)


@pytest.mark.parametrize(
    ("subject", "rules", "create", "expected"),
    [
        (CHANGE, {}, False, None),
        (FIELD_GOES, {}, False, None),
        (REMOVAL, {}, False, Reason.REMOVAL),
        (REMOVAL, {}, True, Reason.REMOVAL),
        (UNMANAGED_FIELD_GOES, {}, False, Reason.REMOVAL),
        (REMOVAL, {"removals": Removals.NONE}, False, None),
        (container(recreate=False), {}, False, Reason.CONTAINER),
        (container(None), {}, False, Reason.CONTAINER),
        (container(recreate=False), {}, True, None),
        (container(recreate=True), {}, False, None),
        (container(recreate=True), {"containers": Containers.ALWAYS}, False, Reason.CONTAINER),
        (container(recreate=True), {"containers": Containers.ALWAYS}, True, None),
    ],
)
def test_an_edit_needs_approval_for_the_reason_that_the_rules_name(
    subject: Edit, rules: dict[str, Any], *, create: bool, expected: Reason | None
) -> None:
    assert reason(subject, ApprovalRules(**rules), frozenset(), create=create) is expected
    marked = reason(subject, ApprovalRules(**rules), frozenset({"nsg", "nsg_rules"}), create=create)
    assert marked is Reason.MARKED


def whole(of: ResourceId, have: Any, value: Any, path: tuple[str, ...] = ()) -> Edit:
    return Edit(Drift("nsg", of, path, "nsg", "present", have), path, value)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (whole(NSG, ABSENT, {"location": "westeurope"}), True),
        (container(recreate=True), True),
        (whole(RULE, ABSENT, {"properties": {}}), False),
        (whole(NSG, ABSENT, "value", ("tags", "owner")), False),
        (whole(NSG, "present", {"location": "westeurope"}), False),
        (whole(NSG, ABSENT, ABSENT), False),
    ],
    ids=["all of it", "says so", "a leaf", "a field", "it is there", "nothing"],
)
def test_an_edit_creates_a_container_that_is_absent_also_where_it_does_not_say_so(
    subject: Edit, *, expected: bool
) -> None:
    assert creates_container(subject) is expected


# --- the id ---


def test_the_id_is_of_the_root_and_of_every_value_whatever_the_order() -> None:
    one, other = edit("Allow"), edit("*", ("properties", "protocol"))
    assert identify(NSG, [one, other], KEY) == identify(NSG, [other, one], KEY)
    different = [
        identify(NSG, [one, other], KEY),
        identify(NSG, [one], KEY),
        identify(NSG, [edit("Deny")], KEY),
        identify(NSG, [edit(ABSENT)], KEY),
        identify(NSG, [edit(None)], KEY),
        identify(NSG, [one], b"another key"),
        identify(RULE, [one], KEY),
    ]
    assert len(set(different)) == len(different)


@given(st.text(), st.text())
def test_two_values_never_share_an_id(one: str, other: str) -> None:
    assert (identify(NSG, [edit(one)], KEY) == identify(NSG, [edit(other)], KEY)) is (one == other)


def test_all_requests_of_a_root_begin_alike_and_those_of_others_do_not() -> None:
    first = approvals.prefix(NSG)
    assert identify(NSG, [edit()], KEY).startswith(first)
    assert not identify(RULE, [edit()], KEY).startswith(first)


def test_the_value_that_is_written_is_not_part_of_what_is_kept() -> None:
    secret = Edit(
        Drift("app_settings", RULE, ("properties", "PASSWORD"), "PASSWORD", "(secret)", ABSENT), (), "hunter2"
    )
    asked = request("id", NSG, ("app",), [secret], NOW + DAY)
    assert "hunter2" not in str(to_json(asked)) + repr(asked)
    assert from_json(to_json(asked)) == asked


def test_a_request_says_whether_something_is_created_removed_or_changed() -> None:
    changes = request("id", NSG, ("app",), [CHANGE, REMOVAL, container(recreate=False)], NOW + DAY).changes
    assert sorted((change.does, change.kind) for change in changes) == [
        ("change", "nsg_rules"),
        ("create", "nsg"),
        ("remove", "nsg_rules"),
    ]


# --- a word ---


def asked(state: State = State.PENDING, expires: datetime = NOW + DAY) -> Approval:
    return Approval("id", NSG.text, ("app",), (), expires, state)


@pytest.mark.parametrize(
    ("state", "yes", "after"),
    [
        (State.PENDING, True, State.APPROVED),
        (State.PENDING, False, State.REJECTED),
        (State.APPROVED, True, State.APPROVED),
        (State.APPROVED, False, State.REJECTED),  # a word may be taken back until it is used
        (State.REJECTED, False, State.REJECTED),
    ],
)
def test_a_word_counts_until_the_request_is_used(state: State, *, yes: bool, after: State) -> None:
    found = decided(asked(state), yes=yes, by="Anna", now=NOW, valid_for=2 * DAY)
    assert found.state is after
    assert found.allows(NOW) is (after is State.APPROVED)
    if state is not after:
        assert (found.by, found.at, found.expires) == ("Anna", NOW, NOW + (2 * DAY if yes else DAY))


@pytest.mark.parametrize(("state", "yes"), [(State.REJECTED, True), (State.USED, True), (State.USED, False)])
def test_what_is_rejected_or_used_cannot_be_approved(state: State, *, yes: bool) -> None:
    with pytest.raises(NotPending):
        decided(asked(state), yes=yes, by="Anna", now=NOW, valid_for=DAY)


@pytest.mark.parametrize("state", State)
def test_nothing_can_be_decided_or_is_allowed_after_its_time(state: State) -> None:
    late = asked(state, expires=NOW)
    assert not late.allows(NOW)
    with pytest.raises(NotPending, match="expired"):
        decided(late, yes=True, by="Anna", now=NOW, valid_for=DAY)


def test_what_is_used_or_too_old_is_asked_anew_and_anything_else_stays() -> None:
    fresh = asked()
    for known in (None, asked(State.USED), asked(State.APPROVED, NOW), asked(State.REJECTED, NOW)):
        assert renewed(known, fresh, NOW) is fresh
    for known in (asked(expires=NOW + 2 * DAY), asked(State.APPROVED), asked(State.REJECTED)):
        assert renewed(known, fresh, NOW) is known


# --- the link ---


@given(st.text(max_size=80))
def test_a_made_up_signature_is_refused(given_text: str) -> None:
    assert not is_signed("id", NOW, given_text, KEY)


def test_a_link_is_good_for_its_request_its_time_and_its_key() -> None:
    right = signature("id", NOW, KEY)
    assert is_signed("id", NOW, right, KEY)
    assert not is_signed("other", NOW, right, KEY)
    assert not is_signed("id", NOW + timedelta(seconds=1), right, KEY)
    assert not is_signed("id", NOW, right, b"another key")
