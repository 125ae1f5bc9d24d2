"""`retest-route-all` through the real function app: routing off, waited for, compared, restored."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.command_line.conftest import Run
from tests.command_line.test_against_azure import SPEC, settings
from tests.command_line.test_through_the_service import Deployed
from tests.support.function_app import running_function_app
from tests.support.simulation import running_simulator

pytestmark = pytest.mark.host

COMMAND = ("retest-route-all", SPEC, "--target", "app-flask")
LEGACY = "WEBSITE_VNET_ROUTE_ALL"
SETTINGS_PATH = "/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask"


@pytest.fixture(scope="module")
def service() -> Iterator[Deployed]:
    with running_simulator("guide") as simulation:
        configured = {
            "HOMEOSTAT_STATE": "memory",
            "HOMEOSTAT_SPEC_FOLDER": "examples/flask-app",
            "AzureWebJobsStorage": "",
            "DEVHOST_FUNCTION_KEY": "key",
        }
        with running_function_app({**simulation.env, **configured}) as app:
            url = urlsplit(app.urls["health"])
            yield Deployed(simulation, {"HOMEOSTAT_URL": f"{url.scheme}://{url.netloc}", "HOMEOSTAT_KEY": "key"})


def routed(service: Deployed) -> tuple[bool, str]:
    site = service.simulation.arm("GET", SETTINGS_PATH, api_version="2025-05-01").body
    return site["properties"]["outboundVnetRouting"]["applicationTraffic"], settings(service.simulation)[LEGACY]


def writes(service: Deployed) -> list[str]:
    return [each["method"] for each in service.simulation.requests() if each["method"] in {"PUT", "PATCH"}]


def test_it_waits_for_the_end_tells_what_it_showed_and_leaves_routing_as_it_was(run: Run, service: Deployed) -> None:
    service.simulation.forget_requests()
    said = run(*COMMAND, "--for", "10s", "--reason", "SQL times out", env=service.env)
    assert said.code == 0, said.err + said.out
    assert "the routing of app-flask is off until" in said.err
    assert said.err.endswith("the routing of app-flask is restored\n")
    assert "health_url: unknown: HOMEOSTAT_PROBES is off: nothing was asked" in said.out.splitlines()
    assert routed(service) == (True, "1")
    assert writes(service) == ["PUT", "PATCH", "PATCH", "PUT"]
    told = run("history", "app-flask", env=service.env).out
    assert "by retest" in told


def test_ctrl_c_ends_it_at_once_and_routing_comes_back(
    run: Run, service: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, pressed = time.sleep, iter([True])

    def interrupted(seconds: float) -> None:
        if next(pressed, False):
            assert routed(service) == (False, "0")
            raise KeyboardInterrupt
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", interrupted)
    said = run(*COMMAND, "--for", "1h", env=service.env)
    assert said.code == 0, said.err + said.out
    assert "ending it now" in said.err
    assert routed(service) == (True, "1")


def test_a_refusal_is_told_with_its_reason_and_nothing_is_written(run: Run, service: Deployed) -> None:
    assert run("pause", "app-flask", "--for", "1h", env=service.env).code == 0
    service.simulation.forget_requests()
    said = run(*COMMAND, env=service.env)
    assert (said.code, said.out) == (1, "")
    assert "nothing is written before then" in said.err
    assert writes(service) == []
    assert run("resume", "app-flask", env=service.env).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--for", "soon"), "no length of time"),
        (("--for", "2h"), "for: "),
        (("--standalone",), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, service: Deployed, options: tuple[str, ...], words: str) -> None:
    said = run(*COMMAND, *options, env=service.env)
    assert said.code == 1
    assert words in said.err


@pytest.mark.parametrize(
    ("specs", "words"),
    [((SPEC,), "Did you mean app-flask?"), ((), "no spec declares 'app-flaks'")],
    ids=["spec", "none"],
)
def test_an_unknown_target_is_told_by_the_specs_or_by_the_service(
    run: Run, service: Deployed, specs: tuple[Path, ...], words: str
) -> None:
    said = run("retest-route-all", *specs, "--target", "app-flaks", env=service.env)
    assert said.code == 1
    assert words in said.err


def test_without_the_service_there_is_no_retest(run: Run) -> None:
    said = run(*COMMAND)
    assert said.code == 1
    assert "HOMEOSTAT_URL is not set" in said.err
