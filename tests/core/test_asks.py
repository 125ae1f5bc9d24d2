"""A person's word on a sweep: read from messages that anything may have damaged, and kept with what answers it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.core.asks import Ask, ask_in, ask_json
from homeostat.core.sweep import MAX_ASKS, RESEND_AFTER, State, Sweep, begun, from_json, to_json

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
ANNA = Ask(NOW, "Anna", "moved")


def asked(after: timedelta, by: str = "Anna") -> Ask:
    return Ask(NOW + after, by)


def sweep() -> Sweep:
    return begun("a-sweep", "nightly", (), "v1", NOW, None)


def test_a_word_comes_back_from_its_message_and_from_its_sweep() -> None:
    assert ask_in({"sweep": "x", "ask": ask_json(ANNA)}) == ANNA
    assert from_json(to_json(sweep().asked_for(ANNA))).asks == (ANNA,)


@pytest.mark.parametrize(
    "message",
    [
        None,
        {"sweep": "x"},
        {"ask": None},
        {"ask": "Anna"},
        {"ask": {"by": "Anna"}},
        {"ask": {"at": "soon", "by": "Anna"}},
        {"ask": {"at": "2026-03-01T02:00:00", "by": "Anna"}},
    ],
)
def test_what_names_no_time_is_no_word(message: Any) -> None:
    assert ask_in(message) is None


def test_a_word_is_kept_once_and_of_many_the_latest() -> None:
    of_anna = sweep().asked_for(ANNA)
    assert of_anna.asked_for(ANNA) is of_anna
    for minute in range(1, 3 * MAX_ASKS):
        of_anna = of_anna.asked_for(asked(timedelta(minutes=minute)))
    assert len(of_anna.asks) == MAX_ASKS
    assert of_anna.asks[-1] == asked(timedelta(minutes=3 * MAX_ASKS - 1))


def test_a_new_sweep_has_none_of_the_words_of_the_one_before() -> None:
    before = replace(sweep().asked_for(ANNA), state=State.ENDED)
    assert begun("b", "nightly", (), "v1", NOW, before).asks == ()


def test_however_often_people_ask_its_messages_are_sent_again_once_in_ten_minutes() -> None:
    asked_for, urged = sweep(), []
    for minute in range(0, 40, 3):
        ask = asked(timedelta(minutes=minute))
        if asked_for.is_urged_by(ask):
            urged.append(minute)
        asked_for = asked_for.asked_for(ask)
    assert timedelta(minutes=10) == RESEND_AFTER
    assert urged == [12, 21, 30], "not in its first ten minutes, when they were sent a moment ago"
