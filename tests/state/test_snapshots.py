"""Snapshots on every store: kept once, read back, and their digests under a key that is made once."""

import asyncio

import pytest

from homeostat.core import snapshot
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Edit, Found, Read
from homeostat.core.outcome import Trigger
from homeostat.core.plan import merge
from homeostat.core.record import Intent
from homeostat.core.spec import Root
from homeostat.ports.storage import Conflict
from homeostat.snapshots import Snapshots
from tests.azure.scripted import VirtualAmbient
from tests.state.stores import Store


async def test_a_snapshot_is_kept_once_and_read_back(store: Store, unique: str) -> None:
    snapshots = Snapshots(store.blobs, store.documents, VirtualAmbient())
    root = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, unique)
    rule, path = root.child("securityRules", "allow sql"), ("properties", "access")
    facts = {Read(SECURITY_RULE, rule): Found({"properties": {"access": "\ud800"}})}
    (action,) = merge([Edit(Drift("nsg_rules", rule, path, "a", "Allow", "Deny"), path, "Allow")], facts)
    intent = Intent("0a", VirtualAmbient().now(), (str(action),))
    taken = snapshot.taken(Root(root, {}, ()), action, intent, 1, Trigger("event"), await snapshots.digest())
    await snapshots.keep(taken)
    found = await snapshots.load(taken.id)
    assert found is not None
    assert [each.before for each in found.inverses] == ["\ud800"]
    with pytest.raises(Conflict):
        await snapshots.keep(taken)
    assert await snapshots.load(taken.id.replace("-1.json", "-2.json")) is None
    assert await snapshots.load("../keys") is None


async def test_all_instances_have_one_key(store: Store) -> None:
    snapshots = [Snapshots(store.blobs, store.documents, VirtualAmbient(named=number)) for number in range(0, 80, 20)]
    digests = await asyncio.gather(*(each.digest() for each in snapshots))
    assert len({digest("secret") for digest in digests}) == 1
    assert digests[0]("secret") != digests[0]("Secret")
