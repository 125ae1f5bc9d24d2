"""How soon a fresh instance is ready, how much memory it takes until it writes, and what its first repair costs.

Ready is from the start of the process until Microsoft's worker library has indexed the functions, beside an empty
function app of one HTTP function, pair by pair. Then comes one event of a root that is as declared, and its look
writes nothing. Then the root is broken and healed several times. State is in Azurite, so that the storage SDKs count.
Both are compared with an app that only imports the libraries that the work needs: Homeostat cannot take less than that.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import custodian
from bench.cold import Apps, State, built
from bench.happenings import RULE, event_of, resource_id
from bench.rows import Row, at_most
from demo.damage import NSG
from demo.operator import Operator
from demo.programs import simulator
from tests.support import azurite

PAIRS: Final = 9
INSTANCES: Final = 3
REPAIRS: Final = 5
RATIO, MEMORY, CPU = 1.3, 60.0, 0.7
NOWHERE: Final = {
    "HOMEOSTAT_ARM_ENDPOINT": "https://localhost:1",
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001",
}
"""The environment of an Azure that nothing is asked of."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an app. peak: MiB."""

    seconds: float
    peak: float


@dataclass(frozen=True, slots=True)
class Life:
    """The measurements of one instance. look: its state after an event that needed no write. repairs: CPU seconds."""

    ready: State
    look: State | None
    repairs: tuple[float, ...]

    @property
    def extra(self) -> float:
        """How many more CPU seconds the first repair took than a later one."""
        return self.repairs[0] - median(self.repairs[1:])


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="homeostat-bench-") as folder:
        apps = built(Path(folder))
        yield from _ready(apps)
        yield from _first_work(apps)


def _ready(apps: Apps) -> Iterator[Row]:
    starts = [_starts(apps) for _ in range(PAIRS)]
    empty, ours, theirs = (median(each[who].seconds for each in starts) for who in range(3))
    ratio = median(each[1].seconds / each[0].seconds for each in starts)
    against, what = f"an empty app: {empty:.2f} s", "ready: from process start to indexed"
    yield Row(what, f"{ours:.2f} s", against, ratio, *at_most(RATIO, ratio))
    yield Row(
        what, f"{ours:.2f} s", f"c7n: {theirs:.2f} s", median(each[1].seconds / each[2].seconds for each in starts)
    )
    empty, ours, theirs = (max(each[who].peak for each in starts) for who in range(3))
    against, what = f"an empty app: {empty:.0f} MiB", "peak memory when ready"
    yield Row(what, f"{ours:.0f} MiB", against, ours / empty, *at_most(MEMORY, ours, " MiB"))
    yield Row(what, f"{ours:.0f} MiB", f"c7n: {theirs:.0f} MiB", ours / theirs)


def _starts(apps: Apps) -> tuple[Start, Start, Start]:
    """Starts an empty app, Homeostat, and Cloud Custodian with one policy loaded, one after the other."""
    found = []
    for app in (apps.empty, apps.ours):
        with apps.process(app, {"HOMEOSTAT_NIGHTLY_SCHEDULE": "0 0 2 * * *"}) as process:
            found.append(Start(process.ready.at, process.ready.peak))
    began = time.monotonic()
    said = custodian.run(NOWHERE, "ready")
    return (found[0], found[1], Start(said["at"] - began, said["peak"]))


def _first_work(apps: Apps) -> Iterator[Row]:
    with ExitStack() as stack:
        cloud = stack.enter_context(simulator())
        storage = stack.enter_context(azurite.running("--inMemoryPersistence"))
        settings = {**cloud, "AzureWebJobsStorage": storage, "HOMEOSTAT_SETTLE_SECONDS": "0"}
        floor = [_libraries(apps) for _ in range(INSTANCES)]
        looked = [_life(apps, cloud, settings, look=True) for _ in range(INSTANCES)]
        fresh = [_life(apps, cloud, settings, look=False) for _ in range(INSTANCES)]
    memory, floor_memory = max(life.look.peak for life in looked if life.look), min(peak for peak, _ in floor)
    yield Row(
        "peak memory after a look that writes nothing",
        f"{memory:.0f} MiB",
        f"its libraries, imported: {floor_memory:.0f} MiB",
        memory / floor_memory,
        *at_most(MEMORY, memory, " MiB"),
    )
    imports = median(cpu for _, cpu in floor)
    for name, lives in (("of an instance that has looked", looked), ("as an instance's very first work", fresh)):
        extra, later = median(life.extra for life in lives), median(median(life.repairs[1:]) for life in lives)
        against = f"a later repair: {later * 1000:.0f} ms; its libraries, imported: {imports:.2f} s"
        yield Row(f"first repair {name}: extra CPU", f"{extra:.2f} s", against, None, *at_most(CPU, extra, " s"))


def _libraries(apps: Apps) -> tuple[float, float]:
    """The libraries alone: the peak in MiB with those of a look imported, and the CPU seconds to import all of them."""
    with apps.process(apps.libraries, {}) as process:
        ready = process.ready
        look = process.run({"function": "look", "text": ""})
        return look.peak, process.run({"function": "write", "text": ""}).cpu - ready.cpu


def _life(apps: Apps, cloud: Mapping[str, str], settings: Mapping[str, str], *, look: bool) -> Life:
    operator = Operator.of(cloud)
    root = resource_id(operator, NSG)
    # In Azure the identity is the function app's own, which is known by the app's name.
    environment = {**settings, "WEBSITE_SITE_NAME": "func-homeostat", "HOMEOSTAT_NIGHTLY_SCHEDULE": "0 0 2 * * *"}
    with apps.process(apps.ours, environment) as process:
        before = process.ready
        looked = process.event(event_of(operator, RULE), root) if look else None
        before = looked or before
        repairs = []
        for _ in range(REPAIRS):
            operator.change(RULE, destinationAddressPrefix="203.0.113.0/24")
            after = process.event(event_of(operator, RULE), root)
            if operator.get(RULE)["properties"]["destinationAddressPrefix"] != "*":
                raise RuntimeError("the rule was not repaired: there is nothing to measure")
            repairs.append(after.cpu - before.cpu)
            before = after
        return Life(process.ready, looked, tuple(repairs))
