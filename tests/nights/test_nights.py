"""Homeostat keeps its promises through nights of trouble, with fresh seeds in each run.

A night that fails names its seed, and `make sim SEED=... RUNS=1` repeats it (docs/simulation.md).
"""

import secrets

import pytest

from tests.nights.draw import draw
from tests.nights.governed import PAUSE_TAG
from tests.nights.many import live_through
from tests.nights.night import play
from tests.nights.promises import breaches
from tests.nights.schedule import (
    Change,
    Contain,
    Crash,
    Edit,
    Entry,
    Fault,
    Jump,
    Mail,
    Pausing,
    Quotas,
    Race,
    Respec,
    Rollback,
    Schedule,
    Spend,
)
from tests.nights.shrink import smallest

pytestmark = pytest.mark.wire

NIGHTS = 100
"""They take a dozen seconds. `make sim` runs as many as there is time for."""


def test_every_promise_holds_through_fresh_nights(capsys: pytest.CaptureFixture[str]) -> None:
    first = secrets.randbelow(1_000_000_000)
    with capsys.disabled():
        print(f"\nnights {first} to {first + NIGHTS - 1}; the same again: make sim SEED={first} RUNS={NIGHTS}")
    tally = live_through(range(first, first + NIGHTS))
    for seed in sorted(tally.failed)[:1]:
        small = smallest(draw(seed))
        told = "\n".join(str(breach) for breach in breaches(play(small)))
        pytest.fail(f"{small}\n{told}\nagain: {small.command}")
    assert tally.nights == NIGHTS
    assert tally.writes > NIGHTS, "nights in which nothing is repaired prove nothing"


THEIRS = Race(0.0, "/sites/", "anna", Change("setting", "app-flask", "HUMAN_1", "theirs"))
"""A write that reaches ARM between Homeostat's last read of the settings and its write."""

DRIFT = Edit(100.0, "terraform", Change("setting", "app-flask", "REDIS_PORT", "1"))

GROUP_GONE = Edit(100.0, "terraform", Change("group gone", "nsg"), honest=False)

TWICE = tuple(Mail(number, "twice") for number in range(20))

ONCE_BROKEN: dict[str, tuple[Entry, ...]] = {
    "a write took effect, its answer was lost, and it hid what it had undone": (
        THEIRS,
        Fault(0.0, "appsettings", "write", "broken, executed"),
        DRIFT,
    ),
    "an instance died after its write, and hid what it had undone": (THEIRS, DRIFT, Crash(110.0, 0, 9, after=True)),
    "a clock was wrong, and hid what a write had undone": (THEIRS, Jump(50.0, 0, -40.0), DRIFT),
    "an event came twice, and its root could not be written again": (THEIRS, DRIFT, *TWICE),
    "two alerts of one held repair had one id": (
        Respec(10.0, "secret"),
        DRIFT,
        Edit(900.0, "anna", Change("setting", "app-flask", "KEY_VAULT_URI", "1")),
    ),
    "a rule was made over one that somebody made at the same moment": (
        Race(0.0, "networksecuritygroups", "anna", Change("rule field", "nsg", "allow-sql", "description=theirs")),
        Edit(100.0, "terraform", Change("rule gone", "nsg", "allow-sql")),
    ),
    "an instance died in a rollback, and nobody looked again when its pause ended": (
        DRIFT,
        Crash(299.9, 0, 29, after=True),
        Rollback(300.0, "app-flask", 300.0),
    ),
    "a rollback wrote to a link that a tag paused": (
        Edit(100.0, "anna", Change("link", "sql", "", "registration=true")),
        Edit(200.0, "anna", Change("link", "sql", "", f"{PAUSE_TAG}=soon")),
        Rollback(300.0, "app-flask", 300.0),
    ),
    "a group that was gone while it was paused waited for the next sweep": (
        Contain(("nsg",)),
        Pausing(50.0, "app-flask", 600.0),
        GROUP_GONE,
    ),
    "a group was made over one that somebody made at the same moment, and hid what it had undone": (
        Contain(("nsg",)),
        GROUP_GONE,
        Race(110.0, "networksecuritygroups", "anna", Change("group made", "nsg", "", "team-1")),
    ),
    "reads that were behind hid a group that somebody had made, and it was replaced untold": (
        Contain(("nsg",)),
        GROUP_GONE,
        Edit(135.0, "anna", Change("group made", "nsg", "", "team-1"), honest=False),
        *(Fault(140.0, "networksecuritygroups", "read", "stale"),) * 4,
    ),
    "a quota that another tool had emptied was waited for for days": (
        Quotas(0.98),
        Spend(90.0, "app-settings-listings", 1.0),
        DRIFT,
    ),
}


def test_what_is_dropped_from_the_spec_in_the_middle_of_its_repair_ends_untold() -> None:
    entries = (DRIFT, Crash(110.0, 0, 18), Respec(125.0, "no setting", "REDIS_PORT"))
    assert breaches(play(Schedule(seed=1, instances=1, operation_seconds=0.0, entries=entries))) == ()


@pytest.mark.parametrize("what", ONCE_BROKEN)
def test_a_night_that_once_broke_a_promise_breaks_it_no_more(what: str) -> None:
    night = Schedule(seed=1, instances=1, operation_seconds=0.0, entries=ONCE_BROKEN[what])
    assert breaches(play(night)) == ()
