"""The command line as a thin client of the real function app."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import override
from urllib.parse import urlsplit

import pytest

from tests.command_line.conftest import Run
from tests.command_line.test_against_azure import SPEC, change_settings, settings, writes
from tests.support.function_app import running_function_app
from tests.support.planted import HOST_KEY
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.host


@dataclass(frozen=True, slots=True)
class Deployed:
    simulation: Simulation
    env: dict[str, str]


@pytest.fixture(scope="module")
def service() -> Iterator[Deployed]:
    with running_simulator("guide") as simulation:
        configured = {
            "HOMEOSTAT_STATE": "memory",
            "HOMEOSTAT_SPEC_FOLDER": "examples/flask-app",
            "AzureWebJobsStorage": "",
        }
        with running_function_app({**simulation.env, **configured, "DEVHOST_FUNCTION_KEY": HOST_KEY}) as app:
            url = urlsplit(app.urls["health"])
            yield Deployed(simulation, {"HOMEOSTAT_URL": f"{url.scheme}://{url.netloc}", "HOMEOSTAT_KEY": HOST_KEY})


def test_a_repair_goes_through_the_service_and_is_in_its_history(run: Run, service: Deployed) -> None:
    change_settings(service.simulation, REDIS_PORT="6379")
    said = run("remediate", SPEC, "--yes", env=service.env)
    assert said.code == 0, said.err + said.out
    assert said.out.index("would write PUT sites/app-flask/config/appsettings") < said.out.index("Healed: 1 target")
    assert settings(service.simulation)["REDIS_PORT"] == "6380"

    told = run("history", "app-flask", "--limit", "1", env=service.env)
    assert told.code == 0
    assert "sites/app-flask in rg-flask: healed" in told.out
    assert "wrote PUT sites/app-flask/config/appsettings" in told.out
    entries = json.loads(run("history", "app-flask", "--format", "json", env=service.env).out)["entries"]
    assert entries[0]["trigger"]["reason"] == "command line"


def test_a_repair_is_explained_with_who_made_it_needed(run: Run, service: Deployed) -> None:
    change_settings(service.simulation, REDIS_PORT="6379")
    assert run("remediate", SPEC, "--yes", env=service.env).code == 0
    said = run("explain", "app-flask", "--root", "sites/", env=service.env)
    assert said.code == 0
    assert "\nsites/app-flask in rg-flask\n" in said.out
    assert "app_settings: as declared, seen " in said.out
    assert "last repaired " in said.out
    assert "networkSecurityGroups" not in said.out
    told = json.loads(run("explain", "app-flask", "--format", "json", env=service.env).out)
    assert len(told["roots"]) > 5
    missing = run("explain", "app-flask", "--root", "nowhere", env=service.env)
    assert (missing.code, missing.out) == (1, "")
    assert "no root of app-flask has 'nowhere' in its id" in missing.err


def test_a_dry_run_through_the_service_writes_nothing(run: Run, service: Deployed) -> None:
    change_settings(service.simulation, REDIS_PORT="6379")
    service.simulation.forget_requests()
    said = run("remediate", SPEC, "--dry-run", "--detailed-exitcode", env=service.env)
    assert said.code == 2
    assert writes(service.simulation) == []
    assert run("remediate", SPEC, "--yes", env=service.env).code == 0


def test_a_persons_word_on_the_number_of_writes_is_in_the_history(run: Run, service: Deployed) -> None:
    change_settings(service.simulation, SQL_DATABASE_NAME="wrong")
    said = run("remediate", SPEC, "--yes", "--max-writes", "1", env=service.env)
    assert said.code == 0, said.out + said.err
    told = run("history", "app-flask", "--limit", "1", "--format", "json", env=service.env).out
    assert json.loads(told)["entries"][0]["trigger"]["maxWrites"] == 1, said.out + told


def test_a_paused_target_is_not_repaired_until_it_is_resumed(run: Run, service: Deployed) -> None:
    assert run("pause", "app-flask", "--for", "1h", "--reason", "night work", env=service.env).code == 0
    change_settings(service.simulation, REDIS_PORT="6379")
    assert "paused until" in run("status", "app-flask", env=service.env).out

    held = run("remediate", SPEC, "--yes", env=service.env)
    assert held.code == 2
    assert "held, paused: target app-flask is paused" in held.out
    assert "night work" in held.out

    assert "app-flask is no longer paused, and looked at again" in run("resume", "app-flask", env=service.env).err
    assert "app-flask was not paused, and is looked at again" in run("resume", "app-flask", env=service.env).err
    assert run("remediate", SPEC, "--yes", env=service.env).code == 0
    assert settings(service.simulation)["REDIS_PORT"] == "6380"


def test_what_waits_for_a_person_is_listed_and_approved(run: Run, service: Deployed) -> None:
    assert run("approve", "--list", env=service.env).out == "nothing waits for approval\n"
    endpoint = "/resourceGroups/rg-flask/providers/Microsoft.Network/privateEndpoints/pe-sql"
    assert service.simulation.arm("DELETE", endpoint).status == 202
    held = run("remediate", SPEC, "--dry-run", env=service.env)
    assert "held, approval-needed: " in held.out
    (asked,) = json.loads(run("approve", "--list", "--format", "json", env=service.env).out)["approvals"]
    assert "create private_endpoints" in run("approve", "--list", env=service.env).out
    assert f"approve {asked['id']}" in held.out
    said = run("approve", asked["id"], env=service.env)
    assert (said.code, "is looked at again at once" in said.err) == (0, True)
    assert run("approve", asked["id"], "--reject", env=service.env).code == 0
    again = run("approve", asked["id"], env=service.env)
    assert (again.code, "is rejected already" in again.err) == (1, True)
    assert run("remediate", SPEC, "--yes", "--create", env=service.env).code == 0


def test_the_whole_fleet_can_be_paused(run: Run, service: Deployed) -> None:
    assert "the fleet is paused until" in run("pause", "--all", "--for", "30m", env=service.env).err
    assert "paused until" in run("status", env=service.env).out
    assert run("resume", "--all", env=service.env).code == 0
    assert "paused" not in run("status", env=service.env).out


def test_a_mass_drift_is_let_go_on_and_a_breaker_reset(run: Run, service: Deployed) -> None:
    said = run("release", "mass-drift", "--for", "2h", "--reason", "we moved the cache", env=service.env)
    assert (said.code, "however much drifts" in said.err) == (0, True), said.err
    nothing = run("release", "rollout", "--reason", "it is fine", env=service.env)
    assert (nothing.code, "nothing to release" in nothing.err) == (1, True), nothing.err
    reset = run("reset-breaker", "app-flask", env=service.env)
    assert (reset.code, "no breaker had tripped" in reset.err) == (0, True), reset.err


def test_status_says_how_the_service_and_its_targets_are(run: Run, service: Deployed) -> None:
    said = run("status", env=service.env)
    assert (said.code, said.out.partition(":")[0]) == (0, "app-flask")
    assert said.err.rstrip().endswith(": ok, mode enforce")
    assert json.loads(run("status", "--format", "json", env=service.env).out)["targets"][0]["name"] == "app-flask"


@pytest.mark.parametrize(
    "command", [("status", "nobody"), ("history", "nobody"), ("explain", "nobody"), ("pause", "nobody", "--for", "1h")]
)
def test_a_target_that_the_service_does_not_know_is_named(
    run: Run, service: Deployed, command: tuple[str, ...]
) -> None:
    said = run(*command, env=service.env)
    assert (said.code, said.out) == (1, "")
    assert "no spec declares 'nobody'" in said.err


def test_a_target_that_only_the_local_spec_declares_is_told(run: Run, service: Deployed, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("target: app-flaks\nweb_app: app-flask\nresource_group: rg-flask\n")
    said = run("remediate", spec, "--yes", env=service.env)
    assert said.code == 1
    assert "Did you mean app-flask?" in said.err


def test_a_pause_that_the_service_refuses_tells_its_reason(run: Run, service: Deployed) -> None:
    said = run("pause", "app-flask", "--until", "2001-01-01T00:00:00Z", env=service.env)
    assert said.code == 1
    assert "until: give a time in the next 30 days" in said.err


def test_doctor_finds_the_service_well_and_a_wrong_key_wrong(run: Run, service: Deployed) -> None:
    env = {**service.simulation.env, **service.env}
    said = run("doctor", SPEC, env=env)
    assert said.code == 0, said.out
    assert "ok         service: it takes the key" in said.out
    assert "ok         service: targets: 1" in said.out
    wrong = run("doctor", SPEC, env={**env, "HOMEOSTAT_KEY": "wrong-key"})
    assert wrong.code == 1
    assert "refuses the key (401). Set HOMEOSTAT_KEY to a host key" in wrong.out
    assert "wrong-key" not in wrong.out


def test_a_wrong_key_is_told_with_its_remedy(run: Run, service: Deployed) -> None:
    said = run("status", env={**service.env, "HOMEOSTAT_KEY": "wrong-key"})
    assert (said.code, said.out) == (1, "")
    assert "refuses the key (401). Set HOMEOSTAT_KEY to a host key" in said.err
    assert "wrong-key" not in said.err


def test_a_repair_is_rolled_back_and_stays_so_until_the_target_is_resumed(run: Run, service: Deployed) -> None:
    change_settings(service.simulation, REDIS_PORT="6379")
    assert run("remediate", SPEC, "--yes", env=service.env).code == 0
    looked = run("rollback", "app-flask", "--dry-run", env=service.env)
    assert (looked.code, settings(service.simulation)["REDIS_PORT"]) == (0, "6380")
    assert 'properties/REDIS_PORT of sites/app-flask/config/appsettings: back to "6379"' in looked.out

    refused = run("rollback", "app-flask", env=service.env)
    assert refused.code == 1
    assert "--yes" in refused.err

    said = run("rollback", "app-flask", "--for", "1h", "--reason", "the old port", "--yes", env=service.env)
    assert said.code == 0, said.err + said.out
    assert "target app-flask is paused until" in said.err
    assert settings(service.simulation)["REDIS_PORT"] == "6379"
    assert run("remediate", SPEC, "--yes", env=service.env).code == 2
    assert settings(service.simulation)["REDIS_PORT"] == "6379"
    assert "after a rollback: the old port" in run("status", "app-flask", env=service.env).out

    again = run("rollback", "app-flask", "--to", "251594294400000000-000000000000", "--yes", env=service.env)
    assert again.code == 1
    assert "app-flask has no ledger entry" in again.err
    assert run("resume", "app-flask", env=service.env).code == 0
    assert run("remediate", SPEC, "--yes", env=service.env).code == 0
    assert settings(service.simulation)["REDIS_PORT"] == "6380"


def test_history_goes_on_page_by_page(run: Run, service: Deployed) -> None:
    for _ in range(2):
        change_settings(service.simulation, REDIS_PORT="6379")
        assert run("remediate", SPEC, "--yes", env=service.env).code == 0
    first = json.loads(run("history", "app-flask", "--limit", "1", "--format", "json", env=service.env).out)
    page = ("history", "app-flask", "--limit", "1", "--before", first["next"], "--format", "json")
    second = json.loads(run(*page, env=service.env).out)
    assert first["entries"][0]["at"] > second["entries"][0]["at"]


def test_poison_is_listed_and_a_message_that_is_not_there_is_told(run: Run, service: Deployed) -> None:
    assert run("poison", env=service.env).out == "no message has failed too often\n"
    assert run("poison", "replay", "--all", env=service.env).err.startswith("0 messages are back")
    for action in ("explain", "replay", "drop"):
        said = run("poison", action, "nothing", env=service.env)
        assert (said.code, said.out) == (1, "")
        assert "no poison message 'nothing'" in said.err
    assert "say `poison`" in run("poison", "drop", env=service.env).err


def test_a_sweep_is_asked_for_and_where_to_look_is_said(run: Run, service: Deployed) -> None:
    said = run("sweep", "--reason", "it was quiet", "--format", "json", env=service.env)
    assert said.code == 0, said.err
    asked = json.loads(said.out)
    assert f"sweep {asked['id']} begins now" in said.err
    assert f"see `status`, or {service.env['HOMEOSTAT_URL']}{asked['statusUrl']}" in said.err


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of something that is no function app."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answering(told: Mapping[str, object], status: int = 200) -> type[BaseHTTPRequestHandler]:
    """Answers each path as `told` has it, whatever the method."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told.get(self.path, {})).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Answering


