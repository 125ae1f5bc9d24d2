"""Never more is reserved than a cap says, in whatever order it is asked for; what does not fit whole is held whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.gate.caps import (
    CAP_FLEET,
    CAP_RESOURCE,
    CAP_RUN,
    over_hour,
    over_resource,
    over_run,
    within_caps,
)
from homeostat.core.gate.situation import History, Situation
from homeostat.core.ids import ResourceId
from homeostat.core.limits import Caps
from homeostat.core.model import Mode
from homeostat.core.plan import Action, Plan, Verb
from homeostat.core.policy import Policy
from homeostat.core.uses import (
    HourUse,
    Minutes,
    RunUse,
    hour_from_json,
    hour_to_json,
    minute_of,
    run_from_json,
    run_to_json,
    with_plan,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DECLARED = 100


def nsg(number: int) -> ResourceId:
    return ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, f"nsg-{number}")


def plan(root: int = 0, writes: int = 1, *, same: bool = False) -> Plan:
    """A plan of so many writes: to as many rules, or all to the same."""
    rules = [nsg(root).child("securityRules", "one" if same else f"rule-{each}") for each in range(writes)]
    return Plan(nsg(root), actions=tuple(Action(rule, NETWORK_SECURITY_GROUP, Verb.PUT, ()) for rule in rules))


type Asked = tuple[int, int, int]  # minutes since the one before, root, writes

asked = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.integers(1, 6)), max_size=40)


@given(asked=asked, limit=st.integers(1, 20), roots=st.integers(1, 5))
def test_in_no_hour_more_is_reserved_over_the_fleet_than_the_cap_says(
    asked: Sequence[Asked], limit: int, roots: int
) -> None:
    caps = Caps(writes_per_hour=limit, share_per_hour=0, roots_at_least=roots)
    use, now = HourUse(), NOW
    made: list[tuple[datetime, int, int]] = []
    for pause, root, writes in asked:
        now += timedelta(minutes=pause)
        if over_hour(plan(root, writes), use, caps, DECLARED, now) is None:
            use = hour_from_json(hour_to_json(use.with_plan(plan(root, writes), now)))
            made.append((now, root, writes))
        within = [(root, writes) for at, root, writes in made if now - HOUR <= at <= now]
        assert sum(writes for _, writes in within) <= limit
        assert len({root for root, _ in within}) <= roots


@given(asked=asked, limit=st.integers(1, 20), roots=st.integers(1, 5), word=st.none() | st.integers(1, 30))
def test_a_run_never_makes_more_writes_than_its_cap_or_a_persons_word(
    asked: Sequence[Asked], limit: int, roots: int, word: int | None
) -> None:
    caps = Caps(writes_per_run=limit, share_per_run=0, roots_at_least=roots)
    use = RunUse()
    for _, root, writes in asked:
        if over_run(plan(root, writes), use, caps, DECLARED, word) is None:
            use = run_from_json(run_to_json(use.with_plan(plan(root, writes))))
    assert use.writes <= (word or limit)
    assert word is not None or len(use.roots) <= roots


@given(asked=asked, limit=st.integers(1, 10))
def test_in_no_hour_a_resource_is_written_more_often_than_the_cap_says(asked: Sequence[Asked], limit: int) -> None:
    caps = Caps(writes_per_resource_and_hour=limit)
    reserved: Minutes = {}
    now, made = NOW, list[tuple[datetime, int]]()
    for pause, _, writes in asked:
        now += timedelta(minutes=pause)
        if over_resource(plan(0, writes, same=True), reserved, caps, now) is None:
            reserved = with_plan(reserved, plan(0, writes, same=True), now)
            made.append((now, writes))
        assert sum(writes for at, writes in made if now - HOUR <= at) <= limit


@given(asked=asked, limit=st.integers(1, 10), wanted=st.integers(1, 6))
def test_at_the_time_that_a_hold_names_there_is_room_and_not_before(
    asked: Sequence[Asked], limit: int, wanted: int
) -> None:
    caps = Caps(writes_per_hour=limit, roots_at_least=DECLARED)
    use, now = HourUse(), NOW
    for pause, root, writes in asked:
        now += timedelta(minutes=pause)
        if over_hour(plan(root, writes), use, caps, DECLARED, now) is None:
            use = use.with_plan(plan(root, writes), now)
    hold = over_hour(plan(9, wanted), use, caps, DECLARED, now)
    if hold is None:
        return
    assert (hold.retry_at is None) is (wanted > limit)
    if hold.retry_at is not None:
        assert over_hour(plan(9, wanted), use, caps, DECLARED, hold.retry_at) is None
        assert over_hour(plan(9, wanted), use, caps, DECLARED, hold.retry_at - timedelta(seconds=1)) is not None


def test_a_hold_says_what_is_allowed_what_was_used_and_what_was_wanted() -> None:
    caps = Caps(writes_per_run=5, writes_per_hour=5, writes_per_resource_and_hour=2)
    run, hour = RunUse().with_plan(plan(0, 4)), HourUse().with_plan(plan(0, 4), NOW)
    by_run = over_run(plan(1, 2), run, caps, DECLARED, None)
    by_hour = over_hour(plan(1, 2), hour, caps, DECLARED, NOW)
    twice = with_plan({}, plan(0, 2, same=True), NOW)
    by_resource = over_resource(plan(0, 1, same=True), twice, caps, NOW)
    assert by_run is not None
    assert by_hour is not None
    assert by_resource is not None
    assert (by_run.code, dict(by_run.numbers), by_run.retry_at) == (
        CAP_RUN,
        {"limit": 5, "used": 4, "wanted": 2},
        None,
    )
    assert (by_hour.code, dict(by_hour.numbers), by_hour.retry_at) == (
        CAP_FLEET,
        {"limit": 5, "used": 4, "wanted": 2},
        NOW + timedelta(minutes=61),
    )
    assert (by_resource.code, dict(by_resource.numbers)) == (CAP_RESOURCE, {"limit": 2, "used": 2, "wanted": 1})
    assert "one was written 2 times" in by_resource.message


def test_a_cap_allows_exactly_as_much_as_it_says_and_nothing_more() -> None:
    limits = {"writes_per_run": 5, "writes_per_hour": 5, "writes_per_resource_and_hour": 2, "roots_at_least": 2}
    caps = Caps.model_validate({**limits, "share_per_run": 0, "share_per_hour": 0})
    run, hour = RunUse().with_plan(plan(0, 3)), HourUse().with_plan(plan(0, 3), NOW)
    once = with_plan({}, plan(0, 1, same=True), NOW)
    for wanted, is_held in ((2, False), (3, True)):
        assert (over_run(plan(1, wanted), run, caps, DECLARED, None) is not None) is is_held
        assert (over_hour(plan(1, wanted), hour, caps, DECLARED, NOW) is not None) is is_held
        assert (over_resource(plan(0, wanted - 1, same=True), once, caps, NOW) is not None) is is_held
    run, hour = run.with_plan(plan(1)), hour.with_plan(plan(1), NOW)  # of two roots the third is too many
    assert over_run(plan(2), run, caps, DECLARED, None) is not None
    assert over_hour(plan(2), hour, caps, DECLARED, NOW) is not None


def test_a_root_that_was_written_to_before_takes_no_more_of_the_share() -> None:
    caps = Caps(share_per_run=0.01, share_per_hour=0.01, roots_at_least=0)
    run, hour = RunUse().with_plan(plan(0)), HourUse().with_plan(plan(0), NOW)
    assert over_run(plan(0), run, caps, DECLARED, None) is None
    assert over_hour(plan(0), hour, caps, DECLARED, NOW) is None
    held = over_run(plan(1), run, caps, DECLARED, None), over_hour(plan(1), hour, caps, DECLARED, NOW)
    assert [hold.code for hold in held if hold] == [CAP_RUN, CAP_FLEET]


@pytest.mark.parametrize(("declared", "roots"), [(1, 30), (13, 30), (120, 30), (1000, 250)])
def test_small_fleets_have_the_floor_in_the_place_of_the_share(declared: int, roots: int) -> None:
    assert Caps().roots_per_run(declared) == roots


def test_the_guard_asks_all_three_and_what_a_clock_ahead_has_reserved_counts() -> None:
    ahead = HourUse({minute_of(NOW) + 3: 500})
    for history, code in (
        (History(run=RunUse(writes=200)), CAP_RUN),
        (History(hour=ahead), CAP_FLEET),
        (History(reserved=with_plan({}, plan(0, 10, same=True), NOW)), CAP_RESOURCE),
    ):
        situation = Situation(NOW, Mode.ENFORCE, {}, (), policy=Policy(policy="fleet"), history=history)
        hold = within_caps(plan(0, 1, same=True), situation)
        assert hold is not None
        assert hold.code == code


@pytest.mark.parametrize("broken", [{}, {"writes": "3", "roots": []}, {"writes": 3}])
def test_what_cannot_be_read_is_not_taken_for_nothing(broken: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="use"):
        run_from_json(broken)
    with pytest.raises(ValueError, match="use"):
        hour_from_json({**broken, "roots": 3})
