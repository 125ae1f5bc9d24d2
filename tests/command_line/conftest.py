"""The command line as a function: its exit code and what it said, with an environment of the test's own."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from homeostat.cli.main import main
from tests.support.planted import watch

OURS = ("AZURE", "HOMEOSTAT_", "IDENTITY_", "MSI_", "NO_COLOR")


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


type Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("plan", "spec.yaml", env={...})`. azure-identity reads the process's environment, so `env` goes there."""

    def run(*arguments: object, env: Mapping[str, str] | None = None) -> Said:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(OURS)]:
                patch.delenv(name)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            capsys.readouterr()
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        said = capsys.readouterr()
        watch("what the command line said", said.out + said.err)
        return Said(code, said.out, said.err)

    return run
