"""What a fresh instance has imported by when: the budget of its start and of its memory, without a clock.

`make bench` measures both. Here stands what they rest on: each library comes with the first work that needs it
(ADR 0023).
"""

from collections.abc import Iterator
from pathlib import Path

import azure_functions_runtime  # type: ignore[import-untyped]  # Microsoft ships no types for it
import pytest

from bench.cold import ColdProcess, State, started
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.host

PROJECT = Path(__file__).parents[2]
SITE_PACKAGES = Path(azure_functions_runtime.__file__).parents[1]
NSG = "/resourceGroups/rg-flask/providers/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
RULE = f"{NSG}/securityRules/allow-sql"
VERSION = "2024-05-01"

FOR_WORK = {"aiohttp", "azure.core", "azure.identity", "pydantic", "yaml", "homeostat.engine", "homeostat.service"}
FOR_WRITES = {"azure.mgmt.web", "azure.mgmt.network", "azure.mgmt.privatedns"}
FOR_ALERTS = {"azure.eventgrid"}
FOR_PROBES = {"dns"}


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as simulation:
        yield simulation


@pytest.fixture
def instance(simulation: Simulation) -> Iterator[ColdProcess]:
    settings = {
        **simulation.env,
        "HOMEOSTAT_STATE": "memory",
        "HOMEOSTAT_SETTLE_SECONDS": "0",
        "HOMEOSTAT_SPEC_FOLDER": str(PROJECT / "examples" / "flask-app"),
        "WEBSITE_SITE_NAME": "func-homeostat",
    }
    with started(PROJECT, (PROJECT, SITE_PACKAGES), settings) as process:
        yield process


def loaded(state: State, libraries: set[str]) -> set[str]:
    return libraries & state.modules


def changed(simulation: Simulation, instance: ColdProcess) -> State:
    """What the instance has imported after an event of the rule, and the work that follows."""
    resource = f"/subscriptions/{simulation.subscription}{RULE}"
    event = {
        "id": "an-event",
        "topic": f"/subscriptions/{simulation.subscription}",
        "subject": resource,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": simulation.exchanger.clock.now().isoformat(),
        "dataVersion": "2",
        "data": {"resourceUri": resource},
    }
    return instance.event(event, f"/subscriptions/{simulation.subscription}{NSG}")


def test_an_instance_is_ready_without_the_loop_and_without_any_library_of_its_work(instance: ColdProcess) -> None:
    assert loaded(instance.ready, FOR_WORK | FOR_WRITES | FOR_ALERTS | FOR_PROBES) == set()


def test_a_look_that_finds_nothing_loads_nothing_that_writes_alerts_or_probes(
    simulation: Simulation, instance: ColdProcess
) -> None:
    looked = changed(simulation, instance)
    assert loaded(looked, FOR_WORK) == FOR_WORK
    assert loaded(looked, FOR_WRITES | FOR_ALERTS | FOR_PROBES) == set()


def test_the_first_write_loads_the_sdk_that_it_needs_and_no_other(
    simulation: Simulation, instance: ColdProcess
) -> None:
    body = simulation.arm("GET", RULE, api_version=VERSION).body
    broken = {**body, "properties": {**body["properties"], "destinationAddressPrefix": "203.0.113.0/24"}}
    simulation.arm("PUT", RULE, broken, VERSION)
    repaired = changed(simulation, instance)
    assert simulation.arm("GET", RULE, api_version=VERSION).body["properties"]["destinationAddressPrefix"] == "*"
    assert loaded(repaired, FOR_WRITES) == {"azure.mgmt.network"}
