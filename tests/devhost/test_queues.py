"""Queue triggers over in-process queues: metadata, retries, poison, locks, batches."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from devhost.errors import DevHostError
from devhost.host import Host, running_host
from devhost.inprocess_queues import InProcessQueues
from devhost.queues import QueueListener
from devhost.settings import QueueOptions
from tests.devhost.conftest import SAMPLE_APP, SETTINGS, SeenWhen, seen_by
from tests.devhost.fakes import FakeQueues

pytestmark = pytest.mark.host
_QUEUE = "sample-work"


def _done(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda seen: sum("done" in each for each in seen) >= count


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in queues that have no events
            await asyncio.sleep(0.01)


async def test_a_message_is_deleted_once_its_function_has_succeeded(queues: FakeQueues, seen_when: SeenWhen) -> None:
    await queues.send(_QUEUE, '{"n": 1}')
    first, _ = await seen_when(_done(1))
    await _until(lambda: queues.bodies(_QUEUE) == [])
    assert (first["id"], first["body"], first["dequeue_count"]) == ("m1", '{"n": 1}', 1)
    assert first["inserted"] == "2026-01-02 03:04:05+00:00"
    assert first["expires"].startswith("9999-12-31")
    assert first["receipt"] == "r2"
    assert first["visible"] != "None"


async def test_a_body_property_replaces_metadata_of_its_name_as_in_the_host(
    queues: FakeQueues, seen_when: SeenWhen
) -> None:
    await queues.send(_QUEUE, '{"id": "mine"}')
    first, _ = await seen_when(_done(1))
    assert first["id"] == "mine"


async def test_a_failed_message_comes_again_at_once_and_can_succeed(queues: FakeQueues, seen_when: SeenWhen) -> None:
    await queues.send(_QUEUE, '{"failures": 2}')
    seen = await seen_when(_done(1))
    assert [each["dequeue_count"] for each in seen if "done" not in each] == [1, 2, 3]
    assert queues.bodies(f"{_QUEUE}-poison") == []


async def test_a_message_that_fails_max_dequeue_count_times_is_poisoned(
    host: Host, queues: FakeQueues, seen_when: SeenWhen
) -> None:
    await queues.send(_QUEUE, '{"failures": 99}')
    await _until(lambda: queues.bodies(f"{_QUEUE}-poison") == ['{"failures": 99}'])
    seen = await seen_when(bool)
    assert [each["dequeue_count"] for each in seen] == [1, 2, 3]
    assert queues.bodies(_QUEUE) == []


async def test_an_output_binding_sends_to_its_queue(queues: FakeQueues, seen_when: SeenWhen) -> None:
    await queues.send(_QUEUE, '{"forward": "on it goes"}')
    await seen_when(_done(1))
    await _until(lambda: queues.bodies("sample-forwarded") == ["on it goes"])


async def test_messages_of_a_batch_run_at_the_same_time(queues: FakeQueues, seen_when: SeenWhen) -> None:
    for number in range(16):
        await queues.send(_QUEUE, json.dumps({"n": number, "seconds": 0.3}))
    async with asyncio.timeout(2):  # one after the other would take 4.8 s
        await seen_when(_done(16))


async def test_a_new_batch_waits_until_few_enough_are_running(host: Host, queues: FakeQueues) -> None:
    function = host.worker.function("on_message")
    assert function is not None
    options = QueueOptions(batch_size=2, new_batch_threshold=0)
    listener = QueueListener(host.worker, function, "other", InProcessQueues(queues), options)
    for number in range(3):
        await queues.send("other", json.dumps({"n": number, "seconds": 0.3}))
    listener.start()
    await _until(lambda: queues.bodies("other") != [] and len(queues.held()) == 2)
    await asyncio.sleep(0.1)  # long enough for a listener that does not wait to take the third
    assert len(queues.held()) == 2
    await _until(lambda: queues.bodies("other") == [])
    await listener.stop_polling()


async def test_the_lock_of_a_long_run_is_renewed_so_that_it_runs_once(
    host: Host, queues: FakeQueues, seen_when: SeenWhen
) -> None:
    function = host.worker.function("on_message")
    assert function is not None
    lock = timedelta(seconds=0.2)
    listener = QueueListener(host.worker, function, "long", InProcessQueues(queues), QueueOptions(), lock=lock)
    await queues.send("long", '{"seconds": 0.7}')
    listener.start()
    await _until(lambda: queues.bodies("long") == [])
    await listener.stop_polling()
    assert queues.postponed["m1"] >= 3
    assert len([each for each in await seen_when(_done(1)) if "done" not in each]) == 1


async def test_a_message_that_another_receiver_took_is_left_alone(
    queues: FakeQueues, seen_when: SeenWhen, caplog: pytest.LogCaptureFixture
) -> None:
    await queues.send(_QUEUE, '{"seconds": 0.2}')
    await seen_when(bool)
    queues.steal()
    await _until(lambda: "no longer ours" in caplog.text)
    assert queues.bodies(_QUEUE) == ['{"seconds": 0.2}']


async def test_the_admin_endpoint_runs_a_queue_function_with_its_input(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    url = f"{host.url}/admin/functions/on_message?code=master-of-tests"
    async with client.post(url, json={"input": '{"by": "hand"}'}) as response:
        assert response.status == 202
    first, _ = await seen_when(_done(1))
    assert first["body"] == '{"by": "hand"}'


in_memory = FakeQueues()


async def test_the_app_can_name_its_own_in_memory_queues(client: aiohttp.ClientSession) -> None:
    settings = SETTINGS | {"DEVHOST_QUEUES": f"{__name__}:_in_memory"}
    await in_memory.send(_QUEUE, "{}")
    async with running_host(SAMPLE_APP, settings) as host:
        await seen_by(host, client, _done(1))


def _in_memory() -> FakeQueues:
    return in_memory


async def test_in_memory_queues_that_cannot_be_found_are_named() -> None:
    with pytest.raises(DevHostError, match="DEVHOST_QUEUES=nowhere:queues"):
        async with running_host(SAMPLE_APP, SETTINGS | {"DEVHOST_QUEUES": "nowhere:queues"}):
            pass
