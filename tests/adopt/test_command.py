"""`adopt` on the command line: data to stdout or a file, words to stderr, and a plan of it that is empty."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from homeostat.cli.main import main
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as simulation:
        yield simulation


@pytest.fixture
def environment(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "HOMEOSTAT_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    for name, value in simulation.env.items():
        monkeypatch.setenv(name, value)
    simulation.forget_requests()
    return simulation.env


APP = ("--resource-group", "rg-flask", "--web-app", "app-flask")


def test_the_plan_of_what_was_adopted_is_empty_and_nothing_was_written_to_azure(
    environment: Mapping[str, str], simulation: Simulation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "adopted.yaml"
    assert main(["adopt", *APP, "--out", str(spec)]) == 0
    assert main(["validate", str(spec)]) == 0
    assert main(["plan", str(spec), "--detailed-exitcode"]) == 0
    assert {call["method"] for call in simulation.requests()} <= {"GET", "POST"}
    assert all(call["method"] == "GET" or "/list?" in call["path"] for call in simulation.requests())


def test_without_a_file_the_spec_alone_goes_to_stdout(
    environment: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adopt", *APP]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# What app-flask is like")
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-g", "rg-flask", "-n", "app-nobody"], "there is no sites/app-nobody in rg-flask"),
        (["-g", "rg-nobody", "-n", "app-flask"], "there is no sites/app-flask in rg-nobody"),
        (["-g", "rg-flask", "-n", "app-flask/nowhere"], "there is no sites/app-flask/slots/nowhere"),
        (["-g", "rg-flask", "-n", "a/b/c"], "'a/b/c' names no web app"),
        ([*APP, "--subscription", "mine"], "'mine' is no subscription's id"),
    ],
)
def test_what_cannot_be_found_ends_with_1_and_one_line(
    environment: Mapping[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["adopt", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert len(said.err.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_told(
    environment: Mapping[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adopt", *APP, "--out", str(tmp_path / "no" / "such" / "file.yaml")]) == 1
    assert "cannot be written" in capsys.readouterr().err
