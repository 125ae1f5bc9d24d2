"""The guide's world with a deployment slot, made and swapped by the real Azure CLI."""

from collections.abc import Iterator

import pytest

from tests.support.azure_cli import AzureCli, install
from tests.support.simulation import Simulation, running_simulator


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


@pytest.fixture(scope="module")
def az(simulation: Simulation) -> Iterator[AzureCli]:
    with AzureCli(install(), simulation.env) as cli:
        yield cli
