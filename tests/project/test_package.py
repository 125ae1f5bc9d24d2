"""The deployable zip, as Azure Functions would find it: unpacked, and with nothing of this environment besides."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts import package

pytestmark = pytest.mark.host

PROJECT = Path(__file__).parents[2]
FUNCTIONS = {"on_resource_event", "on_queued_event", "nightly_reconcile", "sweep", "reconcile", "remediate", "health"}
START_SECONDS = 60

runs_here = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason=f"the package holds programs for {package.PLATFORM}, where Azure Functions runs",
)


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    out = folder / "homeostat.zip"
    package.build(folder / "content", PROJECT / "examples" / "flask-app")
    package.write_zip(folder / "content", out)
    return out


@pytest.fixture(scope="module")
def unpacked(zipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wwwroot")
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder


def test_it_holds_what_runs_and_nothing_that_helps_developing(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    shipped = {"function_app.py", "host.json", "requirements.txt", "homeostat", "remediators", "specs"}
    assert tops == {*shipped, ".python_packages", "__pycache__"}


def test_every_module_has_valid_bytecode_that_no_change_of_time_can_make_stale(zipped: Path) -> None:
    """PEP 552: magic number, then 1 where it is hash-based and unchecked, then the hash of the source."""
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(zipped) as archive:
        names = set(archive.namelist())
        modules = [Path(name) for name in names if name.endswith(".py")]
        compiled = {str(path): f"{path.parent}/__pycache__/{path.stem}.{tag}.pyc" for path in modules}
        assert {str(Path(name)) for name in compiled.values()} <= names
        headers = {name: archive.read(str(Path(pyc)))[:16] for name, pyc in compiled.items()}
        hashes = {name: importlib.util.source_hash(archive.read(name)) for name in compiled}
    assert any(name.startswith(package.DEPENDENCIES) for name in headers)
    unchecked = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    assert headers == {name: unchecked + source for name, source in hashes.items()}


def test_when_its_files_were_made_leaves_no_trace_in_the_zip(zipped: Path, tmp_path: Path) -> None:
    for path in (zipped.parent / "content").rglob("*"):
        os.utime(path, (0, 0))
    package.write_zip(zipped.parent / "content", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


@runs_here
def test_its_own_dependencies_are_enough_to_index_the_functions_and_to_load_every_adapter(unpacked: Path) -> None:
    """Without this environment's packages: -I ignores its variables and -S its site-packages."""
    code = f"""
import sys
sys.path[:0] = [{str(unpacked)!r}, {str(unpacked / package.DEPENDENCIES)!r}]
import function_app
print([function.get_function_name() for function in function_app.app.get_functions()])
import homeostat.bootstrap, azure.mgmt.web.aio, azure.mgmt.network.aio, azure.mgmt.privatedns.aio
import azure.identity.aio, azure.eventgrid.aio, azure.data.tables.aio, azure.storage.queue.aio, azure.storage.blob.aio
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(repr(name) in done.stdout for name in FUNCTIONS)


@runs_here
def test_the_host_serves_it_from_its_own_folder(unpacked: Path, tmp_path: Path) -> None:
    with served(unpacked, tmp_path) as urls:
        assert set(urls) >= FUNCTIONS
        with urllib.request.urlopen(urls["health"], timeout=30) as answer:
            assert json.load(answer) == {"status": "ok", "mode": "enforce"}


@contextmanager
def served(app: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The dev host with the packaged app alone on its path; what it says about each function, the last word of it."""
    (folder / "devhost").symlink_to(PROJECT / "devhost")
    settings = {
        "PYTHONPATH": os.pathsep.join((str(app), str(folder))),
        "HOMEOSTAT_STATE": "memory",
        "HOMEOSTAT_NIGHTLY_SCHEDULE": "0 0 2 * * *",
        "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001",
    }
    command = [sys.executable, "-P", "-m", "devhost", "--app", str(app), "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said: list[str] = []
        deadline = threading.Timer(START_SECONDS, process.kill)
        deadline.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if line.strip() == "ready":
                    break
            else:
                pytest.fail("the dev host did not start:\n" + "".join(said))
            yield {line.partition(":")[0]: line.split()[-1] for line in said}
        finally:
            deadline.cancel()
            process.terminate()
            process.communicate(timeout=30)
