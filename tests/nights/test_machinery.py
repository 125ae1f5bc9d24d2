"""The simulation itself: it repeats exactly, it sees what goes wrong, and it makes what failed small."""

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
from tests.nights.schedule import Schedule
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
    seen = [each for seed in range(40) for each in play(draw(seed)).trace.seen]
    writers = {call.who for call in seen if isinstance(call, Call) and call.verb == "write"}
    assert {"a0", "b0", "c0"} <= writers
    assert any(who[-1] != "0" for who in writers)
    assert any(isinstance(each, Happened) and each.what == "crash" for each in seen)


# By mistake: a night that caught it when this was written, and the promise that it breaks.
CAUGHT = {
    "no ETag": (2, "no network write without a precondition"),
    "no second read": (2, "settings are read again under the intent"),
    "a refusal acknowledged": (33, "the ledger says written only of what was"),
    "pauses not heard": (2, "no write while held"),
    "no intent": (2, "every write has its intent"),
    "leases not seen": (51, "one writer at a time"),
    "blind writes forgotten": (8, "no setting is lost in silence"),
    "episodes forgotten": (5, "every end is told"),
    "no compare-and-swap": (25, "one id per transition"),
    "no retries": (5, "converges without a sweep"),
}
PATIENCE = 150
"""Nights after that one, since a change of the loop makes other nights of the same seeds."""


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_deliberate_mistake_is_caught(mistake: str) -> None:
    first, promise = CAUGHT[mistake]
    assert promise in PROMISES
    nights = map(draw, range(first, first + PATIENCE))
    assert any(promise in broken_by(night, MISTAKES[mistake]) for night in nights)


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
