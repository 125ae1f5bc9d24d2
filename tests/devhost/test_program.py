"""`python -m devhost` as a program: what it prints, how it stops, how it refuses to start."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devhost.conftest import SAMPLE_APP, SETTINGS

pytestmark = pytest.mark.host
_ROOT = Path(__file__).parents[2]
_APP = """
import asyncio, time
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
async def endless():
    try:
        while True:
            yield
    finally:
        await asyncio.sleep(0.1)
        print("closed", flush=True)
opened = endless()
@app.route(route="slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await anext(opened)
    print("slow has begun", flush=True)
    await asyncio.sleep(float(req.params["seconds"]))
    return func.HttpResponse("done")
"""


def _app(folder: Path, code: str = _APP, host_json: str = '{"version": "2.0"}') -> Path:
    (folder / "function_app.py").write_text(code)
    (folder / "host.json").write_text(host_json)
    return folder


def _start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "devhost", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _refusal(*arguments: str, **settings: str) -> str:
    with _start(*arguments, **settings) as program:
        try:
            out, err = program.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
    assert (program.returncode, out) == (2, "")
    assert "devhost: " in err
    return err


def _lines_until_ready(program: subprocess.Popen[str]) -> list[str]:
    assert program.stdout is not None
    return list(iter(lambda: str(program.stdout.readline()).rstrip(), "ready"))  # type: ignore[union-attr]  # asserted above


@pytest.fixture
def slow_app(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with _start("--port", "0", "--grace", "2", "--app", str(_app(tmp_path))) as program:
        (line,) = _lines_until_ready(program)
        yield program, line.split()[-1]
        program.kill()


def test_it_prints_each_functions_url_then_ready_and_ends_with_zero_on_sigterm(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    settings = SETTINGS | {"AzureWebJobsStorage": _nobody_listens(), "SAMPLE_QUEUE": "overridden"}
    env_file.write_text("".join(f"export {name}='{value}'\n" for name, value in settings.items()))
    arguments = ("--port", "0", "--app", str(SAMPLE_APP), "--env-file", str(env_file))
    with _start(*arguments, SAMPLE_QUEUE="weaker") as program:
        lines = dict(line.split(": ", 1) for line in _lines_until_ready(program))
        assert lines["on_message"] == "queue 'overridden'"
        with urllib.request.urlopen(lines["everything_seen"].split()[-1]) as response:
            assert json.load(response) == []
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0


def _nobody_listens() -> str:
    return "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a;"


def test_sigterm_lets_a_running_invocation_finish_within_the_grace_time(
    slow_app: tuple[subprocess.Popen[str], str],
) -> None:
    program, url = slow_app
    answer, said = _call_then_terminate(program, f"{url}?seconds=0.5")
    assert answer == b"done"
    assert "Executed 'Functions.slow' (Succeeded" in said


def test_what_the_app_left_open_is_not_closed_since_the_worker_just_ends(
    slow_app: tuple[subprocess.Popen[str], str],
) -> None:
    program, url = slow_app
    _, said = _call_then_terminate(program, f"{url}?seconds=0.1")
    assert "closed" not in said


def test_sigterm_cuts_off_what_outlasts_the_grace_time(slow_app: tuple[subprocess.Popen[str], str]) -> None:
    program, url = slow_app
    answer, said = _call_then_terminate(program, f"{url}?seconds=60")
    assert answer == b"500"
    assert "Executed 'Functions.slow' (Failed" in said


def _call_then_terminate(program: subprocess.Popen[str], url: str) -> tuple[bytes, str]:
    script = (
        "import sys, urllib.request, urllib.error\n"
        "try: print(urllib.request.urlopen(sys.argv[1]).read().decode(), end='')\n"
        "except urllib.error.HTTPError as error: print(error.code, end='')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE) as caller:
        assert program.stdout is not None
        assert program.stdout.readline() == "slow has begun\n"
        program.send_signal(signal.SIGTERM)
        stdout, stderr = program.communicate(timeout=15)
        answer, _ = caller.communicate(timeout=15)
    assert program.returncode == 0
    return answer, stdout + stderr


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    assert "there is no folder" in _refusal("--app", str(tmp_path / "elsewhere"))
    assert "no host.json" in _refusal("--app", str(tmp_path))
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    assert "no function_app.py" in _refusal("--app", str(tmp_path))


def test_an_app_that_cannot_be_imported_is_refused_with_its_traceback(tmp_path: Path) -> None:
    assert "ModuleNotFoundError" in _refusal("--app", str(_app(tmp_path, "import no_such_module\n")))


def test_an_app_without_functions_is_refused(tmp_path: Path) -> None:
    assert "Could not find top level function app" in _refusal("--app", str(_app(tmp_path, "x = 1\n")))


def test_two_functions_on_one_route_are_refused(tmp_path: Path) -> None:
    twin = _APP + '@app.route(route="SLOW")\nasync def twin(req: func.HttpRequest) -> str: return ""\n'
    assert "share the route" in _refusal("--app", str(_app(tmp_path, twin)))


def test_a_binding_that_is_not_served_is_refused_by_name(tmp_path: Path) -> None:
    code = (
        "import azure.functions as func\napp = func.FunctionApp()\n"
        '@app.blob_trigger(arg_name="blob", path="c/b", connection="X")\n'
        "def on_blob(blob: func.InputStream) -> None: ...\n"
    )
    assert "'on_blob' uses binding 'blobTrigger'" in _refusal("--app", str(_app(tmp_path, code)))


def test_queues_without_a_storage_account_are_refused() -> None:
    assert "AzureWebJobsStorage" in _refusal("--app", str(SAMPLE_APP), **SETTINGS)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in _refusal("--port", str(port), "--app", str(_app(tmp_path)))
