"""The plan action, its scripts run for real: Homeostat installed from the registry, asking the simulator over TLS."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.examples.runner import ACTIONS, PROJECT, Done, Runner
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

ACTION = ACTIONS / "homeostat-plan"
SPEC = "specs/homeostat.yaml"
LOGGED_IN = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
SETTINGS = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask/config/appsettings"


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A user's checkout: a folder of specs, and a module that is not Homeostat's."""
    folder = tmp_path / "workspace"
    (folder / "specs").mkdir(parents=True)
    shutil.copy(PROJECT / "examples" / "flask-app" / "homeostat.yaml", folder / "specs")
    (folder / "yaml.py").write_text("raise SystemExit('imported from the workspace')\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def installed() -> Path:
    """What the action's own script installs, from the registry; in the cache, for the next run of the tests."""
    temp = PROJECT / ".cache" / "ci-runner"
    temp.mkdir(parents=True, exist_ok=True)
    variables = {"GITHUB_ACTION_PATH": str(ACTION), "RUNNER_TEMP": str(temp), "PYTHON": sys.executable}
    subprocess.run([ACTION / "install.sh"], env={**os.environ, **variables}, check=True)
    return temp / "homeostat"


@pytest.fixture
def runner(simulation: Simulation, workspace: Path, installed: Path, tmp_path: Path) -> Runner:
    """A job in which the action ran before: its install step finds its work done."""
    temp = tmp_path / "temp"
    temp.mkdir()
    (temp / "homeostat").symlink_to(installed)
    python = {"actions/setup-python": {"python-path": sys.executable}}
    return Runner(temp, workspace, {**simulation.env, **LOGGED_IN}, python)


@pytest.fixture
def drifted(simulation: Simulation) -> Iterator[None]:
    """REDIS_PORT is another than declared, while the test runs."""
    before = simulation.arm("POST", f"{SETTINGS}/list", api_version="2023-12-01").body["properties"]
    put = partial(simulation.arm, "PUT", SETTINGS, api_version="2023-12-01")
    assert put({"properties": before | {"REDIS_PORT": "6379"}}).status == 200
    yield
    assert put({"properties": before}).status == 200


def plan(runner: Runner, **inputs: str) -> Done:
    return runner.run("homeostat-plan", **{"specs": SPEC, **inputs})


def test_it_succeeds_where_everything_is_as_declared(runner: Runner, simulation: Simulation) -> None:
    simulation.forget_requests()
    done = plan(runner)
    assert (done.code, done.errors, done.outputs["drift"]) == (0, [], "false"), done.log
    assert done.summary.startswith("## Homeostat: as declared")
    assert Path(done.outputs["report"]).read_text(encoding="utf-8") == done.summary
    assert {each["method"] for each in simulation.requests()} <= {"GET", "POST"}


@pytest.mark.usefixtures("drifted")
def test_drift_fails_with_a_code_of_its_own_and_is_shown(runner: Runner) -> None:
    done = plan(runner, targets="app-flask")
    assert (done.code, done.errors, done.outputs["drift"]) == (2, ["Homeostat: drift"], "true"), done.log
    assert done.summary.startswith("## Homeostat: drift")
    assert "6379" in done.summary
    assert "6380" in done.summary


@pytest.mark.usefixtures("drifted")
def test_drift_that_shall_not_fail_is_a_warning(runner: Runner) -> None:
    done = plan(runner, fail_on_drift="false")
    assert (done.code, done.errors, done.outputs["drift"]) == (0, [], "true")
    assert "::warning title=Homeostat: drift::" in done.log
    assert done.summary.startswith("## Homeostat: drift")


@pytest.fixture
def locked(simulation: Simulation) -> Iterator[None]:
    """A ReadOnly lock, under which app settings cannot even be read."""
    lock = "/resourceGroups/rg-flask/providers/Microsoft.Authorization/locks/frozen"
    assert simulation.arm("PUT", lock, {"properties": {"level": "ReadOnly"}}, "2020-05-01").status in {200, 201}
    yield
    assert simulation.arm("DELETE", lock, api_version="2020-05-01").status in {200, 204}


@pytest.mark.usefixtures("locked")
def test_what_cannot_be_read_is_an_error_and_no_drift_whatever_drift_may_do(runner: Runner) -> None:
    done = plan(runner, fail_on_drift="false")
    assert (done.code, done.errors, done.outputs["drift"]) == (1, ["Homeostat: error"], "unknown"), done.log
    assert done.summary.startswith("## Homeostat: incomplete")


def test_a_job_that_has_not_logged_in_is_told_so(runner: Runner) -> None:
    """Without a choice of its own the action takes the Azure CLI's login, and there is none."""
    own = {name: value for name, value in runner.environment.items() if name != "AZURE_TOKEN_CREDENTIALS"}
    done = plan(replace(runner, environment=own))
    assert (done.code, done.errors) == (1, ["Homeostat: error"])
    assert "az login" in done.log


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"specs": " \n "}, "specs is empty"),
        ({"specs": "specs/none.yaml"}, "none.yaml"),
        ({"targets": "app-flsk"}, "Did you mean app-flask"),
        ({"targets": "--yes"}, "expected one argument"),
        ({"fail_on_drift": "yes"}, "fail-on-drift is 'yes'"),
    ],
    ids=["no specs", "missing spec", "unknown target", "an option", "neither true nor false"],
)
def test_inputs_that_make_no_sense_are_errors_that_say_why(runner: Runner, inputs: dict[str, str], told: str) -> None:
    done = plan(runner, **inputs)
    assert done.code == 1
    (annotation,) = (line for line in done.log.splitlines() if line.startswith("::error "))
    assert told in annotation


