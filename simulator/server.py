"""The TLS server: where azure-identity, the azure-mgmt SDKs and the Azure CLI, which all insist on TLS, find Azure."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

import certifi
import trustme
from aiohttp import web

from simulator import delivery
from simulator.clock import Clock
from simulator.cloud import Cloud
from simulator.exchange import Exchanger
from simulator.messages import Headers, Request

HOST = "localhost"
_ADDRESS = "127.0.0.1"
_MAX_BODY = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Serving:
    endpoint: str  # https://localhost:PORT
    port: int


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A fresh certificate for localhost, and the path of a CA bundle that trusts it besides the public ones."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1", "::1").configure_cert(context)
    bundle = folder / "ca-bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + authority.cert_pem.bytes())
    return context, bundle


@asynccontextmanager
async def serve(exchanger: Exchanger, context: ssl.SSLContext, port: int = 0) -> AsyncIterator[Serving]:
    """Serve until the block ends. OSError when the port cannot be had; 0 picks a free one."""
    started = asyncio.Event()
    connections: WeakSet[asyncio.Transport] = WeakSet()
    app = web.Application(client_max_size=_MAX_BODY)
    app.router.add_route("*", "/{path:.*}", _handler(exchanger, started, connections))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    workers: list[asyncio.Task[None]] = []
    try:
        await web.TCPSite(runner, _ADDRESS, port, ssl_context=context).start()
        workers = _workers(exchanger.cloud, exchanger.clock, started)
        bound: int = runner.addresses[0][1]
        yield Serving(f"https://{HOST}:{bound}", bound)
    finally:
        for worker in workers:
            worker.cancel()
        for worker in workers:
            with suppress(asyncio.CancelledError):
                await worker
        await runner.cleanup()
        await _abort(connections)


async def _abort(connections: Iterable[asyncio.Transport]) -> None:
    """End connections whose client never said goodbye; TLS would wait for that longer than the event loop lives."""
    for connection in list(connections):
        connection.abort()
    await asyncio.sleep(0)  # lets the aborted sockets close


def _handler(
    exchanger: Exchanger, started: asyncio.Event, connections: WeakSet[asyncio.Transport]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(incoming: web.Request) -> web.Response:
        if incoming.transport is not None:
            connections.add(incoming.transport)
        query = {name.lower(): value for name, value in incoming.query.items()}
        headers = Headers(incoming.headers)
        request = Request(incoming.method, incoming.path, query, headers, await incoming.read())
        response = await exchanger.exchange(request)
        if exchanger.cloud.next_due() is not None:
            started.set()
        if response is None:
            return _hang_up(incoming)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    return answer


def _hang_up(incoming: web.Request) -> web.Response:
    """Close the connection under the client, as a fault asked for."""
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(status=500)


def _workers(cloud: Cloud, clock: Clock, started: asyncio.Event) -> list[asyncio.Task[None]]:
    """What runs beside the server: the completion of long operations, and Event Grid's deliveries."""
    return [
        asyncio.create_task(_complete_operations(cloud, clock, started), name="operations"),
        asyncio.create_task(delivery.run(cloud, clock), name="deliveries"),
    ]


async def _complete_operations(cloud: Cloud, clock: Clock, started: asyncio.Event) -> None:
    """Complete operations on time even when nobody polls, so that their events go out."""
    while True:
        await started.wait()
        started.clear()
        while (due := cloud.next_due()) is not None:
            await clock.sleep(max(0.0, (due - clock.now()).total_seconds()))
            cloud.advance(clock.now())
