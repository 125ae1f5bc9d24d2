"""A write whose answer is lost is not taken for somebody else's, and never silently applied twice."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest

from homeostat.azure.storage import AzureStorage, account_from
from homeostat.core.json import ABSENT
from homeostat.ports.storage import Conflict, Insert, OutcomeUnknown, Remove, Replace, StorageUnavailable, Upsert
from tests.state.lossy import Loss, LossyTransport
from tests.state.stores import NoIdentity, write_ids
from tests.support.azurite import running

pytestmark = pytest.mark.storage

type Behind = Callable[[LossyTransport], AbstractAsyncContextManager[AzureStorage]]


@pytest.fixture
def behind(azurite: str) -> Behind:
    """The storage account behind a given network."""
    new_id = write_ids()
    account = account_from({"AzureWebJobsStorage": azurite}, identity=NoIdentity())

    @asynccontextmanager
    async def connect(network: LossyTransport) -> AsyncIterator[AzureStorage]:
        async with network:
            yield AzureStorage(account, new_id=new_id, transport=network)

    return connect


@pytest.fixture
async def others(behind: Behind) -> AsyncIterator[AzureStorage]:
    """Somebody else, on a reliable network. The table exists once they have written to it."""
    async with behind(LossyTransport()) as storage:
        await storage.documents.apply("others", [Upsert("r", {})])
        yield storage


@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.CONNECTION])
async def test_an_insert_recognises_itself_after_a_lost_answer(
    behind: Behind, others: AzureStorage, unique: str, loss: Loss
) -> None:
    network = LossyTransport(loss)
    async with behind(network) as storage:
        versions = await storage.documents.apply(unique, [Insert("a", {"n": 1}), Insert("b", {})])
        found = await storage.documents.read(unique, "a")
    assert found is not None
    assert (found.body, found.version) == ({"n": 1}, versions["a"])
    assert network.writes == 2


async def test_a_replacement_is_applied_once_when_its_answer_is_lost(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    before = await others.documents.apply(unique, [Insert("r", {"n": 1})])
    async with behind(LossyTransport(Loss.ANSWER)) as storage:
        versions = await storage.documents.apply(unique, [Replace("r", {"n": 2}, before["r"]), Insert("log", {})])
        again = await storage.documents.apply(unique, [Replace("r", {"n": 3}, versions["r"])])
    found = await others.documents.read(unique, "r")
    assert found is not None
    assert (found.body, found.version) == ({"n": 3}, again["r"])


async def test_a_request_that_was_never_sent_is_sent_again(behind: Behind, others: AzureStorage, unique: str) -> None:
    network = LossyTransport(Loss.REQUEST)
    async with behind(network) as storage:
        await storage.documents.apply(unique, [Insert("r", {"n": 1})])
    assert await others.documents.read(unique, "r") is not None
    assert network.writes == 2


async def test_a_conflict_after_a_request_that_was_never_sent_is_a_conflict(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    async def take() -> None:
        await others.documents.apply(unique, [Insert("lease", {"owner": "other"})])

    async with behind(LossyTransport(Loss.REQUEST, meanwhile=take)) as storage:
        with pytest.raises(Conflict):
            await storage.documents.apply(unique, [Insert("lease", {"owner": "self"})])


async def overwrite(others: AzureStorage, unique: str) -> None:
    await others.documents.apply(unique, [Upsert("lease", {"owner": "other"})])


async def test_a_write_that_was_overwritten_before_it_could_be_recognised_has_an_unknown_outcome(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    async with behind(LossyTransport(Loss.ANSWER, meanwhile=lambda: overwrite(others, unique))) as storage:
        with pytest.raises(OutcomeUnknown, match="lost on its way back"):
            await storage.documents.apply(unique, [Insert("lease", {"owner": "self"})])


async def test_a_batch_is_recognised_by_any_of_its_rows_and_gives_a_stale_version_for_an_overwritten_one(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    async with behind(LossyTransport(Loss.ANSWER, meanwhile=lambda: overwrite(others, unique))) as storage:
        versions = await storage.documents.apply(unique, [Insert("lease", {"owner": "self"}), Insert("log", {})])
        with pytest.raises(Conflict):
            await storage.documents.apply(unique, [Replace("lease", {"owner": "self"}, versions["lease"])])
        await storage.documents.apply(unique, [Replace("log", {}, versions["log"])])
    found = await others.documents.read(unique, "lease")
    assert found is not None
    assert found.body == {"owner": "other"}


async def test_a_removal_whose_answer_was_lost_has_an_unknown_outcome(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    before = await others.documents.apply(unique, [Insert("claim", {})])
    async with behind(LossyTransport(Loss.ANSWER)) as storage:
        with pytest.raises(OutcomeUnknown):
            await storage.documents.apply(unique, [Remove("claim", before["claim"])])


async def test_the_first_write_of_all_survives_the_loss_of_any_answer() -> None:
    network = LossyTransport(Loss.ANSWER, Loss.ANSWER, Loss.ANSWER)
    with running("--inMemoryPersistence") as connection_string:
        account = account_from({"AzureWebJobsStorage": connection_string}, identity=NoIdentity())
        async with network:
            storage = AzureStorage(account, new_id=write_ids(), transport=network)
            await storage.documents.apply("p", [Insert("r", {})])
            assert await storage.documents.read("p", "r") is not None


@pytest.mark.parametrize(("loss", "raised"), [(Loss.REQUEST, StorageUnavailable), (Loss.ANSWER, OutcomeUnknown)])
async def test_a_network_that_stays_down_is_told_apart_from_a_lost_answer(
    behind: Behind, others: AzureStorage, unique: str, loss: Loss, raised: type[Exception]
) -> None:
    stale = await others.documents.apply(unique, [Insert("r", {})])
    await others.documents.apply(unique, [Upsert("r", {})])
    down = LossyTransport(*[loss] * 4)
    async with behind(down) as storage:
        with pytest.raises(raised):
            await storage.documents.apply(unique, [Replace("r", {"n": 2}, stale["r"])])
    assert down.writes == 4


async def test_a_blob_recognises_itself_after_a_lost_answer(behind: Behind, others: AzureStorage, unique: str) -> None:
    await others.blobs.write(unique, "another", b"")
    network = LossyTransport(Loss.ANSWER)
    async with behind(network) as storage:
        version = await storage.blobs.write(unique, "b", b"self", expected=ABSENT)
    found = await others.blobs.read(unique, "b")
    assert found is not None
    assert (found.data, found.version) == (b"self", version)
    assert network.writes == 2


async def test_a_blob_that_somebody_else_wrote_meanwhile_is_not_taken_for_ones_own(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    await others.blobs.write(unique, "another", b"")

    async def write() -> None:
        await others.blobs.write(unique, "b", b"other")

    async with behind(LossyTransport(Loss.ANSWER, meanwhile=write)) as storage:
        with pytest.raises(OutcomeUnknown):
            await storage.blobs.write(unique, "b", b"self", expected=ABSENT)
    async with behind(LossyTransport(Loss.REQUEST, meanwhile=write)) as storage:
        with pytest.raises(Conflict):
            await storage.blobs.write(unique, "b", b"self", expected=ABSENT)


async def test_a_message_whose_answer_was_lost_arrives_at_least_once(
    behind: Behind, others: AzureStorage, unique: str
) -> None:
    async with behind(LossyTransport(Loss.ANSWER)) as storage:
        await storage.queues.send(unique, "m")
    found = await others.queues.receive(unique, limit=32, visibility=timedelta(minutes=1))
    assert {message.body for message in found} == {"m"}
