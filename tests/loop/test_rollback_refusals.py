"""A rollback is refused where it would undo what others did, or is held; a refusal leaves nothing behind."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.gate.surroundings import PAUSE_TAG
from homeostat.core.model import Mode, Read
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from homeostat.operations.rollback import RollbackFailed, RollbackRefused
from homeostat.operations.runs import UnknownTarget
from tests.loop.meddling import meddled, once
from tests.loop.rolling_back import HOUR, SECRET, access, healed, kept, refused, roll_back
from tests.loop.stand import DNS_VERSION, SPEC, ZONES, stand

pytestmark = pytest.mark.wire


async def test_a_target_that_nobody_declares_is_told() -> None:
    with pytest.raises(UnknownTarget):
        await stand().service.rollbacks.start("nobody", "", HOUR, "", "Anna")


async def test_where_nothing_was_written_there_is_nothing_to_restore() -> None:
    await refused(stand(), "there is nothing to restore")


@pytest.mark.parametrize(
    "id_", ["251594294400000000-000000000000", "subscriptions/s/snapshots/20260301T020000.000000Z-ab-1.json"]
)
async def test_an_id_that_is_not_the_targets_is_refused(id_: str) -> None:
    await refused(await healed(), "app-flask has no", id_)


async def test_what_somebody_changed_since_is_left_to_them() -> None:
    world = stand()
    world.change_rule("allow-sql", destinationPortRange="1")
    await world.reconcile("nsg")
    world.change_rule("allow-sql", destinationPortRange="2")
    await refused(world, r'destinationPortRange of .*allow-sql is "2" now, while the write left "1433": somebody else')


async def test_what_was_created_is_not_taken_away_with_the_note_that_somebody_has_made_on_it_since() -> None:
    world = stand()
    world.operator("DELETE", world.id("nsg").child("securityRules", "allow-sql"))
    assert (await world.reconcile("nsg")).status is Status.HEALED
    world.change_rule("allow-sql", description="asked for by Eve")
    await refused(world, "somebody else changed it since, and it is left to them")
    assert world.rule("allow-sql")["properties"]["description"] == "asked for by Eve"


async def test_who_changed_it_is_named_where_their_event_told() -> None:
    world = await healed()
    until = world.ambient.now() + 2 * HOUR
    (entry,) = await world.history("nsg")
    await world.service.pause(Pause("app-flask", until, "", "Ben"))
    world.pass_time(minutes=1)
    world.operator("DELETE", world.id("nsg").child("securityRules", "allow-sql"))
    rule = world.id("nsg").child("securityRules", "allow-sql")
    operation = "Microsoft.Network/networkSecurityGroups/securityRules/delete"
    await world.service.on_event(world.event(rule, operation, claims={"name": "Eve"}))
    await world.work_for(timedelta(minutes=5))
    await refused(world, "is not there now, while the write left .*: Eve changed it since", entry["id"])


async def test_what_a_later_write_changed_names_that_write() -> None:
    world = await healed()
    world.change_rule("allow-sql", priority=105)
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("allow-sql: {priority: 100", "allow-sql: {priority: 101")
    world.pass_time(minutes=1)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    first = (await world.history("nsg"))[0]
    world.specs.by_name["homeostat.yaml"] = SPEC
    world.pass_time(minutes=1)
    assert (await world.reconcile("nsg")).status is Status.HEALED
    second = (await world.history("nsg"))[0]
    await refused(world, f"entry {second['id']} wrote it since: roll that back first", first["id"])


async def test_what_is_as_it_was_before_need_not_be_restored() -> None:
    world = await healed()
    world.change_rule("allow-sql", access="Deny")
    await refused(world, "all of it is as it was before")


async def test_what_is_gone_since_is_not_created_again() -> None:
    world = await healed()
    world.operator("DELETE", world.id("nsg").child("securityRules", "allow-sql"))
    await refused(world, "access of .*allow-sql is not there now")


async def test_a_network_security_group_that_is_gone_is_named() -> None:
    world = await healed()
    path = world.id("site").text.replace("Microsoft.Web/sites/app-flask", "Microsoft.Network/virtualNetworks")
    path += "/vnet-appservice/subnets/snet-appservice-integration"
    body = world.operator("GET", path).body
    body["properties"].pop("networkSecurityGroup")
    world.operator("PUT", path, body)
    world.operator("DELETE", world.id("nsg"))
    await refused(world, "allow-sql|nsg-appservice-integration")


async def test_a_secret_cannot_be_restored_since_it_is_not_kept() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/redis-key)"
    world = stand(spec=SPEC.replace("    REDIS_PORT: 6380\n", f"    REDIS_PORT: 6380\n    REDIS_AT: '{reference}'\n"))
    world.change_settings(REDIS_AT=SECRET)
    await world.reconcile("site")
    assert world.settings()["REDIS_AT"] == reference
    with pytest.raises(RollbackRefused, match=r"properties/REDIS_AT of .* is secret") as refusal:
        await roll_back(world)
    assert SECRET not in str(refusal.value) + json.dumps(await kept(world))


async def test_what_is_no_longer_declared_is_left_alone() -> None:
    world = await healed()
    (entry,) = await world.history("nsg")
    world.specs.by_name["homeostat.yaml"] = SPEC[: SPEC.index("nsg_rules:")] + SPEC[SPEC.index("dns_links:") :]
    world.pass_time(minutes=1)
    await refused(world, "app-flask has no ledger entry", entry["id"])


@pytest.mark.parametrize("whom", [FLEET, "app-flask"])
async def test_a_pause_of_a_persons_holds_it(whom: str) -> None:
    world = await healed()
    await world.service.pause(Pause(whom, world.ambient.now() + HOUR, "a freeze", "Ben"))
    await refused(world, "held: .* paused until .* by Ben: a freeze")
    assert access(world) == "Allow"


async def test_a_tag_that_pauses_what_would_be_restored_holds_it() -> None:
    world = stand()
    link = world.operator("GET", world.link(), version=DNS_VERSION).body
    wrong = {**link, "properties": {**link["properties"], "registrationEnabled": True}}
    world.operator("PUT", world.link(), wrong, DNS_VERSION)
    assert (await world.reconcile(ZONES[0])).status is Status.HEALED
    world.operator("PUT", world.link(), {**link, "tags": {PAUSE_TAG: "2999-12-31"}}, DNS_VERSION)
    writes = world.writes()
    with pytest.raises(RollbackRefused, match=r"held: paused until .* by tag on .*link-vnet-appservice"):
        await roll_back(world)
    assert world.writes() == writes


async def test_the_kill_switch_holds_a_rollback() -> None:
    world = await healed()
    world.pass_time(minutes=1)
    await refused(world.capped(Mode.ALERT), "held: HOMEOSTAT_MODE says mode alert")
    assert (await world.history("nsg"))[0]["trigger"]["cause"] == "rollback"


async def test_a_root_that_another_instance_works_on_is_left_to_it() -> None:
    world = await healed()
    assert await world.engine.store.lease(world.id("nsg"), "another") is not None
    with pytest.raises(RollbackRefused, match="another instance works on"):
        await roll_back(world)
    assert await world.engine.store.pauses() == ()


async def test_a_refusal_leaves_the_pause_of_an_earlier_rollback_as_it_was() -> None:
    world = await healed()
    await roll_back(world)
    (before,) = await world.engine.store.pauses()
    world.pass_time(minutes=5)
    with pytest.raises(RollbackRefused):
        await roll_back(world)
    assert await world.engine.store.pauses() == (before,)


async def test_what_azure_refuses_is_told_and_stays_paused() -> None:
    world = await healed()
    world.strike(method="PUT", status=403, body={"error": {"code": "AuthorizationFailed", "message": "no"}})
    with pytest.raises(RollbackFailed, match=r"stays paused until .*AuthorizationFailed"):
        await roll_back(world)
    assert [pause.cause for pause in await world.engine.store.pauses()] == ["rollback"]


async def test_what_somebody_changes_at_the_same_moment_is_never_overwritten() -> None:
    world = await healed()
    meddling = meddled(world, before=once(lambda: world.change_rule("allow-sql", access="Allow", priority=105), Action))
    with pytest.raises(RollbackFailed):
        await roll_back(meddling)
    assert world.rule("allow-sql")["properties"]["priority"] == 105
    assert access(world) == "Allow"


async def test_a_resume_ends_the_pause_of_a_rollback_as_well() -> None:
    world = await healed()
    await roll_back(world)
    await world.service.resume("app-flask", "Anna")
    await world.work_for(HOUR)
    assert access(world) == "Allow"


async def test_the_read_behind_every_refusal_is_fresh() -> None:
    """What was looked at before the lease is looked at again under it."""
    world = await healed()
    left = [2]

    async def change(called: Any) -> None:
        if isinstance(called, Read):
            left[0] -= 1
            if left[0] == 0:
                world.change_rule("allow-sql", destinationPortRange="7")

    told = await roll_back(meddled(world, before=change))
    assert told["verified"] is True
    assert (access(world), world.rule("allow-sql")["properties"]["destinationPortRange"]) == ("Deny", "7")
