"""A claim is one instance's at a time, runs out whatever becomes of its holder and of clocks, and stops nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.fleet.claim import MAX_DURATION, RENEWALS_PER_TERM, Claims
from homeostat.memory import MemoryStorage
from homeostat.ports.storage import StorageUnavailable
from tests.azure.scripted import VirtualAmbient

pytestmark = pytest.mark.unit

ABOUT = frozenset({"something"})
LASTS = timedelta(minutes=1)
START = datetime(2026, 3, 1, 2, tzinfo=UTC)


class Storage(MemoryStorage):
    """One that can be out of reach."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.real = self.blobs.write

    def goes_away(self) -> None:
        async def write(*_: Any, **__: Any) -> str:
            raise StorageUnavailable("away")

        self.blobs.write = write  # type: ignore[method-assign]  # the store is away


def instance(storage: MemoryStorage) -> tuple[Claims, VirtualAmbient]:
    ambient = VirtualAmbient()
    return Claims(storage.blobs, ambient, "container", "claim.json"), ambient


async def test_what_one_has_claimed_the_others_see_until_it_is_given_back() -> None:
    storage = MemoryStorage(lambda: START)
    (one, _), (other, _) = instance(storage), instance(storage)
    assert await one.seen() is None
    assert await one.take(ABOUT, LASTS)
    claim = await other.seen()
    assert claim is not None
    assert (claim.held, claim.of) == (True, ABOUT)
    await one.give_back()
    assert await other.seen() is None
    assert await other.take(ABOUT, LASTS)


async def test_of_two_who_saw_that_it_was_free_one_has_it() -> None:
    storage = MemoryStorage(lambda: START)
    (one, _), (other, _) = instance(storage), instance(storage)
    assert await one.seen() is await other.seen() is None
    assert await one.take(ABOUT, LASTS)
    assert not await other.take(ABOUT, LASTS)


async def test_why_nothing_came_of_it_is_told_for_a_while() -> None:
    storage = MemoryStorage(lambda: START)
    (one, _), (other, clock) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, LASTS)
    await one.give_back("refused", timedelta(minutes=2))
    claim = await other.seen()
    assert claim is not None
    assert (claim.held, claim.of, claim.problem) == (False, ABOUT, "refused")
    clock.time += timedelta(minutes=2)
    assert await other.seen() is None


@pytest.mark.parametrize("wrong", [timedelta(), timedelta(seconds=40), timedelta(seconds=-40), timedelta(hours=-3)])
async def test_one_whose_holder_died_runs_out_whatever_the_clocks_say(wrong: timedelta) -> None:
    storage = MemoryStorage(lambda: START)
    (one, _), (other, clock) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, LASTS)
    clock.offset = wrong
    if abs(wrong) < LASTS:
        assert await other.seen() is not None
    clock.time += LASTS
    clock.offset = wrong - LASTS  # and is set back meanwhile, by as much
    assert await other.seen() is None
    assert await other.take(ABOUT, LASTS)


async def test_a_holder_that_gets_on_keeps_it_and_renews_it_no_more_often_than_need_be() -> None:
    storage = MemoryStorage(lambda: START)
    (one, clock), (other, theirs) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, LASTS)
    versions = set()
    for _ in range(60):
        clock.time += LASTS / 20
        theirs.time += LASTS / 20
        await one.renew()
        assert await other.seen() is not None
        versions.add(storage.blobs._containers["container"]["claim.json"].version)
    assert len(versions) <= 1 + 60 / 20 * RENEWALS_PER_TERM
    await one.renew(timedelta(minutes=10))
    theirs.time += timedelta(minutes=9)
    assert await other.seen() is not None


async def test_one_that_was_taken_over_is_not_taken_back() -> None:
    storage = MemoryStorage(lambda: START)
    (one, clock), (other, theirs) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, LASTS)
    clock.time += LASTS
    theirs.time += LASTS
    assert await other.seen() is None
    assert await other.take(frozenset({"another thing"}), LASTS)
    await one.renew()
    await one.give_back()
    claim = await one.seen()
    assert claim is not None
    assert claim.of == {"another thing"}


async def test_without_a_store_nothing_is_claimed_and_who_holds_one_goes_on() -> None:
    storage = Storage()
    (one, clock), (other, _) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, LASTS)
    storage.goes_away()
    clock.time += LASTS / 2
    await one.renew()
    await one.give_back()
    assert await other.seen() is not None
    with pytest.raises(StorageUnavailable):
        await other.take(ABOUT, LASTS)
    storage.blobs.write = storage.real  # type: ignore[method-assign]  # and back
    clock.time += LASTS / 2
    assert await one.seen() is None


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{}",
        b'{"at": "today", "lasts": 60, "of": []}',
        b'{"at": "2026-03-01T02:00:00", "lasts": 60, "of": []}',
        b'{"at": "2026-03-01T02:00:00+00:00", "lasts": 1e300, "of": []}',
        b'{"at": "2026-03-01T02:00:00+00:00", "lasts": 60, "of": "x"}',
        b"[" * 100_000,
    ],
)
async def test_what_is_no_claim_stands_in_nobodys_way(stored: bytes) -> None:
    storage = MemoryStorage(lambda: START)
    await storage.blobs.write("container", "claim.json", stored)
    one, _ = instance(storage)
    assert await one.seen() is None
    assert await one.take(ABOUT, LASTS)


async def test_none_is_believed_for_longer_than_any_may_last() -> None:
    storage = MemoryStorage(lambda: START)
    (one, _), (other, clock) = instance(storage), instance(storage)
    await one.seen()
    await one.take(ABOUT, timedelta(days=30))
    assert await other.seen() is not None
    clock.time += MAX_DURATION
    assert await other.seen() is None
