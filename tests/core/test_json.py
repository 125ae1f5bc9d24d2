"""Values are found, set and removed at paths, without changing what they are taken from."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.json import ABSENT, Json, Path, Value

pytestmark = pytest.mark.unit

keys = st.sampled_from(["a", "b", "c", "etag"])
paths = st.lists(keys, min_size=1, max_size=3).map(tuple)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
objects = st.dictionaries(keys, trees, max_size=3)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), {"a": {"b": None}, "l": [1]}),
        (("a",), {"b": None}),
        (("a", "b"), None),
        (("a", "c"), ABSENT),
        (("a", "b", "c"), ABSENT),
        (("l", "0"), ABSENT),
    ],
)
def test_a_value_is_found_where_it_is_and_null_is_not_absence(path: Path, expected: Value) -> None:
    body: Json = {"a": {"b": None}, "l": [1]}
    assert json.at(body, path) == expected
    assert (json.at(body, path) is ABSENT) == (expected is ABSENT)


def test_absence_is_no_text_and_no_objects() -> None:
    body: Json = {"text": "x", "number": 1, "list": [{"a": 1}, 2, "x"], "object": {"a": 1}}
    assert [json.text_at(body, key) for key in ("text", "number", "missing")] == ["x", "", ""]
    assert json.objects_at(body, "list") == ({"a": 1},)
    assert [json.objects_at(body, key) for key in ("text", "object", "missing")] == [(), (), ()]
    assert json.objects_at([{"a": 1}]) == ({"a": 1},)


@given(objects, paths, trees)
def test_what_was_set_is_found_and_nothing_else_changes(body: Json, path: Path, value: Json) -> None:
    before = copy.deepcopy(body)
    after = json.with_value(body, path, value)
    assert body == before
    assert json.at(after, path) == value
    assert isinstance(after, dict)
    assert isinstance(body, dict)
    assert {key: entry for key, entry in after.items() if key != path[0]} == {
        key: entry for key, entry in body.items() if key != path[0]
    }


@given(objects, paths)
def test_what_was_removed_is_absent_and_removing_it_again_changes_nothing(body: Json, path: Path) -> None:
    after = json.with_value(body, path, ABSENT)
    assert json.at(after, path) is ABSENT
    assert json.with_value(after, path, ABSENT) == after


@given(objects, paths)
def test_removing_what_is_not_there_changes_nothing(body: Json, path: Path) -> None:
    if json.at(body, path) is ABSENT:
        assert json.with_value(body, path, ABSENT) == body


def test_a_whole_body_is_replaced_but_never_removed() -> None:
    assert json.with_value({"a": 1}, (), {"b": 2}) == {"b": 2}
    with pytest.raises(ValueError, match="delete the resource"):
        json.with_value({"a": 1}, (), ABSENT)


@given(trees)
def test_members_are_left_out_at_every_depth(body: Json) -> None:
    assert '"etag":' not in json.render(json.without_keys(body, frozenset({"etag"})))
    assert json.without_keys(body, frozenset()) == body


@given(trees)
def test_a_body_survives_being_written_and_read(body: Json) -> None:
    assert json.parse(json.render(body)) == body


def test_equal_bodies_are_written_alike_whatever_the_order_of_their_members() -> None:
    assert json.render({"b": 1, "a": {"d": "ü", "c": None}}) == json.render({"a": {"c": None, "d": "ü"}, "b": 1})


@pytest.mark.parametrize("text", ["", "{", "<html>", "{'a': 1}", "NaN", "[-Infinity]", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json.parse(text)


def test_depth_is_that_of_objects_and_lists() -> None:
    body: Json = {"a": [{"b": "text"}], "c": 1}
    assert [json.is_deeper(body, levels) for levels in range(5)] == [True, True, True, False, False]
    assert not json.is_deeper("text", 0)


def test_absence_names_itself() -> None:
    assert repr(ABSENT) == "ABSENT"
