"""A retest is a deadline and what the probes found around it; what it shows is said in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from homeostat.core import marks, record
from homeostat.core.arm_types import SITE
from homeostat.core.ids import ResourceId
from homeostat.core.model import Declared, Drift, Mode, Place, Verdict, Want
from homeostat.core.record import Mark, Pending, RootRecord, Settle
from homeostat.core.retest import (
    LAST_LOOK,
    NO_PROBES,
    RECOVERY,
    Finding,
    Reached,
    Retest,
    comparison,
    findings,
    next_look,
    routes,
    witnessed,
)
from homeostat.core.spec import Root

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
END = NOW + timedelta(minutes=10)
APP = ResourceId.of("s", "rg-flask", SITE.name, "app-flask")
WELL, ILL, DARK = (
    Finding("health_url", reached, note) for reached, note in zip(Reached, ("", "503", "away"), strict=True)
)
RETEST = Retest("app-flask", END, "why", "Anna", (WELL,))
ROUTING = Drift("route_all", APP, ("properties",), "application_traffic", True, False)


def probes(**modes: Mode) -> Root:
    items = {name: Declared("x", mode, ("app-flask",), Place("spec", 1)) for name, mode in modes.items()}
    return Root(APP, {"tcp_reachability": Want(APP, items)}, ("app-flask",))


def drift(item: str, verdict: Verdict = Verdict.DRIFTED, kind: str = "tcp_reachability") -> Drift:
    return Drift(kind, APP, (item,), item, "2xx", "503", verdict, "why")


# --- what counts as routing ---


@pytest.mark.parametrize(
    ("kind", "item", "expected"),
    [
        ("route_all", "application_traffic", True),
        ("route_all", "legacy_setting", True),
        ("app_settings", "website_vnet_route_all", True),
        ("app_settings", "REDIS_PORT", False),
        ("vnet_integration", "", False),
    ],
)
def test_routing_is_the_kind_of_its_name_and_one_setting(kind: str, item: str, *, expected: bool) -> None:
    assert routes(kind, item) is expected


# --- what a look finds ---


def test_each_declared_probe_is_found_well_ill_or_unknown_and_an_ignored_one_is_not_told() -> None:
    root = probes(a=Mode.ALERT, b=Mode.ENFORCE, c=Mode.ALERT, d=Mode.IGNORE)
    found = findings(root, [drift("b"), drift("c", Verdict.UNKNOWN)], {"tcp_reachability"})
    expected = [("a", Reached.YES, ""), ("b", Reached.NO, "why"), ("c", Reached.UNKNOWN, "why")]
    assert [(each.what, each.reached, each.note) for each in found] == expected


def test_a_process_that_does_not_probe_finds_nothing_well() -> None:
    assert findings(probes(a=Mode.ALERT), [], {"route_all"}) == (Finding("a", Reached.UNKNOWN, NO_PROBES),)


# --- before, during, after ---


def test_what_is_found_while_routing_is_off_is_kept_and_the_last_look_counts() -> None:
    first = witnessed(RETEST, [ROUTING], (ILL,), NOW)
    assert (first.during, first.after) == ((ILL,), None)
    assert witnessed(first, [ROUTING], (WELL,), NOW).during == (WELL,)


def test_a_look_before_routing_is_off_says_nothing_of_it() -> None:
    assert witnessed(RETEST, [], (WELL,), NOW) == RETEST


def test_it_is_over_once_a_look_after_the_deadline_finds_no_routing_missing() -> None:
    assert witnessed(RETEST, [ROUTING], (WELL,), END).after is None
    over = witnessed(RETEST, [], (WELL,), END)
    assert over.after == (WELL,)
    assert witnessed(over, [], (ILL,), END) == over


@pytest.mark.parametrize("now", [NOW, END])
@pytest.mark.parametrize(
    ("kind", "item"), [("route_all", "application_traffic"), ("app_settings", "WEBSITE_VNET_ROUTE_ALL")]
)
def test_where_routing_could_not_be_read_nothing_is_concluded(kind: str, item: str, now: datetime) -> None:
    unread = drift(item, Verdict.UNKNOWN, kind)
    assert witnessed(RETEST, [unread], (WELL,), now) == RETEST


def test_a_setting_that_is_not_understood_keeps_no_retest_from_its_end() -> None:
    unresolved = drift("API_KEY", Verdict.UNKNOWN, "app_settings")
    assert witnessed(RETEST, [unresolved, ROUTING], (WELL,), NOW).during == (WELL,)
    assert witnessed(RETEST, [unresolved], (WELL,), END).after == (WELL,)


def test_what_worked_before_has_a_while_to_come_back() -> None:
    assert witnessed(RETEST, [], (ILL,), END).after is None
    assert witnessed(RETEST, [], (ILL,), END + RECOVERY).after == (ILL,)
    was_ill = replace(RETEST, before=(ILL,))
    assert witnessed(was_ill, [], (ILL,), END).after == (ILL,)


def test_its_root_is_looked_at_shortly_before_the_end_at_the_end_and_until_it_is_over() -> None:
    assert next_look(RETEST, NOW) == END - LAST_LOOK
    assert next_look(RETEST, END - LAST_LOOK) == END
    assert next_look(RETEST, END) == END + LAST_LOOK
    assert next_look(RETEST, END + RECOVERY) is None
    assert next_look(replace(RETEST, after=()), END) is None


# --- in words ---


@pytest.mark.parametrize(
    ("before", "during", "words"),
    [
        (WELL, WELL, "reached with route-all on and off alike"),
        (ILL, WELL, "with route-all off it is reached, so the fault is in the routing"),
        (WELL, ILL, "reached only with route-all on"),
        (ILL, ILL, "so the fault is not in the routing: 503"),
        (DARK, WELL, "unknown: away"),
        (WELL, DARK, "unknown: away"),
    ],
)
def test_each_outcome_has_its_words(before: Finding, during: Finding, words: str) -> None:
    (line,) = comparison(replace(RETEST, before=(before,), during=(during,), after=(before,)))
    assert line.startswith("health_url: ")
    assert words in line
    assert "afterwards" not in line


def test_what_is_not_afterwards_as_it_was_before_is_told() -> None:
    (line,) = comparison(replace(RETEST, during=(WELL,), after=(ILL,)))
    assert line.endswith("; afterwards it fails (503)")


def test_without_probes_or_a_look_the_words_say_so() -> None:
    assert comparison(replace(RETEST, before=())) == (
        "no probes are declared: only the app itself can tell what changed",
    )
    assert "nothing was asked" in comparison(RETEST)[0]


# --- in the record ---


def test_the_deadline_and_the_look_at_it_are_stored_in_one_step() -> None:
    after, delay = marks.retesting(RootRecord(), RETEST, now=NOW)
    assert (after.retest, delay) == (RETEST, END - NOW)
    assert after.mark is not None
    taken = marks.taken(after, owner="o", now=END, settle=Settle())
    assert isinstance(taken, RootRecord)
    assert taken.retest == RETEST


def test_a_mark_that_waits_already_stays() -> None:
    mark = Mark(NOW, NOW + timedelta(seconds=15), ("event",))
    after, _ = marks.retesting(RootRecord(mark=mark), RETEST, now=NOW)
    assert (after.mark, after.pending) == (mark, Pending(END, marks.NOBODY))


def test_an_early_end_moves_the_deadline_once() -> None:
    ended = marks.retest_ended(RootRecord(retest=RETEST), now=NOW, by="Ben")
    assert ended.retest == replace(RETEST, deadline=NOW, ended_by="Ben")
    assert marks.retest_ended(ended, now=END, by="Ben") == ended
    assert marks.retest_ended(RootRecord(), now=NOW, by="Ben") == RootRecord()


def test_a_reconcile_does_not_undo_an_end_that_came_meanwhile() -> None:
    before = RootRecord(retest=RETEST)
    after = replace(before, retest=replace(RETEST, during=(ILL,)))
    current = marks.retest_ended(before, now=NOW, by="Ben")
    assert marks.concluded(current, after, before, releases=False).retest == current.retest
    assert marks.concluded(before, after, before, releases=False).retest == after.retest


def test_it_survives_the_store() -> None:
    full = RootRecord(retest=replace(RETEST, during=(ILL,), after=(DARK,)))
    assert record.from_json(record.to_json(full)) == full
    assert record.from_json(record.to_json(RootRecord())) == RootRecord()