def test_whoever_asks_for_a_sweep_while_one_is_under_way_is_told_that_it_goes_on(run: Run) -> None:
    told = {"id": "a-sweep", "status": "running", "began": "2026-03-01T02:00:00+00:00"}
    with served(answering({"/api/sweeps": told}, 202)) as url:
        said = run("sweep", env={"HOMEOSTAT_URL": url})
    assert (said.code, said.out) == (0, "")
    assert "sweep a-sweep has been under way since 2026-03-01T02:00:00+00:00, and goes on instead" in said.err


def test_status_says_why_the_service_is_degraded(run: Run) -> None:
    why = {"health": {"status": "degraded", "why": ["the last sweep was refused x/read: assign infra/role.json"]}}
    told = {"/api/health": {"status": "degraded", "mode": "enforce"}, "/api/fleet": why}
    with served(answering(told)) as url:
        said = run("status", env={"HOMEOSTAT_URL": url})
    assert (said.code, said.out) == (0, "")
    assert said.err == (f"{url}: degraded, mode enforce\n  the last sweep was refused x/read: assign infra/role.json\n")


def test_status_tells_of_a_large_fleet_what_is_open_first_and_not_each_that_is_as_declared(run: Run) -> None:
    root = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/app"
    failing = {"root": root, "failures": 2, "since": "today", "error": "no"}
    targets = [{"name": f"app-{number:02}", "failing": [failing] if number == 40 else []} for number in range(41)]
    told = {"/api/health": {"status": "ok", "mode": "enforce"}, "/api/targets": {"targets": targets}}
    with served(answering(told)) as url:
        lines = run("status", env={"HOMEOSTAT_URL": url}).out.splitlines()
    assert (lines[0], len(lines)) == ("app-40: 1 failing", 3 + 20 + 1)
    assert lines[3:5] == ["app-00: as declared", "app-01: as declared"]
    assert lines[-1] == "and 20 more targets as declared"


class _Elsewhere(BaseHTTPRequestHandler):
    """Not a function app: it redirects, and remembers which keys it was sent."""

    keys: tuple[str, ...] = ()

    def do_GET(self) -> None:
        type(self).keys += (self.headers.get("x-functions-key") or "",)
        location = (
            f"http://localhost:{self.server.server_port}/elsewhere"
            if isinstance(self.server, ThreadingHTTPServer)
            else ""
        )
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def test_the_key_does_not_follow_a_redirect(run: Run) -> None:
    with served(_Elsewhere) as url:
        said = run("status", env={"HOMEOSTAT_URL": url, "HOMEOSTAT_KEY": "k"})
    assert said.code == 1
    assert "answers 302: it sends callers elsewhere, and the key stays here." in said.err
    assert _Elsewhere.keys == ("k",)
