"""One instance that sweeps, in a process of its own that runs only what Azure would run.

`rest` leaves every root as earlier sweeps would have left it. `sweep` sweeps once, and prints one line of JSON: the
peak memory of the process (`peak`, MiB), its CPU seconds (`cpu`), the duration (`seconds`) and the sweep's `summary`.
"""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from homeostat.bootstrap import open_service
from homeostat.config import load
from homeostat.ports import QueuedMessage, Receiver
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE
from tests.support.resting import rest

BATCH: Final = 16
POLL_SECONDS: Final = 0.1
VISIBILITY: Final = timedelta(minutes=5)


async def main() -> None:
    async with open_service(load(os.environ, home=Path.cwd())) as service:
        if sys.argv[1:] == ["rest"]:
            await rest(service)
            return
        began = time.monotonic()
        summary = await _swept(service)
        took, cpu = time.monotonic() - began, time.process_time()
        print(json.dumps({"peak": _peak(), "cpu": cpu, "seconds": took, "summary": summary}), flush=True)


def _peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


async def _swept(service: Service) -> Any:
    """Sweeps as the host drives it: up to a batch of messages at once, and the next ones when half of it is done."""
    id_ = await service.sweeps.start("nightly")
    receiver = cast("Receiver", service.engine.store.queues)
    running: set[asyncio.Task[None]] = set()
    while True:
        if len(running) <= BATCH // 2:
            for message in await receiver.receive(SWEEP_QUEUE, limit=BATCH, visibility=VISIBILITY):
                running.add(asyncio.ensure_future(_work(service, receiver, message)))
        await asyncio.sleep(POLL_SECONDS)
        for task in [task for task in running if task.done()]:
            running.remove(task)
            task.result()
        (newest, *_) = [*await service.sweeps.latest(1), {}]
        if newest.get("sweep") == id_ and "ended" in newest and not running:
            return newest


async def _work(service: Service, receiver: Receiver, message: QueuedMessage) -> None:
    await service.sweeps.work(json.loads(message.body))
    await receiver.delete(message)


if __name__ == "__main__":
    asyncio.run(main())
