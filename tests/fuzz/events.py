"""Event and queue message bodies: what anyone who can reach the webhook or the queues may send.

Promise: MalformedEvent, or roots that are marked. No ARM call, and nothing is remembered beyond its bounds.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from homeostat.core.events import MAX_ID, MAX_TEXT, MalformedEvent
from homeostat.core.record import to_json
from homeostat.core.written import MAX_FOREIGN_WRITES
from tests.fuzz.junk import Junk
from tests.fuzz.target import Target, Worlds, worked
from tests.loop.stand import SPEC, Stand

MAX_RECORD: Final = MAX_FOREIGN_WRITES * (5 * MAX_TEXT + MAX_ID) * 6
"""Characters: so many foreign writes and causes are kept, of the longest texts, each character escaped in JSON."""

_worlds = Worlds(SPEC)


def run(data: bytes) -> None:
    world = _worlds.next()
    worked(lambda: _run(world, _parsed(world, data)))


def _parsed(world: Stand, data: bytes) -> Any:
    """As function_app.py takes a queue message; bytes that are no JSON decide how a good event is damaged."""
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return Junk(data).damaged(_event(world))


async def _run(world: Stand, event: Any) -> None:
    calls = len(world.cloud.exchanges)
    try:
        marked = await world.service.on_event(event)
    except MalformedEvent:
        marked = ()
    for root in marked:
        assert len(json.dumps(to_json((await world.engine.store.load(root.id)).record))) < MAX_RECORD
    if not (isinstance(event, dict) and "root" in event):  # which would do the work of a root: `facts` is about that
        await world.service.work(event)
    assert len(world.cloud.exchanges) == calls


def _event(world: Stand) -> dict[str, Any]:
    rule = world.id("nsg").child("securityRules", "allow-sql")
    claims = {"name": "ops@example.org", "appid": "1"}
    told = world.event(rule, "Microsoft.Network/networkSecurityGroups/securityRules/write", claims=claims)
    return {**told, "id": "1"}


def seeds() -> Iterator[bytes]:
    event = _event(_worlds.next())
    cloud_event = {**event, "type": event["eventType"], "time": event["eventTime"]}
    with_text = {**event, "data": {**event["data"], "claims": '{"name": "x"}'}}
    of_everything = {**event, "id": "\ud800" * 5000, "data": {"operationName": "x" * 5000, "claims": "[" * 50_000}}
    whole: tuple[Any, ...] = (event, cloud_event, with_text, of_everything, {"run": "1"}, {"run": "\ud800"}, [], None)
    for each in whole:
        yield json.dumps(each).encode()
    yield json.dumps({**event, "subject": "/" * 4000, "eventTime": "9999-12-31T23:59:59-14:00"}).encode()
    long = event["subject"] + "/a/b" * 500
    yield json.dumps({**event, "subject": long, "data": {}}).encode()
    yield b"[" * 50_000
    yield bytes(range(256))


EVENTS = Target("events", run, seeds)
