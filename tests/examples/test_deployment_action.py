"""The deployment handshake, its script run for real against the function app on Microsoft's worker."""

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.examples.runner import ACTIONS, Done, Runner
from tests.support.function_app import FunctionApp, call, running_function_app
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.host

TARGET = "app-flask"
KEY = "the-host-key-of-these-tests"
RUN = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "shop/app", "GITHUB_RUN_ID": "42"}
REASON = "deployment https://github.com/shop/app/actions/runs/42"
FAST = {"RETRIES": "0", "LOOK_AGAIN_SECONDS": "0.2"}
SETTINGS = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask/config/appsettings"


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


@pytest.fixture(scope="module")
def app(simulation: Simulation) -> Iterator[FunctionApp]:
    settings = {
        "HOMEOSTAT_STATE": "memory",
        "HOMEOSTAT_SPEC_FOLDER": "examples/flask-app",
        "DEVHOST_FUNCTION_KEY": KEY,
    }
    with running_function_app({**simulation.env, **settings}) as running:
        yield running


@pytest.fixture
def service(app: FunctionApp) -> Iterator[Callable[..., Any]]:
    """Asks the service as a person would; whatever a test paused is resumed."""
    url = where(app)

    def ask(path: str, body: Any = None) -> Any:
        status, answer = call(f"{url}/api/{path}?code={KEY}", body)
        assert status == 200, answer
        return answer

    yield ask
    ask(f"targets/{TARGET}/resume", {})


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path, tmp_path, {**RUN, **FAST}, {})


@pytest.fixture
def handshake(runner: Runner, app: FunctionApp) -> Callable[..., Done]:
    return partial(runner.run, "homeostat-deployment", url=where(app), key=KEY, targets=TARGET)


def where(app: FunctionApp) -> str:
    parts = urlsplit(app.urls["targets"])
    return f"{parts.scheme}://{parts.netloc}"


def pauses(service: Callable[..., Any]) -> list[tuple[str, str]]:
    return [(each["until"], each["reason"]) for each in service(f"targets/{TARGET}")["pauses"]]


def set_redis_port(simulation: Simulation, port: str) -> None:
    settings = simulation.arm("POST", f"{SETTINGS}/list", api_version="2023-12-01").body["properties"]
    body = {"properties": settings | {"REDIS_PORT": port}}
    assert simulation.arm("PUT", SETTINGS, body, "2023-12-01").status == 200


def redis_port(simulation: Simulation) -> str:
    return str(simulation.arm("POST", f"{SETTINGS}/list", api_version="2023-12-01").body["properties"]["REDIS_PORT"])


