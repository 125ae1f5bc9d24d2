"""The peer: Cloud Custodian's Azure provider from PyPI, in an environment of its own, against the same simulator."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.rows import Row
from demo.programs import PROJECT, simulator

DRIVER: Final = PROJECT / "bench" / "c7n" / "driver.py"
STARTS: Final = 5


def rows() -> Iterator[Row]:
    """What it needs to be ready: provider and policy loaded, as its function does first. Nothing of ours is measured."""
    with simulator() as cloud:
        run(cloud, "ready")
        took, peaks = [], []
        for _ in range(STARTS):
            began = time.monotonic()
            peaks.append(run(cloud, "ready")["peak"])
            took.append(time.monotonic() - began)
    yield Row("c7n, for comparison: from process start to ready", "", f"{median(took):.2f} s, {max(peaks):.0f} MiB")


@cache
def python() -> Path:
    """Of its environment, which is installed first where it is missing: two minutes."""
    made = subprocess.run([PROJECT / "scripts" / "c7n"], check=True, capture_output=True, text=True)
    return Path(made.stdout.strip())


def site_packages() -> Path:
    (found,) = python().parents[1].glob("lib/python3*/site-packages")
    return found


def run(cloud: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """seconds, peak (MiB) and what was found. Raises CalledProcessError."""
    environment = {"PATH": os.environ["PATH"], **cloud, "AZURE_USE_MSI": "1"}
    command = [python(), DRIVER, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
