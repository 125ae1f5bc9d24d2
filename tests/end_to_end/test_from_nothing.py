"""One forced remediation takes the guide's prerequisites to the guide's end state, with no other tool involved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.guide import GROUP
from tests.support.azure_cli import AzureCli
from tests.support.breakages import BREAKAGES
from tests.support.function_app import PROJECT
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.cli

SPEC = "examples/flask-app/homeostat.yaml"


def _homeostat(simulation: Simulation, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **simulation.env}
    command = [sys.executable, "-m", "homeostat", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def _writes(simulation: Simulation) -> list[str]:
    own = [each for each in simulation.requests() if each["caller"] == "id-homeostat"]
    return [f"{each['method']} {each['path']}" for each in own if each["method"] in {"PUT", "PATCH", "DELETE"}]


def test_a_forced_remediation_builds_what_the_guide_builds(az_program: Path) -> None:
    with running_simulator("prerequisites") as simulation, AzureCli(az_program, simulation.env) as az:
        done = _homeostat(simulation, "remediate", SPEC, "--create", "--yes", "--standalone")
        assert done.returncode == 0, done.stdout + done.stderr
        simulation.forget_requests()
        plan = _homeostat(simulation, "plan", SPEC, "--detailed-exitcode")
        assert (plan.returncode, _writes(simulation)) == (0, []), plan.stdout + plan.stderr
        built = {show.__name__: show(az) for show in {breakage.show for breakage in BREAKAGES}}
    with running_simulator("guide") as simulation, AzureCli(az_program, simulation.env) as az:
        guided = {show.__name__: show(az) for show in {breakage.show for breakage in BREAKAGES}}
    assert built == guided


def test_the_guides_world_has_no_drift_and_is_not_written_to() -> None:
    with running_simulator("guide") as simulation:
        done = _homeostat(simulation, "remediate", SPEC, "--create", "--yes", "--standalone")
        assert (done.returncode, _writes(simulation)) == (0, []), done.stdout + done.stderr


def test_without_a_word_from_a_person_no_container_is_created() -> None:
    with running_simulator("prerequisites") as simulation:
        done = _homeostat(simulation, "remediate", SPEC, "--yes", "--standalone")
        assert done.returncode == 2, done.stdout + done.stderr
        group = simulation.arm("GET", f"/resourceGroups/{GROUP}/providers/Microsoft.Network/networkSecurityGroups")
        assert group.body["value"] == []
