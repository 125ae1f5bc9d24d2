"""The peer: Cloud Custodian's Azure provider from PyPI, in an environment of its own, against the same simulator."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from demo.programs import PROJECT

DRIVER: Final = PROJECT / "bench" / "c7n" / "driver.py"


@cache
def python() -> Path:
    """The Python of its environment. If that is missing it is installed first, which takes two minutes."""
    made = subprocess.run([PROJECT / "scripts" / "c7n"], check=True, capture_output=True, text=True)
    return Path(made.stdout.strip())


def site_packages() -> Path:
    (found,) = python().parents[1].glob("lib/python3*/site-packages")
    return found


def run(cloud: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Runs the driver. Returns when it was done (`at`, on the machine's clock), `peak` (MiB) and what it `found`.

    Raises CalledProcessError.
    """
    environment = {"PATH": os.environ["PATH"], **cloud, "AZURE_USE_MSI": "1"}
    command = [str(python()), str(DRIVER), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
