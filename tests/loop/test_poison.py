"""Messages that failed too often can be looked at, understood, and put back where they came from."""

import json
from typing import Any, Final

import pytest

from homeostat.core.outcome import Decision, Trigger
from homeostat.operations.poison import QUEUES, NoSuchMessage
from homeostat.store import EVENT_QUEUE, SWEEP_QUEUE, WORK_QUEUE
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import Stand, stand

pytestmark = pytest.mark.wire

WORK, EVENTS, SWEEPS = QUEUES
BY: Final = "ben@contoso.example"


async def poisoned(world: Stand, body: Any, queue: str = WORK) -> str:
    """The id of a message that the host moved to a poison queue."""
    text = body if isinstance(body, str) else json.dumps(body)
    await world.memory.queues.send(queue, text)
    return (await world.memory.queues.peek(queue, limit=32))[-1].id


def bodies_of(world: Stand, queue: str) -> list[str]:
    return [message.body for message in world.memory.queues._queues[queue]]


async def explained(world: Stand, id_: str) -> str:
    told = await world.service.poison.explain(id_)
    words = told["explanation"]
    assert isinstance(words, list)
    return " ".join(map(str, words))


async def test_what_a_message_names_is_listed_with_its_age_and_how_often_it_is_there() -> None:
    world = stand()
    root = {"root": world.id("nsg").text}
    for body, queue in ((root, WORK), (root, WORK), ({"run": "r"}, WORK), (world.event(world.id("nsg"), "x"), EVENTS)):
        await poisoned(world, body, queue)
    told = await world.service.poison.list()
    assert [(each["queue"], each["kind"], each["names"], each["times"]) for each in told] == [
        (WORK, "root", world.id("nsg").text, 2),
        (WORK, "root", world.id("nsg").text, 2),
        (WORK, "run", "r", 1),
        (EVENTS, "event", world.id("nsg").text, 1),
    ]
    assert {each["inserted"] for each in told} == {world.ambient.now().isoformat()}
    assert await world.service.poison.count() == 4


async def test_a_message_of_a_sweep_says_what_of_it_would_go_on() -> None:
    world = stand()
    begin, chunk = await poisoned(world, {"sweep": "s", "cause": "nightly"}, SWEEPS), {"sweep": "s", "chunk": 0}
    assert "it begins sweep s" in await explained(world, begin)
    assert "Sweep s is over" in await explained(world, await poisoned(world, chunk, SWEEPS))
    id_ = await world.sweep()
    at_chunk = await poisoned(world, {**chunk, "sweep": id_}, SWEEPS)
    assert f"chunk 0 of sweep {id_} goes on" in await explained(world, at_chunk)
    at_look = await poisoned(world, {"sweep": id_, "look": True}, SWEEPS)
    assert f"whether sweep {id_} has ended" in await explained(world, at_look)
    assert "names no sweep" in await explained(world, await poisoned(world, {}, SWEEPS))
    told = await world.service.poison.list()
    assert ("sweep", id_) in [(each["kind"], each["names"]) for each in told]
    await world.service.poison.replay(at_look, BY)
    assert json.loads(bodies_of(world, SWEEP_QUEUE)[-1]) == {"sweep": id_, "look": True}


@pytest.mark.parametrize("body", ["not json", "[]", "{}", '{"root": "nonsense"}', "[" * 5000])
async def test_of_a_message_that_makes_no_sense_nothing_is_quoted_and_it_can_be_dropped(body: str) -> None:
    world = stand()
    id_ = await poisoned(world, body)
    assert "would be dropped" in await explained(world, id_)
    await world.service.poison.drop(id_, BY)
    assert bodies_of(world, WORK) == []


async def test_an_explanation_says_what_failed_and_what_replaying_would_do() -> None:
    world = stand()
    world.strike(path="/networkSecurityGroups/", status=503, body={"error": {"code": "ServiceUnavailable"}})
    await world.reconcile("nsg")
    await world.rule_event()
    words = await explained(world, await poisoned(world, {"root": world.id("nsg").text}))
    assert "Replayed, networkSecurityGroups/nsg-appservice-integration is reconciled" in words
    assert "Its last try failed, since 2026-03-01T02:00" in words
    assert "503 ServiceUnavailable" in words


async def test_an_explanation_tells_where_replaying_would_do_nothing() -> None:
    world = stand()
    other = world.id("nsg").text.replace("nsg-appservice-integration", "nsg-other")
    assert "looked at since" in await explained(world, await poisoned(world, {"root": world.id("nsg").text}))
    assert "no longer declared" in await explained(world, await poisoned(world, {"root": other}))
    assert "not known any more" in await explained(world, await poisoned(world, {"run": "old"}))
    run = await world.service.remediations.start(["app-flask"], Trigger("manual", caller="Anna"))
    assert f"run {run} of Anna is carried out" in await explained(world, await poisoned(world, {"run": run}))
    await world.deliver()
    assert f"Run {run} is done: in-sync" in await explained(world, await poisoned(world, {"run": run}))


