"""A change made with the Azure CLI raises an event, and the function app heals it without anyone asking.

The tests share one cloud and run in their order: each leaves it as the guide declares it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeostat.core.alerts import WHOLE_ROOT
from simulator.providers.eventgrid import state as eventgrid
from tests.support import azurite
from tests.support.azure_cli import AzureCli
from tests.support.breakages import BREAKAGES, Breakage
from tests.support.function_app import PROJECT, FunctionApp, call, running_function_app
from tests.support.patience import POLICY
from tests.support.planted import watch
from tests.support.simulation import Simulation
from tests.support.stored import watch_account

pytestmark = pytest.mark.cli

SPEC = "examples/flask-app/homeostat.yaml"
SUBSCRIPTION = "/providers/Microsoft.EventGrid/eventSubscriptions/homeostat"
HEALING_SECONDS = 60

HEALED = tuple(breakage for breakage in BREAKAGES if not breakage.forced)
FORCED = tuple(breakage for breakage in BREAKAGES if breakage.forced)

# One of each remediator of the first four, which can all be true at the same time.
IMMEDIATE = tuple(
    breakage
    for breakage in BREAKAGES
    if breakage.name in {"REDIS_PORT changed", "priorities swapped", "integration removed", "link deleted"}
)


@pytest.fixture(scope="module")
def whole(az: AzureCli) -> Mapping[Callable[[AzureCli], Any], Any]:
    """What each part of the state shows while nothing is broken."""
    return {show: show(az) for show in {breakage.show for breakage in BREAKAGES}}


@pytest.fixture(scope="class")
def app(simulation: Simulation, az: AzureCli, specs: Path) -> Iterator[FunctionApp]:
    with (
        azurite.running("--inMemoryPersistence") as storage,
        running_function_app(_settings(simulation, storage, HOMEOSTAT_SPEC_FOLDER=str(specs))) as running,
        _events(simulation, running),
    ):
        yield running
        watch_account(storage)


@pytest.fixture
def storage() -> Iterator[str]:
    """An account of the test's own: no message of an earlier app may do what the test wants to see done."""
    with azurite.running("--inMemoryPersistence") as connection_string:
        yield connection_string
        watch_account(connection_string)


@pytest.fixture(scope="session")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's spec, with the backends' public doors closed by force, and a policy for what breaks all day."""
    folder = tmp_path_factory.mktemp("specs")
    document = yaml.safe_load((PROJECT / SPEC).read_text(encoding="utf-8"))
    document["backend_access"]["mode"] = "enforce"
    (folder / "homeostat.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return folder


def _settings(simulation: Simulation, storage: str, **more: str) -> dict[str, str]:
    return {
        **simulation.env,
        "AzureWebJobsStorage": storage,
        "HOMEOSTAT_SPEC_FOLDER": "examples/flask-app",
        "HOMEOSTAT_SETTLE_SECONDS": "2",  # some breakages take several commands, and are not to be healed half-way
        **more,
    }


@contextmanager
def _events(simulation: Simulation, app: FunctionApp) -> Iterator[None]:
    """An Event Grid subscription that delivers the resource group's changes to the function app."""
    wanted = ["Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"]
    properties = {
        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": app.urls["on_resource_event"]}},
        "filter": {"includedEventTypes": wanted},
        "eventDeliverySchema": "EventGridSchema",
    }
    path = f"/subscriptions/{simulation.subscription}{SUBSCRIPTION}"
    created = simulation.arm("PUT", path, {"properties": properties}, "2025-02-15")
    assert created.status in {200, 201}, created.body
    _eventually(lambda: _provisioned(simulation, path), "the event subscription was not provisioned")
    try:
        yield
    finally:
        simulation.arm("DELETE", path, api_version="2025-02-15")


def _provisioned(simulation: Simulation, path: str) -> bool:
    body = simulation.arm("GET", path, api_version="2025-02-15").body
    return bool(body["properties"]["provisioningState"] == "Succeeded")


def _eventually(condition: Callable[[], bool], message: str) -> None:
    """Asks again until it holds; the bound only ends a test that has failed."""
    deadline = time.monotonic() + HEALING_SECONDS
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.1)


def _healed(az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], app: FunctionApp, *broken: Breakage) -> None:
    def is_whole() -> bool:
        return all(breakage.show(az) == whole[breakage.show] for breakage in broken)

    names = ", ".join(breakage.name for breakage in broken)
    _eventually(is_whole, f"{names}: not healed in {HEALING_SECONDS} s\n{''.join(app.log[-40:])}")


