"""The Makefile and the checks that are scripts of the project's own."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

PROJECT = Path(__file__).parents[2]
TARGETS = {"setup", "demo", "up", "test", "sim", "check", "kill", "bench", "fuzz", "package"}


def run(*command: str | Path, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_make_alone_prints_what_there_is_and_does_nothing() -> None:
    done = run("make", "--no-print-directory")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == TARGETS


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(PROJECT / "scripts" / "check-paths", tmp_path / "scripts")
    run("git", "init", "--quiet", cwd=tmp_path)
    return tmp_path


@pytest.mark.parametrize("home", ["home/alice", "Users/alice", "root/project"])
def test_a_path_of_somebody_s_own_machine_is_found(repository: Path, home: str) -> None:
    (repository / "notes.md").write_text(f"It is in /{home}/src.\n")
    run("git", "add", ".", cwd=repository)
    done = run("scripts/check-paths", cwd=repository)
    assert done.returncode == 1
    assert f"notes.md:1:It is in /{home}/src." in done.stdout


def test_relative_paths_and_urls_are_fine(repository: Path) -> None:
    (repository / "notes.md").write_text("See docs/home/page and https://example.com/home/page and /subscriptions/s.\n")
    run("git", "add", ".", cwd=repository)
    assert run("scripts/check-paths", cwd=repository).returncode == 0
