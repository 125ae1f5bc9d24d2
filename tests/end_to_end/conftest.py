"""The main job on real input: the real Azure CLI, the simulator, the function app on Microsoft's worker, Azurite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import guide
from tests.support.azure_cli import AzureCli, install
from tests.support.role import CLOSE_DOORS, ROLE
from tests.support.simulation import Simulation, running_simulator


@pytest.fixture(scope="package")
def az_program() -> Path:
    return install()


@pytest.fixture(scope="package")
def simulation() -> Iterator[Simulation]:
    with running_simulator("prerequisites", role=ROLE.with_(*CLOSE_DOORS)) as running:
        yield running


@pytest.fixture(scope="package")
def az(az_program: Path, simulation: Simulation) -> Iterator[AzureCli]:
    """The CLI, after it followed the guide."""
    with AzureCli(az_program, simulation.env) as cli:
        for command in guide.commands(simulation.subscription):
            cli(*command)
        yield cli
