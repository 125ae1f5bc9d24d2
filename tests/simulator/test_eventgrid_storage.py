"""Event Grid's storage destinations over the real storage API (Azurite)."""

import base64
import json
import uuid

import pytest
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from simulator.delivery import UndeliverableError
from simulator.storage_destination import AzureStorage
from tests.support.azurite import azurite

pytestmark = pytest.mark.storage
__all__ = ["azurite"]


@pytest.fixture
def name() -> str:
    return f"events-{uuid.uuid4().hex[:12]}"  # all tests share one storage account


async def test_a_queue_gets_base64_and_a_container_the_dead_letter_once(azurite: str, name: str) -> None:
    storage = AzureStorage({"": azurite})
    async with (
        QueueClient.from_connection_string(azurite, name) as queue,
        ContainerClient.from_connection_string(azurite, name) as container,
    ):
        await queue.create_queue()
        await container.create_container()
        await storage.send("stflask", name, json.dumps({"id": "1"}))
        await storage.keep("stflask", name, "HOMEOSTAT/1.json", b"[]")
        await storage.keep("stflask", name, "HOMEOSTAT/1.json", b"[]")
        (message,) = [each async for each in queue.receive_messages()]
        blobs = [each.name async for each in container.list_blobs()]
    await storage.close()
    assert json.loads(base64.b64decode(message.content)) == {"id": "1"}
    assert blobs == ["HOMEOSTAT/1.json"]


async def test_a_queue_that_is_missing_can_be_tried_again_and_an_unknown_account_not(azurite: str, name: str) -> None:
    storage = AzureStorage({"stflask": azurite})
    with pytest.raises(UndeliverableError) as missing:
        await storage.send("stflask", name, "{}")
    assert not missing.value.final
    with pytest.raises(UndeliverableError, match="SIMULATOR_STORAGE") as unknown:
        await storage.send("another", name, "{}")
    assert unknown.value.final
    await storage.close()


def test_connections_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_STORAGE_STFLASK", "one")
    monkeypatch.setenv("SIMULATOR_STORAGE", "rest")
    assert AzureStorage.from_environment().connections == {"stflask": "one", "": "rest"}
