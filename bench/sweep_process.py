"""One instance that sweeps, in a process of its own that runs only what Azure would run.

`rest` leaves every root as earlier sweeps would have left it. `sweep` sweeps once, and prints one line of JSON: the
peak memory of the process (`peak`, MiB), its CPU seconds (`cpu`), the duration (`seconds`) and the sweep's `summary`.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

from homeostat.bootstrap import open_service
from homeostat.config import load
from homeostat.ports.storage import Receiver
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE
from tests.support.polling import Polling
from tests.support.resting import rest


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
    """Sweeps once, as the host drives it."""
    id_ = await service.sweeps.start("nightly")
    polling = Polling(cast("Receiver", service.engine.store.queues), SWEEP_QUEUE, service.sweeps.work)
    while True:
        await polling.turn()
        (newest, *_) = [*await service.sweeps.latest(1), {}]
        if newest.get("sweep") == id_ and "ended" in newest and not polling.running:
            return newest


if __name__ == "__main__":
    asyncio.run(main())