def in_(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


# --- before ---


def test_before_a_deployment_the_target_is_paused_for_a_bounded_time(handshake: Any, service: Any) -> None:
    done = handshake(phase="before", minutes="30")
    assert (done.code, done.errors) == (0, []), done.log
    ((until, reason),) = pauses(service)
    assert reason == REASON
    assert timedelta(minutes=29) < datetime.fromisoformat(until) - datetime.now(UTC) <= timedelta(minutes=30)


def test_a_longer_pause_of_somebody_else_stays_before_and_after(handshake: Any, service: Any) -> None:
    service(f"targets/{TARGET}/pause", {"until": in_(240), "reason": "an incident"})
    incident = pauses(service)
    before = handshake(phase="before", minutes="30")
    assert before.code == 0
    assert "already paused until" in before.log
    after = handshake(phase="after")
    assert (after.code, pauses(service)) == (0, incident)
    assert "stays paused by somebody else: an incident" in after.log


def test_an_unknown_target_fails_before_anything_is_deployed(handshake: Any) -> None:
    done = handshake(phase="before", targets="app-flsk")
    assert (done.code, done.errors) == (1, ["Homeostat"])
    assert "404" in done.log
    assert "app-flsk" in done.log


# --- after ---


def test_what_a_deployment_left_changed_is_healed_after_it_and_not_before(
    handshake: Any, service: Any, simulation: Simulation
) -> None:
    handshake(phase="before")
    set_redis_port(simulation, "6379")
    held = service("remediate", {"targets": [TARGET], "wait": True})
    assert (held["status"], redis_port(simulation)) == ("held", "6379")
    done = handshake(phase="after")
    assert (done.code, done.errors, redis_port(simulation)) == (0, [], "6380"), done.log
    assert done.outputs["status"] in {"healed", "in-sync"}, "the resume's own reconcile may have come first"
    assert pauses(service) == []
    assert done.summary.startswith("## Homeostat after the deployment: ")


def test_drift_that_remains_fails_the_job_and_is_shown(handshake: Any, service: Any, simulation: Simulation) -> None:
    """The fleet is paused by somebody else: the deployment's own pause ends, and the repair is held all the same."""
    handshake(phase="before")
    service("pause", {"until": in_(60), "reason": "a | freeze"})
    set_redis_port(simulation, "6379")
    try:
        done = handshake(phase="after")
        assert (done.code, done.errors, done.outputs["status"]) == (2, ["Homeostat: drift"], "held"), done.log
        assert r"REDIS\_PORT: the fleet is paused" in done.summary
        assert r"a \| freeze" in done.summary
        assert [reason for _, reason in pauses(service)] == ["a | freeze"]
    finally:
        service("resume", {})
        set_redis_port(simulation, "6380")


def test_what_could_not_be_judged_is_an_error_and_no_drift(handshake: Any, simulation: Simulation) -> None:
    lock = "/resourceGroups/rg-flask/providers/Microsoft.Authorization/locks/frozen"
    simulation.arm("PUT", lock, {"properties": {"level": "ReadOnly"}}, "2020-05-01")
    try:
        done = handshake(phase="after")
    finally:
        simulation.arm("DELETE", lock, api_version="2020-05-01")
    assert (done.code, done.errors) == (1, ["Homeostat: error"]), done.log


def test_a_pause_that_ended_too_soon_is_told(handshake: Any) -> None:
    done = handshake(phase="after")
    assert done.code == 0
    assert "::warning title=Homeostat::app-flask was not paused any more" in done.log


def test_another_deployment_s_pause_is_not_ended(handshake: Any, runner: Runner, service: Any) -> None:
    other = replace(runner, environment={**runner.environment, "GITHUB_RUN_ID": "43"})
    other.run("homeostat-deployment", **handshake.keywords, phase="before")
    assert "stays paused by somebody else" in handshake(phase="after").log
    assert [reason for _, reason in pauses(service)] == [f"{REASON[:-2]}43"]


def test_any_pipeline_can_run_the_script(app: FunctionApp, service: Any) -> None:
    """Nothing of GitHub is set: the pipeline says itself how its deployment is called."""
    script = ACTIONS / "homeostat-deployment" / "handshake.sh"
    named = {"HOMEOSTAT_URL": where(app), "HOMEOSTAT_KEY": KEY, "TARGETS": TARGET, "DEPLOYMENT": "release 7"}
    run = partial(
        subprocess.run, env={"PATH": os.environ["PATH"], **named, **FAST}, capture_output=True, text=True, check=False
    )
    assert run([script, "before"]).returncode == 0
    assert [reason for _, reason in pauses(service)] == ["release 7"]
    after = run([script, "after"])
    assert (after.returncode, after.stderr, pauses(service)) == (0, "", [])
    assert "The targets are as declared." in after.stdout


# --- what cannot work ---


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"phase": "during"}, "phase is 'during'"),
        ({"phase": "before", "url": "http://homeostat.example.net"}, "begins with https://"),
        ({"phase": "before", "key": ""}, "key is empty"),
        ({"phase": "before", "key": "wrong"}, "refuses the key (401)"),
        ({"phase": "before", "targets": " \n"}, "targets is empty"),
        ({"phase": "before", "targets": "../pause"}, "'../pause' is no target's name"),
        ({"phase": "before", "targets": "$(touch a)"}, "'$(touch a)' is no target's name"),
        ({"phase": "before", "minutes": "0"}, "minutes is '0'"),
        ({"phase": "before", "minutes": "99999"}, "until: give a time in the next 30 days"),
        ({"phase": "after", "timeout_seconds": "soon"}, "timeout-seconds is 'soon'"),
        ({"phase": "before", "url": "http://localhost:9"}, "does not answer"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_fails_with_its_reason(
    handshake: Any, runner: Runner, inputs: dict[str, str], told: str
) -> None:
    done = handshake(**inputs)
    assert (done.code, done.errors) == (1, ["Homeostat"])
    assert told in done.log
    assert not (runner.workspace / "a").exists()


def test_the_key_is_nowhere_in_the_log(handshake: Any) -> None:
    assert KEY not in handshake(phase="before", targets="nobody").log


# --- a service that takes its time: its answers written down, since the real one is quick ---


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers 202 to the reconcile, then `queued`, then a settling run, then a healed one."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/runs/"):
            states = {1: {"state": "queued"}, 2: _done("settling"), 3: _done("healed")}
            self._reply(200, states[sum(path.startswith("/api/runs/") for path in self.asked)] | {"id": "r"})
        else:
            self._reply(200, {"pauses": [{"target": TARGET, "until": in_(5), "reason": REASON}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        remediates = self.path == "/api/remediate"
        self._reply(202 if remediates else 200, {"id": "r", "statusUrl": "/api/runs/r"} if remediates else {})

    def _reply(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _done(status: str) -> dict[str, Any]:
    root = {"root": f"/subscriptions/s/sites/{TARGET}", "status": status, "drifts": [], "held": [], "error": ""}
    return {"state": "done", "status": status, "roots": [root]}


@pytest.fixture
def slow() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (Slow,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked  # type: ignore[attr-defined]  # set above
        finally:
            server.shutdown()
            thread.join()


def test_a_run_that_outlasts_its_request_is_waited_for_and_one_that_settles_looked_at_again(
    runner: Runner, slow: tuple[str, list[str]]
) -> None:
    url, asked = slow
    done = runner.run("homeostat-deployment", phase="after", url=url, key="k", targets=TARGET)
    assert (done.code, done.outputs["status"]) == (0, "healed"), done.log
    assert asked == [
        f"/api/targets/{TARGET}",
        f"/api/targets/{TARGET}/resume",
        "/api/remediate",
        "/api/runs/r",
        "/api/runs/r",
        "/api/remediate",
        "/api/runs/r",
    ]


def test_a_run_that_is_never_done_fails_in_time(runner: Runner, slow: tuple[str, list[str]]) -> None:
    url, _ = slow
    done = runner.run("homeostat-deployment", phase="after", url=url, key="k", targets=TARGET, timeout_seconds="0")
    assert (done.code, done.errors) == (1, ["Homeostat"])
    assert "Run r is not done after 0 s" in done.log
