"""A write is undone on a person's word: its snapshot tells how, and a pause keeps the loop from doing it again."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from homeostat.core.model import Mode
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from homeostat.operations.rollback import RollbackFailed, RollbackRefused
from homeostat.ports.storage import Queues, StorageUnavailable
from homeostat.render import explanation
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.meddling import meddled, once
from tests.loop.rolling_back import FOUR_HOURS, HOUR, ROLLING_BACK, access, healed, kept, refused, roll_back
from tests.loop.stand import WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire


# --- what comes back ---


async def test_the_field_that_was_written_gets_its_former_value_and_nothing_else_changes() -> None:
    world = await healed()
    world.change_rule("allow-sql", description="theirs, and newer")
    before = world.rule("allow-sql")["properties"]
    told = await roll_back(world)
    assert told["verified"] is True
    assert [(each["path"], each["to"]) for each in told["restored"]] == [("properties/access", "Deny")]
    after = world.rule("allow-sql")["properties"]
    assert after == {**before, "access": "Deny"}


async def test_it_is_in_the_ledger_with_its_own_snapshot_and_who_asked_for_it() -> None:
    world = await healed()
    (repair,) = await world.history("nsg")
    world.pass_time(minutes=1)
    await roll_back(world)
    entry = (await world.history("nsg"))[0]
    assert entry["trigger"] == {"cause": "rollback", "hints": [repair["id"]], "caller": "Anna", "reason": "it broke"}
    assert (entry["status"], len(entry["written"]), len(entry["snapshots"])) == ("held", 1, 1)
    assert {each["code"] for each in entry["held"]} == {"paused"}


async def test_whoever_asked_for_it_is_who_brought_the_difference_about() -> None:
    world = await healed()
    await roll_back(world)
    episode = (await world.record("nsg")).episodes["nsg_rules"]
    assert (episode.changed_by.name, episode.changed_by.tool, episode.changed_by.operation) == (
        "Anna",
        "Homeostat",
        "rollback",
    )
    text = explanation.render(await world.service.explain("app-flask"))
    assert "    changed by Anna with Homeostat at " in text


async def test_the_loop_leaves_it_alone_until_the_pause_ends_and_heals_again_then() -> None:
    world = await healed()
    await roll_back(world)
    (pause,) = await world.engine.store.pauses()
    assert (pause.target, pause.by, pause.cause, pause.reason) == ("app-flask", "Anna", "rollback", "it broke")
    await world.rule_event()
    await world.sweep()
    await world.work_for(FOUR_HOURS - timedelta(minutes=1))
    assert access(world) == "Deny"
    (held,) = (await world.reconcile("nsg")).plan.held
    assert "paused until" in held.hold.message
    assert "after a rollback, it broke" in held.hold.message
    await world.work_for(timedelta(minutes=2))
    assert access(world) == "Allow"


async def test_what_somebody_made_in_the_moment_in_which_it_was_to_be_made_is_not_taken_away() -> None:
    """The write that was to make it was refused, and a second one put right what they had made."""
    world = stand(role=ROLLING_BACK)
    rule = world.id("nsg").child("securityRules", "allow-sql")
    theirs = world.rule("allow-sql")["properties"] | {"priority": 395, "access": "Deny"}
    world.operator("DELETE", rule)
    made = once(lambda: world.operator("PUT", rule, {"properties": theirs}), Action)
    assert (await meddled(world, before=made).reconcile("nsg")).status is Status.HEALED
    assert (world.rule("allow-sql")["properties"]["priority"], access(world)) == (100, "Allow")
    await roll_back(world)
    assert (world.rule("allow-sql")["properties"]["priority"], access(world)) == (395, "Deny")


async def test_what_is_held_up_until_the_pause_is_over_is_not_restored_any_more() -> None:
    world = await healed()
    writes = world.writes()
    meddling = meddled(world, before=once(lambda: world.pass_time(seconds=70), Action))
    with pytest.raises(RollbackFailed, match=r"is not rolled back, and stays paused until .*: it is in-sync"):
        await meddling.service.rollbacks.start("app-flask", "", timedelta(minutes=1), "it broke", "Anna")
    assert (world.writes(), access(world)) == (writes, "Allow")


async def test_what_was_created_goes_and_what_was_removed_comes_back() -> None:
    world = stand(role=ROLLING_BACK)
    world.leave_network()
    world.operator("DELETE", world.id("nsg").child("securityRules", "allow-sql"))
    for root in ("site", "nsg"):
        assert (await world.reconcile(root)).status is Status.HEALED
        world.pass_time(minutes=1)
    await roll_back(world)
    assert "allow-sql" not in {rule["name"] for rule in rules(world)}
    await roll_back(world)
    assert world.subnet_of_site() is None


async def test_a_former_subnet_that_was_only_seen_through_the_site_comes_back() -> None:
    world = stand(role=ROLLING_BACK)
    other = world.id("site").text.replace("Microsoft.Web/sites/app-flask", "Microsoft.Network/virtualNetworks")
    other += "/vnet-appservice/subnets/snet-other"
    subnet = {
        "properties": {
            "addressPrefix": "10.10.9.0/24",
            "delegations": [{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}],
        }
    }
    world.operator("PUT", other, subnet)
    config = world.id("site").child("networkConfig", "virtualNetwork")
    world.operator("PUT", config, {"properties": {"subnetResourceId": other, "swiftSupported": True}}, WEB_VERSION)
    assert (await world.reconcile("site")).status is Status.HEALED
    await roll_back(world)
    assert str(world.subnet_of_site()).lower() == other.lower()


async def test_a_role_that_may_not_look_at_it_refuses_the_rollback_and_not_the_repair() -> None:
    world = stand()
    world.leave_network()
    assert (await world.reconcile("site")).status is Status.HEALED
    with pytest.raises(RollbackRefused, match=r"networkConfig/virtualNetwork cannot be read: .*AuthorizationFailed"):
        await roll_back(world)


async def test_several_rules_that_were_written_as_one_group_come_back_as_they_were() -> None:
    world = stand()
    for name in ("allow-sql", "allow-redis"):
        world.change_rule(name, access="Deny")
    theirs = {**world.rule("allow-sql")["properties"], "direction": "Inbound", "destinationPortRange": "8080"}
    assert (await world.reconcile("nsg")).status is Status.HEALED
    world.operator("PUT", world.id("nsg").child("securityRules", "theirs"), {"properties": theirs})
    await roll_back(world)
    assert (access(world), access(world, "allow-redis")) == ("Deny", "Deny")
    assert "theirs" in {rule["name"] for rule in rules(world)}


async def test_a_setting_comes_back_and_the_others_stay_as_they_are_now() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    await world.reconcile("site")
    world.change_settings(THEIRS="newer")
    await roll_back(world)
    assert (world.settings()["REDIS_PORT"], world.settings()["THEIRS"]) == ("1", "newer")


def rules(world: Stand) -> list[Any]:
    found: list[Any] = world.operator("GET", world.id("nsg")).body["properties"]["securityRules"]
    return found


# --- which ---


async def test_an_older_entry_or_one_snapshot_can_be_named() -> None:
    world = await healed()
    world.pass_time(minutes=1)
    world.change_rule("allow-redis", access="Deny")
    await world.reconcile("nsg")
    _, older = await world.history("nsg")
    await roll_back(world, older["id"])
    assert (access(world), access(world, "allow-redis")) == ("Deny", "Allow")
    newest = (await kept(world))[1]
    await roll_back(world, newest["id"])
    assert access(world, "allow-redis") == "Deny"


async def test_without_a_name_each_rollback_goes_one_write_further_back() -> None:
    world = await healed()
    world.pass_time(minutes=1)
    world.change_rule("allow-redis", access="Deny")
    await world.reconcile("nsg")
    for expected in (("Allow", "Deny"), ("Deny", "Deny")):
        world.pass_time(minutes=1)
        assert (await roll_back(world, dry_run=True))["held"] == [], "the pause of the rollback before is its own"
        await roll_back(world)
        assert (access(world), access(world, "allow-redis")) == expected
    await refused(world, "there is nothing to restore: no write to app-flask")


async def test_a_dry_run_tells_what_it_would_do_and_what_would_hold_it() -> None:
    world = await healed()
    told = await roll_back(world, dry_run=True)
    assert ([each["to"] for each in told["restored"]], told["held"]) == (["Deny"], [])
    told = await roll_back(world.capped(Mode.ALERT), dry_run=True)
    assert [each["code"] for each in told["held"]] == ["mode-alert"]
    assert (access(world), await world.engine.store.pauses()) == ("Allow", ())


# --- crashes ---


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_whichever_call_it_dies_at_the_pause_is_there_before_the_write_and_the_next_one_ends_it(
    *, after: bool
) -> None:
    for call in count(1):
        world = await healed()
        fate = Fate(call, after)
        died = False
        try:
            await roll_back(mortal(world, fate))
        except Crash:
            died = True
        sent = "arm.write" in (fate.names[:-1] if died and not after else fate.names)
        where = f"died {'after' if after else 'before'} call {call} of {fate.names}"
        pauses = await world.engine.store.pauses()
        assert access(world) == ("Deny" if sent else "Allow"), where
        assert not sent or [pause.cause for pause in pauses] == ["rollback"], where
        await world.rule_event()
        await world.work_for(HOUR)  # the dead owner's lease runs out, and the loop looks
        assert access(world) == ("Deny" if sent else "Allow"), where
        assert (await world.record("nsg")).intent is None, where
        await world.service.resume("app-flask", "Anna")
        await world.work_for(HOUR)
        assert access(world) == "Allow", where
        if not died and len(fate.names) < call:
            break
    assert call > 10


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_whichever_call_it_dies_at_the_loop_heals_again_when_the_pause_ends_though_no_event_comes(
    *, after: bool
) -> None:
    for call in count(1):
        world = await healed()
        fate = Fate(call, after)
        with suppress(Crash):
            await roll_back(mortal(world, fate))
        if len(fate.names) < call:
            break
        await world.work_for(FOUR_HOURS + HOUR)
        assert access(world) == "Allow", f"died {'after' if after else 'before'} call {call} of {fate.names}"
    assert call > 10


@dataclass(frozen=True)
class Deaf:
    """Takes no message but that of the look after the pause."""

    queues: Queues

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        if "rollback:" not in body:
            raise StorageUnavailable("the queue is away")
        await self.queues.send(queue, body, delay=delay)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queues, name)


async def test_a_failure_of_storage_after_the_write_is_told_as_that_and_leaves_the_pause() -> None:
    world = await healed()
    engine = replace(world.engine, store=replace(world.engine.store, queues=Deaf(world.engine.store.queues)))
    deaf = replace(world, engine=engine, service=replace(world.service, engine=engine))
    with pytest.raises(StorageUnavailable, match="the queue is away"):
        await roll_back(deaf)
    assert (access(world), len(await world.engine.store.pauses())) == ("Deny", 1)


async def test_a_lease_that_is_lost_after_the_write_leaves_the_pause_too() -> None:
    world = await healed()

    async def stall() -> None:
        world.pass_time(minutes=6)
        assert await world.engine.store.lease(world.id("nsg"), "the next") is not None

    with pytest.raises(RollbackFailed, match=r"stays paused until .*: .* the lease was taken over"):
        await roll_back(meddled(world, after=once(stall, Action)))
    assert (access(world), len(await world.engine.store.pauses())) == ("Deny", 1)


async def test_a_look_before_the_pause_ends_does_not_stand_for_the_one_at_its_end() -> None:
    world = await healed()
    await roll_back(world)
    world.change_rule("allow-sql", access="Allow")
    await world.rule_event()
    await world.work_for(HOUR)
    world.change_rule("allow-sql", access="Deny")
    await world.work_for(FOUR_HOURS)
    assert access(world) == "Allow"
