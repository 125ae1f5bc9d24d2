"""Runs a composite action's steps as GitHub's runner does: their scripts, for real, under bash.

Only what our actions use is understood, and anything else is an error: `${{ inputs.NAME }}`,
`${{ steps.ID.outputs.NAME }}`, steps with `run`, and steps with `uses` whose outputs the test provides.
https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
ACTIONS = PROJECT / ".github" / "actions"
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")

type Outputs = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Done:
    """code: of the first step that failed, else 0. log: what all steps wrote to stdout and stderr."""

    code: int
    log: str
    summary: str
    outputs: Mapping[str, str]

    @property
    def errors(self) -> list[str]:
        """The titles of the error annotations."""
        return re.findall(r"^::error title=(.*?)::", self.log, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Runner:
    """temp: RUNNER_TEMP. environment: what the job's steps see besides the runner's own variables."""

    temp: Path
    workspace: Path
    environment: Mapping[str, str]
    used: Outputs  # by the `uses` of a step without its version

    def run(self, action: str, **inputs: str) -> Done:
        """The action in that folder. Raises KeyError for an input that it does not have, or lacks and requires."""
        folder = ACTIONS / action
        metadata = read(folder / "action.yml")
        given = _with_defaults(metadata["inputs"], {name.replace("_", "-"): value for name, value in inputs.items()})
        steps: dict[str, Mapping[str, str]] = {}
        log, code = [], 0
        summary = _empty(self.temp / "step-summary")
        for step in metadata["runs"]["steps"]:
            if "uses" in step:
                steps[step["id"]] = self.used[step["uses"].partition("@")[0]]
                continue
            output = _empty(self.temp / "step-output")
            own = {name: _evaluated(value, given, steps) for name, value in step.get("env", {}).items()}
            files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
            done = self._bash(step["run"], {"GITHUB_ACTION_PATH": str(folder), **files, **own})
            log.append(done.stdout)
            steps[step.get("id", "")] = _read_outputs(output)
            code = done.returncode
            if code:
                break
        outputs = {name: _evaluated(each["value"], given, steps) for name, each in metadata["outputs"].items()}
        return Done(code, "".join(log), summary.read_text(encoding="utf-8"), outputs)

    def _bash(self, script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """`shell: bash` is `bash --noprofile --norc -eo pipefail FILE`."""
        file = self.temp / "step.sh"
        file.write_text(script, encoding="utf-8")
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.temp),
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(self.temp),
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
            cwd=self.workspace,
            env={**own, **self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def read(path: Path) -> Any:
    """YAML as GitHub reads it: `on` is a word there, and no boolean."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # gives strings only


def expressions(text: str) -> list[str]:
    return _EXPRESSION.findall(text)


def _with_defaults(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    for name in given:
        declared[name]  # raises for one that is not declared
    return {
        name: given[name] if each.get("required") == "true" else given.get(name, each.get("default", ""))
        for name, each in declared.items()
    }


def _evaluated(text: str, inputs: Mapping[str, str], steps: Outputs) -> str:
    def value(match: re.Match[str]) -> str:
        match match[1].split("."):
            case ["inputs", name]:
                return inputs[name]
            case ["steps", step, "outputs", name]:
                return steps.get(step, {}).get(name, "")
        raise AssertionError(f"{match[0]}: not understood here")

    return _EXPRESSION.sub(value, text)


def _read_outputs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def _empty(file: Path) -> Path:
    file.write_text("", encoding="utf-8")
    return file
