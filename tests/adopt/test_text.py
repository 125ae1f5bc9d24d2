"""A spec is written so that our reader, and any reader of YAML 1.1, finds the very values that were written."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from homeostat.adopt.text import WIDTH, render, scalar, writable
from homeostat.core.json import Path
from homeostat.core.source import parse_documents

pytestmark = pytest.mark.unit

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
# fmt: off
LOOKALIKES = st.sampled_from([
    "", "yes", "No", "on", "OFF", "y", "n", "true", "~", "null", "=", "<<", "1_000", "0x1F", "017", "12:30:45", "1e3",
    ".inf", "2026-01-02", "1.5", "+1", "-1", "#", "&a", "*a", "!t", "%d", "@x", "`", "a:", ":a", "{a}", "[a]", "a,b",
    "'", '"', "\\", "---", "...", "\ufeff", "\x85x", "\u2028x", "\x00", "\x7f", "\U0001f600", "- a", "? a", "a: b",
    "a #b", "a\nb", " a", "a ", "a" * 200,
])
# fmt: on
VALUES = TEXTS | LOOKALIKES


@given(VALUES)
def test_a_scalar_is_the_text_that_it_was(text: str) -> None:
    for flow in (False, True):
        written = scalar(text, flow=flow)
        document = f"key: {{inner: {written}}}\n" if flow else f"key: {written}\n"
        (source,) = parse_documents(document, "f")
        assert source.data == ({"key": {"inner": text}} if flow else {"key": text})


@given(VALUES)
def test_a_yaml_1_1_reader_finds_the_text_or_the_number_that_it_shows(text: str) -> None:
    found = yaml.safe_load(f"key: {scalar(text)}\n")["key"]
    assert found == text or (isinstance(found, int) and str(found) == text)


TREES = st.recursive(
    VALUES | st.lists(VALUES, max_size=3),
    lambda inner: st.dictionaries(VALUES, inner, min_size=1, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(VALUES, TREES, min_size=1, max_size=4)


@given(DOCUMENTS, st.lists(TEXTS, max_size=3), TEXTS)
@example({"a": {"b": {"c": {"d": ""}}}}, ["x\ny: z", "\x85"], "\u2028k: v")
def test_a_document_is_read_as_it_was_whatever_stands_in_its_comments(
    data: dict[str, Any], header: list[str], comment: str
) -> None:
    comments: dict[Path, tuple[str, ...]] = {(key,): (comment,) for key in data}
    comments |= {(key, name): (comment,) for key, value in data.items() if isinstance(value, dict) for name in value}
    (source,) = parse_documents(render(data, comments, header), "f")
    assert source.data == data
    assert source.problems == ()


def test_numbers_and_booleans_are_written_as_such() -> None:
    text = render({"a": {"number": 4096, "yes": True, "no": False, "ports": [1433, "6380-6389"]}}, {}, [])
    assert text == 'a:\n  number: 4096\n  "yes": true\n  "no": false\n  ports: [1433, 6380-6389]\n'


def test_an_item_stands_on_one_line_unless_it_is_commented_inside_or_too_long() -> None:
    item = {"priority": 100, "ports": 443}
    data: dict[str, Any] = {
        "kind": {"root": {"short": item, "told": item, "long": {**item, "description": "d" * WIDTH}}}
    }
    lines = render(data, {("kind", "root", "told", "ports"): ("why",)}, []).splitlines()
    assert "    short: {priority: 100, ports: 443}" in lines
    assert "    told:" in lines
    assert "      # why" in lines
    assert "    long:" in lines


def test_a_lone_surrogate_is_known_not_to_be_writable() -> None:
    assert not writable("a\ud800")
    assert writable("\U0001f600")
