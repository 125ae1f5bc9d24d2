"""A write is undone on a person's word: its snapshot tells how, and a pause keeps the loop from doing it again."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, override

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Mode, Read
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from homeostat.memory import MemoryBlobs
from homeostat.ports import StorageUnavailable
from homeostat.rollback import RollbackFailed, RollbackRefused
from homeostat.runs import UnknownTarget
from homeostat.snapshots import CONTAINER
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.meddling import meddled, once
from tests.loop.stand import SPEC, WEB_VERSION, Stand, stand
from tests.support.patience import POLICY
from tests.support.role import LEAVE_NETWORK, ROLE

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)
FOUR_HOURS = 4 * HOUR
ROLLING_BACK = ROLE.with_(*LEAVE_NETWORK)
SECRET = "Tr0ub4dor&3-never-to-be-seen"


async def kept(world: Stand) -> list[Any]:
    blobs = world.engine.store.blobs
    found = [await blobs.read(CONTAINER, info.name) async for info in blobs.list(CONTAINER)]
    return [json.loads(blob.data) for blob in found if blob]


async def roll_back(world: Stand, entry: str = "", *, dry_run: bool = False) -> Any:
    return await world.service.rollbacks.start("app-flask", entry, FOUR_HOURS, "it broke", "Anna", dry_run=dry_run)


async def healed() -> Stand:
    """A rule was wrong, and has been repaired."""
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    assert (await world.reconcile("nsg")).status is Status.HEALED
    return world


async def refused(world: Stand, words: str, entry: str = "") -> None:
    """Nothing is written, and no pause but those that were is left."""
    writes, pauses = world.writes(), await world.engine.store.pauses()
    with pytest.raises(RollbackRefused, match=words):
        await roll_back(world, entry)
    assert (world.writes(), await world.engine.store.pauses()) == (writes, pauses)
    assert (await world.record("nsg")).lease is None


def access(world: Stand, rule: str = "allow-sql") -> str:
    return str(world.rule(rule)["properties"]["access"])


# --- snapshots ---


async def test_the_state_before_each_write_is_kept_and_the_ledger_names_it() -> None:
    world = await healed()
    (snapshot,) = await kept(world)
    assert snapshot["body"]["properties"]["access"] == "Deny"
    (inverse,) = snapshot["inverses"]
    assert (inverse["path"], inverse["before"], inverse["after"]) == (["properties", "access"], "Deny", "Allow")
    (entry,) = await world.history("nsg")
    assert entry["snapshots"] == [snapshot["id"]]
    assert snapshot["specVersion"] == (await world.root("nsg")).spec_version != ""
    assert (snapshot["cause"], len(snapshot["intent"])) == ("manual", 36)
    assert snapshot["id"].startswith(world.id("nsg").key.strip("/") + "/snapshots/")


async def test_the_snapshots_of_a_root_are_listed_in_order_of_time() -> None:
    world = stand(spec=f"{SPEC}---\n{POLICY}")
    for number in range(12):
        world.change_rule("allow-sql", access="Deny")
        await world.reconcile("nsg")
        world.pass_time(minutes=number)
    times = [snapshot["at"] for snapshot in await kept(world)]
    assert (len(times), times) == (12, sorted(times))


async def test_nothing_is_written_whose_snapshot_cannot_be_stored() -> None:
    class Full(MemoryBlobs):
        @override
        async def write(self, *_: Any, **__: Any) -> str:
            raise StorageUnavailable("the account is full")

    world = stand()
    world.change_rule("allow-sql", access="Deny")
    full = replace(world.engine, store=replace(world.engine.store, blobs=Full(world.ambient.now)))
    with pytest.raises(StorageUnavailable):
        await replace(world, engine=full).reconcile("nsg")
    assert (world.writes(), access(world)) == ([], "Deny")
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert "unfinished" in (await world.history("nsg"))[0]


async def test_of_app_settings_only_what_the_spec_says_in_clear_is_kept_in_clear() -> None:
    spec = SPEC.replace("    REDIS_PORT: 6380\n", "    REDIS_PORT: 6380\n    DB_PASSWORD: {secret: true}\n")
    world = stand(spec=spec)
    references = {"API": "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api)"}
    world.change_settings(REDIS_PORT="1", DB_PASSWORD=SECRET, THEIRS="somebody's own", **references)
    assert (await world.reconcile("site")).status is Status.HEALED
    (snapshot,) = await kept(world)
    settings = snapshot["body"]["properties"]
    assert (settings["REDIS_PORT"], settings["API"]) == ("1", references["API"])
    assert settings["DB_PASSWORD"].keys() == settings["THEIRS"].keys() == {"homeostatDigest"}
    assert settings["DB_PASSWORD"] != settings["THEIRS"]
    assert SECRET not in json.dumps(await kept(world))
    assert "somebody's own" not in json.dumps(await kept(world))


async def test_equal_secrets_have_equal_digests_and_the_key_is_made_once() -> None:
    world = stand()
    for _ in range(2):
        world.change_settings(REDIS_PORT="1", DB_PASSWORD=SECRET)
        await world.reconcile("site")
        world.pass_time(minutes=1)
    first, second = await kept(world)
    assert first["body"]["properties"]["DB_PASSWORD"] == second["body"]["properties"]["DB_PASSWORD"]
    assert len([row for row in world.rows() if row.startswith("keys/")]) == 1


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


# --- refusals ---


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


async def test_the_kill_switch_holds_it() -> None:
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
