"""What is remembered and told after a reconcile: every transition of an episode once, and nothing that nobody knows."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import alerts
from homeostat.core.alerts import FAILURES_BEFORE_ALERT, AlertType
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.gate.standing import CONTAINER_GONE, MODE_ALERT
from homeostat.core.model import Mode, Verdict
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Plan
from homeostat.core.record import BlindWrite, Intent, RootRecord
from tests.core.concluded import (
    FAILED,
    FORBIDDEN,
    IN_SYNC,
    MINUTE,
    NOW,
    NSG,
    ROOT,
    UNREADABLE,
    drift,
    follow,
    found,
    held,
    missing,
    root_of,
    types,
)
from tests.support.writes import foreign

pytestmark = pytest.mark.unit


# --- drift ---


def test_a_drift_is_told_when_it_is_found_and_when_it_is_repaired() -> None:
    record, told = follow(found(drift()), found(status=Status.HEALED, written=[drift()]))
    assert types(told) == ["DriftDetected nsg_rules", "Remediated nsg_rules"]
    assert told[1].data["by"] == "homeostat"
    assert told[0].data["episode"] == told[1].data["episode"]
    assert told[0].subject == NSG.text
    assert record.episodes == {}


def test_the_same_drift_is_told_once_however_often_it_is_found() -> None:
    _, told = follow(*[found(drift())] * 5)
    assert types(told) == ["DriftDetected nsg_rules"]


def test_drift_that_changes_is_told_again_within_its_episode() -> None:
    _, told = follow(found(drift()), found(drift(have="Other")))
    assert types(told) == ["DriftDetected nsg_rules"] * 2
    assert told[0].id != told[1].id
    assert told[0].data["episode"] == told[1].data["episode"]
    assert told[1].data["openedAt"] == NOW.isoformat()


def test_a_drift_that_comes_back_is_an_episode_of_its_own() -> None:
    _, told = follow(found(drift()), IN_SYNC, found(drift()))
    assert types(told) == ["DriftDetected nsg_rules", "Remediated nsg_rules", "DriftDetected nsg_rules"]
    assert len({alert.id for alert in told}) == 3


def test_what_is_in_order_again_without_a_write_of_ours_was_repaired_by_somebody_else() -> None:
    _, told = follow(found(drift()), IN_SYNC)
    assert told[1].data["by"] == "somebody else"
    assert told[1].data["actions"] == []


@pytest.mark.parametrize(("kinds", "by"), [(("nsg_rules",), "homeostat"), (("app_settings",), "somebody else")])
def test_what_an_interrupted_reconcile_of_ours_began_is_ours(kinds: tuple[str, ...], by: str) -> None:
    record, _ = follow(found(drift()))
    _, told = conclude(ROOT, IN_SYNC, record, Evidence(Intent("i", NOW, ("PUT x",), kinds)), NOW)
    assert told[0].data["by"] == by


def test_each_kind_has_an_episode_of_its_own() -> None:
    both = (drift("app_settings"), drift("nsg_rules"))
    record, told = follow(found(*both), found(both[0]))
    assert types(told) == ["DriftDetected app_settings", "DriftDetected nsg_rules", "Remediated nsg_rules"]
    assert list(record.episodes) == ["app_settings"]


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.SETTLING])
def test_what_cannot_be_judged_now_neither_opens_nor_ends_an_episode(verdict: Verdict) -> None:
    record, told = follow(found(drift()), found(drift(verdict=verdict), status=Status.SETTLING))
    assert types(told) == ["DriftDetected nsg_rules"]
    assert list(record.episodes) == ["nsg_rules"]
    assert follow(found(drift(verdict=verdict), status=Status.SETTLING))[1] == []


def test_unmanaged_things_are_told_too() -> None:
    assert types(follow(found(drift(verdict=Verdict.UNMANAGED)))[1]) == ["DriftDetected nsg_rules"]


def test_a_kind_that_nobody_watches_any_more_ends_without_a_word() -> None:
    record, _ = follow(found(drift()))
    record, told = follow(IN_SYNC, root=root_of({"nsg_rules": Mode.IGNORE}), before=record)
    assert (record.episodes, told) == ({}, [])


# --- holds ---


def test_in_mode_alert_the_detection_is_the_only_alert() -> None:
    outcome = found(drift(), holds=[held(drift(), MODE_ALERT)])
    assert types(follow(outcome, outcome)[1]) == ["DriftDetected nsg_rules"]


def test_a_hold_is_told_once_and_another_reason_again() -> None:
    paused = found(drift(), status=Status.HELD, holds=[held(drift())])
    locked = found(drift(), status=Status.HELD, holds=[held(drift(), "locked")])
    _, told = follow(paused, paused, locked, locked)
    assert types(told) == ["DriftDetected nsg_rules", "Held nsg_rules", "Held nsg_rules"]
    assert len({alert.id for alert in told}) == 3


# --- failures ---


def test_a_passing_error_is_told_after_some_tries_and_once() -> None:
    record, told = follow(*[UNREADABLE] * (FAILURES_BEFORE_ALERT - 1))
    assert (record.failures, told) == (FAILURES_BEFORE_ALERT - 1, [])
    record, told = follow(*[UNREADABLE] * 5, before=record)
    assert types(told) == ["Failed *"]
    assert told[0].data["error"] == "503"
    assert record.failures == FAILURES_BEFORE_ALERT + 4


def test_a_final_error_is_told_at_once_and_once() -> None:
    _, told = follow(FORBIDDEN, FORBIDDEN)
    assert types(told) == ["DriftDetected nsg_rules", "Failed *"]


def test_the_end_of_a_told_failure_is_told_and_that_of_an_untold_one_is_not() -> None:
    record, told = follow(FORBIDDEN, found(status=Status.HEALED, written=[drift()]))
    assert types(told)[2:] == ["Remediated nsg_rules", "Remediated *"]
    assert (record.failures, record.episodes) == (0, {})
    assert follow(UNREADABLE, IN_SYNC)[1] == []


def test_a_failure_that_comes_back_is_told_anew() -> None:
    _, told = follow(FORBIDDEN, IN_SYNC, FORBIDDEN)
    failed = [alert.id for alert in told if alert.type is AlertType.FAILED]
    assert len(set(failed)) == 2


# --- gone ---


def test_a_root_that_is_missing_is_remembered_from_the_first_time_and_not_told() -> None:
    record, told = follow(missing(), missing())
    assert (record.missing_since, told) == (NOW, [])


def test_a_root_that_is_there_again_is_no_longer_missing() -> None:
    assert follow(missing(), IN_SYNC)[0].missing_since is None


def test_an_episode_outlives_a_moment_in_which_its_root_is_missing() -> None:
    record, told = follow(found(drift()), missing())
    assert types(told) == ["DriftDetected nsg_rules"]
    assert list(record.episodes) == ["nsg_rules"]


def test_a_container_that_is_gone_is_told_once_and_stays_missed() -> None:
    gone = replace(drift(), path=(), have="")
    outcome = found(gone, status=Status.HELD, holds=[held(gone, CONTAINER_GONE)])
    record, told = follow(missing(), outcome, outcome)
    assert types(told) == ["DriftDetected nsg_rules", "Held nsg_rules"]
    assert record.missing_since == NOW


def test_each_target_of_a_retired_web_app_is_told_once() -> None:
    retired = Outcome(NSG, Status.RETIRED, Plan(NSG))
    root = root_of(targets=("app-a", "app-b"))
    record, told = follow(missing(), retired, retired, root=root)
    assert types(told) == ["TargetRetired app-a", "TargetRetired app-b"]
    assert record.retired
    record, told = follow(IN_SYNC, missing(), retired, root=root, before=record)
    assert types(told) == ["TargetRetired app-a", "TargetRetired app-b"]


def test_what_is_held_again_after_it_was_different_meanwhile_is_told_under_an_id_of_its_own() -> None:
    record, ids = RootRecord(), list[str]()
    for minutes, seen in enumerate((drift(), drift(have="Other"), drift())):
        outcome = found(seen, status=Status.HELD, holds=[held(seen)])
        record, told = conclude(ROOT, outcome, record, Evidence(), NOW + minutes * MINUTE)
        ids += [alert.id for alert in told]
    assert len(ids) == len(set(ids)) == 6


# --- overwrites ---


def test_a_foreign_write_in_the_window_of_a_blind_one_is_told_with_its_actor_and_once() -> None:
    blind = BlindWrite("settings", NOW, NOW + MINUTE, "ours")
    before = RootRecord(foreign_writes=(foreign("settings", "write", "Eve", NOW + MINUTE / 2, "theirs"),))
    record, told = conclude(ROOT, IN_SYNC, before, Evidence(blind=(blind,)), NOW)
    assert types(told) == ["PossibleOverwrite "]
    assert (told[0].data["actor"], told[0].data["correlationId"]) == ("Eve", "theirs")
    assert record.foreign_writes == ()
    assert record.blind_writes == (blind,)
    assert conclude(ROOT, IN_SYNC, record, Evidence(), NOW)[1] == ()


def test_an_event_that_comes_after_the_reconcile_still_finds_the_blind_write() -> None:
    blind = BlindWrite("settings", NOW, NOW + MINUTE, "ours")
    record, _ = conclude(ROOT, IN_SYNC, RootRecord(), Evidence(blind=(blind,)), NOW)
    late = foreign("settings", "write", "Eve", NOW, "theirs")
    _, told = conclude(ROOT, IN_SYNC, replace(record, foreign_writes=(late,)), Evidence(), NOW + 10 * MINUTE)
    assert types(told) == ["PossibleOverwrite "]


# --- in general ---

outcomes = st.sampled_from(
    [
        IN_SYNC,
        found(status=Status.HEALED, written=[drift()]),
        found(drift()),
        found(drift(have="Other")),
        found(drift("app_settings"), drift()),
        found(drift(), holds=[held(drift(), MODE_ALERT)]),
        found(drift(), status=Status.HELD, holds=[held(drift())]),
        found(drift(verdict=Verdict.SETTLING), status=Status.SETTLING),
        UNREADABLE,
        FAILED,
        FORBIDDEN,
        missing(),
        Outcome(NSG, Status.RETIRED, Plan(NSG)),
    ]
)


@given(st.lists(outcomes, max_size=12))
def test_every_episode_is_told_when_it_begins_and_at_most_once_when_it_ends(steps: list[Outcome]) -> None:
    record, told = follow(*steps)
    by_episode: dict[str, list[AlertType]] = {}
    for alert in told:
        if alert.type is not AlertType.TARGET_RETIRED:
            by_episode.setdefault(str(alert.data["episode"]), []).append(alert.type)
    for sequence in by_episode.values():
        assert sequence[0] in {AlertType.DRIFT_DETECTED, AlertType.FAILED}
        assert AlertType.REMEDIATED not in sequence[:-1]
    assert {episode.id for episode in record.episodes.values()} <= by_episode.keys()


@given(st.lists(outcomes, max_size=8), outcomes)
def test_a_reconcile_that_is_repeated_after_a_crash_repeats_its_alerts_with_their_ids(
    steps: list[Outcome], last: Outcome
) -> None:
    before, _ = follow(*steps)
    once, again = (conclude(ROOT, last, before, Evidence(), NOW)[1] for _ in range(2))
    assert [alert.id for alert in once] == [alert.id for alert in again]


@given(st.lists(outcomes, max_size=8), outcomes.filter(lambda outcome: not outcome.error))
def test_a_look_that_finds_nothing_new_tells_nothing(steps: list[Outcome], last: Outcome) -> None:
    record, _ = follow(*steps, last)
    assert conclude(ROOT, last, record, Evidence(), NOW + timedelta(days=1))[1] == ()


@given(st.lists(outcomes, max_size=8))
def test_alerts_can_be_kept_as_json(steps: list[Outcome]) -> None:
    for alert in follow(*steps)[1]:
        assert alerts.from_json(json.loads(json.dumps(alerts.to_json(alert)))) == alert


def test_a_value_that_is_no_proper_text_does_not_stop_the_alert() -> None:
    assert types(follow(found(drift(have="\ud800")))[1]) == ["DriftDetected nsg_rules"]
