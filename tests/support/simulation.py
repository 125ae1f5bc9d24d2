"""A simulator for tests: served over TLS from a thread of its own, or asked directly."""

import asyncio
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator import admin, environment, worlds
from simulator.access import Role
from simulator.clock import Clock, wall_clock
from simulator.cloud import EPOCH, OPERATOR, PUBLIC, Cloud, Timing
from simulator.exchange import Exchanger
from simulator.faults import Fault
from simulator.gateway import handle
from simulator.messages import Headers, Principal, Request, Response
from simulator.places import Place
from simulator.server import certificates, serve
from tests.support.role import ROLE


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: Any


@dataclass(slots=True)
class Client:
    """A synchronous caller of `handle`, the operator by default, at a time that tests may move."""

    cloud: Cloud
    now: datetime = EPOCH
    caller: Principal = OPERATOR
    api_version: str = "2024-05-01"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; `path` may lack the subscription (`/resourceGroups/...`) and may carry a query."""
        path, _, query = path.partition("?")
        if not path.lower().startswith(("/subscriptions", "/providers", "/metadata", "/tenants")):
            path = f"/subscriptions/{self.cloud.subscription}{path}"
        names = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        request = Request(
            method,
            path,
            {"api-version": api_version or self.api_version, **names},
            Headers(headers),
            b"" if body is None else json.dumps(body).encode(),
            self.caller,
        )
        return answer(handle(self.cloud, request, self.now))


def answer(response: Response) -> Answer:
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return Answer(response.status, response.headers, response.parsed() if is_json else response.body)


@dataclass(slots=True)
class Simulation:
    """A running simulator. `env` is what its env file would say."""

    cloud: Cloud
    endpoint: str
    env: dict[str, str]
    exchanger: Exchanger
    loop: asyncio.AbstractEventLoop

    @property
    def subscription(self) -> str:
        return self.cloud.subscription

    def requests(self) -> list[dict[str, Any]]:
        """The ARM calls so far, oldest first; those of `arm` below are not among them."""
        return admin.requests(self.cloud)

    def completion_of(self, operation_name: str) -> threading.Event:
        """An event that is set once an activity of that name is recorded from now on."""
        seen, cursor = threading.Event(), self.cloud.activities.cursor

        def look() -> None:
            records, _ = self.cloud.activities.since(cursor)
            if any(each.operation_name == operation_name for each in records):
                seen.set()

        self.cloud.activities.subscribe(look)
        return seen

    def forget_requests(self) -> None:
        self.cloud.exchanges.clear()

    def arm(self, method: str, path: str, body: Any = None, api_version: str | None = None) -> Answer:
        """One ARM call as the operator, carried out in the server's thread."""

        async def call() -> Answer:
            client = Client(self.cloud, self.exchanger.clock.now())
            return client(method, path, body, api_version)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(timeout=30)


@contextmanager
def running_simulator(
    world: str = "prerequisites",
    *,
    latency: float = 0.0,
    timing: Timing | None = None,
    faults: list[Fault] | None = None,
    clock: Clock | None = None,
    role: Role | None = ROLE,
    place: Place = PUBLIC,
) -> Iterator[Simulation]:
    """Serve a world on a free port until the block ends. `latency` is in seconds; Retry-After is 0 without `timing`.

    Homeostat's identity is held to `role`, if it is to one.
    """
    clock = clock or wall_clock()
    cloud = worlds.create(world, timing=timing or Timing(retry_after=0), now=clock.now(), place=place)
    cloud.role = role
    exchanger = Exchanger(cloud, clock, latency, faults or [])
    with tempfile.TemporaryDirectory(prefix="simulation-") as folder:
        yield from _served(exchanger, Path(folder))


def _served(exchanger: Exchanger, folder: Path) -> Iterator[Simulation]:
    context, bundle = certificates(folder)
    ready: threading.Event = threading.Event()
    stop = asyncio.Event()
    found: list[Simulation] = []
    failed: list[BaseException] = []

    async def run() -> None:
        async with serve(exchanger, context) as serving:
            variables = environment.environment(exchanger.cloud, serving.endpoint, bundle, folder)
            loop = asyncio.get_running_loop()
            found.append(Simulation(exchanger.cloud, serving.endpoint, variables, exchanger, loop))
            ready.set()
            await stop.wait()

    def body() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits, whatever it is
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=body, name="simulator")
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        if found:
            found[0].loop.call_soon_threadsafe(stop.set)
        thread.join()
