"""A TLS server on a free port that answers as a test says."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """A TLS server on a free port that answers as `handler` says and notes who asked over which connection."""

    handler: Handler
    bundle: Path
    endpoint: str = ""
    methods: list[str] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.methods.append(request.method)
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        return await self.handler(request)


@asynccontextmanager
async def serving(folder: Path, handler: Handler) -> AsyncIterator[Server]:
    authority = trustme.CA()
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    server = Server(handler, bundle)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
        server.endpoint = f"https://localhost:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
