"""Queue triggers over the real storage API (Azurite): real receipts, encodings and queues that have to be made."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from azure.storage.queue.aio import QueueClient

from devhost.errors import DevHostError
from devhost.host import Host, running_host
from devhost.queues import LostMessageError
from devhost.storage_queues import StorageQueues
from tests.devhost.conftest import SAMPLE_APP, SETTINGS, seen_by
from tests.support.azurite import azurite

pytestmark = pytest.mark.storage
__all__ = ["azurite"]


@pytest.fixture
def queue() -> str:
    """A queue name of this test's own; nothing creates it beforehand."""
    return f"work-{uuid.uuid4().hex[:12]}"  # all tests share one storage account


@pytest.fixture
async def source(azurite: str) -> AsyncIterator[StorageQueues]:
    queues = StorageQueues.from_settings({"AzureWebJobsStorage": azurite}, "AzureWebJobsStorage", base64=True)
    yield queues
    await queues.close()


@pytest.fixture
async def host(azurite: str, queue: str) -> AsyncIterator[Host]:
    settings = SETTINGS | {"AzureWebJobsStorage": azurite, "SAMPLE_QUEUE": queue}
    async with running_host(SAMPLE_APP, settings) as running:
        yield running


def _done(seen: list[dict[str, Any]]) -> bool:
    return any("done" in each for each in seen)


async def _received(source: StorageQueues, queue: str) -> str:
    """The next message's body, waited for."""
    async with asyncio.timeout(10):
        while True:
            for message in await source.receive(queue, limit=1, visibility=timedelta(seconds=30)):
                return message.body
            await asyncio.sleep(0.05)


async def test_a_message_is_run_with_its_real_metadata_and_deleted(
    host: Host, queue: str, source: StorageQueues, client: aiohttp.ClientSession
) -> None:
    await source.send(queue, '{"text": "ä"}')
    first, _ = await seen_by(host, client, _done)
    assert (first["body"], first["dequeue_count"]) == ('{"text": "ä"}', 1)
    assert first["expires"] > first["visible"] > first["inserted"]
    await asyncio.sleep(0.2)
    assert await source.receive(queue, limit=1, visibility=timedelta(seconds=1)) == []


async def test_a_message_that_keeps_failing_ends_in_a_poison_queue_that_is_made_for_it(
    host: Host, queue: str, source: StorageQueues, client: aiohttp.ClientSession
) -> None:
    await source.send(queue, '{"failures": 99}')
    assert await _received(source, f"{queue}-poison") == '{"failures": 99}'
    seen = await seen_by(host, client, bool)
    assert [each["dequeue_count"] for each in seen] == [1, 2, 3]


async def test_a_message_that_is_not_base64_goes_to_the_poison_queue_as_it_is(
    host: Host, queue: str, azurite: str, source: StorageQueues, client: aiohttp.ClientSession
) -> None:
    await source.send(f"{queue}-poison", "placeholder")
    assert await _received(source, f"{queue}-poison") == "placeholder"
    async with QueueClient.from_connection_string(azurite, queue) as raw:
        await raw.create_queue()
        await raw.send_message("<not base64>")
    async with QueueClient.from_connection_string(azurite, f"{queue}-poison") as poison, asyncio.timeout(10):
        while not (found := [each async for each in poison.receive_messages()]):  # noqa: ASYNC110  # storage tells nobody
            await asyncio.sleep(0.05)
    assert [each.content for each in found] == ["<not base64>"]
    assert await seen_by(host, client, lambda _: True) == []


async def test_a_receipt_is_good_until_the_next_update(queue: str, source: StorageQueues) -> None:
    await source.send(queue, "body")
    (held,) = await source.receive(queue, limit=1, visibility=timedelta(seconds=30))
    renewed = await source.update_visibility(held, timedelta(seconds=30))
    with pytest.raises(LostMessageError):
        await source.delete(held)
    await source.delete(renewed)
    with pytest.raises(LostMessageError):
        await source.update_visibility(renewed, timedelta())


async def test_a_message_sent_with_a_delay_shows_after_it(queue: str, source: StorageQueues) -> None:
    await source.send(queue, "later", delay=timedelta(seconds=2))
    assert await source.receive(queue, limit=1, visibility=timedelta(seconds=1)) == []
    assert await _received(source, queue) == "later"


async def test_bodies_are_base64_where_host_json_says_so_and_plain_where_not(azurite: str, queue: str) -> None:
    stored: dict[bool, str] = {}
    for encoded in (True, False):
        queues = StorageQueues.from_settings({"S": azurite}, "S", base64=encoded)
        await queues.send(f"{queue}-{encoded}".lower(), '{"a": 1}')
        await queues.close()
        async with QueueClient.from_connection_string(azurite, f"{queue}-{encoded}".lower()) as raw:
            (message,) = [each async for each in raw.receive_messages()]
            stored[encoded] = message.content
    assert json.loads(base64.b64decode(stored[True])) == {"a": 1}
    assert stored[False] == '{"a": 1}'


@pytest.mark.parametrize("settings", [{}, {"S": "not a connection string"}])
def test_a_missing_or_unreadable_connection_is_named(settings: dict[str, str]) -> None:
    with pytest.raises(DevHostError, match="S"):
        StorageQueues.from_settings(settings, "S", base64=True)
