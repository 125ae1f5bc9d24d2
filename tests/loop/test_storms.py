"""A storm of events costs one reconcile a root, whatever comes at once, and loses nothing."""

from typing import Final

import pytest

from tests.support.storms import Storm, over_fleet, over_one_group
from tests.support.virtual import STORAGE_SECONDS

pytestmark = pytest.mark.wire

OF_A_REPAIR: Final = 6
"""Calls for app settings: a look of two, the deployments beside it, the settings once more, the write, and a look."""

MESSAGES: Final = 2
"""For a root: the one that its first event sends, and one more since it had not settled by then."""


def test_a_storm_of_events_costs_each_root_one_repair_and_leaves_it_as_declared() -> None:
    storm = over_fleet(roots=20, events=2_000)
    assert (storm.wrong, storm.writes, len(storm.calls)) == (0, 20, 20 * OF_A_REPAIR)
    assert storm.messages == 20 * MESSAGES
    _waits_for_two_stores_at_most(storm)


def test_a_storm_on_one_root_is_stored_by_fewer_writes_than_it_has_events() -> None:
    """All of them find the root marked: the more come at once, the more are stored by one write."""
    storm = over_one_group(apps=1, events=5_000)
    assert (storm.wrong, storm.writes, storm.messages) == (0, 1, MESSAGES)
    assert storm.stores < storm.events / 4
    _waits_for_two_stores_at_most(storm)


def _waits_for_two_stores_at_most(storm: Storm) -> None:
    """An event's own store, a read and a write and a message, and the one that it came during."""
    assert storm.slowest <= 2 * 3 * STORAGE_SECONDS + 1e-6


def test_a_network_security_group_behind_a_thousand_apps_is_one_reconcile() -> None:
    storm = over_one_group(apps=1_000, events=1)
    assert storm.wrong == 0
    assert storm.kinds_of_calls == [
        "GET nsg-appservice-integration",
        "GET deployments",
        "PUT allow-sql",
        "GET nsg-appservice-integration",
    ]
