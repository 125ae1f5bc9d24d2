"""The host itself: one app, its triggers, and one HTTP server in front of them.

`running_host` serves an app inside a test's own process; `python -m devhost` is the same host with a process around it.
"""

import contextlib
import importlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from devhost.admin import Admin
from devhost.errors import DevHostError
from devhost.eventgrid import PATH as EVENT_GRID_PATH
from devhost.eventgrid import EventGridWebhook
from devhost.http import HttpFunctions
from devhost.inprocess_queues import InProcessQueues, MemoryQueues
from devhost.keys import AuthLevel, Keys
from devhost.outputs import QueueOutputs
from devhost.queues import LOCK, QueueListener, QueueSource, check_queue_name
from devhost.settings import HostJson, resolve
from devhost.storage_queues import StorageQueues
from devhost.timers import StatusStore, Timer
from devhost.worker import Function, Worker

QUEUES_SETTING: Final = "DEVHOST_QUEUES"
"""Names a function "module:name" of the app that gives its in-memory queues, both ends of `homeostat.ports.storage`,
for an app that keeps its state in the process. Without it messages come from the bindings' storage accounts, or from
Homeostat's own memory where HOMEOSTAT_STATE is `memory`.
"""

_LOOPBACK = "127.0.0.1"
_MAX_BODY = 100 * 1024 * 1024  # the host's own limit of a request


@dataclass(frozen=True, slots=True)
class Host:
    """A running host. `url` has no trailing slash."""

    url: str
    keys: Keys
    worker: Worker
    http: HttpFunctions
    prefix: str
    _queue_names: Mapping[str, str]
    _timers: Mapping[str, Timer]

    def function_url(self, name: str) -> str:
        """The URL that calls an HTTP function or Event Grid's webhook, key included; raises LookupError otherwise."""
        function = self.worker.function(name)
        if function is not None and function.kind == "eventGridTrigger":
            return (
                f"{self.url}{EVENT_GRID_PATH}?functionName={_quoted(function.name)}&code={_quoted(self.keys.eventgrid)}"
            )
        endpoint = next(each for each in self.http.endpoints if each.function == function)
        url = "/".join(part for part in (self.url, self.prefix, endpoint.route.template.strip("/")) if part)
        match endpoint.level:
            case AuthLevel.ANONYMOUS:
                return url
            case AuthLevel.FUNCTION:
                return f"{url}?code={_quoted(self.keys.function[endpoint.function.name.casefold()])}"
            case AuthLevel.ADMIN:
                return f"{url}?code={_quoted(self.keys.master)}"

    def banner(self) -> Iterator[str]:
        """One line for each function, saying how it is reached."""
        for function in self.worker.functions:
            yield f"{function.name}: {self._description(function)}"

    def _description(self, function: Function) -> str:
        match function.kind:
            case "queueTrigger":
                return f"queue '{self._queue_names[function.name]}'"
            case "timerTrigger":
                run = f"POST {self.url}/admin/functions/{function.name}?code={_quoted(self.keys.master)}"
                return f"timer '{self._timers[function.name].schedule.expression}', run by {run}"
            case "httpTrigger":
                methods = ",".join(str(method).upper() for method in function.trigger.get("methods") or ["*"])
                return f"[{methods}] {self.function_url(function.name)}"
            case _:
                return self.function_url(function.name)


def _quoted(text: str) -> str:
    return quote(text, safe="")


@asynccontextmanager
async def running_host(
    app_dir: Path,
    settings: Mapping[str, str],
    *,
    port: int = 0,
    queues: QueueSource | None = None,
    timer_status: Path | None = None,
    grace: float = 10.0,
    lock: timedelta = LOCK,
) -> AsyncIterator[Host]:
    """Serve the app in `app_dir` (absolute) on 127.0.0.1 until the context ends; `port` 0 picks a free one.

    `settings` are in the environment from before the app is imported until the context ends. `queues` replaces the
    source that the settings name; `lock` is how long a received message is hidden between two renewals. At the end no
    new work is taken and running invocations have `grace` seconds.
    Raises DevHostError where the app, its settings or the port cannot be used.
    """
    host_json = HostJson.read(app_dir, settings)
    timeout = host_json.function_timeout
    async with AsyncExitStack() as stack:
        stack.enter_context(_environment(settings))
        worker = await Worker.start(app_dir, time_limit=timeout.total_seconds() if timeout else None)
        stack.callback(worker.stop)
        timers = _timers(worker, settings, StatusStore(timer_status))
        sources = _Sources(settings, host_json.queues.base64, queues)
        stack.push_async_callback(sources.close)
        listeners = _listeners(worker, settings, host_json, sources, stack, lock)
        outputs = {each.id: _outputs(each, settings, sources) for each in worker.functions}
        worker.deliver_outputs = lambda function, outcome: outputs[function.id].send(outcome)
        keys = Keys.from_settings(settings, [each.name for each in worker.functions])
        functions = HttpFunctions(worker, keys, host_json.route_prefix)
        url = await _serve(_application(worker, keys, timers, functions), port, stack)
        for listener in listeners:
            listener.start()
        for timer in timers.values():
            timer.start()
        names = {listener.function_name: listener.queue for listener in listeners}
        try:
            yield Host(url, keys, worker, functions, host_json.route_prefix, names, timers)
        finally:
            for listener in listeners:
                await listener.stop_polling()
            for timer in timers.values():
                await timer.stop()
            await worker.drain(grace)


