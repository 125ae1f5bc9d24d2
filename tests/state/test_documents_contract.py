"""What `homeostat.ports.storage.Documents` promises, on every implementation."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from homeostat.core.json import JsonObject
from homeostat.ports.storage import Change, Conflict, Document, Insert, Remove, Replace, Unstorable, Upsert
from tests.state.stores import Store

# aiohttp warns of bodies over 1 MiB, since writing them holds up the loop. Batches that large are rare, and the copy
# of a megabyte is not what one waits for; Python ignores the warning outside tests.
large_request = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


async def rows(found: AsyncIterator[Document]) -> list[str]:
    return [document.row async for document in found]


async def read(store: Store, partition: str, row: str) -> Document:
    found = await store.documents.read(partition, row)
    assert found is not None
    return found


async def test_what_was_never_written_is_not_there(store: Store, unique: str) -> None:
    assert await store.documents.read(unique, "lease") is None
    assert await rows(store.documents.scan(unique)) == []


async def test_a_body_comes_back_as_it_was_stored(store: Store, unique: str) -> None:
    body: JsonObject = {
        "text": "straße \u0000 \U0001f600",
        "none": None,
        "nested": [{"a": 1.5}, True],
        "big": 2**60,
        "": {},
    }
    await store.documents.apply(unique, [Insert("r", body)])
    found = await read(store, unique, "r")
    assert (found.partition, found.row, found.body) == (unique, "r", body)
    assert list(found.body) == list(body)


async def test_changing_what_was_read_does_not_change_what_is_stored(store: Store, unique: str) -> None:
    body = {"list": ["a"]}
    await store.documents.apply(unique, [Insert("r", body)])
    body["list"].append("b")
    assert (await read(store, unique, "r")).body == {"list": ["a"]}


async def test_an_insert_conflicts_with_a_row_that_exists(store: Store, unique: str) -> None:
    await store.documents.apply(unique, [Insert("lease", {"owner": "first"})])
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Insert("lease", {"owner": "second"})])
    assert (await read(store, unique, "lease")).body == {"owner": "first"}


async def test_an_insert_after_a_removal_succeeds_under_a_new_version(store: Store, unique: str) -> None:
    before = await store.documents.apply(unique, [Insert("r", {})])
    await store.documents.apply(unique, [Remove("r")])
    after = await store.documents.apply(unique, [Insert("r", {})])
    assert before != after


async def test_apply_gives_the_versions_that_a_read_then_shows(store: Store, unique: str) -> None:
    versions = await store.documents.apply(unique, [Insert("a", {}), Upsert("b", {}), Remove("absent")])
    assert versions == {row: (await read(store, unique, row)).version for row in ("a", "b")}


async def test_a_replacement_at_the_current_version_succeeds(store: Store, unique: str) -> None:
    first = await store.documents.apply(unique, [Insert("r", {"n": 1})])
    second = await store.documents.apply(unique, [Replace("r", {"n": 2}, first["r"])])
    assert second["r"] != first["r"]
    assert (await read(store, unique, "r")).body == {"n": 2}


async def test_a_replacement_at_a_stale_version_conflicts(store: Store, unique: str) -> None:
    stale = await store.documents.apply(unique, [Insert("r", {"n": 1})])
    await store.documents.apply(unique, [Upsert("r", {"n": 2})])
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Replace("r", {"n": 3}, stale["r"])])
    assert (await read(store, unique, "r")).body == {"n": 2}


async def test_a_write_of_the_same_body_still_makes_a_new_version(store: Store, unique: str) -> None:
    first = await store.documents.apply(unique, [Upsert("r", {"n": 1})])
    second = await store.documents.apply(unique, [Upsert("r", {"n": 1})])
    assert first != second


async def test_a_replacement_of_a_row_that_is_gone_conflicts(store: Store, unique: str) -> None:
    versions = await store.documents.apply(unique, [Insert("r", {})])
    await store.documents.apply(unique, [Remove("r")])
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Replace("r", {}, versions["r"])])
    assert await store.documents.read(unique, "r") is None


async def test_a_removal_at_the_current_version_removes_the_row(store: Store, unique: str) -> None:
    versions = await store.documents.apply(unique, [Insert("r", {})])
    await store.documents.apply(unique, [Remove("r", versions["r"])])
    assert await store.documents.read(unique, "r") is None


async def test_a_removal_at_a_stale_version_conflicts(store: Store, unique: str) -> None:
    stale = await store.documents.apply(unique, [Insert("r", {})])
    await store.documents.apply(unique, [Upsert("r", {})])
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Remove("r", stale["r"])])
    assert await store.documents.read(unique, "r") is not None


async def test_a_removal_at_a_version_of_a_row_that_is_gone_conflicts(store: Store, unique: str) -> None:
    versions = await store.documents.apply(unique, [Insert("r", {})])
    await store.documents.apply(unique, [Remove("r", versions["r"])])
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Remove("r", versions["r"])])


async def test_an_unconditional_removal_of_absent_rows_lets_the_rest_of_the_batch_through(
    store: Store, unique: str
) -> None:
    await store.documents.apply(unique, [Insert("there", {})])
    await store.documents.apply(
        unique, [Remove("absent"), Insert("new", {}), Remove("there"), Remove("absent as well"), Upsert("newer", {})]
    )
    assert await rows(store.documents.scan(unique)) == ["new", "newer"]


async def test_removing_only_what_is_absent_is_fine(store: Store, unique: str) -> None:
    assert await store.documents.apply(unique, [Remove("a"), Remove("b")]) == {}


async def test_no_changes_are_no_change(store: Store, unique: str) -> None:
    assert await store.documents.apply(unique, []) == {}


@pytest.mark.parametrize("kind", ["insert", "replace", "remove"])
async def test_a_conflict_anywhere_leaves_the_whole_batch_unapplied(store: Store, unique: str, kind: str) -> None:
    stale = await store.documents.apply(unique, [Insert("there", {"n": 1})])
    await store.documents.apply(unique, [Upsert("there", {"n": 2})])
    refused: dict[str, Change] = {
        "insert": Insert("there", {}),
        "replace": Replace("there", {}, stale["there"]),
        "remove": Remove("there", stale["there"]),
    }
    with pytest.raises(Conflict):
        await store.documents.apply(unique, [Insert("a", {}), Remove("absent"), refused[kind], Upsert("z", {})])
    assert await rows(store.documents.scan(unique)) == ["there"]
    assert (await read(store, unique, "there")).body == {"n": 2}


@large_request
async def test_a_hundred_changes_fit_in_one_batch(store: Store, unique: str) -> None:
    changes = [Insert(f"{n:03}", {"n": n, "pad": "x" * 15_000}) for n in range(100)]
    assert len(await store.documents.apply(unique, changes)) == 100
    assert await rows(store.documents.scan(unique)) == [change.row for change in changes]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([Insert(str(n), {}) for n in range(101)], "101 changes in one batch, at most 100"),
        ([Insert("r", {}), Remove("r")], "row 'r' is changed 2 times"),
        ([Insert("", {})], "need a name"),
        ([Insert("r", {"pad": "x" * 700_000})], "row 'r': 700010 characters, at most 700000"),
        (
            [Insert(str(n), {"pad": "x" * 400_000}) for n in range(5)],
            "2000050 characters in one batch, at most 1900000",
        ),
    ],
    ids=["too many", "one row twice", "no name", "too large", "too large together"],
)
async def test_what_breaks_a_limit_is_refused_with_its_numbers(
    store: Store, unique: str, changes: Sequence[Change], said: str
) -> None:
    with pytest.raises(Unstorable, match=said):
        await store.documents.apply(unique, changes)
    assert await rows(store.documents.scan(unique)) == []


@pytest.mark.parametrize("size", [31_990, 32_000, 65_536, 65_537, 300_000, 699_990])
async def test_large_bodies_come_back_whole(store: Store, unique: str, size: int) -> None:
    body = {"pad": "".join(chr(97 + n % 26) for n in range(size - 10))}
    await store.documents.apply(unique, [Insert("r", body)])
    assert (await read(store, unique, "r")).body == body


async def test_a_body_that_shrinks_leaves_nothing_of_the_larger_one(store: Store, unique: str) -> None:
    await store.documents.apply(unique, [Upsert("r", {"pad": "x" * 300_000})])
    await store.documents.apply(unique, [Upsert("r", {"pad": "x" * 100_000})])
    assert (await read(store, unique, "r")).body == {"pad": "x" * 100_000}
    await store.documents.apply(unique, [Upsert("r", {"pad": ""})])
    assert (await read(store, unique, "r")).body == {"pad": ""}


@large_request
async def test_the_largest_batch_of_quotes_still_fits(store: Store, unique: str) -> None:
    quotes = '"' * 9_400  # each becomes \\" in the body, and that \\\\\\" on its way
    await store.documents.apply(unique, [Upsert(str(n), {"q": quotes}) for n in range(100)])
    assert (await read(store, unique, "99")).body == {"q": quotes}


ODD_NAMES = [
    "/subscriptions/0/resourceGroups/rg-flask/providers/Microsoft.Web/sites/app-flask",
    "a\\b",
    "50%",
    "%2F",
    "a#b?c=d&e",
    "it's",
    '"quoted"',
    " ",
    " leading and trailing ",
    "straße",
    "日本語",
    "\U0001f600",
    "tab\tnewline\nnull\x00\x7f\x9f",
    ".",
    "..",
    "!",
    "~",
    "A",
    "a",
    "x" * 440,
    "x" * 441,
    "/" * 600,
    "é" * 2_000,
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name[:20]))
async def test_any_text_names_a_partition_and_a_row(store: Store, unique: str, name: str) -> None:
    partition = f"{unique}{name}"
    await store.documents.apply(partition, [Insert(name, {"n": 1})])
    found = await read(store, partition, name)
    assert (found.partition, found.row) == (partition, name)
    await store.documents.apply(partition, [Replace(name, {"n": 2}, found.version)])
    assert [document.row async for document in store.documents.scan(partition)] == [name]
    await store.documents.apply(partition, [Remove(name)])
    assert await store.documents.read(partition, name) is None


async def test_a_scan_gives_any_names_in_their_order(store: Store, unique: str) -> None:
    await store.documents.apply(unique, [Insert(name, {}) for name in ODD_NAMES])
    assert await rows(store.documents.scan(unique)) == sorted(ODD_NAMES)


async def test_a_scan_gives_long_names_with_one_beginning_in_their_order(store: Store, unique: str) -> None:
    names = ["k" * 440 + ending for ending in ("", "a", "aa", "b", "ba", "c", "z")]
    others = ["k" * 439, "k" * 439 + "l"]
    await store.documents.apply(unique, [Insert(name, {}) for name in (*names, *others)])
    assert await rows(store.documents.scan(unique)) == sorted([*names, *others])
    assert await rows(store.documents.scan(unique, first=names[2], last=names[5])) == names[2:5]
    assert await rows(store.documents.scan(unique, first=names[2], limit=2)) == names[2:4]


async def test_names_that_differ_in_case_are_different(store: Store, unique: str) -> None:
    await store.documents.apply(unique, [Insert("row", {"n": 1}), Insert("ROW", {"n": 2})])
    assert (await read(store, unique, "ROW")).body == {"n": 2}


async def test_a_row_is_read_from_its_own_partition_alone(store: Store, unique: str) -> None:
    await store.documents.apply(f"{unique}/a", [Insert("r", {"n": 1})])
    await store.documents.apply(f"{unique}/b", [Insert("r", {"n": 2})])
    assert (await read(store, f"{unique}/a", "r")).body == {"n": 1}
    assert await rows(store.documents.scan(f"{unique}/a")) == ["r"]


@pytest.mark.parametrize(
    ("first", "last", "limit", "expected"),
    [
        ("", "", None, ["a", "b", "b/1", "b/2", "c"]),
        ("b", "", None, ["b", "b/1", "b/2", "c"]),
        ("", "b", None, ["a"]),
        ("b/", "b0", None, ["b/1", "b/2"]),
        ("b", "b", None, []),
        ("d", "", None, []),
        ("", "", 2, ["a", "b"]),
        ("b", "c", 1, ["b"]),
        ("", "", 5, ["a", "b", "b/1", "b/2", "c"]),
        ("", "", 6, ["a", "b", "b/1", "b/2", "c"]),
        ("", "", 0, []),
    ],
)
async def test_a_scan_keeps_to_its_range_and_limit(
    store: Store, unique: str, first: str, last: str, limit: int | None, expected: list[str]
) -> None:
    await store.documents.apply(unique, [Insert(row, {}) for row in ("c", "b/2", "a", "b", "b/1")])
    assert await rows(store.documents.scan(unique, first=first, last=last, limit=limit)) == expected


async def test_a_scan_goes_past_one_answer_of_the_service(store: Store, unique: str) -> None:
    names = [f"{n:04}" for n in range(1_050)]
    for start in range(0, len(names), 100):
        await store.documents.apply(unique, [Insert(name, {}) for name in names[start : start + 100]])
    assert await rows(store.documents.scan(unique)) == names
    assert await rows(store.documents.scan(unique, limit=1_020)) == names[:1_020]


async def test_what_a_scan_has_found_may_be_removed_while_it_goes_on(store: Store, unique: str) -> None:
    await store.documents.apply(unique, [Insert(str(n), {}) for n in range(5)])
    async for document in store.documents.scan(unique):
        await store.documents.apply(unique, [Remove(document.row, document.version)])
    assert await rows(store.documents.scan(unique)) == []


async def test_scan_all_finds_a_range_of_rows_in_every_partition(store: Store, unique: str) -> None:
    for partition in ("a", "b", "c/d"):
        await store.documents.apply(
            f"{unique}/{partition}", [Insert(f"{unique}:{row}", {}) for row in ("due:2", "due:1", "lease")]
        )
    found = [
        (document.partition.removeprefix(f"{unique}/"), document.row.removeprefix(f"{unique}:"))
        async for document in store.documents.scan_all(first=f"{unique}:due:", last=f"{unique}:due;")
    ]
    assert sorted(found) == [(partition, row) for partition in ("a", "b", "c/d") for row in ("due:1", "due:2")]
    assert [row for partition, row in found if partition == "a"] == ["due:1", "due:2"]


async def test_compare_and_swap_of_many_writers_loses_no_increment(store: Store, unique: str) -> None:
    counters = [f"counter-{n}" for n in range(6)]
    await store.documents.apply(unique, [Insert(counter, {"n": 0}) for counter in counters])

    async def increment(counter: str) -> None:
        while True:
            found = await read(store, unique, counter)
            await asyncio.sleep(0)  # lets the others read the same version
            count = found.body["n"]
            assert isinstance(count, int)
            try:
                await store.documents.apply(unique, [Replace(counter, {"n": count + 1}, found.version)])
            except Conflict:
                continue
            return

    async def writer(number: int) -> None:
        for _ in range(5):
            await increment(counters[number % 6])

    async with asyncio.TaskGroup() as writers:
        for number in range(24):
            writers.create_task(writer(number))
    assert [(await read(store, unique, counter)).body for counter in counters] == [{"n": 20}] * 6


async def test_of_many_inserts_of_one_row_exactly_one_succeeds(store: Store, unique: str) -> None:
    async def take(owner: int) -> bool:
        try:
            await store.documents.apply(unique, [Insert("lease", {"owner": owner}), Insert(f"claim-{owner}", {})])
        except Conflict:
            return False
        return True

    taken = await asyncio.gather(*(take(owner) for owner in range(12)))
    winner = taken.index(True)
    assert sum(taken) == 1
    assert (await read(store, unique, "lease")).body == {"owner": winner}
    assert await rows(store.documents.scan(unique)) == [f"claim-{winner}", "lease"]