async def test_an_event_is_explained_by_what_it_would_mark() -> None:
    world = stand()
    rule = world.id("nsg").child("securityRules", "allow-sql")
    event = world.event(rule, "Microsoft.Network/networkSecurityGroups/securityRules/write")
    words = await explained(world, await poisoned(world, event, EVENTS))
    assert "it marks networkSecurityGroups/nsg-appservice-integration" in words
    assert "no event that is understood" in await explained(world, await poisoned(world, {"subject": 7}, EVENTS))


@pytest.mark.parametrize(("poison", "queue"), [(WORK, WORK_QUEUE), (EVENTS, EVENT_QUEUE)])
async def test_a_replayed_message_is_in_its_queue_once_and_the_others_stay(poison: str, queue: str) -> None:
    world = stand()
    await poisoned(world, {"run": "before"}, poison)
    id_ = await poisoned(world, {"run": "it"}, poison)
    await poisoned(world, {"run": "after"}, poison)
    told = await world.service.poison.replay(id_, BY)
    assert told["id"] == id_
    assert bodies_of(world, queue) == ['{"run": "it"}']
    assert sorted(bodies_of(world, poison)) == ['{"run": "after"}', '{"run": "before"}']
    assert len(await world.service.poison.list()) == 2, "they can be seen at once"


async def test_one_that_is_far_behind_is_found_too() -> None:
    world = stand()
    for number in range(70):
        await world.memory.queues.send(WORK, json.dumps({"run": str(number)}))
    last = world.memory.queues._queues[WORK][-1]
    await world.service.poison.replay(str(last.number), BY)
    assert bodies_of(world, WORK_QUEUE) == ['{"run": "69"}']
    assert len(bodies_of(world, WORK)) == 69


@pytest.mark.parametrize("act", ["explain", "replay", "drop"])
async def test_a_message_that_is_not_there_is_said_to_be_unknown(act: str) -> None:
    world = stand()
    await poisoned(world, {"run": "r"})
    with pytest.raises(NoSuchMessage, match="no poison message '99'"):
        await getattr(world.service.poison, act)("99", *([] if act == "explain" else [BY]))
    assert bodies_of(world, WORK) == ['{"run": "r"}']


async def test_a_replay_that_dies_half_way_loses_nothing() -> None:
    rehearsal = Fate()
    world = stand()
    await mortal(world, rehearsal).service.poison.replay(await poisoned(world, {"run": "r"}), BY)
    for call in range(1, len(rehearsal.names) + 1):
        for after in (False, True):
            world = stand()
            id_ = await poisoned(world, {"run": "r"})
            with pytest.raises(Crash):
                await mortal(world, Fate(call, after)).service.poison.replay(id_, BY)
            assert {*bodies_of(world, WORK), *bodies_of(world, WORK_QUEUE)} == {'{"run": "r"}'}


async def test_the_ledger_of_a_root_says_by_whose_word_a_message_about_it_went() -> None:
    world = stand()
    event = world.event(world.id("nsg"), "Microsoft.Network/networkSecurityGroups/write")
    replayed = await poisoned(world, event, EVENTS)
    await world.service.poison.replay(replayed, BY)
    world.pass_time(minutes=1)
    dropped = await poisoned(world, {"root": world.id("nsg").text})
    await world.service.poison.drop(dropped, BY)
    entries = await world.history("nsg")
    assert [(entry["status"], entry["trigger"]["hints"], entry["trigger"]["caller"]) for entry in entries] == [
        (Decision.DROPPED, [dropped], BY),
        (Decision.REPLAYED, [replayed], BY),
    ]


async def test_a_message_about_no_root_that_is_declared_goes_without_a_ledger() -> None:
    world = stand()
    other = world.id("nsg").text.replace("nsg-appservice-integration", "nsg-other")
    for body, queue in (({"root": other}, WORK), ({"run": "r"}, WORK), ({}, EVENTS), ({"sweep": "s"}, SWEEPS)):
        await world.service.poison.drop(await poisoned(world, body, queue), BY)
    assert await world.service.poison.count() == 0
    assert await world.history("nsg") == []


async def test_a_root_whose_messages_were_poisoned_is_healed_after_its_replay() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.pass_time(minutes=1)
    (message,) = await world.memory.queues.receive(WORK_QUEUE, limit=1, visibility=world.engine.settle.after)
    await world.memory.queues.delete(message)
    await world.service.poison.replay(await poisoned(world, message.body), BY)
    await world.deliver()
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_poison_is_told_by_the_health_of_the_service() -> None:
    world = stand()
    assert (await world.service.health())["status"] == "ok"
    await poisoned(world, {"run": "r"})
    health = await world.service.health()
    assert (health["status"], health["poison"]) == ("degraded", 1)
    assert health["problem"] == ""
