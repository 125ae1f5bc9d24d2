"""What goes on around a write: tags that pause, deployments and operations under way, and what could not be read."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, SITE, SLOT
from homeostat.core.gate.passing import EDIT_GUARDS, FIRST_GUARDS, GUARD_ERROR, guard_edits
from homeostat.core.gate.situation import Situation, Surroundings
from homeostat.core.gate.surroundings import PAUSE_TAG, pause_end
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Edit, Fact, Found, Gone, Mode, Read, Unreadable, Want
from homeostat.core.plan import Hold

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
HOUR, SOON = timedelta(hours=1), timedelta(minutes=2)
NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg")
RULE = NSG.child("securityRules", "allow")
APP = ResourceId.of("s", "rg", SITE.name, "app")
EDIT = Edit(Drift("nsg_rules", RULE, (), "allow", "want", "have"), ("properties", "access"), "Allow")
QUIET = Found({"value": []})


def hold(
    root: Fact | None = None,
    *,
    deployments: Fact | None = QUIET,
    bodies: Mapping[Any, Fact] | None = None,
    own: Unreadable | None = None,
    id_: ResourceId = NSG,
) -> Hold | None:
    """What holds an edit, with only this around it."""
    around = Surroundings(id_, root or Found({}), bodies or {}, deployments, own)
    situation = Situation(NOW, Mode.ENFORCE, {"nsg_rules": Want(id_, {})}, ("app",), surroundings=around)
    _, held = guard_edits([EDIT], situation)
    return held[0][1].hold if held else None


def told(found: Hold | None) -> tuple[str, datetime | None] | None:
    return (found.code, found.retry_at) if found else None


def tagged(text: Any, name: str = PAUSE_TAG) -> Found:
    return Found({"tags": {"team": "web", name: text}})


def failed(error_class: ErrorClass, status: int = 503, after: timedelta | None = None) -> Unreadable:
    return Unreadable(ArmError(status, "Code", "no", error_class, retry_after=after))


def test_what_nobody_has_looked_at_is_not_written() -> None:
    unseen = Situation(NOW, Mode.ENFORCE, {"nsg_rules": Want(NSG, {})}, ("app",))
    allowed, held = guard_edits([EDIT], unseen)
    assert (allowed, [entry.hold.code for _, entry in held]) == ((), [GUARD_ERROR])
    assert guard_edits([EDIT], unseen, FIRST_GUARDS) == ((EDIT,), ())
    assert set(FIRST_GUARDS) < set(EDIT_GUARDS)


def test_a_calm_place_holds_nothing() -> None:
    assert hold() is None
    assert hold(Gone(), deployments=Gone()) is None


# --- tags ---


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-03-01T06:00:00Z", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        ("2026-03-01T06:00+02:00", datetime(2026, 3, 1, 4, tzinfo=UTC)),
        (" 2026-03-01 06:00:00Z ", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_a_time_with_its_zone_or_a_date_pauses_until_then(text: str, end: datetime) -> None:
    assert pause_end(text) == end
    found = hold(tagged(text))
    assert found is not None
    assert (found.code, found.retry_at) == ("paused", min(end, NOW + HOUR))
    assert found.numbers == {
        "until": end.isoformat(),
        "days": (end - NOW).days,
        "tag": PAUSE_TAG,
        "resource": NSG.text,
    }


@pytest.mark.parametrize(
    "text",
    ["", "soon", "true", "2026-03-01T06:00:00", "01.03.2026", "2026-02-30", "9999-12-31T23:00:00-05:00", None, 7],
)
def test_a_tag_that_is_not_understood_holds_and_says_how_to_write_it(text: Any) -> None:
    found = hold(tagged(text))
    assert told(found) == ("pause-tag-unreadable", NOW + HOUR)
    assert found is not None
    assert "2030-01-31T06:00:00Z" in found.message


@given(st.text(max_size=30))
def test_no_text_of_a_tag_is_a_surprise(text: str) -> None:
    end = pause_end(text)
    found = hold(tagged(text))
    assert (end is None or end > NOW) == (found is not None)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - the zone is drawn beside it
def test_every_iso_time_with_a_zone_is_understood(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert pause_end(aware.isoformat()) == aware


@given(st.dates())
def test_a_date_ends_where_the_next_one_begins(day: date) -> None:
    end = pause_end(day.isoformat())
    assert end is not None
    assert (end.date(), end.time().isoformat()) == (day, "23:59:59.999999")


def test_a_tag_of_the_past_and_other_tags_hold_nothing() -> None:
    assert hold(tagged("2026-02-28")) is None
    assert hold(tagged("2030-01-01", "other")) is None
    assert hold(Found({"tags": None})) is None


def test_a_tags_name_is_the_same_in_any_case() -> None:
    assert told(hold(tagged("2027-01-01", "Homeostat-Pause-Until"))) == ("paused", NOW + HOUR)


def test_what_else_of_the_root_was_read_may_carry_it_and_other_roots_may_not() -> None:
    listing = Found({"value": [{"id": RULE.text, "tags": {PAUSE_TAG: "2027-01-01"}}, {"name": "no id"}]})
    assert told(hold(bodies={Read(SECURITY_RULE, NSG, every=True): listing})) == ("paused", NOW + HOUR)
    assert told(hold(bodies={Read(SECURITY_RULE, RULE): tagged("2027-01-01")})) == ("paused", NOW + HOUR)
    slot = {Read(SLOT, APP.child("slots", "staging")): tagged("2027-01-01")}
    assert hold(bodies=slot, id_=APP) is None


def test_the_last_of_several_tags_counts_and_one_that_is_not_understood_wins() -> None:
    short = {Read(SECURITY_RULE, RULE): tagged("2026-03-01T02:10:00Z")}
    assert told(hold(tagged("2026-03-01T02:20:00Z"), bodies=short)) == ("paused", NOW + timedelta(minutes=20))
    wrong = {Read(SECURITY_RULE, RULE): tagged("later")}
    assert told(hold(tagged("2026-03-02"), bodies=wrong)) == ("pause-tag-unreadable", NOW + HOUR)


@pytest.mark.parametrize(
    ("fact", "again"),
    [
        (failed(ErrorClass.TRANSIENT), SOON),
        (failed(ErrorClass.THROTTLED, 429, timedelta(minutes=9)), timedelta(minutes=9)),
        (failed(ErrorClass.DENIED, 403), HOUR),
    ],
)
def test_a_root_whose_tags_cannot_be_read_is_held(fact: Unreadable, again: timedelta) -> None:
    assert told(hold(fact)) == ("unreadable", NOW + again)


# --- what is under way ---


def running(name: str, since: Any, state: str = "Running") -> dict[str, Any]:
    return {"name": name, "properties": {"provisioningState": state, "timestamp": since}}


def ago(**amount: float) -> str:
    return (NOW - timedelta(**amount)).isoformat()


def test_a_running_deployment_holds_and_is_named_by_the_oldest() -> None:
    found = hold(deployments=Found({"value": [running("b", ago(minutes=1)), running("a", ago(minutes=5))]}))
    assert told(found) == ("deployment-in-progress", NOW + SOON)
    assert found is not None
    assert found.numbers == {"deployment": "a", "since": ago(minutes=5), "deployments": 2}


def test_a_deployment_of_over_two_hours_or_one_that_is_over_no_longer_holds() -> None:
    old = running("old", ago(hours=2))
    assert hold(deployments=Found({"value": [old, running("done", ago(minutes=1), "Succeeded")]})) is None
    assert told(hold(deployments=Found({"value": [running("x", ago(hours=1.99))]}))) is not None


@pytest.mark.parametrize("since", ["", "yesterday", None, "2026-03-01T01:59:08.9471203Z", "2026-03-01T01:59:08"])
def test_a_deployment_whose_time_is_odd_or_missing_holds(since: Any) -> None:
    assert told(hold(deployments=Found({"value": [running("x", since)]}))) == ("deployment-in-progress", NOW + SOON)


def test_deployments_that_cannot_be_read_hold_and_a_policy_that_ignores_them_does_not() -> None:
    denied = hold(deployments=failed(ErrorClass.DENIED, 403))
    assert told(denied) == ("deployments-unreadable", NOW + HOUR)
    assert denied is not None
    assert "deployments: ignore" in denied.message
    assert hold(deployments=None) is None


@pytest.mark.parametrize(
    ("properties", "held"),
    [
        ({"provisioningState": "Updating"}, True),
        ({"provisioningState": "InProgress"}, True),
        ({"inProgressOperationId": "53c5"}, True),
        ({"provisioningState": "Succeeded", "inProgressOperationId": None}, False),
        ({"provisioningState": "Failed"}, False),
    ],
)
def test_a_root_that_is_being_changed_waits(properties: dict[str, Any], *, held: bool) -> None:
    expected = ("deployment-in-progress", NOW + SOON) if held else None
    assert told(hold(Found({"properties": properties}))) == expected


def test_before_it_is_known_what_homeostat_runs_on_nothing_is_written() -> None:
    assert told(hold(own=failed(ErrorClass.TRANSIENT))) == ("unreadable", NOW + SOON)
