"""Alerts wait for a channel that takes them, and keep nothing else waiting."""

import pytest

from homeostat.core.gate.situation import FLEET
from homeostat.core.outcome import Status
from tests.loop.stand import stand

pytestmark = pytest.mark.wire


async def test_a_dead_alert_channel_stops_no_repair_and_what_it_missed_comes_later_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.inbox.down = True
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.HEALED
    kept = [alert.id for alert in await world.engine.store.outbox(world.id("nsg").key)]
    assert len(kept) == 2
    world.inbox.down = False
    await world.sweep()
    assert sorted(world.inbox.ids()) == sorted(kept)
    await world.sweep()
    assert len(world.inbox.ids()) == 2


async def test_a_message_whose_alerts_could_not_be_sent_comes_again_and_sends_only_them() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.inbox.down = True
    world.pass_time(seconds=16)
    await world.deliver()
    assert len(world.failures) == 1
    assert len(world.writes()) == 1
    world.inbox.down = False
    await world.deliver()
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert len(world.writes()) == 1
    assert world.waiting() == []


async def test_a_dead_alert_channel_stops_neither_the_sweep_nor_a_resume() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.inbox.down = True
    await world.reconcile("nsg")
    await world.sweep()
    await world.service.resume(FLEET, "Anna")