def _application(worker: Worker, keys: Keys, timers: Mapping[str, Timer], functions: HttpFunctions) -> web.Application:
    eventgrid = EventGridWebhook(worker, keys)
    admin = Admin(worker, keys, timers, eventgrid, host_id="devhost")
    application = web.Application(client_max_size=_MAX_BODY)
    application.router.add_route("POST", EVENT_GRID_PATH, eventgrid.handle)
    application.router.add_route("OPTIONS", EVENT_GRID_PATH, eventgrid.handle)
    application.router.add_get("/admin/host/status", admin.status)
    application.router.add_get("/admin/functions", admin.functions)
    application.router.add_post("/admin/functions/{name}", admin.run)
    application.router.add_route("*", "/{path:.*}", functions.handle)
    return application


async def _serve(application: web.Application, port: int, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, _LOOPBACK, port)
    try:
        await site.start()
    except OSError as error:
        raise DevHostError(f"cannot listen on {_LOOPBACK}:{port}: {error.strerror}") from error
    return f"http://{_LOOPBACK}:{runner.addresses[0][1]}"


def _timers(worker: Worker, settings: Mapping[str, str], statuses: StatusStore) -> dict[str, Timer]:
    functions = [each for each in worker.functions if each.kind == "timerTrigger"]
    return {each.name: Timer(worker, each, settings, statuses) for each in functions}


def _listeners(
    worker: Worker,
    settings: Mapping[str, str],
    host_json: HostJson,
    sources: "_Sources",
    stack: AsyncExitStack,
    lock: timedelta,
) -> list[QueueListener]:
    listeners: list[QueueListener] = []
    for function in (each for each in worker.functions if each.kind == "queueTrigger"):
        queue = _queue_name(function, function.trigger, settings)
        source = sources.of(function.trigger)
        listener = QueueListener(worker, function, queue, source, host_json.queues, lock=lock)
        stack.push_async_callback(listener.drain)
        listeners.append(listener)
    return listeners


def _outputs(function: Function, settings: Mapping[str, str], sources: "_Sources") -> QueueOutputs:
    bindings = [each for each in function.outputs if each["type"] == "queue"]
    return QueueOutputs(
        {str(each["name"]): (sources.of(each), _queue_name(function, each, settings)) for each in bindings}
    )


def _queue_name(function: Function, binding: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    name = resolve(str(binding["queueName"]), settings, what=f"function '{function.name}'")
    return check_queue_name(name, function)


class _Sources:
    """One source of messages for each storage connection that the app's bindings name."""

    def __init__(self, settings: Mapping[str, str], base64: bool, given: QueueSource | None) -> None:
        self._settings = settings
        self._base64 = base64
        self._given = given
        self._made: dict[str, QueueSource] = {}

    def of(self, binding: Mapping[str, Any]) -> QueueSource:
        connection = str(binding.get("connection") or "AzureWebJobsStorage")
        if connection not in self._made:
            self._made[connection] = self._given or self._make(connection)
        return self._made[connection]

    async def close(self) -> None:
        for source in self._made.values():
            await source.close()

    def _make(self, connection: str) -> QueueSource:
        named = self._settings.get(QUEUES_SETTING)
        if not named and self._settings.get("HOMEOSTAT_STATE") == "memory":
            named = "devhost.inprocess_queues:of_homeostat"
        if not named:
            return StorageQueues.from_settings(self._settings, connection, base64=self._base64)
        module, _, attribute = named.partition(":")
        try:
            queues: MemoryQueues = getattr(importlib.import_module(module), attribute)()
        except (ImportError, AttributeError) as error:
            raise DevHostError(f"{QUEUES_SETTING}={named}: {error}") from error
        return InProcessQueues(queues)


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
