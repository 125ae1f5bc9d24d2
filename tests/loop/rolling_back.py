"""A repair that somebody wants undone, for the tests of snapshots and rollbacks."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.outcome import Status
from homeostat.operations.rollback import RollbackRefused
from homeostat.snapshots import CONTAINER
from tests.loop.stand import Stand, stand
from tests.support.role import LEAVE_NETWORK, ROLE

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
    """A stand on which a wrong rule has been repaired."""
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    assert (await world.reconcile("nsg")).status is Status.HEALED
    return world


async def refused(world: Stand, words: str, entry: str = "") -> None:
    """Checks that a rollback is refused, nothing is written, and no new pause is left."""
    writes, pauses = world.writes(), await world.engine.store.pauses()
    with pytest.raises(RollbackRefused, match=words):
        await roll_back(world, entry)
    assert (world.writes(), await world.engine.store.pauses()) == (writes, pauses)
    assert (await world.record("nsg")).lease is None


def access(world: Stand, rule: str = "allow-sql") -> str:
    return str(world.rule(rule)["properties"]["access"])
