"""The state before each write is kept, in clear only what the spec says in clear, and without it nothing is written."""

import json
from dataclasses import replace
from typing import Any, override

import pytest

from homeostat.core.outcome import Status, Trigger
from homeostat.memory import MemoryBlobs
from homeostat.observing import Observer
from homeostat.ports.storage import StorageUnavailable
from homeostat.writing import Writes
from tests.loop.rolling_back import SECRET, access, healed, kept
from tests.loop.stand import NSG_VERSION, SPEC, Stand, stand
from tests.support.patience import POLICY

pytestmark = pytest.mark.wire


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
    (entry,) = await world.history("nsg")
    assert "unfinished" not in entry, "nothing was intended yet"


async def test_a_snapshot_stored_ahead_of_a_hold_is_of_no_write_and_no_later_look_stores_another() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    tag(world, **{"homeostat-pause-until": "2027-01-01"})
    for _ in range(3):
        outcome = await world.reconcile("nsg")
        assert (outcome.status, outcome.snapshots) == (Status.HELD, ())
    (unused,) = await kept(world)
    tag(world)
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.HEALED
    (used,) = outcome.snapshots
    assert [each["id"] for each in await kept(world)] == [unused["id"], used]
    assert (await world.history("nsg"))[0]["snapshots"] == [used]


def tag(world: Stand, **tags: str) -> None:
    body = world.operator("GET", world.id("nsg"), version=NSG_VERSION).body
    world.operator("PUT", world.id("nsg"), {**body, "tags": tags}, NSG_VERSION)


async def test_a_snapshot_stored_ahead_counts_for_the_very_write_that_it_was_taken_before() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    one = (await world.reconcile("nsg", dry_run=True)).plan
    world.change_rule("allow-redis", access="Deny")
    both = (await world.reconcile("nsg", dry_run=True)).plan
    engine, root = world.engine, await world.root("nsg")
    observer = Observer(engine.registry, engine.reader, engine.prober, world.ambient)
    writes = Writes(root, Trigger("manual"), engine.writer, engine.snapshots, observer, world.ambient)
    await writes.snapshot_ahead(one)
    (stored,) = await kept(world)
    assert writes.draft(both).id != stored["intent"]
    assert writes.snapshots == []
    await writes.snapshot_ahead(both)
    assert writes.draft(both).id == (await kept(world))[1]["intent"]
    assert writes.snapshots == [(await kept(world))[1]["id"]]


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
