"""The real Azure CLI, logged in to simulators of its own."""

import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.azure_cli import AzureCli, install
from tests.support.simulation import Simulation, running_simulator


@pytest.fixture(scope="session")
def az_program() -> Path:
    return install()


@pytest.fixture(scope="module")
def guide_simulation() -> Iterator[Simulation]:
    with running_simulator("guide") as simulation:
        yield simulation


@pytest.fixture(scope="module")
def logged_in(az_program: Path, guide_simulation: Simulation) -> Iterator[AzureCli]:
    with AzureCli(az_program, guide_simulation.env) as cli:
        yield cli


@pytest.fixture
def az(logged_in: AzureCli, guide_simulation: Simulation) -> Iterator[AzureCli]:
    """The CLI at the world after the guide, which is put back when the test ends."""
    ask = world_door(guide_simulation)
    before = ask("GET", None)
    yield logged_in
    ask("PUT", before)


def world_door(simulation: Simulation) -> Callable[[str, Any], Any]:
    """Read or replace the whole world of a running simulator."""
    context = ssl.create_default_context(cafile=simulation.env["SSL_CERT_FILE"])

    def ask(method: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{simulation.endpoint}/_simulator/world", data=data, method=method)
        with urllib.request.urlopen(request, context=context) as response:
            answer = response.read()
        return json.loads(answer) if answer else None

    return ask
