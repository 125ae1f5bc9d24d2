"""What a record remembers after a reconcile besides its episodes."""

from dataclasses import replace

import pytest

from homeostat.core.approvals import Reason
from homeostat.core.attribution import Actor, ActorKind, Source
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.gate.standing import PAUSED
from homeostat.core.model import Verdict
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Held, Hold, Plan
from homeostat.core.record import Intent, Judgement, RootRecord
from tests.core.concluded import (
    FAILED,
    IN_SYNC,
    KINDS,
    MINUTE,
    NEVER_SEEN,
    NOW,
    NSG,
    ROOT,
    UNREADABLE,
    drift,
    follow,
    found,
    held,
    missing,
    types,
)
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

EVE = Actor("Eve", ActorKind.USER, source=Source.EVENT)
SPEC = Actor("spec version 2", ActorKind.SPEC, source=Source.SPEC)


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
