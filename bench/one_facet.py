"""The work that both can do: is outbound routing on? For one app's events, and for a sweep over fifty apps.

Cloud Custodian's policy asks `config/web` for `vnetRouteAllEnabled`; Homeostat's specs declare `route_all`. Both run
against a simulator that adds a latency to every ARM call, in processes that are up: importing is not counted. Cloud
Custodian only finds here: it has no action that would repair this. The typed SDK used naively asks what Homeostat's own
sweep asked, with azure-mgmt-web's blocking client, one call after the other.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench import custodian
from bench.happenings import event_of
from bench.rows import Row
from bench.service import opened, take
from demo.operator import Operator
from demo.programs import simulator
from homeostat.store import SWEEP_QUEUE

APPS: Final = 50
APPS_IN_GROUP: Final = 25
LATENCY_MS: Final = 100
EVENTS: Final = 20
BETTER: Final = 10.0
"""How many times fewer calls, or less time: the target."""

MEMORY: Final = {"HOMEOSTAT_STATE": "memory"}


def rows() -> Iterator[Row]:
    with ExitStack() as stack:
        cloud = stack.enter_context(simulator("--world", f"fleet:{APPS}", "--latency", str(LATENCY_MS)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="homeostat-bench-")))
        os.environ.update(cloud)  # azure-identity looks nowhere else
        operator = Operator.of(cloud)
        specs = folder / "specs"
        specs.mkdir()
        for number in range(APPS):
            (specs / f"{_app(number)}.yaml").write_text(_spec(number), encoding="utf-8")
        yield from _events(cloud, operator, specs)
        yield from _sweep(cloud, operator, specs)


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


async def _work_off(service: Any) -> None:
    while messages := await take(service.engine.store.queues):
        await asyncio.gather(*(service.work(message) for message in messages))


def _sweep(cloud: Mapping[str, str], operator: Operator, specs: Path) -> Iterator[Row]:
    seconds = asyncio.run(_swept(cloud, specs))
    ours = _calls(operator)
    theirs = custodian.run(cloud, "sweep")["found"]
    their_calls = _calls(operator)
    naive = _naively(operator, ours)
    operator.simulator("DELETE", "requests")
    what = f"sweep of {APPS} apps at {LATENCY_MS} ms a call"
    yield _fewer(f"{what}: time", seconds, theirs["seconds"], "{:.2f} s")
    yield Row(f"{what}: ARM calls", str(len(ours)), f"c7n: {len(their_calls)}", len(ours) / len(their_calls))
    yield Row(f"{what}: time", f"{seconds:.2f} s", f"the typed SDK, call after call: {naive:.2f} s", seconds / naive)


async def _swept(cloud: Mapping[str, str], specs: Path) -> float:
    async with opened(cloud, specs, MEMORY) as service:
        await service.desired.fleet()
        began = time.perf_counter()
        await service.sweeps.start("nightly")
        while messages := await take(service.engine.store.queues, queue=SWEEP_QUEUE):
            await asyncio.gather(*(service.sweeps.work(message) for message in messages))
        await _work_off(service)
        return time.perf_counter() - began


def _naively(operator: Operator, calls: Sequence[Mapping[str, Any]]) -> float:
    """Seconds for the same reads with the typed client, in turn; it is made and signed in before."""
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
    """ARM calls since the last time that this was asked."""
    requests: list[dict[str, Any]] = operator.simulator("GET", "requests")
    operator.simulator("DELETE", "requests")
    return requests


def _fewer(measure: str, ours: float, theirs: float, form: str) -> Row:
    ratio = ours / theirs
    against, target = f"c7n: {form.format(theirs)}", f"at most {1 / BETTER:g}"
    return Row(measure, form.format(ours), against, ratio, target, ratio <= 1 / BETTER)
