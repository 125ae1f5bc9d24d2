"""Lengths of time are written in one way, for specs and commands alike."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.durations import NoDuration, duration, in_words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("4h", timedelta(hours=4)),
        ("2d", timedelta(days=2)),
    ],
)
def test_a_number_and_a_letter_are_a_length_of_time(text: str, length: timedelta) -> None:
    assert duration(text) == length
    assert in_words(length) == text


@pytest.mark.parametrize("text", ["", "4", "h", "4 h", "4H", "-4h", "4.5h", "4w", "12345m", "4h30m", "\u0664h", "4h\n"])
def test_anything_else_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(NoDuration, match="30m, 4h or 2d"):
        duration(text)


@given(st.integers(1, 9999), st.sampled_from("smhd"))
def test_the_words_for_a_duration_say_how_long_it_is(number: int, unit: str) -> None:
    length = duration(f"{number}{unit}")
    assert duration_of(in_words(length)) == length


def duration_of(text: str) -> timedelta:
    """As `duration`, for numbers of any size."""
    return int(text[:-1]) * duration(f"1{text[-1]}")
