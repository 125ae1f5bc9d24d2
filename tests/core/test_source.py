"""YAML text becomes data that remembers its lines; no document surprises or exhausts the reader."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import source
from homeostat.core.json import Json
from homeostat.core.source import MAX_CHARACTERS, MAX_DEPTH, Keys, Source, SpecError, parse_documents

pytestmark = pytest.mark.unit

CONFLICT_MARKER = "<<<<<<< HEAD\n"


def only(text: str) -> Source:
    (document,) = parse_documents(text, "app.yaml")
    return document


def value(written: str) -> Json:
    data = only(f"key: {written}\n").data
    assert isinstance(data, dict)
    found: Json = data["key"]
    return found


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_documents(text, "app.yaml")
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    "written",
    [
        "on",
        "off",
        "yes",
        "no",
        "NO",
        "y",
        "true",
        "False",
        "Null",
        "NULL",
        "6380",
        "0123",
        "0o17",
        "0x1F",
        "1_000",
        "12:30:45",
        "1e3",
        ".inf",
        "1.10",
        "1.20.0",
        "2030-01-31",
        "=",
    ],
)
def test_a_value_stays_the_text_that_was_written(written: str) -> None:
    """YAML 1.1 would make the country Norway a boolean and a time of day a number in base 60."""
    assert value(written) == written


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_a_plain_nothing_is_null(written: str) -> None:
    assert value(written) is None


@pytest.mark.parametrize("written", ['""', "''", '"~"', "'null'", "!!str null"])
def test_a_quoted_nothing_is_text(written: str) -> None:
    assert value(written) == yaml.safe_load(written)


def test_a_tag_constructs_nothing() -> None:
    assert value("!!python/object/apply:os.system [id]") == ["id"]


def test_every_key_and_element_has_its_line() -> None:
    text = "# a comment\n\ntarget: a\nrules:\n  - one\n  - two:\n      deep: x\nlast: {inline: y}\n"
    found = only(text)
    lines: dict[Keys, int] = {
        ("target",): 3,
        ("rules",): 4,
        ("rules", 0): 5,
        ("rules", 1): 6,
        ("rules", 1, "two", "deep"): 7,
        ("last", "inline"): 8,
    }
    assert {keys: found.place(keys).line for keys in lines} == lines


def test_what_is_not_written_has_the_line_of_the_nearest_thing_that_is() -> None:
    assert str(only("a:\n  b: 1\n").place(("a", "c", "d"))) == "app.yaml:1"


def test_a_multiline_value_has_the_line_of_its_key() -> None:
    assert only("a: 1\nb: |\n  x\n  y\nc: 2\n").place(("c",)).line == 5


def test_documents_of_one_file_keep_their_own_lines() -> None:
    first, second = parse_documents("target: a\n---\n# b\ntarget: b\n", "app.yaml")
    assert (first.place(("target",)).line, second.place(("target",)).line) == (1, 4)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "---\n---\n"])
def test_empty_documents_are_no_documents(text: str) -> None:
    assert parse_documents(text, "app.yaml") == ()


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    assert only("\ufefftarget: a\r\nmode: alert\r\n").data == {"target": "a", "mode": "alert"}


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    (problem,) = only("a: 1\nb: 2\na: 3\n").problems
    assert str(problem) == "app.yaml:3: 'a' stands twice, first on line 1. Remove one of the two."


def test_keys_of_different_mappings_may_be_equal() -> None:
    assert only("a: {x: 1}\nb: {x: 2}\n").problems == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: 'open\n", 2, "not YAML"),
        ("a:\n\tb: 1\n", 2, "not YAML"),
        (f"a: 1\n{CONFLICT_MARKER}b: 2\n", 3, "not YAML"),
        ("a: *nowhere\n", 1, "alias *nowhere has no anchor"),
        ("a: 1\nb: &me [*me]\n", 2, "alias *me has no anchor"),
        ("a: 1\n? [1, 2]\n: 3\n", 2, "a key must be plain text"),
        ("a: 1\n? {b: c}\n: 3\n", 2, "a key must be plain text"),
        ("a: \x07\n", 1, "not YAML"),
        ("a: 1\nb: \ud800\n", 2, "half a character"),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    told = refusal(text)
    assert told.startswith(f"app.yaml:{line}: ")
    assert words in told


def test_an_alias_stands_for_what_its_anchor_said() -> None:
    assert only("a: &x {p: 1}\nb: *x\n").data == {"a": {"p": "1"}, "b": {"p": "1"}}


def test_a_problem_inside_an_alias_is_told_where_the_alias_stands() -> None:
    assert only("a: &x {p: 1}\nb: *x\n").place(("b", "p")).line == 2


def test_aliases_that_multiply_are_refused() -> None:
    """The billion laughs: nine lines that stand for a thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases included" in refusal("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert f"more than {MAX_DEPTH} levels" in refusal(opening * 500)


def test_nesting_up_to_the_bound_is_read() -> None:
    found: Any = only("[" * MAX_DEPTH + "]" * MAX_DEPTH).data
    for _ in range(MAX_DEPTH - 1):
        (found,) = found
    assert found == []


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed() -> None:
    assert "Split the file." in refusal("a" * (MAX_CHARACTERS + 1))


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_NODES", 10)
    assert "more than 10 values" in refusal("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")


def test_the_problems_of_an_error_are_sorted_and_each_is_told_once() -> None:
    problems = [*only("b: 1\nb: 2\nb: 3\n").problems] * 2
    error = SpecError(tuple(reversed(problems)))
    assert [problem.place.line for problem in error.problems] == [2, 3]


_KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=1, max_size=8)
_DATA = st.recursive(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_DATA, st.booleans())
def test_what_another_writer_wrote_is_read_back(data: Any, flow: bool) -> None:
    text = yaml.safe_dump(data, default_style='"', default_flow_style=flow, allow_unicode=True)
    assert [found.data for found in parse_documents(text, "app.yaml")] == [data]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_documents(text, "app.yaml")
    except SpecError as error:
        assert str(error).startswith("app.yaml:")  # noqa: PT017 - most texts are no error
    else:
        assert all(document.data is not None for document in found)
