"""Chunks hold every root once, the share read in full misses none, and of a root at rest nobody has to hear."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import marks
from homeostat.core.attribution import Actor, ForeignWrite
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.decision import judged_kinds
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Plan
from homeostat.core.record import Episode, Failing, Intent, Lease, Mark, Pending, RootRecord
from homeostat.core.spec import Root, load
from homeostat.core.sweep import (
    FIRST_LOOK,
    LAST_LOOK,
    MAX_CHUNKS,
    MAX_EARLIER,
    ROWS_PER_CHUNK,
    STALE_AFTER,
    Chunk,
    State,
    Sweep,
    begun,
    chunk_from_json,
    chunk_to_json,
    cut,
    ended,
    from_json,
    further,
    is_at_rest,
    is_read_in_full,
    members,
    to_json,
)
from homeostat.core.sweep_summary import End, end_of, summary_json, summed_up
from homeostat.ports.storage import MAX_BODY, serialised
from remediators import REGISTRY
from tests.loop.stand import SPEC

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def id_of(group: str, number: int) -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, "Microsoft.Web/sites", f"app-{number}")


def app(number: int) -> ResourceId:
    return id_of(f"rg-{number % 7}", number)


def apps(numbers: set[int]) -> list[ResourceId]:
    return sorted(map(app, numbers), key=lambda id_: id_.key)


def sweep(**changes: Any) -> Sweep:
    return replace(begun("a-sweep", "nightly", apps(set(range(10))), "v1", NOW, None), **changes)


# --- chunks ---

NUMBERS = st.sets(st.integers(0, 300), min_size=1, max_size=120)


@given(then=NUMBERS, now=NUMBERS, size=st.integers(1, 40))
def test_every_root_is_in_one_chunk_whatever_became_of_the_fleet_since_the_cut(
    then: set[int], now: set[int], size: int
) -> None:
    beginnings = cut([id_.key for id_ in apps(then)], size)
    chunks = [members(apps(now), beginnings, number) for number in range(len(beginnings))]
    assert [id_ for chunk in chunks for id_ in chunk] == apps(now)


@given(numbers=NUMBERS, size=st.integers(1, 40))
def test_a_chunk_of_the_fleet_that_was_cut_has_no_more_roots_than_it_may(numbers: set[int], size: int) -> None:
    beginnings = cut([id_.key for id_ in apps(numbers)], size)
    chunks = [members(apps(numbers), beginnings, number) for number in range(len(beginnings))]
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_no_resource_group_is_in_two_chunks_unless_it_is_larger_than_one() -> None:
    ids = sorted((id_of(f"rg-{number // 25:03}", number) for number in range(1000)), key=lambda id_: id_.key)
    beginnings = cut([id_.key for id_ in ids], 90)
    chunks = [members(ids, beginnings, number) for number in range(len(beginnings))]
    groups = [{id_.resource_group for id_ in chunk} for chunk in chunks]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 40
    assert len(cut([id_of("rg-one", number).key for number in range(100, 300)], 90)) == 3


def test_a_sweep_of_a_million_roots_fits_into_one_document() -> None:
    keys = [f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{'g' * 90}/{number:0180d}" for number in range(MAX_CHUNKS)]
    assert len(cut([f"{number:07}" for number in range(1_000_000)], 800)) <= MAX_CHUNKS
    assert len(cut([f"{number:07}" for number in range(3_000_000)], 800)) == MAX_CHUNKS
    assert len(serialised(to_json(sweep(beginnings=tuple(keys))))) < MAX_BODY


def seen(*rows_of_a_root: float) -> list[Chunk]:
    return [Chunk(of=100, rows=round(100 * rows), asked=100) for rows in rows_of_a_root]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (seen(1.5, 1.2, 1.4), 1.4),
        (seen(*(1.2,) * 18, 1.3, 50.0), 1.2),
        (seen(0.2, 0.3), 1.0),
        ([Chunk(of=100, unindexed="no answer")], 2.5),
        ([], 2.5),
    ],
    ids=["nearly the most", "but for a few", "never less than one", "none was asked for", "no chunk"],
)
def test_a_sweep_tells_the_next_how_many_rows_most_chunks_had_of_a_root(chunks: list[Chunk], expected: float) -> None:
    last = ended(sweep(rows_of_a_root=2.5), chunks, looked_at_all=True)
    assert last.rows_of_a_root == expected
    ids = apps(set(range(3000)))
    now = begun("b", "nightly", ids, "v1", NOW, last)
    assert now.beginnings == cut([id_.key for id_ in ids], int(ROWS_PER_CHUNK / expected))
    assert ended(now, (), looked_at_all=True).rows_of_a_root == expected


def test_however_much_comes_along_a_chunk_has_a_root() -> None:
    last = replace(sweep(), rows_of_a_root=5_000.0)
    assert len(begun("b", "nightly", apps(set(range(30))), "v1", NOW, last).beginnings) == 30


def test_a_fleet_of_nothing_has_no_chunk() -> None:
    assert begun("a-sweep", "nightly", (), "v1", NOW, None).beginnings == ()


# --- the share that is read in full ---


@given(key=st.text(), days=st.integers(1, 90), first=st.integers(1, 800_000))
def test_every_root_is_read_in_full_once_within_any_such_many_nights(key: str, days: int, first: int) -> None:
    nights = [is_read_in_full(key, day - 1, day, days) for day in range(first, first + days)]
    assert nights.count(True) == 1


@given(key=st.text(), days=st.integers(1, 90), gaps=st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_nights_that_were_missed_are_made_good_by_the_next(key: str, days: int, gaps: list[int]) -> None:
    until, unread = 700_000, 0
    for gap in gaps:
        read = is_read_in_full(key, until, until + gap, days)
        until += gap
        unread = 0 if read else unread + gap
        assert unread < days


@pytest.mark.parametrize("days", [1, 2, 14, 90])
def test_a_night_has_about_its_share_to_read(days: int) -> None:
    keys = [app(number).key for number in range(10_000)]
    shares = [sum(is_read_in_full(key, day - 1, day, days) for key in keys) for day in range(739_000, 739_000 + days)]
    assert sum(shares) == len(keys)
    fair = len(keys) / days
    assert all(abs(share - fair) < 5 * fair**0.5 or days == 1 for share in shares)


def test_what_a_sweep_did_not_finish_is_the_next_ones_to_read_in_full() -> None:
    today = NOW.date().toordinal()
    first = sweep()
    assert (first.full_after, first.full_until) == (today - 1, today)
    later = NOW + timedelta(days=1)
    after_good = begun("b", "nightly", (), "v1", later, ended(first, (), looked_at_all=True))
    after_bad = begun("b", "nightly", (), "v1", later, ended(first, (), looked_at_all=False))
    assert (after_good.full_after, after_bad.full_after) == (today, today - 1)
    assert after_good.full_until == after_bad.full_until == today + 1


# --- what is stored ---


def test_what_is_stored_comes_back() -> None:
    chunk = Chunk(7, 5, "k", 3, 1, 2, 9, 1, 8, 7, 0.5, ("a",), "no answer")
    assert from_json(to_json(sweep())) == sweep()
    assert chunk_from_json(chunk_to_json(chunk)) == chunk


def test_of_two_states_of_a_chunk_the_one_that_is_further_stays() -> None:
    early, late, done = Chunk(9, 2, "b"), Chunk(9, 4, "d"), Chunk(9, 9, "z", is_done=True)
    assert further(None, early) is early
    assert further(late, early) is late
    assert further(early, late) is late
    assert further(done, late) is done
    assert further(late, done) is done


def test_a_sweep_remembers_the_ids_of_some_before_it() -> None:
    last: Sweep | None = None
    for number in range(MAX_EARLIER + 5):
        last = begun(str(number), "nightly", (), "v1", NOW, last)
    assert last is not None
    assert last.earlier == tuple(str(number) for number in range(4, MAX_EARLIER + 4))


def test_a_sweep_is_looked_at_ever_more_rarely_and_grows_stale() -> None:
    looks = [sweep().next_look(NOW + timedelta(minutes=minutes)) for minutes in range(0, 300, 10)]
    assert looks[0] == FIRST_LOOK
    assert looks[-1] == LAST_LOOK
    assert looks == sorted(looks)
    assert not sweep().is_stale(NOW + STALE_AFTER - timedelta(seconds=1))
    assert sweep().is_stale(NOW + STALE_AFTER)


# --- a root at rest ---


def root(text: str = SPEC) -> Root:
    fleet = load({"spec.yaml": text}, REGISTRY, subscription=SUBSCRIPTION)
    (found,) = [root for root in fleet.roots.values() if "networksecuritygroups" in root.id.key]
    return found


def looked_at(of: Root) -> RootRecord:
    """The record after a look that found everything as declared."""
    outcome = Outcome(of.id, Status.IN_SYNC, Plan(of.id))
    return conclude(of, outcome, RootRecord(), Evidence(judged=judged_kinds(of, REGISTRY)), NOW)[0]


def rests(of: Root, record: RootRecord, later: timedelta = timedelta(days=1)) -> bool:
    return is_at_rest(of, record, judged_kinds(of, REGISTRY), NOW + later)


def test_a_root_that_was_seen_as_declared_is_at_rest() -> None:
    assert rests(root(), looked_at(root()))


def test_it_stays_so_when_the_spec_changes_elsewhere() -> None:
    other = replace(root("# a comment\n" + SPEC), spec_version="another")
    assert rests(other, looked_at(root()))


def test_one_that_was_never_seen_as_declared_is_not() -> None:
    assert not rests(root(), RootRecord())


def test_nor_one_of_which_something_else_is_declared_by_now() -> None:
    assert not rests(root(SPEC.replace("ports: 443", "ports: 8443")), looked_at(root()))


MARK = Mark(NOW, NOW, ("an event",))
EVE = Actor(name="Eve", at=NOW, operation="write")
RESTLESS: dict[str, dict[str, Any]] = {
    "marked": {"mark": MARK, "pending": Pending(NOW, "an event")},
    "left half-way": {"working": MARK},
    "leased": {"lease": Lease("other", 1, NOW)},
    "failing": {"failing": Failing(NOW, 1, "no")},
    "settling": {"settling": 2},
    "missed": {"missing_since": NOW},
    "retired": {"retired": True},
    "with an unfinished write": {"intent": Intent("i", NOW, ("PUT",))},
    "with an open episode": {"episodes": {"nsg_rules": Episode("e", NOW, "Held")}},
    "with an event nobody looked after": {"foreign_writes": (ForeignWrite("x", EVE),)},
    "with a write that is not explained": {"unexplained": (ForeignWrite("x", EVE),)},
}


@pytest.mark.parametrize("why", RESTLESS)
def test_one_that_somebody_has_yet_to_look_after_is_not(why: str) -> None:
    assert not rests(root(), replace(looked_at(root()), **RESTLESS[why]))


def test_what_a_look_in_sync_leaves_behind_is_at_rest() -> None:
    """Predicate and conclusion are one: whatever state a root was in, a look that finds it as declared is enough."""
    of = root()
    for changes in RESTLESS.values():
        before = replace(looked_at(of), **changes)
        outcome = Outcome(of.id, Status.IN_SYNC, Plan(of.id))
        after, _ = conclude(of, outcome, before, Evidence(before.intent, judged=judged_kinds(of, REGISTRY)), NOW)
        assert rests(of, marks.released(replace(after, mark=None, pending=None)))


# --- what became of a marked root ---


def entry(status: str, at: datetime = NOW, *hints: str) -> dict[str, Any]:
    return {"at": at.isoformat(), "status": status, "trigger": {"hints": list(hints)}}


HINT = "nightly:a-sweep"


@pytest.mark.parametrize(
    ("entries", "end"),
    [
        ([], End.IN_SYNC),
        ([entry("healed", NOW, "an event")], End.IN_SYNC),
        ([entry("healed", NOW, HINT)], End.HEALED),
        ([entry("held", NOW, HINT)], End.HELD),
        ([entry("drifted", NOW, HINT)], End.REPORTED),
        ([entry("unknown", NOW, HINT)], End.FAILED),
        ([entry("retired", NOW, HINT)], End.RETIRED),
        ([entry("healed", NOW, "retry"), entry("failed", NOW, HINT)], End.HEALED),
        ([entry("resumed", NOW), entry("held", NOW, HINT)], End.HELD),
        ([entry("settling", NOW, HINT)], End.FAILED),
        ([entry("healed", NOW - timedelta(days=1), HINT)], End.IN_SYNC),
    ],
)
def test_the_end_of_a_marked_root_is_what_its_ledger_says_since(entries: list[dict[str, Any]], end: End) -> None:
    assert end_of(RootRecord(), entries, sweep()) is end


def test_while_the_mark_waits_or_is_worked_on_there_is_no_end() -> None:
    mark = Mark(NOW, NOW, ("an event", HINT))
    assert end_of(RootRecord(mark=mark), [], sweep()) is None
    assert end_of(RootRecord(working=mark), [], sweep()) is None
    assert end_of(RootRecord(mark=replace(mark, causes=("an event",))), [], sweep()) is End.IN_SYNC


def test_what_settles_has_no_end_while_it_is_looked_at_again() -> None:
    again = RootRecord(mark=Mark(NOW, NOW, ("retry",)))
    assert end_of(again, [entry("settling", NOW, HINT)], sweep()) is None
    assert end_of(again, [entry("held", NOW, HINT)], sweep()) is End.HELD


# --- the summary ---

ENDS = st.sampled_from([*End, None])


@given(ends=st.lists(ENDS, max_size=30), checked=st.integers(0, 20), skipped=st.integers(0, 5), lost=st.booleans())
def test_a_summary_accounts_for_every_root(
    ends: list[End | None],
    checked: int,
    skipped: int,
    lost: bool,
) -> None:
    unseen = 40 if lost else 0
    whole = Chunk(done=1, checked=checked, skipped=skipped, is_done=True)
    chunks = {0: whole, 1: Chunk()} if lost else {0: whole, 1: Chunk(is_done=True)}
    found = {str(number): end for number, end in enumerate(ends)}
    of = sweep(roots=checked + skipped + len(ends) + unseen)
    summary = summed_up(of, chunks, found, 2, NOW)
    times = Counter(ends)
    assert summary.drifted == summary.healed + summary.held + times[End.REPORTED]
    parts = summary.checked + summary.drifted + summary.failed + summary.skipped + summary.unfinished
    assert parts == of.roots
    assert summary.lost_chunks == ((1,) if lost else ())
    assert summary.is_finished is not (lost or times[None] > 0)
    assert summary_json(summary)["unfinished"] == summary.unfinished


def test_an_ended_sweep_keeps_no_beginnings() -> None:
    assert ended(sweep(), (), looked_at_all=True).beginnings == ()
    assert ended(sweep(), (), looked_at_all=True).state is State.ENDED
