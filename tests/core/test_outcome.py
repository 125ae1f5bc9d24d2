"""How an outcome is told: nothing secret in it, nothing lost, and every status in its order."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_types import SITE_CONFIG
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Value
from homeostat.core.model import Disruption, Drift, Edit
from homeostat.core.outcome import (
    Outcome,
    Status,
    Trigger,
    drift_json,
    is_worth_a_line,
    ledger_entry,
    outcome_json,
    worst,
)
from homeostat.core.plan import Action, Held, Hold, Plan, Verb
from homeostat.core.record import Intent

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTINGS = ResourceId.of("s", "rg-flask", SITE_CONFIG.name, "app-flask", "appsettings")


def drift(want: Value = "new", have: Value = "old") -> Drift:
    return Drift("app_settings", SETTINGS, ("properties", "NAME"), "NAME", want, have)


def action(*edits: Edit) -> Action:
    return Action(SETTINGS, SITE_CONFIG, Verb.PUT, edits, {"properties": {"OTHER": "their secret"}})


def edit(of: Drift, disruption: Disruption = Disruption.RESTART) -> Edit:
    return Edit(of, ("properties", "NAME"), "the value that is written", disruption)


@given(st.lists(st.sampled_from(Status)))
def test_the_worst_of_several_is_the_last_in_the_order(statuses: list[Status]) -> None:
    found = worst(statuses)
    assert all(list(Status).index(status) <= list(Status).index(found) for status in statuses)
    assert found in (statuses or [Status.IN_SYNC])


def test_what_is_absent_is_left_out_and_null_is_kept() -> None:
    assert drift_json(drift(want=ABSENT, have=None)) == {
        "kind": "app_settings",
        "resource": SETTINGS.text,
        "path": "properties/NAME",
        "verdict": "drifted",
        "item": "NAME",
        "have": None,
    }


def test_bodies_and_written_values_are_never_told() -> None:
    outcome = Outcome(
        SETTINGS, Status.HEALED, Plan(SETTINGS, actions=(action(edit(drift())),)), (action(edit(drift())),), ("c",)
    )
    told = json.dumps(ledger_entry(outcome, Trigger("event"), ("app",), NOW))
    assert "their secret" not in told
    assert "the value that is written" not in told


def test_a_write_is_told_by_what_it_repairs_with_its_correlation_id() -> None:
    both = action(edit(drift()), edit(drift()), edit(drift(), Disruption.CONNECTIVITY))
    shown = outcome_json(Outcome(SETTINGS, Status.HEALED, Plan(SETTINGS), (both,), ("c-1",)))
    assert shown["written"] == [
        {
            "verb": "PUT",
            "resource": SETTINGS.text,
            "disruption": "connectivity",
            "repairs": [drift_json(drift())],
            "correlationId": "c-1",
        }
    ]


def test_holds_and_times_are_told() -> None:
    hold = Hold("paused", "until later", {"pauses": 2}, NOW)
    plan = Plan(SETTINGS, (drift(),), held=(Held(drift(), hold),))
    shown = outcome_json(Outcome(SETTINGS, Status.HELD, plan, retry_at=NOW, took=timedelta(seconds=1.2345)))
    assert shown["held"] == [
        {
            "drift": drift_json(drift()),
            "code": "paused",
            "message": "until later",
            "numbers": {"pauses": 2},
            "retryAt": NOW.isoformat(),
        }
    ]
    assert (shown["retryAt"], shown["tookMs"]) == (NOW.isoformat(), 1234)


def test_an_entry_says_for_whom_and_what_was_left_unfinished() -> None:
    outcome = Outcome(SETTINGS, Status.IN_SYNC, Plan(SETTINGS))
    trigger = Trigger("manual", ("run",), "Anna", "why")
    begun = Intent("i", NOW, ("PUT x",), ("app_settings",), snapshots=("s",))
    entry = ledger_entry(outcome, trigger, ("a", "b"), NOW, begun)
    assert entry["trigger"] == {"cause": "manual", "hints": ["run"], "caller": "Anna", "reason": "why"}
    assert entry["unfinished"] == {"begunAt": NOW.isoformat(), "actions": ["PUT x"], "snapshots": ["s"]}
    assert "unfinished" not in ledger_entry(outcome, trigger, (), NOW)


def test_only_what_drifted_or_failed_is_worth_a_line() -> None:
    quiet = {status for status in Status if not is_worth_a_line(Outcome(SETTINGS, status, Plan(SETTINGS)))}
    assert quiet == {Status.IN_SYNC, Status.IGNORED, Status.BUSY, Status.PLANNED}
