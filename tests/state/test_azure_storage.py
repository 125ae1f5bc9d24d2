"""What only a real storage account can show: restarts, refusals, and what others see in it."""

import base64
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from homeostat.azure.storage import TABLE, AzureStorage, account_from
from homeostat.ports.storage import Insert, StorageUnavailable, Upsert
from tests.state.stores import NoIdentity, write_ids
from tests.support.azurite import running

pytestmark = pytest.mark.storage


def connected(connection_string: str) -> AzureStorage:
    account = account_from({"AzureWebJobsStorage": connection_string}, identity=NoIdentity())
    return AzureStorage(account, new_id=write_ids())


async def test_state_outlives_a_restart_of_both_sides(tmp_path: Path) -> None:
    with running("--location", str(tmp_path)) as connection_string:
        async with connected(connection_string) as storage:
            versions = await storage.documents.apply("/sites/app", [Insert("lease", {"owner": "one"})])
            blob_version = await storage.blobs.write("specs", "app.yaml", b"kind: WebApp")
            await storage.queues.send("homeostat-work", "m")
    with running("--location", str(tmp_path)) as connection_string:
        async with connected(connection_string) as storage:
            document = await storage.documents.read("/sites/app", "lease")
            blob = await storage.blobs.read("specs", "app.yaml")
            messages = await storage.queues.receive("homeostat-work", limit=1, visibility=timedelta(minutes=1))
    assert document is not None
    assert (document.body, document.version) == ({"owner": "one"}, versions["lease"])
    assert blob is not None
    assert (blob.data, blob.version) == (b"kind: WebApp", blob_version)
    assert [message.body for message in messages] == ["m"]


# azure-data-tables tests an XML element's truth where it reads the refusal.
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
async def test_a_refused_credential_is_named_with_its_remedy(azurite: str) -> None:
    async with connected(azurite.replace("AccountKey=Eby8", "AccountKey=AAAA")) as storage:
        with pytest.raises(StorageUnavailable, match=r"refused the credential .* Storage data contributor roles"):
            await storage.documents.read("p", "r")
        with pytest.raises(StorageUnavailable, match="refused the credential"):
            await storage.documents.apply("p", [Upsert("r", {})])
        with pytest.raises(StorageUnavailable, match="queue 'q-q': the storage account refused the credential"):
            await storage.queues.send("q-q", "m")
        with pytest.raises(StorageUnavailable, match="blob 'b' of container 'ccc': the storage account refused"):
            await storage.blobs.read("ccc", "b")


async def test_a_small_body_is_legible_where_operators_look(azurite: str, unique: str) -> None:
    async with connected(azurite) as storage:
        await storage.documents.apply(f"/sites/{unique}", [Insert("lease", {"owner": "one"})])
    async with TableClient.from_connection_string(azurite, TABLE) as table:
        entity = await table.get_entity(f"._sites._{unique}", "lease")
    assert (entity["partition"], entity["row"], entity["body"]) == (f"/sites/{unique}", "lease", '{"owner":"one"}')


async def test_a_message_is_in_base64_as_the_functions_host_expects(azurite: str, unique: str) -> None:
    async with connected(azurite) as storage:
        await storage.queues.send(unique, '{"root": "/sites/app"}')
    async with QueueClient.from_connection_string(azurite, unique) as queue:
        (message,) = [message async for message in queue.receive_messages(max_messages=1)]
    assert base64.b64decode(message.content) == b'{"root": "/sites/app"}'
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


async def test_a_message_that_is_no_base64_is_read_as_it_is_and_can_be_deleted(azurite: str, unique: str) -> None:
    """The host moves what it cannot decode to the poison queue as it is; there it must not hide the others."""
    async with connected(azurite) as storage, QueueClient.from_connection_string(azurite, unique) as queue:
        await storage.queues.send(unique, "ours")
        await queue.send_message("<not base64>")
        assert {message.body for message in await storage.queues.peek(unique, limit=32)} == {"ours", "<not base64>"}
        for message in await storage.queues.receive(unique, limit=32, visibility=timedelta(minutes=1)):
            await storage.queues.delete(message)
        assert await storage.queues.count(unique) == 0


async def test_closing_what_was_never_used_is_fine(azurite: str) -> None:
    await connected(azurite).aclose()


def test_naming_an_account_imports_no_storage_sdk() -> None:
    program = (
        "import sys, homeostat.azure.storage as storage\n"
        "account = storage.account_from({'AzureWebJobsStorage': 'UseDevelopmentStorage=true'}, identity=None)\n"
        "storage.AzureStorage(account, new_id=str)\n"
        "print([name for name in sys.modules if name.startswith(('azure.data', 'azure.storage', 'aiohttp'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
