"""The host's /admin endpoints: its status, its functions, and running one of them by hand. All take the master key."""

import asyncio
import json
import time
import uuid
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from devhost.eventgrid import EventGridWebhook
from devhost.keys import Keys, presented_key
from devhost.queues import QueueMessage, invoke_with
from devhost.timers import Timer
from devhost.worker import Function, Invocation, Worker


class Admin:
    """Serves /admin/host/status, /admin/functions and POST /admin/functions/NAME."""

    def __init__(
        self, worker: Worker, keys: Keys, timers: Mapping[str, Timer], eventgrid: EventGridWebhook, host_id: str
    ) -> None:
        self._worker = worker
        self._keys = keys
        self._timers = timers
        self._eventgrid = eventgrid
        self._host_id = host_id
        self._started = time.monotonic()
        self._background: set[asyncio.Task[Invocation]] = set()

    async def status(self, request: web.Request) -> web.Response:
        self._authorise(request)
        uptime = round((time.monotonic() - self._started) * 1000)
        return web.json_response({"id": self._host_id, "state": "Running", "processUptime": uptime})

    async def functions(self, request: web.Request) -> web.Response:
        self._authorise(request)
        return web.json_response(
            [
                {"name": each.name, "config": {"bindings": [each.trigger, *each.outputs]}}
                for each in self._worker.functions
            ]
        )

    async def run(self, request: web.Request) -> web.Response:
        """202 at once; the function then runs with the body's `input` as its trigger's value."""
        self._authorise(request)
        function = self._worker.function(request.match_info["name"])
        if function is None:
            raise web.HTTPNotFound
        task = asyncio.create_task(self._invocation(function, _input(await request.read())))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return web.Response(status=202)

    def _authorise(self, request: web.Request) -> None:
        if not self._keys.open_admin(presented_key(request.headers, request.query)):
            raise web.HTTPUnauthorized

    def _invocation(self, function: Function, given: str) -> Coroutine[Any, Any, Invocation]:
        match function.kind:
            case "timerTrigger":
                return self._timers[function.name].fire()
            case "queueTrigger":
                message = QueueMessage("admin", str(uuid.uuid4()), given, 1, datetime.now(UTC), receipt="")
                return invoke_with(self._worker, function, message)
            case "eventGridTrigger":
                return self._eventgrid.deliver(function, _event(given))
            case _:
                raise web.HTTPBadRequest(text=f"'{function.name}' is an HTTP function: call its own URL")


def _input(body: bytes) -> str:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text='the body has the form {"input": "..."}')
    given = document.get("input", "")
    return given if isinstance(given, str) else json.dumps(given)


def _event(given: str) -> Any:
    try:
        return json.loads(given)
    except ValueError as error:
        raise web.HTTPBadRequest(text="the input of an Event Grid function is an event as JSON") from error
