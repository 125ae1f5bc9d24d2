"""The command line against a simulated Azure: what it reads, what it writes, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from simulator.faults import Fault
from tests.command_line.conftest import Run
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

PROJECT = Path(__file__).parents[2]
SPEC = PROJECT / "examples" / "flask-app" / "homeostat.yaml"
SITE = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask"
NSG = "/resourceGroups/rg-flask/providers/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
SETTINGS_LIST = f"{SITE}/config/appsettings/list"

EXPIRED = {"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expiry UTC time has passed."}}


@pytest.fixture
def guide() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


@pytest.fixture
def prerequisites() -> Iterator[Simulation]:
    with running_simulator("prerequisites") as running:
        yield running


@pytest.fixture
def refusing() -> Iterator[Simulation]:
    """An Azure that takes every token for an expired one."""
    faults = [Fault(re.compile("/subscriptions/"), status=401, body=EXPIRED)]
    with running_simulator("guide", faults=faults) as running:
        yield running


def writes(simulation: Simulation) -> list[str]:
    """Every request that is no read; a settings list is a POST that reads."""
    return [
        f"{request['method']} {request['path']}"
        for request in simulation.requests()
        if request["method"] != "GET" and not request["path"].partition("?")[0].endswith("/list")
    ]


def settings(simulation: Simulation) -> dict[str, str]:
    found: dict[str, str] = simulation.arm("POST", SETTINGS_LIST, api_version="2023-12-01").body["properties"]
    return found


def change_settings(simulation: Simulation, **changed: str) -> None:
    properties = {**settings(simulation), **changed}
    answer = simulation.arm("PUT", f"{SITE}/config/appsettings", {"properties": properties}, "2023-12-01")
    assert answer.status == 200, answer.body


def tag(simulation: Simulation, tags: Mapping[str, str]) -> None:
    body = simulation.arm("GET", SITE, api_version="2023-12-01").body
    assert simulation.arm("PUT", SITE, {**body, "tags": tags}, "2023-12-01").status == 200


def program(
    *arguments: object, env: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """`python -m homeostat` as a process of its own."""
    command = [sys.executable, "-m", "homeostat", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(
        command, cwd=PROJECT, env=environment, stdin=stdin, capture_output=True, text=True, check=False, timeout=120
    )


# --- plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_after_the_guide_finds_no_drift_and_writes_nothing(guide: Simulation) -> None:
    done = program("plan", SPEC, "--detailed-exitcode", env=guide.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No drift: 1 target" in done.stdout
    assert done.stderr == ""
    assert guide.requests()
    assert writes(guide) == []


def test_a_plan_before_the_guide_finds_drift_and_writes_nothing(run: Run, prerequisites: Simulation) -> None:
    said = run("plan", SPEC, "--detailed-exitcode", env=prerequisites.env)
    assert said.code == 2
    assert "+ missing: app_settings REDIS_PORT" in said.out
    assert writes(prerequisites) == []


def test_drift_ends_with_0_unless_the_exit_code_is_to_be_detailed(run: Run, prerequisites: Simulation) -> None:
    assert run("plan", SPEC, env=prerequisites.env).code == 0


@pytest.mark.parametrize(
    ("format_", "begins"), [("json", "{"), ("markdown", "## Homeostat: drift"), ("html", "<!doctype")]
)
def test_a_plan_can_be_kept_in_a_file(
    run: Run, prerequisites: Simulation, tmp_path: Path, format_: str, begins: str
) -> None:
    file = tmp_path / "plan"
    said = run("plan", SPEC, "--format", format_, "--out", file, env=prerequisites.env)
    assert (said.code, said.out) == (0, "")
    assert file.read_text().startswith(begins)
    assert said.err.endswith(f"Written to {file}.\n")


def test_a_plan_shows_no_secret_that_stands_in_azure(run: Run, guide: Simulation, tmp_path: Path) -> None:
    change_settings(guide, REDIS_HOST="redis://:planted-secret@redis", API_KEY="planted-stray-secret")
    spec = tmp_path / "homeostat.yaml"
    spec.write_text(SPEC.read_text().replace("app_settings:\n", "app_settings:\n  unmanaged: report\n"))
    for format_ in ("text", "json", "markdown", "html"):
        said = run("--verbose", "plan", spec, "--format", format_, env=guide.env)
        assert "API_KEY" in said.out
        assert "REDIS_HOST" in said.out
        assert "planted" not in said.out + said.err


SELECTOR = "select: {resource_groups: [rg-flask]}\napp_settings: {settings: {REDIS_PORT: 6380}}\n"


def test_a_plan_asks_azure_what_the_selectors_select(run: Run, guide: Simulation, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(SELECTOR)
    said = run("plan", tmp_path, "--detailed-exitcode", env=guide.env)
    assert (said.code, said.out.splitlines()[-1][:15]) == (0, "No drift: 1 tar")
    change_settings(guide, REDIS_PORT="6379")
    assert run("plan", tmp_path, "--detailed-exitcode", "--target", "app-flask", env=guide.env).code == 2


def test_an_app_that_a_selector_leaves_out_is_an_error_of_the_plan(run: Run, guide: Simulation, tmp_path: Path) -> None:
    own = "---\ntarget: own\nweb_app: another\nresource_group: rg-flask\n"
    (tmp_path / "fleet.yaml").write_text(SELECTOR.replace("6380", '"${tag:port}"') + own)
    said = run("plan", tmp_path, env=guide.env)
    assert said.code == 1
    assert "sites/app-flask in rg-flask is left out: the app has no tag for ${tag:port}" in said.err


def test_a_selector_that_azure_does_not_answer_is_an_error(run: Run, refusing: Simulation, tmp_path: Path) -> None:
    refusing.exchanger.faults.extend([Fault(re.compile("ResourceGraph"), status=401, body=EXPIRED)])
    (tmp_path / "fleet.yaml").write_text(SELECTOR)
    said = run("plan", tmp_path, env=refusing.env)
    assert (said.code, said.out) == (1, "")
    assert "a selector could not be resolved" in said.err


def test_a_mode_of_the_fleet_caps_the_plan_too(run: Run, guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    said = run("plan", SPEC, "--detailed-exitcode", env={**guide.env, "HOMEOSTAT_MODE": "alert"})
    assert said.code == 2
    assert "held, mode-alert: HOMEOSTAT_MODE says mode alert" in said.out
    assert "would write" not in said.out


def test_what_cannot_be_read_is_an_error_and_never_no_drift(run: Run) -> None:
    denied = {"error": {"code": "AuthorizationFailed", "message": "The client has no permission."}}
    with running_simulator(
        "guide", faults=[Fault(re.compile("/networkSecurityGroups/"), status=403, body=denied)]
    ) as it:
        said = run("plan", SPEC, "--detailed-exitcode", env=it.env)
        plain = run("plan", SPEC, env=it.env)
    assert (said.code, plain.code) == (1, 1)
    assert "Incomplete: 1 of " in said.out
    assert "AuthorizationFailed" in said.out


def test_an_azure_that_does_not_answer_is_told_in_one_line(guide: Simulation) -> None:
    env = {**guide.env, "HOMEOSTAT_ARM_ENDPOINT": "https://localhost:1"}
    done = program("plan", SPEC, "--detailed-exitcode", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: Azure Resource Manager does not answer: ")
    assert "Check the network" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_credential_that_gives_no_token_is_told_in_one_line(guide: Simulation) -> None:
    env = {**guide.env, "IDENTITY_HEADER": "wrong", "AZURE_TOKEN_CREDENTIALS": "managedidentitycredential"}
    done = program("plan", SPEC, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no token for Azure: ")
    assert "az login" in done.stderr
    assert done.stderr.count("\n") == 1
    assert guide.requests() == []


def test_a_token_that_has_expired_is_told_in_one_line(run: Run, refusing: Simulation) -> None:
    said = run("plan", SPEC, "--detailed-exitcode", env=refusing.env)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: Azure Resource Manager refuses the token, ExpiredAuthenticationToken: ")
    assert "Sign in again with `az login`" in said.err
    assert said.err.count("\n") == 1


# --- remediate --standalone -----------------------------------------------------------------------------------------


def test_what_somebody_changed_is_shown_healed_and_then_no_drift(guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    assert program("plan", SPEC, "--detailed-exitcode", env=guide.env).returncode == 2

    healed = program("remediate", SPEC, "--standalone", "--yes", env=guide.env)
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert "~ changed: app_settings REDIS_PORT" in healed.stdout
    assert "Healed: 1 target" in healed.stdout
    assert "standalone: without the service's memory there are no pauses of `pause`" in healed.stderr
    assert settings(guide)["REDIS_PORT"] == "6380"

    assert program("plan", SPEC, "--detailed-exitcode", env=guide.env).returncode == 0


def test_standalone_passes_the_same_gate(run: Run, guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    own = {**guide.env, "HOMEOSTAT_OWN_RESOURCES": f"/subscriptions/{guide.subscription}{SITE}"}
    refused = run("remediate", SPEC, "--standalone", "--yes", env=own)
    assert refused.code == 1
    assert "the web app is, or is in, Homeostat's own sites/app-flask" in refused.err

    tag(guide, {"homeostat-pause-until": "2999-12-31"})
    held = run("remediate", SPEC, "--standalone", "--yes", env=guide.env)
    assert (held.code, writes(guide)) == (2, [])
    assert "held, paused: paused until 2999-12-31" in held.out
    tag(guide, {})
    assert run("remediate", SPEC, "--standalone", "--yes", env=guide.env).code == 0


def test_in_standalone_a_yes_to_the_plan_approves_what_needs_it_but_no_new_container(
    run: Run, guide: Simulation, tmp_path: Path
) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text(
        SPEC.read_text(encoding="utf-8").replace("app_settings:\n", "app_settings:\n  approval: required\n")
    )
    change_settings(guide, REDIS_PORT="6379")
    assert run("remediate", strict, "--standalone", "--yes", env=guide.env).code == 0
    assert settings(guide)["REDIS_PORT"] == "6380"


def test_what_is_in_order_is_not_written(run: Run, guide: Simulation) -> None:
    said = run("remediate", SPEC, "--standalone", "--yes", env=guide.env)
    assert said.code == 0
    assert writes(guide) == []


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--detailed-exitcode",), 2)])
def test_a_dry_run_needs_no_yes_and_writes_nothing(
    run: Run, guide: Simulation, options: tuple[str, ...], code: int
) -> None:
    change_settings(guide, REDIS_PORT="6379")
    guide.forget_requests()
    said = run("remediate", SPEC, "--standalone", "--dry-run", *options, env=guide.env)
    assert said.code == code
    assert "would write" in said.out
    assert writes(guide) == []


def test_in_mode_alert_drift_remains_and_nothing_is_written(run: Run, guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    guide.forget_requests()
    said = run("remediate", SPEC, "--standalone", "--yes", env={**guide.env, "HOMEOSTAT_MODE": "alert"})
    assert said.code == 2
    assert writes(guide) == []


def test_what_is_held_remains_while_its_neighbour_is_healed(run: Run, guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    rule = {
        "priority": 100,
        "direction": "Outbound",
        "access": "Allow",
        "protocol": "Tcp",
        "destinationPortRange": "22",
    }
    rule |= {"sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*"}
    guide.arm("DELETE", f"{NSG}/securityRules/allow-sql", api_version="2025-03-01")
    created = guide.arm("PUT", f"{NSG}/securityRules/theirs", {"properties": rule}, "2025-03-01")
    assert created.status == 201, created.body
    said = run("remediate", SPEC, "--standalone", "--yes", env=guide.env)
    assert said.code == 2
    assert "held, priority-conflict: theirs holds priority 100" in said.out
    assert settings(guide)["REDIS_PORT"] == "6380"


def test_a_repair_that_azure_refuses_by_a_rule_is_held_and_says_by_which(run: Run) -> None:
    locked = {"error": {"code": "ScopeLocked", "message": "The scope is locked."}}
    fault = Fault(re.compile("/config/appsettings$"), method="PUT", status=409, body=locked)
    with running_simulator("guide", faults=[fault]) as it:
        change_settings(it, REDIS_PORT="6379")
        said = run("remediate", SPEC, "--standalone", "--yes", env=it.env)
    assert said.code == 2
    assert "held, locked: " in said.out
    assert "ScopeLocked" in said.out


# --- at a terminal --------------------------------------------------------------------------------------------------


def at_a_terminal(answer: str, simulation: Simulation) -> tuple[int, str]:
    """Exit code and everything that a person sees who types `answer` at the question."""
    parent, child = os.openpty()
    command = [sys.executable, "-m", "homeostat", "remediate", str(SPEC), "--standalone"]
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **simulation.env}
    seen = b""
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        try:
            while chunk := os.read(parent, 4096):
                seen += chunk
                if b"[y/N] " in seen and answer:
                    os.write(parent, answer.encode())
                    answer = ""
        except OSError:  # the other end is closed: EIO on Linux
            pass
        finally:
            os.close(parent)
    return process.returncode, seen.decode()


def test_a_person_who_agrees_sees_the_plan_first(guide: Simulation) -> None:
    change_settings(guide, REDIS_PORT="6379")
    code, seen = at_a_terminal("y\n", guide)
    assert code == 0, seen
    assert seen.index("would write") < seen.index("Carry out 1 write in Azure?") < seen.index("Healed")
    assert "\x1b[33m" in seen
    assert settings(guide)["REDIS_PORT"] == "6380"


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
def test_a_person_who_does_not_agree_leaves_everything_as_it_is(guide: Simulation, answer: str) -> None:
    change_settings(guide, REDIS_PORT="6379")
    guide.forget_requests()
    code, seen = at_a_terminal(answer, guide)
    assert code == 2, seen
    assert "nothing was written" in seen
    assert writes(guide) == []


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and hands that on to all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_with_130_and_without_a_traceback() -> None:
    """Interrupted while it waits for an Azure that asks for patience."""
    busy = Fault(re.compile("/subscriptions/"), status=503, headers={"Retry-After": "15"})
    command = [sys.executable, "-m", "homeostat", "--verbose", "plan", str(SPEC)]
    with running_simulator("guide", faults=[busy]) as it:
        environment = {"PATH": os.environ["PATH"], **it.env}
        with subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert any("again in 15.0 s" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said


def test_a_reader_that_has_seen_enough_is_no_reason_to_complain(guide: Simulation) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "homeostat", "schema"]
    try:
        done = subprocess.run(
            command, cwd=PROJECT, env=guide.env, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_json_of_a_plan_is_all_that_stdout_has(run: Run, guide: Simulation) -> None:
    said = run("--verbose", "plan", SPEC, "--format", "json", env=guide.env)
    assert json.loads(said.out)["conclusion"] == "as-declared"
