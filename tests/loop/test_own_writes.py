"""Healing does not trigger itself: the event of a write of ours is known as ours, and anybody else's never is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self, override

import pytest

from homeostat.azure.identity import TokenIdentity
from homeostat.core.attribution import Principal
from homeostat.core.claims import principal_of
from homeostat.core.plan import Action
from homeostat.ports.azure import ArmWriter, NoIdentity, Written
from simulator.cloud import HOMEOSTAT, OPERATOR
from tests.loop.happenings import Happenings
from tests.loop.stand import ZONES, Stand, stand
from tests.loop.test_healing import break_rule, change_setting, delete_link, delete_rule, leave_network

pytestmark = pytest.mark.wire

MINUTES = timedelta(minutes=10)
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


async def healed(world: Stand, happenings: Happenings) -> list[dict[str, Any]]:
    """The events of our own writes, after a drift was healed by the events of a person's."""
    await happenings.deliver()
    await world.work_for(MINUTES)
    assert world.waiting() == []
    return happenings.take()


@pytest.mark.parametrize("damage", [break_rule, delete_rule, change_setting, leave_network, delete_link])
async def test_the_events_of_our_own_writes_cost_no_call_no_mark_and_no_message(
    damage: Callable[[Stand], None],
) -> None:
    world = stand()
    happenings = Happenings(world)
    damage(world)
    own = await healed(world, happenings)
    writes = [event for event in own if not event["data"]["operationName"].endswith("/list/action")]
    assert len(writes) == len(world.writes()) == 1
    calls, rows = len(world.cloud.exchanges), world.rows()
    for event in own * 3:
        assert await world.service.on_event(event) == ()
    assert world.waiting() == []
    await world.work_for(MINUTES)
    assert len(world.cloud.exchanges) == calls, "an own write's event was looked after"
    assert world.rows() == rows


async def test_an_own_event_that_overtakes_the_answer_to_its_write_is_known_too() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    events = happenings.take()
    overtaking = Overtaking(world.engine.writer, world, happenings)
    engine = replace(world.engine, writer=overtaking)
    world = replace(world, engine=engine, service=replace(world.service, engine=engine))
    await world.service.on_event(events[0])
    await world.work_for(MINUTES)
    assert overtaking.marked == [()]
    assert world.waiting() == []


class Overtaking(ArmWriter):
    """Tells of each write before its answer is there."""

    def __init__(self, inner: ArmWriter, world: Stand, happenings: Happenings) -> None:
        self.inner, self.world, self.happenings = inner, world, happenings
        self.marked: list[object] = []

    @override
    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        written = await self.inner.write(action, correlation_id=correlation_id, send_by=send_by)
        self.marked += [await self.world.service.on_event(event) for event in self.happenings.take()]
        return written


async def test_somebody_elses_write_under_our_writes_name_is_foreign() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    (own,) = await healed(world, happenings)
    stolen = {**own, "id": "stolen", "data": {**own["data"], "claims": {OBJECT_ID: OPERATOR.object_id}}}
    assert await world.service.on_event(stolen) != ()
    assert [write.by.object_id for write in (await world.record("nsg")).foreign_writes] == [OPERATOR.object_id]


@pytest.mark.parametrize("claims", [{}, None, "not json", {"appid": HOMEOSTAT.app_id}])
async def test_an_event_that_does_not_say_who_is_looked_after_and_held_against_nobody(claims: Any) -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    (own,) = await healed(world, happenings)
    nameless = {**own, "data": {**own["data"], "claims": claims}}
    assert await world.service.on_event(nameless) != ()
    assert (await world.record("nsg")).foreign_writes == ()


async def test_a_process_that_does_not_know_who_it_is_looks_once_more() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    (own,) = await healed(world, happenings)
    stranger = replace(world, service=replace(world.service, identity=NoIdentity()))
    assert await stranger.service.on_event(own) != ()
    assert await stranger.work_for(MINUTES) == 1
    assert stranger.waiting() == []
    assert len(world.writes()) == 1


async def test_our_identitys_write_that_no_reconcile_made_is_foreign() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    (own,) = await healed(world, happenings)
    other = {**own, "data": {**own["data"], "correlationId": "by another tool"}}
    assert await world.service.on_event(other) != ()


async def test_a_foreign_write_beside_our_own_has_an_event_of_its_own() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    await healed(world, happenings)
    break_rule(world)
    await happenings.deliver()
    await world.work_for(MINUTES)
    assert len(world.writes()) == 2
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_our_writes_names_are_ours_on_their_own_root_only() -> None:
    world = stand()
    happenings = Happenings(world)
    break_rule(world)
    (own,) = await healed(world, happenings)
    elsewhere = world.link(ZONES[0])
    operation = "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write"
    moved = world.event(elsewhere, operation, claims=own["data"]["claims"], correlationId=own["data"]["correlationId"])
    assert await world.service.on_event(moved) != ()


async def test_names_of_writes_are_forgotten_once_no_event_can_come_any_more() -> None:
    world = stand()
    for _ in range(3):
        break_rule(world)
        await world.reconcile("nsg")
        assert len((await world.record("nsg")).own_writes) == 1
        world.pass_time(hours=26)


async def test_who_we_are_is_what_our_token_says_and_is_asked_once() -> None:
    world = stand()
    credential = Counted(world.arm.credential)
    identity = TokenIdentity(credential, "https://management.azure.com/.default")
    for _ in range(3):
        assert await identity.principal(world.cloud.subscription) == Principal(HOMEOSTAT.object_id, HOMEOSTAT.app_id)
    assert credential.asked == 1


class Counted:
    def __init__(self, inner: Any) -> None:
        self.inner, self.asked = inner, 0

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        self.asked += 1
        return await self.inner.get_token(*scopes)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.bm90IGpzb24.c", "a.e30.c", "a.W10.c"])
def test_a_token_that_says_nothing_names_nobody(token: str) -> None:
    assert principal_of(token) is None
