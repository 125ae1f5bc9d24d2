"""`python -m bench [--write] [MEASUREMENT...]`: every measurement, one after the other, and one table.

Exit 0 when every target is reached, 1 when one is missed. --write leaves the table in docs/benchmarks.md.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench import (
    coldstart,
    custodian,
    footprint,
    judging,
    one_facet,
    repair_latency,
    repair_waits,
    simulator_overhead,
    storms,
    sweep,
    sweep_memory,
)
from bench.rows import Measurement, Row, markdown, text
from tests.support import azurite

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"

MEASUREMENTS: Final[Mapping[str, Measurement]] = MappingProxyType(
    {
        "coldstart": coldstart.rows,
        "footprint": footprint.rows,
        "judging": judging.rows,
        "one_facet": one_facet.rows,
        "repair_latency": repair_latency.rows,
        "repair_waits": repair_waits.rows,
        "storms": storms.rows,
        "sweep": sweep.rows,
        "sweep_memory": sweep_memory.rows,
        "simulator_overhead": simulator_overhead.rows,
    }
)

BEGINNING: Final = "<!-- from here to the end: python -m bench --write -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and print a table.")
    parser.add_argument("--write", action="store_true", help=f"leave the table in {PAGE.relative_to(PAGE.parents[1])}")
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", help=f"of {', '.join(MEASUREMENTS)}; or all")
    arguments = parser.parse_args()
    if unknown := set(arguments.measurements) - MEASUREMENTS.keys():
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    if arguments.write and arguments.measurements:
        parser.error("the page holds all measurements of one run: --write goes without names")
    azurite.installed()  # both take minutes, the first time: not in the midst of a measurement
    custodian.python()
    rows: list[Row] = []
    for name in arguments.measurements or MEASUREMENTS:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        rows.extend(MEASUREMENTS[name]())
    print(text(rows))
    if arguments.write:
        write(rows)
    return 1 if any(row.met is False for row in rows) else 0


def write(rows: Sequence[Row]) -> None:
    """Replaces the table in the page. The text above BEGINNING was written by people, and stays."""
    kept = PAGE.read_text(encoding="utf-8").partition(BEGINNING)[0]
    PAGE.write_text(f"{kept}{BEGINNING}\n\n{_machine()}\n\n{markdown(rows)}\n", encoding="utf-8")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[1]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; load average over the last five minutes {load:.1f}."
    )


if __name__ == "__main__":
    sys.exit(main())
