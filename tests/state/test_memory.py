"""What the store in memory promises beyond the contract: it has no time and no chance of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Insert, QueuedMessage, Upsert

pytestmark = pytest.mark.unit

START = datetime(2026, 3, 1, 2, 0, 0, 250_000, tzinfo=UTC)


async def a_night() -> list[object]:
    storage = MemoryStorage(lambda: START)
    versions = await storage.documents.apply("p", [Insert("a", {}), Upsert("b", {})])
    blob = await storage.blobs.write("specs", "a", b"x")
    await storage.queues.send("work", "m")
    messages = await storage.queues.receive("work", limit=1, visibility=timedelta(minutes=1))
    return [versions, blob, messages, [document async for document in storage.documents.scan_all()]]


async def test_the_same_calls_give_the_same_versions_ids_and_receipts() -> None:
    assert await a_night() == await a_night()


async def test_messages_that_show_at_once_are_received_in_the_order_they_were_sent() -> None:
    storage = MemoryStorage(lambda: START)
    for body in "cab":
        await storage.queues.send("work", body)
    received: list[QueuedMessage] = await storage.queues.receive("work", limit=32, visibility=timedelta(minutes=1))
    assert [message.body for message in received] == ["c", "a", "b"]


async def test_the_next_message_to_show_is_known_without_receiving_it() -> None:
    storage = MemoryStorage(lambda: START)
    assert storage.queues.next_visible("work") is None
    await storage.queues.send("work", "later", delay=timedelta(minutes=2))
    await storage.queues.send("work", "sooner", delay=timedelta(minutes=1))
    assert storage.queues.next_visible("work") == START + timedelta(minutes=1)
