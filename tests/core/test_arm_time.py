"""What an answer's Date says of ARM's clock, and how sure that is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_time import ArmTime, closer

pytestmark = pytest.mark.unit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

seconds = st.floats(0, 100)


@given(before=seconds, after=seconds, fraction=st.floats(0, 0.999), later=seconds)
def test_arms_clock_is_never_outside_of_what_was_reckoned(
    before: float, after: float, fraction: float, later: float
) -> None:
    """The request took `before`, the answer `after`; a Date leaves out the fraction of a second."""
    asked = 1000.0
    answered = asked + before + after
    heard = ArmTime(NOON, asked, answered)
    shows = NOON + timedelta(seconds=fraction + after + later)
    grain = timedelta(microseconds=10)  # of floating seconds
    assert heard.earliest(answered + later) <= shows + grain
    assert shows <= heard.latest(answered + later) + grain


def test_what_was_said_in_a_quick_answer_counts_more_than_what_a_slow_or_a_cached_one_said() -> None:
    def at(seconds: int) -> datetime:
        return NOON + timedelta(seconds=seconds)

    slow, quick, newer, cached = (
        ArmTime(at(0), 0, 9),
        ArmTime(at(10), 10, 11),
        ArmTime(at(20), 20, 21),
        ArmTime(at(5), 30, 31),
    )
    assert closer(None, slow) == slow
    assert closer(slow, quick) == closer(quick, slow) == quick
    assert closer(quick, newer) == newer
    assert closer(newer, cached) == closer(cached, newer) == newer
