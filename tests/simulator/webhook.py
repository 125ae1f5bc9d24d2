"""A webhook that tests can make misbehave, and a Cloud whose events are delivered while a test runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from simulator import delivery
from simulator.clock import wall_clock
from simulator.cloud import Cloud
from simulator.delivery import Options, StorageDestination

PATIENCE = 5.0


async def until(condition: Callable[[], bool]) -> None:
    """TimeoutError when it does not come true in time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # plain state, of which nobody tells
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Webhook:
    """Collects what it is sent, and answers with `statuses` one after the other, then 200. `consents` to handshakes."""

    url: str = ""
    consents: bool = True
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event of every request, refused ones included."""
        return [each for _, body in self.received for each in (body if isinstance(body, list) else [body])]

    async def until(self, condition: Callable[["Webhook"], bool]) -> None:
        """TimeoutError when it does not come true in time."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            origin = request.headers["WebHook-Request-Origin"]
            return web.Response(headers={"WebHook-Allowed-Origin": origin} if self.consents else {})
        body = await request.json()
        if request.headers.get("aeg-event-type") == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"] if self.consents else "another"
            return web.json_response({"validationResponse": code})
        async with self._changed:
            self.received.append(({name.lower(): value for name, value in request.headers.items()}, body))
            self._changed.notify_all()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def listening(webhook: Webhook, port: int = 0) -> AsyncIterator[Webhook]:
    """Serve it; its `url` is set."""
    application = web.Application()
    application.router.add_route("*", "/hook", webhook.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?code=secret"
        yield webhook
    finally:
        await runner.cleanup()


@asynccontextmanager
async def delivering(cloud: Cloud, options: Options, storage: StorageDestination | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(delivery.run(cloud, wall_clock(), options, storage))
    await asyncio.sleep(0)  # let it take its place in the activity log
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
