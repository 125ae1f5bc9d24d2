"""What `homeostat.ports.storage.Blobs` promises, on every implementation."""

import asyncio

import pytest

from homeostat.core.json import ABSENT
from homeostat.ports.storage import Blob, Conflict
from tests.state.stores import Store


async def read(store: Store, container: str, name: str) -> Blob:
    found = await store.blobs.read(container, name)
    assert found is not None
    return found


async def test_what_was_never_written_is_not_there(store: Store, unique: str) -> None:
    assert await store.blobs.read(unique, "spec.yaml") is None
    assert [blob async for blob in store.blobs.list(unique)] == []


@pytest.mark.parametrize("data", [b"", b"apiVersion: 1\n", bytes(range(256)) * 1_000])
async def test_a_blob_comes_back_as_it_was_written(store: Store, unique: str, data: bytes) -> None:
    version = await store.blobs.write(unique, "a/b.yaml", data)
    found = await read(store, unique, "a/b.yaml")
    assert (found.name, found.data, found.version) == ("a/b.yaml", data, version)
    assert found.modified.utcoffset() is not None


@pytest.mark.parametrize("name", ["straße.yaml", "with space", "100%.yaml", "a#b?c"])
async def test_odd_names_are_kept(store: Store, unique: str, name: str) -> None:
    await store.blobs.write(unique, name, b"x")
    assert (await read(store, unique, name)).data == b"x"
    assert [blob.name async for blob in store.blobs.list(unique)] == [name]


async def test_every_write_makes_a_new_version(store: Store, unique: str) -> None:
    first = await store.blobs.write(unique, "b", b"x")
    second = await store.blobs.write(unique, "b", b"x")
    assert first != second
    assert (await read(store, unique, "b")).version == second


async def test_a_write_at_the_current_version_succeeds(store: Store, unique: str) -> None:
    first = await store.blobs.write(unique, "b", b"1", expected=ABSENT)
    await store.blobs.write(unique, "b", b"2", expected=first)
    assert (await read(store, unique, "b")).data == b"2"


async def test_a_write_at_a_stale_version_conflicts(store: Store, unique: str) -> None:
    stale = await store.blobs.write(unique, "b", b"1")
    await store.blobs.write(unique, "b", b"2")
    with pytest.raises(Conflict):
        await store.blobs.write(unique, "b", b"3", expected=stale)
    assert (await read(store, unique, "b")).data == b"2"


async def test_a_write_at_a_version_of_what_is_not_there_conflicts(store: Store, unique: str) -> None:
    version = await store.blobs.write(unique, "another", b"1")
    with pytest.raises(Conflict):
        await store.blobs.write(unique, "b", b"1", expected=version)
    assert await store.blobs.read(unique, "b") is None


async def test_a_write_that_expects_nothing_conflicts_with_what_is_there(store: Store, unique: str) -> None:
    await store.blobs.write(unique, "b", b"1")
    with pytest.raises(Conflict):
        await store.blobs.write(unique, "b", b"2", expected=ABSENT)
    assert (await read(store, unique, "b")).data == b"1"


async def test_of_many_that_expect_nothing_exactly_one_succeeds(store: Store, unique: str) -> None:
    async def write(number: int) -> bool:
        try:
            await store.blobs.write(unique, "b", str(number).encode(), expected=ABSENT)
        except Conflict:
            return False
        return True

    wrote = await asyncio.gather(*(write(number) for number in range(8)))
    assert sum(wrote) == 1
    assert (await read(store, unique, "b")).data == str(wrote.index(True)).encode()


async def test_a_listing_gives_the_names_under_a_prefix_in_order_with_their_versions(store: Store, unique: str) -> None:
    versions = {name: await store.blobs.write(unique, name, b"xyz") for name in ("b/2", "a", "b/1", "c")}
    found = [blob async for blob in store.blobs.list(unique, "b/")]
    assert [(blob.name, blob.size, blob.version) for blob in found] == [
        ("b/1", 3, versions["b/1"]),
        ("b/2", 3, versions["b/2"]),
    ]
    assert [blob.name async for blob in store.blobs.list(unique)] == ["a", "b/1", "b/2", "c"]


async def test_a_deleted_blob_is_gone_and_deleting_it_again_is_fine(store: Store, unique: str) -> None:
    for name in ("a", "b"):
        await store.blobs.write(unique, name, b"x")
    for _ in range(2):
        await store.blobs.delete(unique, "a")
    assert [blob.name async for blob in store.blobs.list(unique)] == ["b"]


async def test_nothing_is_deleted_where_nothing_was_ever_written(store: Store, unique: str) -> None:
    await store.blobs.delete(unique, "a")
