"""What an installation takes: requirements.txt as it is deployed, beside Cloud Custodian's Azure provider.

Sizes are of the files as installed, without bytecode: how much of that there is depends on who compiled what.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import custodian
from bench.rows import Row, at_most
from scripts import package

MEGABYTES, DISTRIBUTIONS = 100, 60


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="homeostat-bench-") as folder:
        ours = Path(folder) / "site-packages"
        package.install(ours)
        theirs = custodian.site_packages()
        megabytes, their_megabytes = _megabytes(ours), _megabytes(theirs)
        distributions, their_distributions = _distributions(ours), _distributions(theirs)
    yield Row(
        "installed size of requirements.txt, without bytecode",
        f"{megabytes:.0f} MB",
        f"c7n: {their_megabytes:.0f} MB",
        megabytes / their_megabytes,
        *at_most(MEGABYTES, megabytes, " MB"),
    )
    yield Row(
        "distributions",
        str(distributions),
        f"c7n: {their_distributions}",
        distributions / their_distributions,
        *at_most(DISTRIBUTIONS, distributions),
    )


def _megabytes(folder: Path) -> float:
    """The size as `du` counts it, in whole blocks, since that is what a small instance's disk has to hold."""
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", "--exclude=*.pyc", folder], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[0]) / 1e6


def _distributions(folder: Path) -> int:
    return len(list(folder.glob("*.dist-info")))
