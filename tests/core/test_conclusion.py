"""What is remembered and told after a reconcile: every transition of an episode once, and nothing that nobody knows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import alerts
from homeostat.core.alerts import FAILURES_BEFORE_ALERT, Alert, AlertType
from homeostat.core.approvals import Reason
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.attribution import Actor, ActorKind, Source
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.gate.standing import CONTAINER_GONE, MODE_ALERT, PAUSED
from homeostat.core.ids import ResourceId
from homeostat.core.model import Declared, Drift, Edit, Mode, Place, Verdict, Want
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Action, Held, Hold, Plan, Verb
from homeostat.core.record import BlindWrite, Intent, Judgement, RootRecord
from homeostat.core.spec import Root
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NSG = ResourceId.of("s", "rg-flask", NETWORK_SECURITY_GROUP.name, "nsg-shared")
KINDS = ("app_settings", "nsg_rules")
EVE = Actor("Eve", ActorKind.USER, source=Source.EVENT)
SPEC = Actor("spec version 2", ActorKind.SPEC, source=Source.SPEC)


def root_of(modes: Mapping[str, Mode] | None = None, targets: tuple[str, ...] = ("app-a",)) -> Root:
    wants = {
        kind: Want(NSG, {"item": Declared(1, mode, targets, Place("spec", 1))}, mode=mode)
        for kind, mode in (modes or dict.fromkeys(KINDS, Mode.ENFORCE)).items()
    }
    return Root(NSG, wants, targets)


ROOT = root_of()
NEVER_SEEN = RootRecord()


def drift(kind: str = "nsg_rules", have: str = "Deny", verdict: Verdict = Verdict.DRIFTED) -> Drift:
    return Drift(kind, NSG, ("properties", "access"), "item", "Allow", have, verdict)


def held(of: Drift, code: str = PAUSED) -> Held:
    return Held(of, Hold(code, "for a reason"))


def found(
    *drifts: Drift,
    status: Status = Status.DRIFTED,
    holds: Sequence[Held] = (),
    written: Sequence[Drift] = (),
    error: str = "",
    final: bool = False,
) -> Outcome:
    actions = tuple(Action(NSG, NETWORK_SECURITY_GROUP, Verb.PUT, (Edit(each, (), "x"),)) for each in written)
    plan = Plan(NSG, drifts, held=tuple(holds))
    return Outcome(NSG, status, plan, actions, ("c",) * len(actions), error, final=final)


IN_SYNC = found(status=Status.IN_SYNC)
FAILED = found(drift(), status=Status.FAILED, error="409 Busy")
FORBIDDEN = replace(FAILED, final=True)
UNREADABLE = found(drift(verdict=Verdict.UNKNOWN), status=Status.UNKNOWN, error="503")


def follow(*outcomes: Outcome, root: Root = ROOT, before: RootRecord = NEVER_SEEN) -> tuple[RootRecord, list[Alert]]:
    """The record and all alerts after these outcomes, a minute apart."""
    told: list[Alert] = []
    for number, outcome in enumerate(outcomes):
        before, pending = conclude(root, outcome, before, Evidence(), NOW + number * MINUTE)
        told.extend(pending)
    return before, told


def types(told: Sequence[Alert]) -> list[str]:
    return [f"{alert.type.split('.')[1]} {alert.data.get('kind') or alert.data.get('target') or ''}" for alert in told]


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


def missing() -> Outcome:
    return Outcome(NSG, Status.MISSING, Plan(NSG), error="not found")


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


# --- what else is remembered ---


@pytest.mark.parametrize(
    ("by", "name"), [(EVE, "Eve"), (SPEC, ""), (Actor(kind=ActorKind.USER), "")], ids=["somebody", "the spec", "nobody"]
)
def test_a_repair_is_remembered_with_whoever_undid_it_but_not_with_the_spec(by: Actor, name: str) -> None:
    record, _ = conclude(ROOT, found(drift()), NEVER_SEEN, Evidence(changed_by={"nsg_rules": by}), NOW)
    record, _ = conclude(ROOT, IN_SYNC, record, Evidence(healed=[drift()]), NOW)
    assert [flap.by for flap in record.flaps.values()] == [name]


@pytest.mark.parametrize(
    ("last", "is_gone"),
    [
        (IN_SYNC, True),
        (found(drift("app_settings")), True),
        (found(drift(have="Other")), False),
        (UNREADABLE, False),
        (found(replace(drift(verdict=Verdict.SETTLING), path=("else",))), False),
        (replace(IN_SYNC, status=Status.FAILED), False),
    ],
    ids=["in sync", "another kind drifts", "it is there", "it is unreadable", "its kind is settling", "it failed"],
)
def test_a_repaired_drift_counts_as_gone_once_a_look_could_judge_its_kind(last: Outcome, *, is_gone: bool) -> None:
    record, _ = conclude(ROOT, IN_SYNC, NEVER_SEEN, Evidence(healed=[drift()]), NOW)
    there = replace(record, flaps={name: replace(flap, gone_since=None) for name, flap in record.flaps.items()})
    after, _ = conclude(ROOT, last, there, Evidence(), NOW + MINUTE)
    assert [flap.gone_since is not None for flap in after.flaps.values()] == [is_gone]


def test_looks_that_find_a_write_under_way_are_counted_and_keep_its_intent() -> None:
    settling = found(drift(verdict=Verdict.SETTLING), status=Status.SETTLING)
    before = RootRecord(intent=Intent("i", NOW, ("PUT x",), ("nsg_rules",), unprotected={"settings": NOW}))
    record, _ = follow(settling, settling, before=before)
    assert record.settling == 2
    assert record.intent == Intent("i", NOW, ("PUT x",), ("nsg_rules",))  # what was unprotected is a blind write now
    record, _ = follow(IN_SYNC, before=record)
    assert (record.settling, record.intent) == (0, None)


def test_a_container_whose_creation_waits_for_approval_is_missed() -> None:
    waits = Hold("approval", "for a person", {"reason": Reason.CONTAINER})
    other = replace(waits, numbers={"reason": Reason.REMOVAL})
    for hold, since in ((waits, NOW), (other, None)):
        record, _ = follow(found(drift(), status=Status.HELD, holds=[Held(drift(), hold)]))
        assert record.missing_since == since


def test_only_kinds_that_were_judged_and_do_not_drift_are_accepted_as_declared() -> None:
    record, _ = conclude(ROOT, found(drift()), NEVER_SEEN, Evidence(judged=KINDS), NOW)
    assert list(record.accepted) == ["app_settings"]
    unclear = found(drift(verdict=Verdict.UNKNOWN), status=Status.UNKNOWN)
    assert list(conclude(ROOT, unclear, NEVER_SEEN, Evidence(judged=KINDS), NOW)[0].accepted) == ["app_settings"]


def test_a_foreign_write_stays_unexplained_until_a_look_could_judge_everything() -> None:
    before = RootRecord(foreign_writes=(foreign("settings", "write", "Eve", NOW),))
    for unclear in (missing(), FAILED, UNREADABLE, found(drift(verdict=Verdict.SETTLING), status=Status.SETTLING)):
        record, _ = conclude(ROOT, unclear, before, Evidence(), NOW)
        assert record.unexplained == before.foreign_writes
    partly = found(drift(verdict=Verdict.UNKNOWN), drift("app_settings"))
    assert conclude(ROOT, partly, before, Evidence(), NOW)[0].unexplained != ()
    assert conclude(ROOT, found(drift()), before, Evidence(), NOW)[0].unexplained == ()


def test_a_look_that_judged_is_remembered_with_its_spec_version_and_one_that_did_not_changes_nothing() -> None:
    root = replace(ROOT, spec_version="v7")
    paused = found(drift(), status=Status.HELD, holds=[held(drift())])
    record, _ = follow(paused, root=root)
    assert record.judgement == Judgement("v7", "held", (PAUSED,))
    assert follow(FAILED, root=root, before=record)[0].judgement == record.judgement
    assert follow(IN_SYNC, before=record)[0].judgement == record.judgement  # no spec has a version
    retired = Outcome(NSG, Status.RETIRED, Plan(NSG))
    assert follow(retired, root=root)[0].judgement == Judgement("v7", "retired")


@pytest.mark.parametrize(("first", "failures"), [(FAILED, 1), (UNREADABLE, 0)])
def test_a_hold_keeps_a_series_of_failed_writes_and_ends_one_of_failed_reads(first: Outcome, failures: int) -> None:
    record, _ = follow(first, found(drift(), status=Status.HELD, holds=[held(drift())]))
    assert record.failures == failures


def test_a_retired_target_is_missing_since_it_was_first_missed() -> None:
    retired = Outcome(NSG, Status.RETIRED, Plan(NSG))
    _, told = follow(missing(), retired)
    assert [alert.data["missingSince"] for alert in told] == [NOW.isoformat()]


@pytest.mark.parametrize(("items", "kept"), [(("item",), True), (("other",), False), ((), True), (("",), True)])
def test_an_episode_stays_for_as_long_as_any_of_its_items_is_declared(items: tuple[str, ...], *, kept: bool) -> None:
    record, _ = follow(found(drift()))
    (episode,) = record.episodes.values()
    before = replace(record, episodes={"nsg_rules": replace(episode, items=items)})
    _, told = follow(IN_SYNC, before=before)
    assert types(told) == ["Remediated nsg_rules"] * kept


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
