"""What a night's sweep costs over the real quotas, in a fleet small enough for every run of the tests."""

import pytest

from bench.sweep import CALLS, Nights, nights
from bench.sweep_storm import NAME, STORM

pytestmark = pytest.mark.wire

APPS = 150


@pytest.fixture(scope="module")
def costs() -> Nights:
    return nights(APPS)


def test_a_night_on_which_nothing_drifted_costs_the_calls_that_it_cannot_do_without(costs: Nights) -> None:
    assert costs.floor.apps == APPS < costs.floor.roots
    assert len(costs.still.calls) <= CALLS * costs.floor.calls
    assert (costs.still.writes, costs.still.refused) == (0, 0)
    assert costs.still.summary["checked"] == costs.floor.roots


def test_it_ends_with_its_last_chunk_and_waits_for_no_look(costs: Nights) -> None:
    assert costs.still.seconds < 2


def test_every_drift_is_healed_with_the_writes_that_it_takes_and_no_more(costs: Nights) -> None:
    healed = costs.drifted
    assert (healed.wrong, healed.made) == (0, healed.planned)
    assert healed.swept.summary["healed"] == healed.planned.total()
    assert healed.swept.refused == 0


def test_events_and_repairs_do_not_wait_for_a_sweep(costs: Nights) -> None:
    *storms, alone = costs.storms
    for storm in storms:
        assert max(storm.stored) <= STORM * max(alone.stored)
        assert max(storm.healed) <= max(alone.healed) + NAME
        assert storm.refused == 0
