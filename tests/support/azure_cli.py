"""The real Azure CLI, pointed at a running simulator.

The CLI is Microsoft's package from PyPI in an environment of its own (scripts/azure-cli). `login` goes through the `az`
program itself; the commands after it share one process (tests/cli/driver.py), which makes them about five times faster.
"""

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

_ROOT = Path(__file__).parents[2]
_DRIVER = _ROOT / "tests" / "cli" / "driver.py"
_INSTALL_SECONDS = 600
_COMMAND_SECONDS = 120

# Nothing of the caller's own Azure CLI may leak in, and nothing may be sent home or printed in colour.
QUIET = {
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "AZURE_CORE_NO_COLOR": "true",
    "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    "AZURE_CORE_LOGIN_EXPERIENCE_V2": "false",
    "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
}


class AzureCliError(Exception):
    """A command that failed, with what it said on standard error."""

    def __init__(self, arguments: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"az {' '.join(arguments)} failed with {code}:\n{stderr.strip()}")
        self.code = code
        self.stderr = stderr


def install() -> Path:
    """The path of the pinned CLI's `az`, installed first where it is missing; AzureCliError when that fails."""
    script = _ROOT / "scripts" / "azure-cli"
    made = subprocess.run([script], check=False, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    if made.returncode:
        raise AzureCliError(("(its installation)",), made.returncode, made.stderr)
    return Path(made.stdout.strip())


class AzureCli:
    """`az`, logged in to the simulator that `env` describes, with a configuration folder of its own.

    `env` is what the simulator writes to its env file: AZURE_CONFIG_DIR, HOMEOSTAT_ARM_ENDPOINT, the managed-identity
    endpoint and the certificate bundle. Calling the object runs a command and returns its parsed output:
    `cli("network", "vnet", "show", "-g", "rg", "-n", "vnet")`.
    """

    def __init__(self, program: Path, env: Mapping[str, str]) -> None:
        self._program = program
        self._env = {**os.environ, **QUIET, **env}
        self._driver: subprocess.Popen[str] | None = None
        self._stderr: IO[str] = tempfile.TemporaryFile("a+", prefix="az-stderr-")  # noqa: SIM115  # closed by close()

    def __enter__(self) -> Self:
        self.login()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def login(self) -> None:
        """Register the simulator as a cloud and log in with its managed identity, through `az` itself."""
        endpoint = self._env["HOMEOSTAT_ARM_ENDPOINT"]
        self.program("cloud", "register", "--name", "local", "--endpoint-resource-manager", endpoint)
        self.program("cloud", "set", "--name", "local")
        self.program("login", "--identity")

    def program(self, *arguments: str) -> Any:
        """Run the `az` program: a process of its own, as a person would start it."""
        done = subprocess.run(
            [self._program, *arguments, "--output", "json"],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise AzureCliError(arguments, done.returncode, done.stderr)
        return _parsed(done.stdout)

    def __call__(self, *arguments: str) -> Any:
        """Run a command in the shared process: its output as JSON (None without any), or AzureCliError.

        A command that takes longer than two minutes is ended with the process, and fails.
        """
        driver = self._running_driver()
        assert driver.stdin is not None
        assert driver.stdout is not None
        said_before = os.fstat(self._stderr.fileno()).st_size
        with suppress(BrokenPipeError):  # an ended process is noticed by its silence
            driver.stdin.write(json.dumps([*arguments, "--output", "json"]) + "\n")
            driver.stdin.flush()
        answered, _, _ = select.select([driver.stdout], [], [], _COMMAND_SECONDS)
        if not answered:
            driver.kill()
        line = driver.stdout.readline()
        self._stderr.seek(said_before)
        stderr = self._stderr.read()
        if not line:
            raise AzureCliError(arguments, self._end_driver(), stderr)
        answer = json.loads(line)
        if answer["code"]:
            raise AzureCliError(arguments, answer["code"], stderr)
        return _parsed(answer["output"])

    def close(self) -> None:
        self._end_driver()
        self._stderr.close()

    def _end_driver(self) -> int:
        """Let the shared process end and return its exit code; the next command starts another."""
        if self._driver is None:
            return 0
        ending, self._driver = self._driver, None
        with suppress(BrokenPipeError), ending:
            pass  # leaving the context closes its pipes and waits for it
        return ending.wait()

    def _running_driver(self) -> subprocess.Popen[str]:
        if self._driver is None:
            self._driver = subprocess.Popen(
                [self._program.parent / "python", _DRIVER],
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
            )
        return self._driver


def _parsed(output: str) -> Any:
    return json.loads(output) if output.strip() else None
