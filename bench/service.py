"""Homeostat in this process, as the function app runs it: its service over the real SDKs, and the queue's receiver."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

from demo.programs import PROJECT
from homeostat.bootstrap import open_service
from homeostat.config import load
from homeostat.core.json import Json
from homeostat.ports.storage import Queues, Receiver
from homeostat.service import Service
from homeostat.store import WORK_QUEUE

BATCH: Final = 16
"""How many messages one instance works on at a time: `batchSize` in host.json."""


@asynccontextmanager
async def opened(cloud: Mapping[str, str], specs: Path, settings: Mapping[str, str]) -> AsyncIterator[Service]:
    """The service with the specs of a folder and a settle time of zero."""
    environment = {**cloud, "HOMEOSTAT_SPEC_FOLDER": str(specs), "HOMEOSTAT_SETTLE_SECONDS": "0", **settings}
    async with open_service(load(environment, home=PROJECT)) as service:
        yield service


async def take(queues: Queues, limit: int = BATCH, queue: str = WORK_QUEUE) -> list[Json]:
    """Takes messages off the queue, none if it is empty."""
    receiver = cast("Receiver", queues)  # both implementations have the receiving end too
    messages = await receiver.receive(queue, limit=limit, visibility=timedelta(minutes=5))
    for message in messages:
        await receiver.delete(message)
    return [json.loads(message.body) for message in messages]
