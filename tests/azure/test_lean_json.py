"""An answer in parts is read as the same text is read at once, and takes no more memory than what stays of it."""

import asyncio
import json as python_json
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.azure.lean_json import READ_AHEAD, NotJson, read_lean
from homeostat.core import json
from homeostat.core.json import Json, JsonObject
from tests.support.bodies import without_nulls

pytestmark = pytest.mark.unit

names = st.sampled_from(["data", "a", "ü", "\U0001f600", 'q"\\'])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
objects = st.dictionaries(names, trees, max_size=3)
pages = objects | st.builds(lambda rows, others: {"data": rows, **others}, st.lists(trees, max_size=5), objects)
sizes = st.integers(1, 12)


async def parts_of(text: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


def read(text: bytes, size: int = 1 << 16, read_ahead: int = READ_AHEAD) -> JsonObject:
    return asyncio.run(read_lean(parts_of(text, size), "data", read_ahead))


@given(pages, sizes, sizes, st.none() | st.integers(0, 2), st.booleans())
def test_wherever_it_is_cut_nothing_but_members_that_are_null_is_missing(
    page: Json, size: int, read_ahead: int, indent: int | None, escaped: bool
) -> None:
    text = python_json.dumps(page, indent=indent, ensure_ascii=escaped)
    assert read(text.encode(), size, read_ahead) == without_nulls(page)


@given(pages, st.integers(0), st.integers(0, 2), st.text('{}[]":,0-1.eE nul\\\x00é', max_size=2), sizes, sizes)
def test_an_object_is_refused_where_it_is_when_read_at_once(
    page: Json, place: int, lost: int, found: str, size: int, read_ahead: int
) -> None:
    whole = json.render(page)
    at = place % (len(whole) + 1)
    text = whole[:at] + found + whole[at + lost :]
    assert _is_read(text, size, read_ahead) == _is_an_object(text)


def _is_read(text: str, size: int, read_ahead: int) -> bool:
    try:
        read(text.encode(), size, read_ahead)
    except NotJson:
        return False
    return True


def _is_an_object(text: str) -> bool:
    try:
        return isinstance(json.parse(text), dict)
    except ValueError:
        return False


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"data": [{"a": 1}',
        b'{"data": [{"a": 1}]',
        b'{"data": [{"a": 1},]}',
        b'{"data": [1} ]',
        b'{"data": [NaN]}',
        b'{"a": -Infinity}',
        b'{"a": 1} {}',
        b"{1: 2}",
        b'{"a": "\xff"}',
        b'{"a": "\xc3',
        b'{"data": ' + b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("read_ahead", [1, READ_AHEAD])
def test_what_is_no_object_of_json_is_refused(text: bytes, read_ahead: int) -> None:
    with pytest.raises(NotJson, match=r"."):
        read(text, read_ahead=read_ahead)


def test_equal_texts_and_names_are_one_object_whatever_part_they_came_in() -> None:
    row = '{"a state": "Running now", "in": {"a state": "Running now"}}'
    first, second = json.objects_at(read(f'{{"data": [{row}, {row}]}}'.encode(), 10, 10), "data")
    assert json.at(first, ("a state",)) is json.at(second, ("in", "a state"))
    assert next(iter(first)) is next(iter(second))


def test_small_objects_and_lists_that_are_equal_are_one() -> None:
    row = '{"id": %d, "tags": {"env": "prod", "of": [1, "a", {"b": null}]}}'
    first, second = json.objects_at(read(f'{{"data": [{row % 1}, {row % 2}]}}'.encode(), 10, 10), "data")
    assert (first["id"], second["id"]) == (1, 2)
    assert first["tags"] is second["tags"]
    assert json.at(first, ("tags", "of")) == [1, "a", {}]


@pytest.mark.parametrize("place", ['{"a": %s}', "[%s]", '[{"a": [%s]}]'])
def test_what_python_takes_for_equal_stays_apart(place: str) -> None:
    values = ["1", "1.0", "true", "0", "0.0", "-0.0", "false", "1e2", "100", '"1"', "[]", "{}"]
    rows = ", ".join(place % value for value in values * 2)
    assert json.render(read(f'{{"data": [{rows}]}}'.encode())) == json.render(json.parse(f'{{"data": [{rows}]}}'))


def test_no_more_text_waits_than_is_read_at_once() -> None:
    row = python_json.dumps({f"name {number}": None for number in range(500)}).encode()
    rows = 1_000

    async def page() -> AsyncIterator[bytes]:
        yield b'{"data": ['
        for _ in range(rows - 1):
            yield row + b","
        yield row + b"]}"

    tracemalloc.start()
    try:
        found = asyncio.run(read_lean(page(), "data"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == {"data": [{}] * rows}
    assert peak < 8 * READ_AHEAD < rows * len(row) / 8
