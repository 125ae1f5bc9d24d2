"""The Event Grid trigger's webhook, /runtime/webhooks/eventgrid?functionName=NAME&code=KEY.

As the host's Event Grid extension answers it: the subscription handshake of either schema, a batch delivered as one
invocation an event, all at once, and one failure failing the batch, so that Event Grid sends all of it again.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from devhost.keys import Keys, presented_key
from devhost.protos import TypedData
from devhost.worker import Function, Invocation, Worker

PATH = "/runtime/webhooks/eventgrid"


class EventGridWebhook:
    """Both the Event Grid schema and CloudEvents 1.0, single events and batches."""

    def __init__(self, worker: Worker, keys: Keys) -> None:
        self._worker = worker
        self._keys = keys

    async def handle(self, request: web.Request) -> web.Response:
        if not self._keys.open_eventgrid(presented_key(request.headers, request.query)):
            raise web.HTTPUnauthorized
        function = self._function(request.query.get("functionName"))
        if request.method == "OPTIONS":
            return _cloud_events_handshake(request)
        match request.headers.get("aeg-event-type", ""):
            case "SubscriptionValidation":
                return _validation(await _events(request))
            case "Notification":
                return await self._notify(function, await _events(request))
            case "Unsubscribe":
                return web.Response(status=202)
            case other:
                raise web.HTTPBadRequest(text=f"unknown aeg-event-type {other!r}")

    def _function(self, name: str | None) -> Function:
        function = self._worker.function(name) if name else None
        if function is None or function.kind != "eventGridTrigger":
            raise web.HTTPNotFound(text=f"cannot find function: '{name}'")
        return function

    async def _notify(self, function: Function, events: list[Any]) -> web.Response:
        outcomes = await asyncio.gather(*(self.deliver(function, event) for event in events))
        failed = sum(outcome.failure is not None for outcome in outcomes)
        return web.Response(status=500 if failed else 202)

    async def deliver(self, function: Function, event: Any) -> Invocation:
        """Invoke `function` with one event."""
        metadata = {"data": TypedData(json=json.dumps(event.get("data")))} if isinstance(event, dict) else {}
        reason = f"EventGrid trigger fired at {datetime.now(UTC).isoformat()}"
        return await self._worker.invoke(function, TypedData(json=json.dumps(event)), metadata, reason=reason)


async def _events(request: web.Request) -> list[Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from error
    return body if isinstance(body, list) else [body]


def _validation(events: list[Any]) -> web.Response:
    try:
        code = events[0]["data"]["validationCode"]
    except (LookupError, TypeError) as error:
        raise web.HTTPBadRequest(text="a validation event carries data.validationCode") from error
    return web.json_response({"validationResponse": code})


def _cloud_events_handshake(request: web.Request) -> web.Response:
    origin = request.headers.get("WebHook-Request-Origin")
    if not origin:
        raise web.HTTPBadRequest(text="the CloudEvents handshake carries WebHook-Request-Origin")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
