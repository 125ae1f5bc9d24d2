"""What the benchmarks count as ARM's own share of a repair."""

from datetime import UTC, datetime, timedelta

import pytest

from bench.chain import Call, duration, longest_chain

pytestmark = pytest.mark.unit

START = datetime(2026, 1, 1, tzinfo=UTC)


def call(name: str, begins: float, ends: float) -> Call:
    return Call("GET", f"/{name}/{name}", START + timedelta(seconds=begins), timedelta(seconds=ends - begins))


def names(*calls: Call) -> list[str]:
    return [each.path.rpartition("/")[2] for each in longest_chain(calls)]


def test_calls_one_after_the_other_are_all_in_the_chain() -> None:
    assert names(call("a", 0, 1), call("b", 1, 2), call("c", 3, 4)) == ["a", "b", "c"]


def test_of_calls_at_the_same_time_the_slowest_counts() -> None:
    assert names(call("fast", 0, 1), call("slow", 0, 3), call("write", 3, 4)) == ["slow", "write"]


def test_a_gap_between_calls_is_the_caller_s_and_not_arm_s() -> None:
    assert duration(longest_chain([call("a", 0, 1), call("b", 9, 10)])) == timedelta(seconds=2)


def test_two_short_calls_can_outweigh_a_long_one_beside_them() -> None:
    assert names(call("a", 0, 2), call("long", 1, 4), call("b", 2, 5)) == ["a", "b"]


def test_the_log_s_milliseconds_do_not_break_a_chain() -> None:
    assert names(call("a", 0, 1.0005), call("b", 1, 2)) == ["a", "b"]


def test_without_calls_there_is_no_chain() -> None:
    assert names() == []


def test_a_line_of_the_simulator_s_log_becomes_a_call() -> None:
    line = {
        "time": "2026-01-01T00:00:00.250+00:00",
        "duration_ms": 51.5,
        "method": "GET",
        "path": "/subscriptions/s/providers/Microsoft.Network/locations/westus/operations/7f?api-version=2025-03-01",
    }
    found = Call.of(line)
    assert (found.start, found.took) == (START + timedelta(milliseconds=250), timedelta(milliseconds=51.5))
    assert str(found) == "GET operations/ID"
