"""The simulation itself: it repeats exactly, it notices what goes wrong, and it shrinks what failed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nights import __main__ as program
from tests.nights.draw import draw
from tests.nights.mistakes import MISTAKES
from tests.nights.night import play
from tests.nights.promises import PROMISES, breaches
from tests.nights.schedule import Change, Edit, Entry, Fault, Pausing, Race, Run, Schedule
from tests.nights.shrink import broken_by, smallest
from tests.nights.trace import Call, Happened

pytestmark = pytest.mark.wire

PROJECT = Path(__file__).parents[2]
BUSY_NIGHT = 16


def test_the_same_seed_is_the_same_night() -> None:
    assert play(draw(BUSY_NIGHT)).trace.digest == play(draw(BUSY_NIGHT)).trace.digest
    assert play(draw(BUSY_NIGHT)).trace.digest != play(draw(BUSY_NIGHT + 1)).trace.digest


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_a_night_is_the_same_in_every_process_whatever_its_hash_seed(hash_seed: str) -> None:
    program_text = (
        "from tests.nights.draw import draw; from tests.nights.night import play;"
        f"print(play(draw({BUSY_NIGHT})).trace.digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program_text],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == play(draw(BUSY_NIGHT)).trace.digest


def test_instances_work_at_the_same_time_die_and_are_replaced() -> None:
    seen = [each for seed in range(25) for each in play(draw(seed)).trace.seen]
    writers = {call.who for call in seen if isinstance(call, Call) and call.verb == "write"}
    assert {"a0", "b0", "c0"} <= writers
    assert any(who[-1] != "0" for who in writers)
    assert any(isinstance(each, Happened) and each.what == "crash" for each in seen)


DRIFT = Edit(100.0, "terraform", Change("setting", "app-flask", "REDIS_PORT", "1"))
THEIRS = Race(0.0, "/sites/", "anna", Change("setting", "app-flask", "HUMAN_1", "theirs"))
PAUSE = Pausing(50.0, "*", 600.0)

# By mistake: the promise that it breaks, and what has to happen for that.
CAUGHT: dict[str, tuple[str, tuple[Entry, ...]]] = {
    "no ETag": (
        "no network write without a precondition",
        (Edit(100.0, "anna", Change("rule field", "nsg", "allow-sql", "access=Deny")),),
    ),
    "no second read": ("settings are read again before they are written", (DRIFT,)),
    "a refusal acknowledged": (
        "the ledger says written only of what was",
        (Fault(0.0, "appsettings", "write", "locked"), DRIFT),
    ),
    "pauses not heard": ("no write while held", (PAUSE, DRIFT)),
    "no intent": ("every write has its intent", (DRIFT,)),
    "leases not seen": (
        "one writer at a time",
        (Fault(0.0, "appsettings", "write", "late", 20.0), DRIFT, Run(119.0, "app-flask")),
    ),
    "blind writes forgotten": ("no setting is lost in silence", (THEIRS, DRIFT)),
    "episodes forgotten": (
        "every end is told",
        (PAUSE, DRIFT, Edit(300.0, "anna", Change("setting", "app-flask", "REDIS_PORT", "6380"))),
    ),
    "own events not known": ("healing does not trigger itself", (DRIFT,)),
    "no retries": (
        "converges without a sweep",
        (*[Fault(DRIFT.at, "appsettings", "read", "unavailable")] * 6, DRIFT),
    ),
}


@pytest.mark.parametrize("mistake", CAUGHT)
def test_a_deliberate_mistake_is_caught(mistake: str) -> None:
    promise, entries = CAUGHT[mistake]
    assert promise in PROMISES
    night = Schedule(seed=1, instances=2, operation_seconds=0.0, entries=entries)
    assert promise in broken_by(night, MISTAKES[mistake])
    assert broken_by(night) == frozenset()


def test_a_mistake_that_takes_two_at_one_moment_is_caught_by_chance() -> None:
    nights = map(draw, range(1, 150))
    assert any(broken_by(night, MISTAKES["no compare-and-swap"]) for night in nights)


def test_every_mistake_is_tried() -> None:
    assert MISTAKES.keys() == CAUGHT.keys() | {"no compare-and-swap"}


def test_a_failed_night_is_shrunk_to_what_breaks_it() -> None:
    night = draw(2)
    small = smallest(night, MISTAKES["no ETag"])
    assert len(small.entries) == 1 < len(night.entries)
    assert broken_by(small, MISTAKES["no ETag"]) == broken_by(night, MISTAKES["no ETag"])
    assert not broken_by(small.only(()), MISTAKES["no ETag"])


def test_a_shrunk_night_is_named_by_a_command_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    small = draw(2).only((0, 3))
    assert small.command == "make sim SEED=2 RUNS=1 KEEP=0,3"
    assert program.main(["--seed", "2", "--runs", "1", "--keep", "0,3"]) == 0
    assert play(small).trace.digest in capsys.readouterr().out


def test_nothing_is_left_out_of_a_night_twice() -> None:
    night = draw(2)
    assert night.only((1, 2, 5)).only((2, 5)) == night.only((2, 5))
    assert [night.entries[number] for number in (2, 5)] == list(night.only((2, 5)).entries)


def test_the_program_counts_and_ends_with_0_where_all_nights_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--seed", "1", "--runs", "3", "--processes", "1"]) == 0
    out = capsys.readouterr().out
    assert "make sim SEED=1 RUNS=3" in out
    assert out.splitlines()[-1] == "3 nights: 3 passed, 0 failed"


def test_a_night_without_trouble_is_quiet() -> None:
    dawn = play(Schedule(seed=1, instances=2, operation_seconds=0.0, entries=()))
    assert breaches(dawn) == ()
    assert not [each for each in dawn.trace.seen if isinstance(each, Call) and each.verb == "write"]
