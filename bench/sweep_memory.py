"""What a sweep costs one instance: memory at 10,000 apps against 1,000, and processor time for each app.

The instance is a process of its own (`bench/sweep_process.py`) with real sessions over TLS. The simulated Azure and the
storage (Azurite) are processes too, so that nothing of theirs is in these numbers.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.rows import Row, at_most
from demo.programs import PROJECT, simulator
from simulator.cloud import subscription_ids
from tests.support import azurite
from tests.support.fleets import spec_of

APPS: Final = (1_000, 10_000)
SUBSCRIPTIONS: Final = 10
RATIO: Final = 1.2


@dataclass(frozen=True, slots=True)
class Instance:
    """One measured instance. peak: MiB. cpu: seconds of the whole process, its start included. checked: roots."""

    peak: float
    cpu: float
    seconds: float
    checked: int


def rows() -> Iterator[Row]:
    few, many = map(measured, APPS)
    ratio = many.peak / few.peak
    against = f"{APPS[0]:,} apps: {few.peak:.0f} MiB"
    yield Row(
        f"peak memory of an instance that sweeps {APPS[1]:,} apps",
        f"{many.peak:.0f} MiB",
        against,
        ratio,
        *at_most(RATIO, ratio),
    )
    cpu = (many.cpu - few.cpu) / (APPS[1] - APPS[0])
    yield Row("the same: CPU, an app more, with every call over TLS", f"{cpu * 1000:.2f} ms")


def measured(apps: int) -> Instance:
    """Measures a sweep of a fleet at rest."""
    fleet = ("--world", f"fleet:{apps}", "--subscriptions", str(SUBSCRIPTIONS))
    with (
        tempfile.TemporaryDirectory(prefix="homeostat-bench-") as folder,
        azurite.running("--inMemoryPersistence") as storage,
        simulator(*fleet) as cloud,
    ):
        (Path(folder) / "fleet.yaml").write_text(spec_of(subscription_ids(SUBSCRIPTIONS)), encoding="utf-8")
        settings = {**cloud, "AzureWebJobsStorage": storage, "HOMEOSTAT_SPEC_FOLDER": folder}
        _run("rest", settings)
        said = json.loads(_run("sweep", settings))
    summary = said["summary"]
    if summary["checked"] != summary["roots"]:
        raise RuntimeError(f"the fleet is not at rest: {summary}")
    return Instance(said["peak"], said["cpu"], said["seconds"], summary["checked"])


def _run(what: str, settings: Mapping[str, str]) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **settings}
    command = [sys.executable, "-m", "bench.sweep_process", what]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT).stdout
