"""`python -m tests.killing [--times 100] [--seed N]`: kill the function app in the middle of repairs.

It exits with 0 if after every kill all work was finished and nothing was lost, else with 1. The seed decides what is
broken and when the process dies; between which two of its instructions that is depends on the machine.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from random import Random
from statistics import median

from tests.killing.ground import LEASE_SECONDS, LOCK_SECONDS, ground
from tests.killing.kills import Round, rounds


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description="Kill the function app, many times.")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=Random().randrange(2**32))
    arguments = parser.parse_args()
    print(f"{arguments.times} kills, seed {arguments.seed}", flush=True)
    began, played = time.monotonic(), list[Round]()
    async with ground() as made:
        async for each in rounds(made, Random(arguments.seed), arguments.times):
            played.append(each)
            print(each, flush=True)
    return _told(played, time.monotonic() - began)


def _told(played: list[Round], took: float) -> int:
    kills = [kill for each in played for kill in each.kills]
    stages = ", ".join(f"{count} {stage}" for stage, count in Counter(kill.stage for kill in kills).most_common())
    times = sorted(each.took for each in played if each.kills)
    wrong = [each for each in played if each.wrong]
    print(f"{len(kills)} kills in {len(played)} rounds, {took:.0f} s. When they died: {stages}.")
    print(f"From the death to the end of all work: median {median(times):.1f} s, at most {times[-1]:.1f} s;")
    print(f"in it a lease of {LEASE_SECONDS} s and a message's lock of {LOCK_SECONDS} s that the dead held.")
    print(f"Rounds in which something was lost, left undone or told wrongly: {len(wrong)}")
    for each in wrong:
        print(f"  {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
