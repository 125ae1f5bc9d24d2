"""The actions and workflows as GitHub reads them, before anything runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.examples.runner import ACTIONS, PROJECT, expressions, read

pytestmark = pytest.mark.unit

ACTION_FILES = sorted(ACTIONS.glob("*/action.yml"))
WORKFLOWS = sorted((PROJECT / "examples" / "ci").glob("*.yml"))
OURS = "your-org/homeostat/.github/actions/"


def _name(path: Path) -> str:
    return path.parent.name if path.name == "action.yml" else path.stem


def jobs_steps(workflow: Any) -> list[Any]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_two_actions_and_two_workflows() -> None:
    assert [_name(path) for path in ACTION_FILES] == ["homeostat-deployment", "homeostat-plan"]
    assert [_name(path) for path in WORKFLOWS] == ["deploy", "homeostat-plan"]


@pytest.mark.parametrize("path", ACTION_FILES, ids=_name)
def test_an_action_is_composite_and_describes_all_that_it_takes_and_gives(path: Path) -> None:
    action = read(path)
    assert action.keys() == {"name", "description", "inputs", "outputs", "runs"}
    assert action["runs"]["using"] == "composite"
    for each in action["inputs"].values():
        assert each["description"]
        assert ("default" in each) != (each.get("required") == "true")
    assert all(each.keys() == {"description", "value"} for each in action["outputs"].values())
    assert all("uses" in step or step.get("shell") == "bash" for step in action["runs"]["steps"])


@pytest.mark.parametrize("path", ACTION_FILES, ids=_name)
def test_what_a_caller_gives_is_data_and_never_a_part_of_a_script(path: Path) -> None:
    steps = read(path)["runs"]["steps"]
    assert [step["run"] for step in steps if "run" in step and expressions(step["run"])] == []


@pytest.mark.parametrize("path", ACTION_FILES, ids=_name)
def test_every_input_of_an_action_is_used_and_every_expression_leads_somewhere(path: Path) -> None:
    action = read(path)
    ids = {step["id"] for step in action["runs"]["steps"] if "id" in step}
    used = set(expressions(path.read_text(encoding="utf-8")))
    assert {name.removeprefix("inputs.") for name in used if name.startswith("inputs.")} == action["inputs"].keys()
    assert {name.split(".")[1] for name in used if name.startswith("steps.")} <= ids


@pytest.mark.parametrize("path", ACTION_FILES, ids=_name)
def test_the_scripts_of_an_action_can_be_executed(path: Path) -> None:
    scripts = re.findall(r"\$GITHUB_ACTION_PATH/(\w+\.sh)", path.read_text(encoding="utf-8"))
    assert scripts
    assert all((path.parent / script).stat().st_mode & 0o111 for script in scripts)


def documented_steps() -> list[Any]:
    """The steps shown in docs/ci.md."""
    page = (PROJECT / "docs" / "ci.md").read_text(encoding="utf-8")
    blocks = [yaml.load(block, Loader=yaml.BaseLoader) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    return [step for block in blocks for step in block]


@pytest.mark.parametrize(
    "steps",
    [*(jobs_steps(read(path)) for path in WORKFLOWS), documented_steps()],
    ids=[*map(_name, WORKFLOWS), "docs"],
)
def test_our_actions_are_given_what_they_take(steps: list[Any]) -> None:
    ours = [step for step in steps if step["uses"].startswith(OURS)]
    assert ours
    for step in ours:
        name, _, version = step["uses"].removeprefix(OURS).partition("@")
        inputs = read(ACTIONS / name / "action.yml")["inputs"]
        required = {key for key, each in inputs.items() if each.get("required") == "true"}
        assert required <= step["with"].keys() <= inputs.keys()
        assert version == "v0.1.0"


@pytest.mark.parametrize("path", WORKFLOWS, ids=_name)
def test_a_workflow_asks_for_no_more_than_it_needs_and_ends_in_time(path: Path) -> None:
    workflow = read(path)
    assert workflow.keys() == {"name", "on", "permissions", "concurrency", "jobs"}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    assert all(int(job["timeout-minutes"]) <= 60 and job["runs-on"] for job in workflow["jobs"].values())
    assert all("@" in step["uses"] for step in jobs_steps(workflow))


def test_the_plan_is_made_on_a_schedule_and_for_pull_requests() -> None:
    workflow = read(PROJECT / "examples" / "ci" / "homeostat-plan.yml")
    assert {"schedule", "pull_request"} <= workflow["on"].keys()


def test_the_pause_is_ended_however_the_deployment_went_and_lasts_longer_than_the_job() -> None:
    workflow = read(PROJECT / "examples" / "ci" / "deploy.yml")
    (job,) = workflow["jobs"].values()
    before, after = (step for step in job["steps"] if step["uses"].startswith(OURS))
    assert (before["with"]["phase"], after["with"]["phase"]) == ("before", "after")
    assert "always()" in after["if"]
    assert job["steps"].index(after) == len(job["steps"]) - 1
    assert int(before["with"]["minutes"]) > int(job["timeout-minutes"])
