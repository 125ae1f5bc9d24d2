"""A fresh process with a function app in it, as Azure's worker starts one: from the package's own tree alone.

Microsoft's worker library comes from this environment, everything else from the package: with its bytecode, and
without site-packages (`-S`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import azure_functions_runtime  # type: ignore[import-untyped]  # Microsoft ships no types for it

from scripts import package
from tests.support.patience import patient_specs

PROJECT: Final = Path(__file__).parents[1]
PROCESS: Final = PROJECT / "bench" / "cold_process.py"
WORKER: Final = ("azure_functions_runtime", "azurefunctions")

EMPTY_APP: Final = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("hello")
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")
"""

LIBRARIES_APP: Final = f"""{EMPTY_APP}

@app.queue_trigger("data", "looks", "AzureWebJobsStorage")
def look(data: str) -> None:
    import aiohttp
    import azure.data.tables.aio
    import azure.identity.aio
    import azure.storage.blob.aio
    import azure.storage.queue.aio


@app.queue_trigger("data", "writes", "AzureWebJobsStorage")
def write(data: str) -> None:
    import azure.eventgrid.aio
    import azure.mgmt.network.aio
"""
"""Nothing but the libraries that a look, and the repair of a network resource, cannot do without."""


@dataclass(frozen=True, slots=True)
class State:
    """A process at one moment. at: seconds since its start. cpu: seconds so far. peak: of resident memory, in MiB."""

    at: float
    cpu: float
    peak: float
    modules: frozenset[str]


@dataclass(slots=True)
class ColdProcess:
    """A running process. ready: its state when its functions were indexed."""

    process: subprocess.Popen[str]
    began: float
    ready: State

    def event(self, event: Mapping[str, Any], root: str) -> State:
        """Delivers one event, and carries out the work on its root that follows. Returns the state afterwards."""
        self.run({"function": "on_resource_event", "json": event})
        return self.run({"function": "reconcile", "text": json.dumps({"root": root})})

    def run(self, asked: Mapping[str, Any]) -> State:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return _state(self.process, self.began)


@dataclass(frozen=True, slots=True)
class Apps:
    """The folders of the apps that are compared.

    ours: the unpacked package. empty: an app with one HTTP function. worker: what Azure brings along.

    libraries: an app that imports the libraries that ours cannot do without, and does nothing.
    """

    ours: Path
    empty: Path
    libraries: Path
    worker: Path

    @property
    def dependencies(self) -> Path:
        return self.ours / package.DEPENDENCIES

    def process(self, app: Path, settings: Mapping[str, str]) -> AbstractContextManager[ColdProcess]:
        return started(app, (self.worker, self.dependencies), settings)


@contextmanager
def started(app: Path, path: Sequence[Path], settings: Mapping[str, str]) -> Iterator[ColdProcess]:
    """A process that has indexed the app, until the block ends. It finds modules in the app's folder and on `path`."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path)), **settings}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-S", "-P", PROCESS, app],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield ColdProcess(process, began, _state(process, began))


def built(folder: Path) -> Apps:
    """Builds the apps in a folder. It takes half a minute, since every dependency is compiled."""
    apps = Apps(*(folder / name for name in ("package", "empty", "libraries", "worker")))
    specs = folder / "specs"
    specs.mkdir()
    patient_specs(specs)
    package.build(apps.ours, specs)
    for app, text in ((apps.empty, EMPTY_APP), (apps.libraries, LIBRARIES_APP)):
        app.mkdir()
        (app / "function_app.py").write_text(text, encoding="utf-8")
        package.compile_unchecked(app)
    apps.worker.mkdir()
    site_packages = Path(azure_functions_runtime.__file__).parents[1]
    for name in WORKER:
        (apps.worker / name).symlink_to(site_packages / name)
    (apps.worker / "devhost").symlink_to(PROJECT / "devhost")
    return apps


def _state(process: subprocess.Popen[str], began: float) -> State:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the process ended with {process.wait()} before it answered; its reason is on stderr")
    said = json.loads(line)
    return State(said["at"] - began, said["cpu"], said["peak"], frozenset(said["modules"]))