def test_a_wrong_spec_is_shown_with_its_lines_where_a_plan_would_be(runner: Runner, workspace: Path) -> None:
    (workspace / SPEC).write_text("target: app\nweb_app: [1]\n", encoding="utf-8")
    done = plan(runner)
    assert (done.code, done.outputs["report"]) == (1, "")
    assert done.summary.startswith("## Homeostat: no plan\n\n    ")
    assert f"{SPEC}:2" in done.summary


def test_inputs_are_not_run_as_commands(runner: Runner, workspace: Path) -> None:
    done = plan(runner, specs="$(touch a); `touch b`", targets="x; touch c\n$(touch d)")
    assert done.code == 1
    assert sorted(file.name for file in workspace.iterdir()) == ["specs", "yaml.py"]


def test_errors_cannot_speak_to_the_runner(runner: Runner, workspace: Path) -> None:
    """A file's name can hold what would be a command at the start of a line."""
    done = plan(runner, specs="specs/x\n::add-mask::everything")
    before, _, rest = done.log.partition("::stop-commands::")
    guard, _, shown = rest.partition("\n")
    _, _, after = shown.partition(f"::{guard}::")
    assert guard
    assert [line for line in (before + after).splitlines() if line.startswith("::add-mask")] == []


def test_a_plan_longer_than_a_summary_may_be_is_cut_between_lines(runner: Runner, workspace: Path) -> None:
    spec = (workspace / SPEC).read_text(encoding="utf-8")
    many = "".join(f"    {'A' * 450}_{number}: {'x' * 200}\n" for number in range(2000))
    (workspace / SPEC).write_text(
        spec.replace("    REDIS_PORT: 6380\n", f"    REDIS_PORT: 6380\n{many}"), encoding="utf-8"
    )
    done = plan(runner)
    whole = Path(done.outputs["report"]).read_text(encoding="utf-8")
    shown, _, notice = done.summary.rstrip("\n").rpartition("\n\n")
    assert done.code == 2
    assert len(whole.encode()) > 2**20 > len(done.summary.encode())
    assert notice.startswith("**The plan is longer")
    assert whole.startswith(f"{shown}\n")
