"""A queue trigger: how the Functions host has one instance take the messages of a queue."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from homeostat.core.json import Json
from homeostat.ports.storage import QueuedMessage, Receiver

BATCH: Final = 16
THRESHOLD: Final = BATCH // 2
"""`batchSize` in host.json, and below how many that run the host fetches the next batch, by default.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json
"""

POLL_SECONDS: Final = 0.1
VISIBILITY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Polling:
    """One instance's trigger for one queue. running: the messages that it works on."""

    receiver: Receiver
    queue: str
    work: Callable[[Json], Awaitable[Any]]
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def turn(self) -> None:
        """Fetches a batch if fewer messages run than half of one, and waits a moment. Raises what work has raised."""
        if len(self.running) <= THRESHOLD:
            for message in await self.receiver.receive(self.queue, limit=BATCH, visibility=VISIBILITY):
                self.running.add(asyncio.ensure_future(self._process(message)))
        await asyncio.sleep(POLL_SECONDS)
        for task in [task for task in self.running if task.done()]:
            self.running.remove(task)
            task.result()

    async def _process(self, message: QueuedMessage) -> None:
        await self.work(json.loads(message.body))
        await self.receiver.delete(message)
