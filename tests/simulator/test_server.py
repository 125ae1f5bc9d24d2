"""The simulator as a program: what it prints and writes, its request log, its faults, and its refusals."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator import faults, identity
from simulator.clock import wall_clock
from simulator.cloud import HOMEOSTAT, Cloud, Timing
from simulator.faults import Fault
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

NSG = "resourceGroups/rg-flask/providers/Microsoft.Network/networkSecurityGroups"


def fetch(env: dict[str, str], path: str, method: str = "GET", token: str = "", body: Any = None) -> tuple[int, Any]:
    trust = ssl.create_default_context(cafile=env["SSL_CERT_FILE"])
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(env["HOMEOSTAT_ARM_ENDPOINT"] + path, method=method, data=data)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, context=trust, timeout=10) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


@contextmanager
def program(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    env_file = tmp_path / "simulator.env"
    command = [sys.executable, "-m", "simulator", "--port", "0", "--env-file", str(env_file), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process, dict(re.findall(r"^export (\w+)=(.*)$", env_file.read_text(), re.MULTILINE))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def test_it_writes_its_environment_prints_ready_and_ends_on_a_signal(tmp_path: Path) -> None:
    with program(tmp_path) as (process, env):
        status, endpoints = fetch(env, "/metadata/endpoints?api-version=2022-09-01")
        assert status == 200
        assert endpoints["resourceManager"] == env["HOMEOSTAT_ARM_ENDPOINT"]
        assert Path(env["AZURE_CONFIG_DIR"]).is_dir()
        names = {"AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
        assert names <= set(env)
    assert process.returncode == 0


@pytest.mark.parametrize(("pace", "retry_after", "status"), [("quick", "0", 404), ("recorded", "1", 200)])
def test_operations_are_quick_or_as_recorded(tmp_path: Path, pace: str, retry_after: str, status: int) -> None:
    with program(tmp_path, "--world", "guide", "--pace", pace) as (_, env):
        path = f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/{NSG}/nsg-appservice-integration/securityRules/allow-sql"
        url = f"{env['HOMEOSTAT_ARM_ENDPOINT']}{path}?api-version=2024-05-01"
        bearer = identity.issue(Cloud(), HOMEOSTAT, "https://management.azure.com/", wall_clock().now())
        request = urllib.request.Request(url, method="DELETE", headers={"Authorization": f"Bearer {bearer}"})
        trust = ssl.create_default_context(cafile=env["SSL_CERT_FILE"])
        with urllib.request.urlopen(request, context=trust, timeout=10) as response:
            assert (response.status, response.headers["Retry-After"]) == (202, retry_after)
        assert fetch(env, f"{path}?api-version=2024-05-01", token=bearer)[0] == status


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--world", "atlantis"], "'atlantis' is not a world"),
        (["--faults", "locusts"], "'locusts' is neither a readable file nor one of busy, down"),
        (["--role", "/nowhere.json"], "/nowhere.json is not a role definition"),
        (["--env-file", "/nowhere/at/all"], "cannot write /nowhere/at/all"),
    ],
)
def test_a_wrong_argument_is_one_clear_line_and_exit_2(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "simulator", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr


def test_a_port_in_use_is_one_clear_line_and_exit_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "simulator", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"simulator: cannot serve on port {port}")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


def token(simulation: Simulation) -> str:
    now = simulation.exchanger.clock.now()
    return identity.issue(simulation.cloud, HOMEOSTAT, "https://management.azure.com/", now)


def nsgs(simulation: Simulation) -> tuple[int, Any]:
    path = f"/subscriptions/{simulation.subscription}/{NSG}?api-version=2024-05-01"
    return fetch(simulation.env, path, token=token(simulation))


def test_the_request_log_lists_arm_calls_alone(simulation: Simulation) -> None:
    fetch(simulation.env, "/metadata/endpoints?api-version=2022-09-01")
    assert nsgs(simulation)[0] == 200
    fetch(simulation.env, f"/subscriptions/{simulation.subscription}/nonsense?api-version=2024-05-01")
    status, log = fetch(simulation.env, "/_simulator/requests")
    assert status == 200
    assert [(each["method"], each["status"], each["caller"], each["error"]) for each in log] == [
        ("GET", 200, "id-homeostat", ""),
        ("GET", 401, "anonymous", "AuthenticationFailed"),
    ]
    assert log[0]["path"].endswith("?api-version=2024-05-01")
    assert fetch(simulation.env, "/_simulator/requests", "DELETE")[0] == 204
    assert fetch(simulation.env, "/_simulator/requests") == (200, [])


def test_the_world_is_dumped_and_loaded_over_the_wire(simulation: Simulation) -> None:
    _, world = fetch(simulation.env, "/_simulator/world")
    world["resources"] = [each for each in world["resources"] if "networkSecurityGroups" not in each["type"]]
    assert fetch(simulation.env, "/_simulator/world", "PUT", body=world)[0] == 204
    assert nsgs(simulation)[1] == {"value": []}
    assert fetch(simulation.env, "/_simulator/world", "PUT", body=[])[0] == 400
    assert fetch(simulation.env, "/_simulator/elsewhere")[0] == 404


def test_latency_applies_to_arm_calls_and_shows_in_the_log() -> None:
    with running_simulator("guide", latency=0.05) as simulation:
        nsgs(simulation)
        assert simulation.requests()[0]["duration_ms"] >= 50


def test_a_fault_answers_as_often_as_it_says_and_is_logged() -> None:
    rules = faults.parse(
        [{"path": "networksecuritygroups", "status": 429, "times": 2, "body": {"error": {"code": "Slow"}}}]
    )
    with running_simulator("guide", faults=rules) as simulation:
        assert [nsgs(simulation)[0] for _ in range(3)] == [429, 429, 200]
        assert [each["error"] for each in simulation.requests()] == ["Slow", "Slow", ""]


def test_a_dropped_connection_may_have_been_carried_out_or_not() -> None:
    rules: list[Fault] = faults.parse(
        [
            {"method": "DELETE", "drop": True, "times": 1},
            {"method": "DELETE", "drop": True, "times": 1, "when": "after"},
        ]
    )
    with running_simulator("guide", faults=rules) as simulation:
        rule = f"/{NSG}/nsg-appservice-integration/securityRules/allow-sql"
        path = f"/subscriptions/{simulation.subscription}{rule}?api-version=2024-05-01"
        for expected in (200, 404):
            with pytest.raises((urllib.error.URLError, ConnectionError)):
                fetch(simulation.env, path, "DELETE", token(simulation))
            assert simulation.arm("GET", rule).status == expected
        assert [each["status"] for each in simulation.requests()] == [0, 0]


@pytest.mark.parametrize(
    "rules",
    [{}, [1], [{"path": "x"}], [{"status": 500, "colour": "red"}], [{"status": 500, "path": "("}]],
)
def test_a_malformed_fault_list_is_refused(rules: Any) -> None:
    with pytest.raises(faults.FaultError):
        faults.parse(rules)


def test_operations_end_on_time_though_nobody_polls() -> None:
    with running_simulator("guide", timing=Timing(operation_seconds=0.05)) as simulation:
        rule = f"/{NSG}/nsg-appservice-integration/securityRules/allow-sql"
        woken = simulation.completion_of("Microsoft.Network/networkSecurityGroups/securityRules/delete")
        path = f"/subscriptions/{simulation.subscription}{rule}?api-version=2024-05-01"
        assert fetch(simulation.env, path, "DELETE", token(simulation))[0] == 202
        assert woken.wait(timeout=5)


def test_the_environment_file_is_written_whole(tmp_path: Path) -> None:
    with program(tmp_path):
        assert [each.name for each in tmp_path.iterdir()] == ["simulator.env"]
        sourced = subprocess.run(
            ["sh", "-c", f". {tmp_path}/simulator.env && echo $AZURE_SUBSCRIPTION_ID"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert sourced.stdout.startswith("00000000-")
