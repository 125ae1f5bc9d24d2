"""The programs of the demo, started as a user starts them: `python -m simulator` and `python -m devhost`."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from devhost.settings import read_env_file

PROJECT: Final = Path(__file__).parents[1]
SPEC: Final = "examples/flask-app/homeostat.yaml"
SETTLE_SECONDS: Final = 1
"""The settle time: one second, so that nobody has to watch for the usual fifteen."""

_FUNCTION: Final = re.compile(r"^(\w+): .*?(https?://\S+)$")
_STOP_SECONDS: Final = 15


class ProgramFailed(Exception):
    """A program ended before it was ready; the message holds what it said."""


@dataclass(slots=True)
class Program:
    """A running program. `lines` is the end of its output on both streams. `aloud`: it goes to stderr as well."""

    name: str
    process: subprocess.Popen[str]
    aloud: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=400))

    def wait_until_ready(self) -> None:
        """Reads until the line `ready`, and goes on reading beside the story. Raises ProgramFailed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.strip() == "ready":
                threading.Thread(target=self._read_on, name=f"output of {self.name}", daemon=True).start()
                return
        raise ProgramFailed(f"{self.name} did not start:\n" + "\n".join(self.lines))

    def _read_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if self.aloud:
                print(line, end="", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """The running function app. urls: of each function that has one, with its key."""

    program: Program
    urls: Mapping[str, str]

    @property
    def origin(self) -> str:
        """Its address, for HOMEOSTAT_URL."""
        parts = urlsplit(self.urls["health"])
        return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def simulator(*more: str, port: int = 0, env_file: Path | None = None) -> Iterator[dict[str, str]]:
    """A simulated Azure until the block ends; gives the environment that leads there. Raises ProgramFailed.

    `more` are options of `python -m simulator`; its world is the guide's.
    """
    with tempfile.TemporaryDirectory(prefix="homeostat-demo-") as folder:
        env_file = env_file or Path(folder) / "simulator.env"
        options = ["--port", str(port), "--world", "guide", "--env-file", str(env_file), *more]
        with _running("simulator", options, _plain_environment()):
            yield read_env_file(env_file)


@contextmanager
def function_app(
    cloud: Mapping[str, str], *, port: int = 0, aloud: bool = False, **settings: str
) -> Iterator[FunctionApp]:
    """Homeostat's function app, outside Azure, until the block ends. Its state is in memory. Raises ProgramFailed."""
    environment = {
        **_plain_environment(),
        **cloud,
        "HOMEOSTAT_STATE": "memory",
        "HOMEOSTAT_MODE": "enforce",
        "HOMEOSTAT_SPEC_CONTAINER": "",
        "HOMEOSTAT_SPEC_FOLDER": str(Path(SPEC).parent),
        "HOMEOSTAT_SETTLE_SECONDS": str(SETTLE_SECONDS),
        "HOMEOSTAT_NIGHTLY_SCHEDULE": "0 0 2 * * *",
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.100",
        **settings,
    }
    with _running("devhost", ["--port", str(port)], environment, aloud=aloud) as program:
        found = [match for line in program.lines if (match := _FUNCTION.match(line))]
        yield FunctionApp(program, {match[1]: match[2] for match in found})


def homeostat(arguments: Sequence[str], cloud: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs `python -m homeostat ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "homeostat", *arguments],
        cwd=PROJECT,
        env={**_plain_environment(), **cloud},
        capture_output=True,
        text=True,
        check=False,
    )


def _plain_environment() -> dict[str, str]:
    """The environment without settings of a real Homeostat or Azure that the caller may have."""
    foreign = ("HOMEOSTAT_", "AZURE_", "AzureWebJobs", "IDENTITY_", "MSI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@contextmanager
def _running(
    module: str, options: Sequence[str], environment: Mapping[str, str], *, aloud: bool = False
) -> Iterator[Program]:
    with subprocess.Popen(
        [sys.executable, "-m", module, *options],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for the demo, which then ends its programs in order
    ) as process:
        program = Program(f"python -m {module}", process, aloud)
        try:
            program.wait_until_ready()
            yield program
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
