"""Runs on every store: as they were saved, whatever their size, and forgotten with all that is theirs."""

from datetime import UTC, datetime, timedelta
from typing import Final

from homeostat.core.json import JsonObject
from homeostat.operations.run_store import RUN_BLOBS, RunStore
from tests.state.stores import Store

NOW: Final = datetime(2026, 3, 1, 2, tzinfo=UTC)


def runs_of(store: Store) -> RunStore:
    return RunStore(store.documents, store.blobs)


def done(id_: str, finished: datetime, roots: int = 1) -> JsonObject:
    outcomes = [{"root": f"/subscriptions/s/{number}", "error": "\ud800"} for number in range(roots)]
    return {"id": id_, "state": "done", "finishedAt": finished.isoformat(), "roots": outcomes}


async def test_what_came_of_a_fleet_is_stored_although_no_document_has_room_for_it(store: Store, unique: str) -> None:
    runs = runs_of(store)
    queued: JsonObject = {"id": unique, "state": "queued", "targets": ["app"]}
    await runs.save(unique, queued)
    assert await runs.load(unique) == queued
    body = done(unique, NOW, roots=20_000)
    await runs.save(unique, body)
    assert await runs.load(unique) == body


async def test_a_run_that_nobody_knows_is_none(store: Store, unique: str) -> None:
    assert await runs_of(store).load(unique) is None


async def test_what_ended_by_then_is_forgotten_with_its_blob_and_what_has_not_is_kept(
    store: Store, unique: str
) -> None:
    runs = runs_of(store)
    old, new, queued = (f"{unique}-{name}" for name in ("old", "new", "queued"))
    await runs.save(old, done(old, NOW))
    await runs.save(new, done(new, NOW + timedelta(seconds=1)))
    await runs.save(queued, {"id": queued, "state": "queued"})
    assert await runs.forget(NOW, 5000) >= 1
    assert [await runs.load(each) is None for each in (old, new, queued)] == [True, False, False]
    assert await store.blobs.read(RUN_BLOBS, f"{old}.json") is None
    assert await store.blobs.read(RUN_BLOBS, f"{new}.json") is not None


async def test_no_more_are_forgotten_at_once_than_may_be(store: Store, unique: str) -> None:
    runs = runs_of(store)
    ids = [f"{unique}-{number:03}" for number in range(5)]
    for id_ in ids:
        await runs.save(id_, done(id_, NOW - timedelta(days=400)))
    assert await runs.forget(NOW - timedelta(days=399), 2) == 2
    assert await runs.forget(NOW - timedelta(days=399), 5000) >= 3
    assert [await runs.load(id_) for id_ in ids] == [None] * 5
