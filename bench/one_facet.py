"""A task that both tools can do: is outbound routing on? For the events of one app, and in a sweep over fifty.

Cloud Custodian's policy asks `config/web` for `vnetRouteAllEnabled`; Homeostat's specs declare `route_all`. Its sweep
is an ordinary night's: every app was seen as declared before, rows of Resource Graph show whether it still is, and the
night's share is read in full. Two more sweeps have rows of their own. The first sweep of all reads each app. And if an
app setting is declared as well, a sweep takes a call for each app; Cloud Custodian does not check that.

Both run against a simulator that adds a latency to every ARM call, in processes that are up: importing is not counted.
Cloud Custodian only finds here: it has no action that would repair this. The typed SDK used naively asks what the first
sweep asked, with azure-mgmt-web's blocking client, one call after the other.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench import custodian
from bench.happenings import event_of
from bench.rows import Row
from bench.service import BATCH, opened, take
from demo.operator import Operator
from demo.programs import simulator
from homeostat.bootstrap import memory_storage
from homeostat.service import Service
from homeostat.store import SWEEP_QUEUE
from tests.support.resting import rest

APPS: Final = 50
APPS_IN_GROUP: Final = 25
LATENCY_MS: Final = 100
EVENTS: Final = 20
BETTER: Final = 10.0
"""The target: so many times fewer calls, or less time, than Cloud Custodian."""

SETTING: Final = "app_settings: {settings: {REDIS_PORT: 6380}}\n"

POLL_SECONDS: Final = 0.005

MEMORY: Final = {"HOMEOSTAT_STATE": "memory"}


def rows() -> Iterator[Row]:
    with ExitStack() as stack:
        cloud = stack.enter_context(simulator("--world", f"fleet:{APPS}", "--latency", str(LATENCY_MS)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="homeostat-bench-")))
        os.environ.update(cloud)  # azure-identity looks nowhere else
        operator = Operator.of(cloud)
        specs, with_settings = folder / "specs", folder / "with-settings"
        for place, more in ((specs, ""), (with_settings, SETTING)):
            place.mkdir()
            for number in range(APPS):
                (place / f"{_app(number)}.yaml").write_text(_spec(number) + more, encoding="utf-8")
        yield from _events(cloud, operator, specs)
        yield from _sweep(cloud, operator, specs, with_settings)


def _app(number: int) -> str:
    return f"app-{number + 1:05}"


def _group(number: int) -> str:
    return f"rg-fleet-{number // APPS_IN_GROUP + 1:04}"


def _spec(number: int) -> str:
    name = _app(number)
    declared = "route_all: {application_traffic: true}"
    return f"target: {name}\nweb_app: {name}\nresource_group: {_group(number)}\n{declared}\n"


def _events(cloud: Mapping[str, str], operator: Operator, specs: Path) -> Iterator[Row]:
    path = f"Microsoft.Web/sites/{_app(0)}"
    events = [event_of(operator, path, _group(0)) for _ in range(EVENTS)]
    operator.simulator("DELETE", "requests")
    asyncio.run(_deliver(cloud, specs, events))
    ours = len(_calls(operator))
    custodian.run(cloud, "events", json.dumps(events[0]), str(EVENTS))
    theirs = len(_calls(operator))
    yield _fewer(f"{EVENTS} events on one app, as declared: ARM calls", ours, theirs, "{:.0f}")


async def _deliver(cloud: Mapping[str, str], specs: Path, events: Sequence[Any]) -> None:
    async with opened(cloud, specs, MEMORY) as service:
        for event in events:
            await service.on_event(event)
        await _work_off(service)


async def _work_off(service: Service) -> None:
    """Works as the host does: up to a batch of messages at once, and the next ones when half of it is done."""
    running: set[asyncio.Task[None]] = set()
    while messages := await take(service.engine.store.queues):
        running |= {asyncio.ensure_future(service.work(message)) for message in messages}
        while len(running) > BATCH // 2:
            running -= {task for task in running if task.done() and task.result() is None}
            await asyncio.sleep(POLL_SECONDS)
    await asyncio.gather(*running)


def _sweep(cloud: Mapping[str, str], operator: Operator, specs: Path, with_settings: Path) -> Iterator[Row]:
    first, first_calls = asyncio.run(_swept(cloud, specs)), _calls(operator)
    seconds, ours = asyncio.run(_swept(cloud, specs, rest)), _calls(operator)
    more, more_calls = asyncio.run(_swept(cloud, with_settings, rest)), _calls(operator)
    theirs = custodian.run(cloud, "sweep")["found"]
    their_calls = _calls(operator)
    naive = _naively(operator, first_calls)
    operator.simulator("DELETE", "requests")
    what = f"sweep of {APPS} apps at {LATENCY_MS} ms a call"
    yield _fewer(f"{what}: time", seconds, theirs["seconds"], "{:.2f} s")
    yield _fewer(f"{what}: ARM calls", len(ours), len(their_calls), "{:.0f}")
    yield Row(f"{what}: time", f"{seconds:.2f} s", f"the typed SDK, call after call: {naive:.2f} s", seconds / naive)
    against = f"c7n: {theirs['seconds']:.2f} s"
    for name, took, calls in (("and one app setting", more, more_calls), ("the first of all", first, first_calls)):
        yield Row(f"the same, {name}: time", f"{took:.2f} s", against, took / theirs["seconds"])
        yield Row(f"the same, {name}: ARM calls", str(len(calls)), f"c7n: {len(their_calls)}")


async def _swept(
    cloud: Mapping[str, str], specs: Path, before: Callable[[Service], Awaitable[None]] | None = None
) -> float:
    """The seconds that a sweep takes, when nothing is known but what `before` has left."""
    memory_storage.cache_clear()
    async with opened(cloud, specs, MEMORY) as service:
        await service.desired.fleet()
        if before is not None:
            await before(service)
        began = time.perf_counter()
        await service.sweeps.start("nightly")
        while messages := await take(service.engine.store.queues, queue=SWEEP_QUEUE):
            await asyncio.gather(*(service.sweeps.work(message) for message in messages))
        await _work_off(service)
        return time.perf_counter() - began


def _naively(operator: Operator, calls: Sequence[Mapping[str, Any]]) -> float:
    """The seconds for the same reads, one by one, with the typed client. It is made and signed in before."""
    from azure.identity import ManagedIdentityCredential
    from azure.mgmt.web import WebSiteManagementClient

    scope = "https://management.azure.com/.default"
    with WebSiteManagementClient(
        ManagedIdentityCredential(), operator.subscription, base_url=operator.endpoint, credential_scopes=[scope]
    ) as client:
        client.web_apps.get(_group(0), _app(0))
        with_settings = any("appsettings" in call["path"] for call in calls)
        began = time.perf_counter()
        for number in range(APPS):
            client.web_apps.get(_group(number), _app(number))
            if with_settings:
                client.web_apps.list_application_settings(_group(number), _app(number))
        return time.perf_counter() - began


def _calls(operator: Operator) -> list[dict[str, Any]]:
    """The ARM calls since the last time that this was called."""
    requests: list[dict[str, Any]] = operator.simulator("GET", "requests")
    operator.simulator("DELETE", "requests")
    return requests


def _fewer(measure: str, ours: float, theirs: float, form: str) -> Row:
    ratio = ours / theirs
    against, target = f"c7n: {form.format(theirs)}", f"at most {1 / BETTER:g}"
    return Row(measure, form.format(ours), against, ratio, target, ratio <= 1 / BETTER)
