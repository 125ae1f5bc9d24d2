"""On either store, writes that are reserved at the same time by many are never more than the cap."""

import asyncio
from collections.abc import Callable

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.gate.caps import CAP_FLEET
from homeostat.core.gate.situation import NO_HISTORY, History
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Action, Plan, Verb
from homeostat.core.policy import Policy
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.core.uses import HourUse, hour_to_json
from homeostat.gate.fleetwide import HOUR, Fleetwide
from homeostat.gate.reservations import hour_in
from tests.loop.stand import Stand

POLICY = Policy.model_validate({"policy": "fleet", "caps": {"writes_per_hour": "9", "writes_per_run": "6"}})


def root(number: int) -> Root:
    id_ = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, f"nsg-{number}")
    return Root(id_, {}, (), POLICY, declared=100)


def plan(of: Root) -> Plan:
    return Plan(of.id, actions=(Action(of.id, NETWORK_SECURITY_GROUP, Verb.PUT, ()),))


async def test_many_reserve_at_once_and_no_more_get_room_than_there_is(new_stand: Callable[[], Stand]) -> None:
    world = new_stand()
    one, other = world.engine.reservations, world.second().engine.reservations

    async def reserve(number: int) -> bool:
        of, asked = root(number), Trigger("manual", run=f"run-{number % 2}")
        whose = one if number % 2 else other
        return await whose.reserve(plan(of), of, RootRecord(), asked, NO_HISTORY) is None

    got = await asyncio.gather(*map(reserve, range(20)))
    assert sum(got) == 9
    assert all(use.writes <= 6 for use in [await one.of_run("run-0"), await one.of_run("run-1")])
    rows = await Fleetwide(world.engine.store.documents, world.ambient).read()
    assert sum(hour_in(rows).writes.values()) == 9


async def test_what_guards_saw_earlier_is_not_taken_for_what_there_is(new_stand: Callable[[], Stand]) -> None:
    world = new_stand()
    reservations = world.engine.reservations
    fleet = Fleetwide(world.engine.store.documents, world.ambient)

    async def holds(number: int, seen: History) -> str:
        asked = Trigger("manual", run=f"run-{number // 3}")
        hold = await reservations.reserve(plan(root(number)), root(number), RootRecord(), asked, seen)
        return hold.code if hold else ""

    async def seen() -> History:
        return History(hour=hour_in(await fleet.read()))

    assert await holds(0, NO_HISTORY) == ""
    with_room = await seen()
    assert [await holds(number, with_room) for number in range(1, 10)] == [""] * 8 + [CAP_FLEET]
    without = await seen()
    await fleet.put(HOUR, hour_to_json(HourUse()))
    assert await holds(10, without) == ""
    assert sum((await seen()).hour.writes.values()) == 1


async def test_what_drifts_is_known_to_every_instance_until_it_is_over(new_stand: Callable[[], Stand]) -> None:
    world = new_stand()
    one, other = world.engine.drifting, world.second().engine.drifting
    for number in range(35):
        await (one if number % 2 else other).note(root(number).id, anew=number < 20)
    mass = await one.mass(root(0), {}, None, noted=True)
    assert (mass.drifting, mass.threshold, mass.is_one) == (31, 30, True)
    for number in range(10):
        await other.forget(root(number).id)
    assert (await one.mass(root(20), {}, None, noted=True)).drifting == 25
    assert (await one.mass(root(99), {}, None, noted=False)).drifting == 26
    world.pass_time(minutes=61)
    assert (await one.mass(root(99), {}, None, noted=False)).drifting == 1
    assert await one.roots() == ()
