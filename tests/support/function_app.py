"""The function app as its users run it: `python -m devhost`, a process of its own, reached over HTTP."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.planted import watch

PROJECT = Path(__file__).parents[2]
_LINE = re.compile(r"^(\w+): .*?(https?://\S+)$")
_STOP_SECONDS = 30


@dataclass(slots=True)
class FunctionApp:
    """A running dev host. `urls` has the full URL of each function that has one, `log` its output so far."""

    process: subprocess.Popen[str]
    urls: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def call(self, function: str, body: Any = None, **route: str) -> tuple[int, Any]:
        """Status and JSON of one request to an HTTP function; POST with a body, else GET."""
        url = self.urls[function]
        for name, value in route.items():
            url = url.replace(f"{{{name}}}", value)
        return call(url, body)

    def kill(self) -> None:
        """SIGKILL: the process is gone between two of its instructions. It has no children."""
        self.process.kill()
        self.process.wait()

    def fire(self, function: str) -> int:
        """Runs a timer now, by the host's admin endpoint."""
        status, _ = call(self.urls[function], {"input": ""})
        return status


def call(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=240) as response:
            text, status = response.read(), response.status
    except urllib.error.HTTPError as refusal:
        text, status = refusal.read(), refusal.code
    watch("an answer over HTTP", text.decode(errors="replace"))
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode()


@contextmanager
def running_function_app(settings: Mapping[str, str], *options: str) -> Iterator[FunctionApp]:
    """Serves the project's function app until the block ends. `settings` go over the environment."""
    environment = {
        **os.environ,
        "HOMEOSTAT_NIGHTLY_SCHEDULE": "0 0 2 * * *",
        "HOMEOSTAT_SETTLE_SECONDS": "0",
        "HOMEOSTAT_READS_PER_MINUTE": "10000",  # many tests are one caller here
        "HOMEOSTAT_WRITES_PER_MINUTE": "10000",
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.200",
        **settings,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "devhost", "--port", "0", *options],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        app = FunctionApp(process)
        ready = threading.Event()
        reader = threading.Thread(target=_read, args=(app, ready), name="devhost output")
        reader.start()
        try:
            ready.wait()
            if process.poll() is not None or not app.urls:
                raise AssertionError("the dev host did not start:\n" + "".join(app.log))
            yield app
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STOP_SECONDS)
            finally:
                process.kill()
                reader.join()


def _read(app: FunctionApp, ready: threading.Event) -> None:
    """Reads the output until the process ends, with the URLs in it, and sets `ready`."""
    assert app.process.stdout is not None
    for line in app.process.stdout:
        app.log.append(line)
        if ready.is_set():  # before that it tells its URLs, whose keys are for whoever started it
            watch("what the dev host said", line)
        if not ready.is_set() and (match := _LINE.match(line.strip())):
            app.urls[match[1]] = match[2]
        if line.strip() == "ready":
            ready.set()
    ready.set()
