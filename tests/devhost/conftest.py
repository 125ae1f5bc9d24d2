"""The sample app on a dev host inside the test's process, and a client to call it as the outside does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devhost.host import Host, running_host
from devhost.inprocess_queues import InProcessQueues
from tests.devhost.fakes import FakeQueues

SAMPLE_APP = Path(__file__).parent / "sample_app"
SETTINGS = {
    "SAMPLE_QUEUE": "sample-work",
    "SAMPLE_SCHEDULE": "0 0 2 * * *",
    "DEVHOST_MASTER_KEY": "master-of-tests",
    "DEVHOST_FUNCTION_KEY": "function-of-tests",
    "DEVHOST_EVENTGRID_KEY": "grid+of/tests",
}


@pytest.fixture
def queues() -> FakeQueues:
    return FakeQueues()


@pytest.fixture
async def host(queues: FakeQueues) -> AsyncIterator[Host]:
    async with running_host(SAMPLE_APP, SETTINGS, queues=InProcessQueues(queues)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


type Seen = list[dict[str, Any]]
type SeenWhen = Callable[[Callable[[Seen], bool]], Awaitable[Seen]]


async def seen_by(host: Host, client: aiohttp.ClientSession, condition: Callable[[Seen], bool]) -> Seen:
    """What the app's functions were given, as soon as it fulfils `condition`; TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while True:
            async with client.get(f"{host.url}/api/seen") as response:
                seen: Seen = await response.json()
            if condition(seen):
                return seen
            await asyncio.sleep(0.02)


@pytest.fixture
def seen_when(host: Host, client: aiohttp.ClientSession) -> SeenWhen:
    """`seen_by` for the sample app of this test."""
    return lambda condition: seen_by(host, client, condition)
