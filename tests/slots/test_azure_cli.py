"""Slots made, marked and swapped by the real Azure CLI: the command line and the function app put both sides right.

The tests share one cloud and run in their order: each leaves both targets as declared.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.slots.staging import APP, STAGING, STICKY, both, endings_in_readme, settings
from tests.support import azurite
from tests.support.azure_cli import AzureCli
from tests.support.function_app import PROJECT, FunctionApp, running_function_app
from tests.support.simulation import Simulation

pytestmark = pytest.mark.cli

OF_APP = ("--resource-group", "rg-flask", "--name", "app-flask")
OF_SLOT = (*OF_APP, "--slot", "staging")
SETTINGS = ("webapp", "config", "appsettings")
NETWORK = "vnet_integration: {subnet: vnet-appservice/snet-appservice-integration}\n"
SPEC = both(
    NETWORK + settings(STAGE="production", DATABASE="flaskdb"),
    NETWORK + settings(STAGE="staging", DATABASE="flaskdb-staging"),
)
DECLARED = (
    {"STAGE": "production", "DATABASE": "flaskdb", "RELEASE": "1"},
    {"STAGE": "staging", "DATABASE": "flaskdb-staging", "RELEASE": "2"},
)
HEALING_SECONDS = 60


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("specs") / "homeostat.yaml"
    file.write_text(SPEC, encoding="utf-8")
    return file


@pytest.fixture(scope="module", autouse=True)
def slot(az: AzureCli) -> None:
    """A slot beside the app, each with a release of its own."""
    az("webapp", "deployment", "slot", "create", *OF_SLOT)
    for of, stage, release in ((OF_APP, "production", "1"), (OF_SLOT, "staging", "2")):
        az(*SETTINGS, "set", *of, "--settings", f"RELEASE={release}")
        az(*SETTINGS, "set", *of, "--slot-settings", f"{STICKY}={stage}")


def homeostat(simulation: Simulation, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "homeostat", *arguments, "--detailed-exitcode"]
    environment = {**os.environ, **simulation.env}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def found(az: AzureCli) -> tuple[dict[str, str], dict[str, str]]:
    """The settings in question of the app, and of its slot."""

    def of(*site: str) -> dict[str, str]:
        listed = {each["name"]: each["value"] for each in az(*SETTINGS, "list", *site)}
        return {name: listed[name] for name in DECLARED[0] if name in listed}

    return of(*OF_APP), of(*OF_SLOT)


def sticky(az: AzureCli) -> set[str]:
    return {each["name"] for each in az(*SETTINGS, "list", *OF_SLOT) if each["slotSetting"]}


def swap(az: AzureCli, *options: str) -> None:
    az("webapp", "deployment", "slot", "swap", *OF_SLOT, "--target-slot", "production", *options)


def released(*releases: str) -> tuple[dict[str, str], dict[str, str]]:
    """As declared, with these releases, which nobody declares, in the app and its slot."""
    app, staging = ({**values, "RELEASE": release} for values, release in zip(DECLARED, releases, strict=True))
    return app, staging


def test_the_command_line_builds_what_a_slot_declares(simulation: Simulation, az: AzureCli, spec: Path) -> None:
    plan = homeostat(simulation, "plan", str(spec), "--target", STAGING)
    assert plan.returncode == 2, plan.stdout + plan.stderr
    done = homeostat(simulation, "remediate", str(spec), "--yes", "--standalone")
    assert done.returncode == 0, done.stdout + done.stderr
    assert found(az) == released("1", "2")
    assert [each["name"].rpartition("_")[2] for each in az("webapp", "vnet-integration", "list", *OF_SLOT)] == [
        "snet-appservice-integration"
    ]


def test_after_a_swap_the_command_line_puts_both_sides_right(simulation: Simulation, az: AzureCli, spec: Path) -> None:
    swap(az)
    for target in (APP, STAGING):
        plan = homeostat(simulation, "plan", str(spec), "--target", target)
        assert plan.returncode == 2, plan.stdout + plan.stderr
        assert "DATABASE" in plan.stdout
        assert STICKY not in plan.stdout
    done = homeostat(simulation, "remediate", str(spec), "--yes", "--standalone")
    assert done.returncode == 0, done.stdout + done.stderr
    assert found(az) == released("2", "1")
    assert sticky(az) == {STICKY}
    again = homeostat(simulation, "plan", str(spec))
    assert again.returncode == 0, again.stdout + again.stderr


def test_with_events_a_swap_is_put_right_without_anyone_asking(
    simulation: Simulation, az: AzureCli, spec: Path
) -> None:
    with running(simulation, spec) as app, events(az, simulation, app):
        swap(az)
        eventually(lambda: found(az) == released("1", "2"), app)
        assert sticky(az) == {STICKY}


def test_a_preview_stands_until_the_swap_is_completed(simulation: Simulation, az: AzureCli, spec: Path) -> None:
    swap(az, "--action", "preview")
    assert found(az)[1][STICKY] == "production"
    done = homeostat(simulation, "remediate", str(spec), "--yes", "--standalone")
    assert (found(az)[1][STICKY], "being swapped with production" in done.stdout) == ("production", True), done.stdout
    with running(simulation, spec) as app, events(az, simulation, app):
        swap(az)
        eventually(lambda: found(az) == released("2", "1"), app)


@contextmanager
def running(simulation: Simulation, spec: Path) -> Iterator[FunctionApp]:
    with azurite.running("--inMemoryPersistence") as storage:
        own = {"AzureWebJobsStorage": storage, "HOMEOSTAT_SPEC_FOLDER": str(spec.parent)}
        with running_function_app({**simulation.env, **own}) as app:
            yield app


@contextmanager
def events(az: AzureCli, simulation: Simulation, app: FunctionApp) -> Iterator[None]:
    """The subscription that README has people make, to a webhook."""
    source = ("--source-resource-id", f"/subscriptions/{simulation.subscription}", "--name", "homeostat")
    kinds = (f"Microsoft.Resources.Resource{verb}Success" for verb in ("Write", "Delete", "Action"))
    az(
        *("eventgrid", "event-subscription", "create", *source, "--endpoint", app.urls["on_resource_event"]),
        *("--included-event-types", *kinds),
        *("--advanced-filter", "data.operationName", "StringEndsWith", *endings_in_readme()[0]),
    )  # fmt: skip
    try:
        yield
    finally:
        az("eventgrid", "event-subscription", "delete", *source)


def eventually(condition: Callable[[], bool], app: FunctionApp) -> None:
    """Asks again until it holds; the bound only ends a test that has failed."""
    deadline = time.monotonic() + HEALING_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "".join(app.log[-40:])
        time.sleep(0.1)
