"""What others write while a repair is made: it survives, or its writer is told of."""

from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.arm_types import SITE_CONFIG
from homeostat.core.model import Read
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from tests.loop.meddling import meddled, once
from tests.loop.stand import NSG_VERSION, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


async def test_a_rule_that_somebody_makes_at_the_same_moment_keeps_what_is_not_declared_of_it() -> None:
    world = stand()
    rule = world.id("nsg").child("securityRules", "allow-sql")
    properties = world.rule("allow-sql")["properties"]
    world.operator("DELETE", rule)

    def make() -> None:
        world.operator(
            "PUT", rule, {"properties": {**properties, "access": "Deny", "description": "Eve's"}}, NSG_VERSION
        )

    assert (await meddled(world, before=once(make, Action)).reconcile("nsg")).status is Status.HEALED
    made = world.rule("allow-sql")["properties"]
    assert (made["access"], made["description"]) == ("Allow", "Eve's")


async def test_a_foreign_setting_that_is_written_after_the_look_survives_the_repair() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    settings = Read(SITE_CONFIG, world.id("site").child("config", "appsettings"))
    left = [settings]

    async def meddle(called: Any) -> None:
        if called in left:
            left.remove(called)
            world.change_settings(THEIRS="new")

    world = meddled(world, after=meddle)
    assert (await world.reconcile("site")).status is Status.HEALED
    assert left == []
    assert world.settings()["THEIRS"] == "new"
    assert world.settings()["REDIS_PORT"] == "6380"


async def test_a_foreign_write_in_the_window_that_no_etag_guards_is_told_with_its_actor() -> None:
    world = stand()
    settings = world.id("site").child("config", "appsettings")
    world.change_settings(REDIS_PORT="1")
    theirs = []

    def write() -> None:
        world.change_settings(THEIRS="lost")
        theirs.append(
            world.event(settings, "Microsoft.Web/sites/config/write", correlationId="c", claims={"name": "Eve"})
        )

    await meddled(world, before=once(write, Action)).reconcile("site")
    assert "THEIRS" not in world.settings()
    for _ in range(2):  # Event Grid delivers at least once
        await world.service.on_event(theirs[0])
    assert len((await world.record("site")).foreign_writes) == 1
    await world.work_for(HOUR)
    assert world.failures == []
    assert [told for told in world.inbox.told() if told[0] == "PossibleOverwrite"] == [("PossibleOverwrite", None)]
    assert world.inbox.events[-1].data["actor"] == "Eve"


async def test_a_foreign_write_that_a_write_without_an_answer_undid_is_told() -> None:
    world = stand()
    settings = world.id("site").child("config", "appsettings")
    world.change_settings(REDIS_PORT="1")
    theirs = []

    def write() -> None:
        world.change_settings(THEIRS="lost")
        theirs.append(world.event(settings, "Microsoft.Web/sites/config/write", correlationId="c"))

    world.strike(method="PUT", path="/config/appsettings", drop=True, when="after", times=1)
    await meddled(world, before=once(write, Action)).reconcile("site")
    assert "THEIRS" not in world.settings()
    await world.service.on_event(theirs[0])
    await world.work_for(HOUR)
    assert [told for told in world.inbox.told() if told[0] == "PossibleOverwrite"] == [("PossibleOverwrite", None)]


async def test_our_own_write_is_no_foreign_one_when_its_event_comes() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    (ours,) = (await world.reconcile("site")).correlations
    settings = world.id("site").child("config", "appsettings")
    await world.service.on_event(world.event(settings, "Microsoft.Web/sites/config/write", correlationId=ours))
    await world.work_for(HOUR)
    assert "PossibleOverwrite" not in [what for what, _ in world.inbox.told()]
    assert len(world.writes()) == 1


async def test_unowned_rules_are_carried_over_when_the_whole_group_is_written() -> None:
    world = stand()
    theirs = world.id("nsg").child("securityRules", "theirs")
    properties = {**world.rule("allow-sql")["properties"], "direction": "Inbound", "destinationPortRange": "8080"}
    world.operator("PUT", theirs, {"properties": properties})
    before = world.rule("theirs")["properties"]
    for name in ("allow-sql", "allow-redis"):
        world.operator("DELETE", world.id("nsg").child("securityRules", name))
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert world.writes() == ["PUT networkSecurityGroups/nsg-appservice-integration 200"]
    assert world.rule("theirs")["properties"] == before
