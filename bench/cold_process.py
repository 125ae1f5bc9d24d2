"""The process that `bench/coldstart.py` starts: a function app on Microsoft's worker library, driven over its pipes.

`cold_process.py APP` indexes the app, answers with one line of JSON, and then runs one function for each line on
stdin: `{"function": NAME, "json": VALUE}` or `{"function": NAME, "text": VALUE}`. It imports nothing that the worker
library does not bring along, so that what is measured is the app's.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from devhost.protos import TypedData
from devhost.worker import Worker


async def main() -> None:
    worker = await Worker.start(Path(sys.argv[1]))
    answer()
    for line in iter(sys.stdin.readline, ""):
        await run(worker, json.loads(line))
        answer()
    # As in Azure: the process ends under the app, and nothing that it holds open is closed.
    os._exit(0)


async def run(worker: Worker, asked: Any) -> None:
    function = worker.function(asked["function"])
    assert function is not None
    data = TypedData(string=asked["text"]) if "text" in asked else TypedData(json=json.dumps(asked["json"]))
    outcome = await worker.invoke(function, data, {"data": TypedData(json="{}")}, reason="measured")
    if outcome.failure:
        raise SystemExit(f"{function.name}: {outcome.failure}")


def answer() -> None:
    """Prints the state. at: seconds on the clock that all processes share. cpu: seconds. peak: resident memory, MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    state = {
        "at": time.monotonic(),
        "cpu": time.process_time(),
        "peak": int(peak.split()[1]) / 1024,
        "modules": sorted(sys.modules),
    }
    print(json.dumps(state), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
