"""What `homeostat.ports.storage.Queues` and `Receiver` promise, on every implementation."""

from datetime import timedelta

import pytest

from homeostat.ports.storage import Conflict, QueuedMessage, Unstorable
from tests.state.stores import Store

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


async def receive(store: Store, queue: str, *, visibility: timedelta = MINUTE) -> list[QueuedMessage]:
    return await store.queues.receive(queue, limit=32, visibility=visibility)


async def receive_one(store: Store, queue: str, *, visibility: timedelta = MINUTE) -> QueuedMessage:
    (message,) = await receive(store, queue, visibility=visibility)
    return message


async def test_a_queue_that_nothing_was_sent_to_is_empty(store: Store, unique: str) -> None:
    assert await receive(store, unique) == []


@pytest.mark.parametrize("body", ['{"root": "/subscriptions/0"}', "straße <&> \U0001f600", "", "x" * 48 * 1024])
async def test_a_message_comes_as_it_was_sent(store: Store, unique: str, body: str) -> None:
    await store.queues.send(unique, body)
    message = await receive_one(store, unique)
    assert (message.queue, message.body, message.dequeue_count) == (unique, body, 1)


async def test_a_message_over_the_limit_is_refused_with_its_size(store: Store, unique: str) -> None:
    with pytest.raises(Unstorable, match="a message of 49154 bytes, at most 49152"):
        await store.queues.send(unique, "ß" * 24_577)
    assert await receive(store, unique) == []


@pytest.mark.parametrize("delay", [timedelta(days=7, seconds=1), -SECOND])
async def test_a_delay_out_of_range_is_refused(store: Store, unique: str, delay: timedelta) -> None:
    with pytest.raises(Unstorable, match="from 0 to 7 days"):
        await store.queues.send(unique, "m", delay=delay)


async def test_the_longest_delay_is_accepted(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m", delay=timedelta(days=7))
    assert await receive(store, unique) == []


async def test_a_delayed_message_shows_when_its_time_has_come(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m", delay=timedelta(seconds=1.5))
    assert await receive(store, unique) == []
    await store.advance(2 * SECOND)
    assert (await receive_one(store, unique)).body == "m"


async def test_at_most_the_asked_number_of_messages_is_received(store: Store, unique: str) -> None:
    sent = {str(n) for n in range(5)}
    for body in sorted(sent):
        await store.queues.send(unique, body)
    first = await store.queues.receive(unique, limit=3, visibility=MINUTE)
    rest = await store.queues.receive(unique, limit=3, visibility=MINUTE)
    assert (len(first), len(rest)) == (3, 2)
    assert {message.body for message in (*first, *rest)} == sent


async def test_a_received_message_shows_again_and_its_receptions_are_counted(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m")
    first = await receive_one(store, unique, visibility=SECOND)
    assert await receive(store, unique) == []
    await store.advance(SECOND)
    second = await receive_one(store, unique)
    assert (second.id, second.body, second.inserted) == (first.id, first.body, first.inserted)
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)


async def test_a_deleted_message_does_not_come_back(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m")
    await store.queues.delete(await receive_one(store, unique, visibility=SECOND))
    await store.advance(SECOND)
    assert await receive(store, unique) == []


async def test_a_message_is_not_deleted_by_who_no_longer_holds_it(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m")
    stale = await receive_one(store, unique, visibility=SECOND)
    await store.advance(SECOND)
    held = await receive_one(store, unique)
    with pytest.raises(Conflict):
        await store.queues.delete(stale)
    await store.queues.delete(held)
    with pytest.raises(Conflict):
        await store.queues.delete(held)


async def test_a_postponed_message_stays_hidden_and_keeps_its_body(store: Store, unique: str) -> None:
    await store.queues.send(unique, "m")
    message = await receive_one(store, unique, visibility=SECOND)
    postponed = await store.queues.postpone(message, MINUTE)
    await store.advance(SECOND)
    assert await receive(store, unique) == []
    with pytest.raises(Conflict):
        await store.queues.postpone(message, MINUTE)
    again = await store.queues.postpone(postponed, timedelta())
    found = await receive_one(store, unique)
    assert (found.body, found.dequeue_count) == ("m", 2)
    with pytest.raises(Conflict):
        await store.queues.delete(again)


async def test_a_message_is_received_from_its_own_queue_alone(store: Store, unique: str) -> None:
    await store.queues.send(f"{unique}-a", "m")
    assert await receive(store, f"{unique}-b") == []
    assert (await receive_one(store, f"{unique}-a")).body == "m"


async def test_what_is_peeked_at_stays_as_it_is(store: Store, unique: str) -> None:
    for body in "ab":
        await store.queues.send(unique, body)
    await store.queues.send(unique, "later", delay=timedelta(hours=1))
    first, second = await store.queues.peek(unique, limit=32)
    assert (first.queue, {first.body, second.body}, first.dequeue_count) == (unique, {"a", "b"}, 0)
    assert len(await store.queues.peek(unique, limit=1)) == 1
    received = {message.id: message for message in await receive(store, unique)}
    assert received.keys() == {first.id, second.id}
    assert {message.dequeue_count for message in received.values()} == {1}
    assert await store.queues.peek(unique, limit=32) == []


async def test_messages_are_counted_hidden_ones_too(store: Store, unique: str) -> None:
    assert (await store.queues.count(unique), await store.queues.peek(unique, limit=32)) == (0, [])
    await store.queues.send(unique, "a")
    await store.queues.send(unique, "later", delay=timedelta(hours=1))
    assert await store.queues.count(unique) == 2
    await store.queues.delete(await receive_one(store, unique))
    assert await store.queues.count(unique) == 1
