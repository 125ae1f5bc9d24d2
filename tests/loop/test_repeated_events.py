"""Twenty events for one app cost about what one costs, whatever their ids and however far apart they come."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.happenings import Happenings
from tests.loop.stand import SETTLE, Stand, stand
from tests.loop.test_healing import change_setting, leave_network

pytestmark = pytest.mark.wire

EVENTS: Final = 20
LIMIT: Final = 10
HOUR: Final = timedelta(hours=1)


def repeated(event: dict[str, Any], *, same_id: bool) -> list[dict[str, Any]]:
    return [event if same_id else {**event, "id": f"{event['id']}-{number}"} for number in range(EVENTS)]


async def deliver(world: Stand, events: Sequence[dict[str, Any]], over: timedelta) -> None:
    """The events, spread evenly; work that falls due in between is done."""
    for event in events:
        await world.service.on_event(event)
        await world.work_for(over / len(events))
    await world.work_for(HOUR)


@pytest.mark.parametrize("same_id", [True, False], ids=["same id", "other ids"])
@pytest.mark.parametrize(
    "over",
    [timedelta(), SETTLE.after / 2, SETTLE.at_most, EVENTS * HOUR],
    ids=["at once", "within the settle time", "at most the longest settling", "a day"],
)
async def test_twenty_events_and_a_drift_to_heal_cost_under_ten_calls(over: timedelta, *, same_id: bool) -> None:
    world = stand()
    happenings = Happenings(world)
    change_setting(world)
    (event, *_) = [each for each in happenings.take() if each["eventType"].endswith("WriteSuccess")]
    await deliver(world, repeated(event, same_id=same_id), over)
    assert world.settings()["REDIS_PORT"] == "6380"
    await happenings.deliver()  # what healing itself raised
    await world.work_for(HOUR)
    calls = len(world.cloud.exchanges)
    assert calls < LIMIT, f"{EVENTS} events cost {calls} ARM calls: {world.calls()}"
    assert len(world.writes()) == 1


async def test_twenty_later_writes_are_news_each_and_cost_a_look_each() -> None:
    """What is told again is known by its write, so that nothing that is new is taken for it."""
    world = stand()
    happenings = Happenings(world)
    for number in range(EVENTS):
        world.change_settings(UNMANAGED=str(number))
        await happenings.deliver()
        await world.work_for(HOUR)
    assert len(world.calls("GET")) == EVENTS
    assert world.writes() == []


async def test_an_event_is_not_taken_for_known_while_what_came_of_it_cannot_be_judged() -> None:
    world = stand()
    happenings = Happenings(world)
    change_setting(world)
    (event, *_) = [each for each in happenings.take() if each["eventType"].endswith("WriteSuccess")]
    world.strike(method="GET", path="/sites/", status=403, body={"error": {"code": "AuthorizationFailed"}})
    await deliver(world, [event], HOUR)
    world.exchanger.faults.clear()
    await deliver(world, [event], HOUR)
    assert world.settings()["REDIS_PORT"] == "6380"


async def test_twenty_events_of_two_drifts_of_one_app_are_healed_in_one_go() -> None:
    world = stand()
    happenings = Happenings(world)
    change_setting(world)
    leave_network(world)
    events = [each for each in happenings.take() if not each["eventType"].endswith("ActionSuccess")]
    await deliver(world, events * (EVENTS // 2), SETTLE.after)
    assert world.subnet_of_site()
    calls = len(world.cloud.exchanges)
    assert calls < LIMIT, f"{EVENTS} events cost {calls} ARM calls: {world.calls()}"


async def test_a_message_owed_for_an_event_is_sent_when_it_comes_again_though_a_person_had_it_looked_at_meanwhile() -> (
    None
):
    """The next event relies on that message, and sends none of its own."""
    world = stand()
    happenings = Happenings(world)
    world.change_settings(UNMANAGED="1")
    (event, *_) = [each for each in happenings.take() if each["eventType"].endswith("WriteSuccess")]
    steps = Fate()
    await mortal(stand(), steps).service.on_event(event)
    with pytest.raises(Crash, match=r"queues\.send"):
        await mortal(world, Fate(steps.names.index("queues.send") + 1)).service.on_event(event)
    await world.reconcile("site")
    await world.service.on_event(event)
    change_setting(world)
    (later, *_) = [each for each in happenings.take() if each["eventType"].endswith("WriteSuccess")]
    await world.service.on_event(later)
    await world.work_for(HOUR)
    assert world.settings()["REDIS_PORT"] == "6380"
