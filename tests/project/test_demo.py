"""The demo tells only what it has seen: it says so with its exit code."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from demo.__main__ import main
from demo.narrator import GREEN, Narrator
from demo.operator import NotSeen, until
from tests.support.planted import watch

pytestmark = pytest.mark.host

PROJECT = Path(__file__).parents[2]


def test_the_whole_story_is_seen_and_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300
    )
    watch("what the demo said", done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is as declared" in done.stdout
    assert "\x1b" not in done.stdout


def test_what_was_not_seen_ends_it_with_1_and_says_what(capsys: pytest.CaptureFixture[str]) -> None:
    def story(narrator: Narrator) -> None:
        narrator.step("Somebody deletes a rule.")
        until(lambda: False, "the rule to come back", seconds=0)

    assert main([], story) == 1
    assert "waited 0 s for the rule to come back" in capsys.readouterr().err


def test_waiting_ends_as_soon_as_it_is_seen() -> None:
    answers = iter((False, False, True))
    until(lambda: next(answers), "the third answer", seconds=60)
    with pytest.raises(NotSeen):
        until(lambda: False, "what never comes", seconds=0.05)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_and_for_those_who_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.delenv("NO_COLOR", raising=False)
    for out in (terminal, file):
        Narrator(out).good("healed", "at once")
    assert f"\x1b[{GREEN}m" in terminal.getvalue()
    assert "\x1b" not in file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Narrator(plain).good("healed", "at once")
    assert "\x1b" not in plain.getvalue()
