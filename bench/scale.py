"""`python -m bench.scale [--apps N] [--subscriptions N] ...`: a sweep that no one machine could carry out, modelled.

First the model is compared with the real sweep at a size that this machine can do, in the same virtual time. It exits
with 1 if they differ. Then it models a night of the requested size. It prints Markdown, for docs/scale.md.
"""

import argparse
import logging
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bench.scaling import report
from bench.scaling.arm import Latency
from bench.scaling.fleet import Work
from bench.scaling.host import Platform
from bench.scaling.measured import per_app
from bench.scaling.model import Size, modelled
from bench.scaling.real import swept
from homeostat.config import DEFAULT_SELECT_EVERY

APPS, SUBSCRIPTIONS = 1_000_000, 5_000
CHECKED_APPS, CHECKED_SUBSCRIPTIONS = 10_000, 10
INSTANCE_MB: Final = 4096


def main() -> int:
    asked = _parser().parse_args()
    logging.getLogger("homeostat").setLevel(logging.CRITICAL)  # what is refused is counted, and may be thousands
    platform = Platform(most=asked.instances, step=asked.step, every=asked.every)
    checked = Size(asked.check, CHECKED_SUBSCRIPTIONS)
    agrees, look = True, asked.look_ms / 1000
    if asked.check:
        _tell(f"the real sweep of {asked.check:,} apps")
        real, ours = swept(checked, platform), modelled(checked, platform)
        agrees = report.agrees(ours, real.came)
        look = look or real.cpu / report.roots(checked)
        print(report.check(ours, real.came, checked), end="\n\n")
    _tell("what the real code takes for an app")
    taken = per_app()
    print(report.taken(taken, look), end="\n\n")
    size = Size(
        asked.apps,
        asked.subscriptions,
        storage=asked.storage_ms / 1000,
        latency=Latency(asked.arm_ms / 1000, asked.graph_ms / 1000),
        work=Work(look, taken.make, taken.parse),
        selected_every=timedelta(minutes=asked.select_minutes),
    )
    _tell(f"the model of {asked.apps:,} apps")
    print(report.night(modelled(size, platform), size, platform, taken, asked.memory_mb))
    if asked.without_work:
        _tell("the same where the processor takes no time")
        print(report.night(modelled(replace(size, work=Work()), platform), size, platform, taken, asked.memory_mb))
    return 0 if agrees else 1


def _tell(what: str) -> None:
    print(f"modelling: {what}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Model a sweep of any size.")
    add = parser.add_argument
    add("--apps", type=int, default=APPS)
    add("--subscriptions", type=int, default=SUBSCRIPTIONS)
    add("--check", type=int, default=CHECKED_APPS, help="apps of the real sweep that the model is held to; 0 for none")
    add("--instances", type=int, default=Platform().most, help="that the plan may start")
    add("--step", type=int, default=Platform().step, help="instances that are started at a time")
    add("--every", type=float, default=Platform().every, help="seconds from one such time to the next")
    add("--memory-mb", type=int, default=INSTANCE_MB, help="of an instance")
    add("--arm-ms", type=float, default=100.0, help="of a call to Resource Manager")
    add("--graph-ms", type=float, default=500.0, help="of a page of Resource Graph")
    add("--storage-ms", type=float, default=5.0, help="of a call to storage")
    default = DEFAULT_SELECT_EVERY / timedelta(minutes=1)
    add("--select-minutes", type=float, default=default, help="HOMEOSTAT_SELECT_MINUTES")
    add("--look-ms", type=float, default=0.0, help="processor time for a root; as measured in the check unless given")
    add("--without-work", action="store_true", help="and once more, as if the processor took no time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