def _plan(simulation: Simulation, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "homeostat", "plan", SPEC, "--detailed-exitcode", *options]
    environment = {**simulation.env, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def _own_writes(simulation: Simulation) -> list[dict[str, Any]]:
    """The writes that the function app's identity sent; a settings list is a POST that reads."""
    return [
        request
        for request in simulation.requests()
        if request["caller"] == "id-homeostat" and request["method"] not in {"GET", "POST"}
    ]


def test_after_the_guide_by_azure_cli_the_plan_is_empty(simulation: Simulation, az: AzureCli) -> None:
    simulation.forget_requests()
    done = _plan(simulation)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _own_writes(simulation) == []


class TestByEvents:
    """With the function app running and events flowing."""

    @pytest.mark.parametrize("breakage", HEALED, ids=lambda breakage: breakage.name)
    def test_what_the_cli_breaks_is_healed_without_anyone_asking(
        self, breakage: Breakage, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], app: FunctionApp
    ) -> None:
        breakage.apply(az)
        _healed(az, whole, app, breakage)

    @pytest.mark.parametrize("breakage", FORCED, ids=lambda breakage: breakage.name)
    def test_a_container_that_the_cli_deletes_comes_back_when_a_person_says_so(
        self, breakage: Breakage, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], app: FunctionApp
    ) -> None:
        breakage.apply(az)
        status, body = app.call("remediate", {"targets": ["app-flask"], "wait": True})
        assert (status, breakage.is_visible(az)) == (200, True), "it came back by itself"
        status, body = app.call("remediate", {"targets": ["app-flask"], "create": True, "wait": True})
        assert (status, body["status"]) in {(200, "healed"), (200, "settling")}, body
        _healed(az, whole, app, breakage)

    def test_all_four_kinds_broken_at_once_are_healed(
        self, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], app: FunctionApp
    ) -> None:
        for breakage in IMMEDIATE:
            breakage.apply(az)
        _healed(az, whole, app, *IMMEDIATE)

    def test_each_repair_is_told_by_an_alert_and_kept_in_the_ledger(
        self, simulation: Simulation, app: FunctionApp
    ) -> None:
        url = app.urls["history"].replace("{name}", "app-flask")
        status, body = call(f"{url}&limit=1000")
        assert status == 200
        written = [action for entry in body["entries"] for action in entry["written"]]
        repaired = {drift["kind"] for action in written for drift in action["repairs"]}
        assert repaired == {breakage.kind for breakage in BREAKAGES}
        told = {alert["data"]["kind"] for alert in _alerts(simulation) if alert["type"] == "Homeostat.Remediated.v1"}
        # That a root can be read and written again, after others were at work on it, is told of no kind of drift.
        assert told - {WHOLE_ROOT} == repaired

    def test_unowned_settings_survive_every_repair(self, az: AzureCli, app: FunctionApp) -> None:
        settings = az("webapp", "config", "appsettings", "list", "--resource-group", "rg-flask", "--name", "app-flask")
        assert {each["name"]: each["value"] for each in settings}["EXTRA_SETTING"] == "keep"


def test_lost_events_are_made_good_by_the_nightly_timer(
    simulation: Simulation, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], storage: str
) -> None:
    with running_function_app(_settings(simulation, storage)) as deaf:
        for breakage in IMMEDIATE:
            breakage.apply(az)
        assert all(breakage.is_visible(az) for breakage in IMMEDIATE)
        assert deaf.fire("nightly_reconcile") == 202
        _healed(az, whole, deaf, *IMMEDIATE)


def test_a_forced_remediation_heals_and_answers_with_what_it_did(
    simulation: Simulation, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], storage: str
) -> None:
    with running_function_app(_settings(simulation, storage)) as deaf:
        for breakage in IMMEDIATE:
            breakage.apply(az)
        status, body = deaf.call("remediate", {"targets": ["app-flask"], "wait": True, "reason": "a test asks"})
        assert (status, body["status"]) == (200, "healed")
        assert all(breakage.show(az) == whole[breakage.show] for breakage in IMMEDIATE)


def test_mode_alert_writes_nothing_and_tells_each_root_and_kind_once(
    simulation: Simulation, az: AzureCli, whole: Mapping[Callable[[AzureCli], Any], Any], storage: str
) -> None:
    eventgrid.state(simulation.cloud).published.clear()
    simulation.forget_requests()
    with (
        running_function_app(_settings(simulation, storage, HOMEOSTAT_MODE="alert")) as cautious,
        _events(simulation, cautious),
    ):
        for breakage in IMMEDIATE:
            breakage.apply(az)
        _eventually(lambda: len(_detected(simulation)) >= len(IMMEDIATE), f"too few alerts: {_alerts(simulation)}")
        status, body = cautious.call("remediate", {"targets": ["app-flask"], "wait": True})
        assert (status, body["status"]) == (200, "drifted")
        assert all(breakage.is_visible(az) for breakage in IMMEDIATE)
    assert _own_writes(simulation) == []
    told = [(alert["data"]["root"], alert["data"]["kind"]) for alert in _detected(simulation)]
    assert len(told) == len(set(told)) == len(IMMEDIATE)


def _detected(simulation: Simulation) -> list[dict[str, Any]]:
    return [alert for alert in _alerts(simulation) if alert["type"] == "Homeostat.DriftDetected.v1"]


def _alerts(simulation: Simulation) -> list[dict[str, Any]]:
    """What the custom topic received, oldest first."""
    alerts = [published.event for published in eventgrid.state(simulation.cloud).published]
    watch("the alerts' topic", json.dumps(alerts))
    return alerts
