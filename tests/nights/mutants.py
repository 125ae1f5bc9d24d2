"""`python -m tests.nights.mutants`: puts each defect into a copy of the project, and reports what caught it.

It writes docs/mutations.md. A defect that nothing catches fails the run, since a promise or a test is missing then.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.nights.defects import DEFECTS, Defect
from tests.nights.draw import draw
from tests.nights.shrink import broken_by

PROJECT: Final = Path(__file__).parents[2]
PAGE: Final = PROJECT / "docs" / "mutations.md"
COPIED: Final = ("homeostat", "remediators", "simulator", "tests", "infra", "examples")
ALONE: Final = ("function_app.py", "pyproject.toml", "host.json")

FIRST: Final = 1
"""The seed of the first night; each further night has the next."""

NIGHTS: Final = 300
"""How many nights a defect may pass unnoticed."""


NAMED: Final = 3
"""At most so many of the promises or tests that caught a defect are named on the page."""


class Gone(Exception):
    """The source does not have the text that a defect replaces exactly once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What caught a defect. by: the broken promises, or the failed tests. nights: up to the first that broke one."""

    defect: Defect
    by: tuple[str, ...]
    nights: int = 0

    @property
    def row(self) -> str:
        after = "test" if self.defect.tests else f"{self.nights} night{'s' if self.nights > 1 else ''}"
        named, more = ", ".join(self.by[:NAMED]), len(self.by) - NAMED
        by = f"{named} and {more} more" if more > 0 else named
        return f"| {self.defect.name} | {by or '**nothing**'} | {after} |"


def caught(defect: Defect, nights: int = NIGHTS) -> Verdict:
    """Runs nights with a defect until a promise breaks, or runs its tests. Raises Gone."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        _copy(copy)
        put_in(defect, copy)
        if defect.tests:
            return Verdict(defect, _failed_tests(copy, defect.tests))
        program = [sys.executable, "-m", "tests.nights.mutants", "--live", str(nights)]
        done = subprocess.run(program, cwd=copy, capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout.splitlines()[-1])
        return Verdict(defect, tuple(answer["by"]), answer["nights"])


def _copy(folder: Path) -> None:
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ALONE:
        shutil.copy(PROJECT / name, folder / name)


def put_in(defect: Defect, folder: Path) -> None:
    """Applies a defect to the copy of the project in a folder. Raises Gone."""
    for patch in defect.patches:
        file = folder / patch.file
        text = file.read_text(encoding="utf-8")
        if text.count(patch.old) != 1:
            found = text.count(patch.old)
            raise Gone(f"{defect.name}: {patch.file} has this {found} times, not once; say it anew: {patch.old!r}")
        file.write_text(text.replace(patch.old, patch.new), encoding="utf-8")


def _failed_tests(folder: Path, tests: Sequence[str]) -> tuple[str, ...]:
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "-rf", *tests]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"the tests could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return tuple(sorted({line.split()[1].rpartition("::")[2].partition("[")[0] for line in lines}))


def live(nights: int) -> None:
    """Runs in the copy: nights until a promise breaks. Its last line is the result as JSON."""
    for number, seed in enumerate(range(FIRST, FIRST + nights), 1):
        if by := sorted(broken_by(draw(seed))):
            print(json.dumps({"by": by, "nights": number}))
            return
    print(json.dumps({"by": [], "nights": nights}))


def page(verdicts: Iterable[Verdict]) -> str:
    return _PAGE.format(first=FIRST, most=NIGHTS, rows="\n".join(verdict.row for verdict in verdicts))


_PAGE: Final = """# Deliberate defects

How do we know that the tests would notice a mistake? `python -m tests.nights.mutants` copies the project, breaks one
line of the copy's source on purpose, and runs [simulated nights](simulation.md) until one of their promises breaks.
Some defects cannot show in a night. For those it runs the tests that are named in the table.

```sh
python -m tests.nights.mutants     # makes this page; exits with 1 if nothing catches a defect
```

The nights are those of the seeds from {first} on, {most} at most. `tests/nights/defects.py` lists the defects. Each
names the text that is in the source and the text that replaces it. If the source no longer has that text, the run
fails.

| defect | caught by | after |
|---|---|---|
{rows}

`tests/nights/mistakes.py` has further mistakes, which come from outside the source, such as storage that loses fields
and answers that are repeated. Every `make test` checks that the nights catch them.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nights.mutants", description=__doc__)
    parser.add_argument("--live", type=int, metavar="NIGHTS", help=argparse.SUPPRESS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", help="defects whose name has this in it; then no page is written")
    asked = parser.parse_args(arguments)
    if asked.live:
        live(asked.live)
        return 0
    chosen = [defect for defect in DEFECTS if not asked.only or asked.only in defect.name]
    verdicts = list(_told(chosen, asked.processes))
    if not asked.only:
        PAGE.write_text(page(verdicts), encoding="utf-8")
    return 0 if all(verdict.by for verdict in verdicts) else 1


def _told(defects: Sequence[Defect], processes: int) -> Iterator[Verdict]:
    with ThreadPoolExecutor(processes) as pool:
        for verdict in pool.map(caught, defects):
            print(verdict.row, flush=True)
            yield verdict


if __name__ == "__main__":
    sys.exit(main())
