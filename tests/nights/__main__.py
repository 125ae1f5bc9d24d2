"""`make sim SEED=1 RUNS=10000`: runs as many nights as requested, and reports which promises broke."""

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence

from tests.nights.draw import draw
from tests.nights.many import Tally, many
from tests.nights.night import play
from tests.nights.promises import PROMISES, breaches
from tests.nights.schedule import Schedule
from tests.nights.shrink import smallest

SHRUNK = 3
"""How many failed nights are shrunk."""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parsed(arguments)
    seed = secrets.randbelow(1_000_000_000) if asked.seed is None else asked.seed
    print(
        f"nights {seed} to {seed + asked.runs - 1}; the same again: make sim SEED={seed} RUNS={asked.runs}", flush=True
    )
    if asked.keep is not None:
        return _one(draw(seed).only(asked.keep))
    began, tally = time.monotonic(), Tally()
    for part in many(seed, asked.runs, asked.processes):
        tally.join(part)
        for number, broken in part.failed.items():
            print(f"night {number}: {broken[0]}" + (f" (and {len(broken) - 1} more)" if broken[1:] else ""), flush=True)
    for number in sorted(tally.failed)[:SHRUNK]:
        _explain(draw(number))
    _report(seed, tally, time.monotonic() - began)
    return 1 if tally.failed else 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="of the first night; each further night has the next (default: by chance)"
    )
    parser.add_argument("--runs", type=int, default=100, help="nights")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=_numbers, help="of one night, the entries that happen: 3,7,9 or none")
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(int(each) for each in text.split(","))


def _one(night: Schedule) -> int:
    """Shows one night in full: its schedule, its trace, and the broken promises."""
    print(night)
    dawn = play(night)
    for each in dawn.trace.seen:
        print(each)
    broken = breaches(dawn)
    for breach in broken:
        print(breach)
    print(f"1 nights, {len(broken)} promises broken, trace {dawn.trace.digest}")
    return 1 if broken else 0


def _explain(night: Schedule) -> None:
    small = smallest(night)
    print(f"\n{small}")
    for breach in breaches(play(small)):
        print(f"  {breach}")
    print(f"  again, with all that was seen: {small.command}", flush=True)


def _report(seed: int, tally: Tally, took: float) -> None:
    each = tally.seconds / max(tally.nights, 1) * 1000
    print(f"\n{len(PROMISES)} promises; {tally.calls} ARM calls, {tally.writes} writes, {tally.crashes} crashes")
    print("what went wrong on purpose: " + ", ".join(f"{kind} {count}" for kind, count in sorted(tally.struck.items())))
    print(f"{took:.1f} s in all, {each:.0f} ms of CPU a night")
    summary = {
        "seed": seed, "nights": tally.nights, "failed": sorted(tally.failed), "calls": tally.calls,
        "writes": tally.writes, "crashes": tally.crashes, "seconds": round(took, 1), "msPerNight": round(each, 1),
    }  # fmt: skip
    print(json.dumps(summary))
    print(f"{tally.nights} nights: {tally.nights - len(tally.failed)} passed, {len(tally.failed)} failed")


if __name__ == "__main__":
    sys.exit(main())
