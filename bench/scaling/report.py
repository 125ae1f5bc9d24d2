"""The results of a night, as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bench.scaling.host import Platform, Sample
from bench.scaling.measured import PerApp
from bench.scaling.model import Size
from bench.scaling.night import Came
from bench.scaling.prices import cost, source
from simulator.worlds import APPS_PER_NETWORK

CLOSE: Final = 0.05
"""The part by which the model's times may differ from the real sweep's."""

SHARED: Final = 3
"""How many roots the web apps of a resource group share."""

EMPTY_MIB: Final = 88
"""Memory of an instance that has looked at the guide's resources and has a tiny fleet (docs/benchmarks.md)."""

SAMPLES: Final = 12


def roots(size: Size) -> int:
    return size.apps + SHARED * math.ceil(size.apps / APPS_PER_NETWORK)


def agrees(ours: Came, real: Came) -> bool:
    """Whether the calls to Azure are equal, none was refused, and the times differ by a few percent at most."""
    is_close = all(
        math.isclose(mine, its, rel_tol=CLOSE)
        for mine, its in ((ours.seconds, real.seconds), (ours.looked, real.looked))
    )
    return is_close and ours.calls == real.calls and ours.refused == real.refused


def check(ours: Came, real: Came, size: Size) -> str:
    names = sorted(real.calls.keys() | ours.calls.keys())
    rows = [
        *((f"calls: {name}", f"{ours.calls.get(name, 0):,}", f"{real.calls.get(name, 0):,}") for name in names),
        ("refused with 429", str(ours.refused), str(real.refused)),
        ("until the last chunk is done", f"{ours.looked:,.1f} s", f"{real.looked:,.1f} s"),
        ("until the sweep has ended", f"{ours.seconds:,.1f} s", f"{real.seconds:,.1f} s"),
        ("executions", f"{ours.bill.executions:,}", f"{real.bill.executions:,}"),
        ("calls to storage", f"{sum(ours.stored.values()):,}", f"{sum(real.stored.values()):,}"),
    ]
    verdict = "They agree." if agrees(ours, real) else "**They do not agree.**"
    heading = (f"{size.apps:,} apps in {size.subscriptions} subscriptions", "model", "real sweep")
    return f"{_table(heading, rows)}\n\n{verdict}"


def taken(per_app: PerApp, look: float) -> str:
    rows = [
        ("memory of the fleet in each instance", f"{per_app.kept / 1000:.2f} kB an app"),
        ("at its highest, while it is made", f"{per_app.peak / 1000:.2f} kB an app"),
        ("processor: to make the fleet", f"{per_app.make * 1e6:.0f} µs an app"),
        ("processor: to read the selection's blob", f"{per_app.parse * 1e6:.1f} µs an app"),
        ("the selection's blob", f"{per_app.blob:.0f} bytes an app"),
        ("processor: to look at a root", f"{look * 1e3:.2f} ms, the simulator's part among it"),
    ]
    return _table(("what the real code takes", "measured here"), rows)


def night(came: Came, size: Size, platform: Platform, per_app: PerApp, memory_mb: int) -> str:
    memory = EMPTY_MIB + per_app.peak * size.apps / 2**20
    rows = [
        ("time until the sweep has ended", _minutes(came.seconds)),
        ("until its last chunk is done", _minutes(came.looked)),
        *((f"calls: {name}", f"{count:,}") for name, count in came.calls.items()),
        ("refused with 429", f"{came.refused:,}"),
        ("calls to storage", f"{sum(came.stored.values()):,}"),
        ("instances at most", f"{max(sample.instances for sample in came.samples):,}, of {platform.most:,}"),
        ("messages that wait at most", f"{max(sample.depth for sample in came.samples):,}"),
        ("messages that failed, and came again", f"{len(came.bill.failures):,}"),
        ("messages that were given up", f"{came.bill.poisoned:,}"),
        ("processor time, of all instances", f"{came.processor:,.0f} s"),
        ("memory of each instance", f"{memory:,.0f} MiB, of {memory_mb:,}"),
    ]
    costs = cost(came, memory_mb / 1024, size.apps)
    bill = [*((name, f"{amount:,.2f}") for name, amount in costs.items()), ("a night", f"{sum(costs.values()):,.2f}")]
    heading = (f"{size.apps:,} apps in {size.subscriptions:,} subscriptions", "model")
    shown = [(_minutes(at.at), f"{at.depth:,}", f"{at.instances:,}") for at in _some(came.samples)]
    return "\n\n".join(
        (
            _table(heading, rows),
            _table(("after", "messages in the queue", "instances"), shown),
            _table((f"cost: {source()}", ""), bill),
        )
    )


def _some(samples: Sequence[Sample]) -> Iterator[Sample]:
    step = max(1, math.ceil(len(samples) / SAMPLES))
    yield from samples[::step]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows))
