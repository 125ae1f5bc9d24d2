"""What callers may send is checked before anything is done, and each wrong field is named."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.web.requests import (
    MAX_BODY,
    MAX_PAUSE,
    BadRequest,
    PauseBody,
    RemediateBody,
    limit,
    parse_body,
    until,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


def remediate(body: Any) -> RemediateBody:
    return parse_body(RemediateBody, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_both_forms_are_understood() -> None:
    named = remediate({"targets": ["a", "b"], "dryRun": True, "create": True, "wait": True, "reason": "why"})
    assert named.targets == ["a", "b"]
    assert (named.dry_run, named.create, named.wait, named.reason) == (True, True, True, "why")
    everything = remediate({"all": True, "confirm": 7})
    assert (everything.all, everything.confirm, everything.dry_run, everything.wait) == (True, 7, False, False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"targets": []},
        {"targets": None},
        {"all": False},
        {"all": True, "confirm": 1, "targets": ["a"]},
        {"targets": ["a"], "all": True},
        {"dryRun": True},
        b"",
    ],
)
def test_neither_form_and_both_forms_at_once_are_refused(body: Any) -> None:
    with pytest.raises(BadRequest, match='either "targets"'):
        remediate(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"targets": "a"}, "targets"),
        ({"targets": [1]}, "targets"),
        ({"targets": ["a"] * 1001}, "targets"),
        ({"targets": ["a"], "dryRun": "false"}, "dryRun"),
        ({"targets": ["a"], "dryRun": 0}, "dryRun"),
        ({"targets": ["a"], "wait": "yes"}, "wait"),
        ({"all": "true", "confirm": 1}, "all"),
        ({"all": True, "confirm": "1"}, "confirm"),
        ({"all": True, "confirm": 1.5}, "confirm"),
        ({"all": True, "confirm": True}, "confirm"),
        ({"targets": ["a"], "reason": "x" * 501}, "reason"),
        ({"targets": ["a"], "dry_run": True}, "dry_run"),
        ({"targets": ["a"], "dryrun": True}, "dryrun"),
        ({"targets": ["a"], "mode": "enforce"}, "mode"),
    ],
)
def test_a_wrong_or_unknown_field_is_named(body: Any, field: str) -> None:
    with pytest.raises(BadRequest, match=field):
        remediate(body)


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(BadRequest) as raised:
        remediate({"targets": [1], "dryRun": "x", "colour": "red"})
    assert all(field in str(raised.value) for field in ("targets", "dryRun", "colour"))


@pytest.mark.parametrize(
    "body",
    [b"{", b"targets=a", b"\xff\xfe", b"[" * 60_000, b'{"targets": ["a"]} {}', b'{"a":' * 9_000 + b"1" + b"}" * 9_000],
    ids=["cut", "form", "not UTF-8", "deep", "two", "deep objects"],
)
def test_what_is_no_json_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(BadRequest):
        remediate(body)


def test_a_body_that_is_nested_too_deeply_is_refused_by_its_depth() -> None:
    with pytest.raises(BadRequest, match="nested in more than 4 levels"):
        remediate(b'{"targets": [[[[1]]]]}')


def test_half_a_character_is_refused_since_no_page_could_show_it() -> None:
    with pytest.raises(BadRequest, match="half a character"):
        remediate(b'{"targets": ["a"], "reason": "\\ud800"}')


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"7", b"true", b"NaN"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        remediate(body)


def test_a_body_that_is_too_large_is_refused_by_its_size() -> None:
    body = json.dumps({"targets": ["a"], "reason": "x" * MAX_BODY}).encode()
    with pytest.raises(BadRequest, match=f"more than {MAX_BODY}"):
        remediate(body)


fields = st.sampled_from(["targets", "all", "confirm", "dryRun", "wait", "reason", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=8,
)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sent_is_understood_or_refused(body: bytes) -> None:
    try:
        parsed = parse_body(RemediateBody, body)
    except BadRequest as error:
        str(error).encode()
        return
    assert bool(parsed.targets) is not parsed.all


# --- pauses ---


def pause_until(text: Any) -> datetime:
    return until(parse_body(PauseBody, json.dumps({"until": text}).encode()), NOW)


def test_a_pause_ends_when_it_is_said_to() -> None:
    assert pause_until("2026-03-01T06:00:00+02:00") == NOW + timedelta(hours=2)
    assert pause_until((NOW + MAX_PAUSE).isoformat()) == NOW + MAX_PAUSE


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T06:00:00",
        "2026-03-01T02:00:00Z",
        "2020-01-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "tomorrow",
        "",
        None,
        [],
        True,
    ],
)
def test_a_pause_without_zone_in_the_past_or_too_far_away_is_refused(text: Any) -> None:
    with pytest.raises(BadRequest, match="until"):
        pause_until(text)


def test_a_pause_without_an_end_is_refused() -> None:
    with pytest.raises(BadRequest, match="until"):
        parse_body(PauseBody, b'{"reason": "for ever"}')


# --- how much ---


def test_a_limit_is_a_number_in_its_range() -> None:
    assert (limit(None), limit("1"), limit("1000")) == (50, 1, 1000)
    for text in ("0", "1001", "-1", "1.5", "", "many", "²", "٣x", "9" * 5000):
        with pytest.raises(BadRequest, match="limit"):
            limit(text)
