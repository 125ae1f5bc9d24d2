"""Queue output bindings: what a function set or returned becomes messages, after it has succeeded.

The forms are those of azure-functions' converters: text or bytes is one message, a list is one message an item, and a
QueueMessage travels as {"id", "body"}.
"""

import json
from typing import Any

from devhost.protos import TypedData
from devhost.queues import QueueSource
from devhost.worker import Invocation


class QueueOutputs:
    """Where the queue outputs of one function go, by the name of their binding."""

    def __init__(self, targets: dict[str, tuple[QueueSource, str]]) -> None:
        self._targets = targets

    async def send(self, outcome: Invocation) -> None:
        """Send every message of a successful invocation. Raises the source's SourceError."""
        values = {**(outcome.outputs or {}), "$return": outcome.value}
        for name, (source, queue) in self._targets.items():
            for body in _bodies(values.get(name)):
                await source.send(queue, body)


def _bodies(value: TypedData | None) -> list[str]:
    match value.WhichOneof("data") if value is not None else None:
        case None:
            return []
        case "bytes":
            assert value is not None
            return [bytes(value.bytes).decode()]
        case "json":
            assert value is not None
            document = json.loads(value.json)
            return [_body(each) for each in (document if isinstance(document, list) else [document])]
        case _:
            assert value is not None
            return [str(value.string)]


def _body(item: Any) -> str:
    if isinstance(item, dict) and set(item) == {"id", "body"}:
        return str(item["body"])
    return item if isinstance(item, str) else json.dumps(item)
