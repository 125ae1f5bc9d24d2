"""A small private network on this machine: a resolver, a certificate authority, and servers on free ports."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme

type Place = tuple[str, int]


@dataclass
class Resolver:
    """Answers `socket.getaddrinfo` as the VNet's resolver would; like a NAT it leads on to this machine's ports."""

    places: dict[Place, Place] = field(default_factory=dict)

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        place = self.places.get((host, port))
        if place is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]


class Authority:
    """Vouches for servers' names, to those who trust it."""

    def __init__(self) -> None:
        self.own = trustme.CA()

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.own.issue_cert(name).configure_cert(context)
        return context


class _Server(socketserver.ThreadingTCPServer):
    """One thread a connection, over TLS where there is a context."""

    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            if self.context is None:
                super().finish_request(request, client_address)
            else:
                with self.context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
        except OSError:
            return  # the client went away, or distrusts us: its own side of the test tells


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[Place]:
    """Serves until the block ends; gives the address."""
    with _Server(("127.0.0.1", 0), handler) as server:
        server.context = context
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield "127.0.0.1", server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
