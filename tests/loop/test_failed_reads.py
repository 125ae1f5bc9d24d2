"""What cannot be read is unknown: never absent, never written, and looked at again ever more rarely."""

from datetime import datetime

import pytest

from homeostat.core.endings import RETRIES
from homeostat.core.outcome import Status, Trigger
from tests.loop.stand import error, stand

pytestmark = pytest.mark.wire


async def test_what_cannot_be_read_is_unknown_and_never_written() -> None:
    world = stand()
    world.strike(method="GET", status=503, body=error("ServiceUnavailable"))
    world.strike(method="POST", status=503, body=error("ServiceUnavailable"))
    for root in (await world.fleet()).roots.values():
        outcome = await world.engine.reconcile(root, Trigger("manual"))
        assert outcome.status is Status.UNKNOWN
        assert outcome.retry_at is not None
    assert world.writes() == []
    assert world.inbox.events == []


async def test_a_root_that_stays_unreadable_is_tried_ever_more_rarely_and_then_left_to_the_sweep() -> None:
    world = stand()
    world.strike(path="/networkSecurityGroups/", status=503, body=error("ServiceUnavailable"))
    await world.rule_event()
    looks: list[datetime] = []
    while due := world.waiting():
        world.ambient.time = max(world.ambient.time, due[0])
        await world.deliver()
        record = await world.record("nsg")
        if record.failures > len(looks):
            looks.append(world.ambient.now())
    first, *later = looks
    assert all(look - first >= planned for look, planned in zip(later, RETRIES, strict=True))
    assert world.writes() == []
    assert world.inbox.told() == [("Failed", "*")]
    await world.sweep()
    assert (await world.record("nsg")).mark is not None


async def test_a_kind_that_cannot_be_read_does_not_keep_the_others_from_being_healed() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")
    world.strike(method="POST", path="/config/appsettings/list", status=403, body=error("AuthorizationFailed"))
    outcome = await world.reconcile("site")
    assert (outcome.status, outcome.final) == (Status.UNKNOWN, True)
    assert world.writes() == ["PUT networkConfig/virtualNetwork 200"]
    assert ("Remediated", "vnet_integration") in world.inbox.told()
    assert ("Failed", "*") in world.inbox.told()


async def test_the_end_of_a_failure_is_told_too() -> None:
    world = stand()
    fault = world.strike(path="/networkSecurityGroups/", status=403, body=error("AuthorizationFailed"))
    await world.reconcile("nsg")
    world.exchanger.faults.remove(fault)
    assert (await world.reconcile("nsg")).status is Status.IN_SYNC
    assert world.inbox.told() == [("Failed", "*"), ("Remediated", "*")]
    assert (await world.record("nsg")).failures == 0
