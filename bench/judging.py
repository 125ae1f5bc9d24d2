"""How many web apps one core checks a second with the answers in hand: what to read, what differs, nothing else.

The example's web app with all that it depends on, as declared. Twenty-five apps share a network in a simulated fleet,
so the app's own root is judged twenty-five times for each time that every other root is.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from bench.rows import Row
from homeostat.core.arm_types import SITE
from homeostat.core.decision import judge, reads_of
from homeostat.core.model import Facts, Registry
from homeostat.core.spec import Root
from homeostat.observing import Observer
from tests.nights.clock import NightLoop, spend
from tests.support.patience import patient_texts
from tests.support.virtual import place

SHARING: Final = 25
ROUNDS: Final = 9
TIMES: Final = 20
TARGET: Final = 500.0

type Seen = Sequence[tuple[Root, Facts]]


def rows() -> Iterator[Row]:
    async def night(loop: NightLoop) -> tuple[Seen, Registry]:
        here = place(loop, "guide", patient_texts())
        engine = here.service.engine
        observer = Observer(engine.registry, engine.reader, engine.prober, here.ambient)
        roots = (await here.service.desired.fleet()).roots.values()
        return [(root, await observer.observe(root)) for root in roots], engine.registry

    seen, registry = spend(night)
    apps = [each for each in seen if each[0].id.type == SITE.name] * SHARING
    shared = [each for each in seen if each[0].id.type != SITE.name]
    yield _row(f"apps checked a second, {SHARING} on one network", apps + shared, SHARING, registry)
    yield _row("apps checked a second, each with a network of its own", apps[:1] + shared, 1, registry)


def _row(what: str, seen: Seen, apps: int, registry: Registry) -> Row:
    rate = apps / median(_seconds(seen, registry) for _ in range(ROUNDS))
    if apps == 1:
        return Row(what, f"{rate:.0f}")
    return Row(what, f"{rate:.0f}", "", None, f"at least {TARGET:.0f}", rate >= TARGET)


def _seconds(seen: Seen, registry: Registry) -> float:
    """Seconds of processor time for one check of all roots."""
    began = time.process_time()
    for _ in range(TIMES):
        for root, facts in seen:
            if reads_of(root, facts, registry) or judge(root, facts, registry).drifts:
                raise RuntimeError(f"{root.id.short} is expected to be known and as declared")
    return (time.process_time() - began) / TIMES
