"""Whether each backend is reached, and whether privately. Told in a bounded time, whatever the network does.

A name that does not resolve, a name that resolves to a public address, and an address that does not answer are
different faults: the first two are the private DNS zones', the third an NSG's, a route's or the backend's own.
"""

import ipaddress
import logging
import socket
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final

from backends import Backend

log = logging.getLogger(__name__)

DEADLINE: Final = 8.0
"""Seconds for all checks together: they run at the same time, each within its client's own time-outs."""

# RFC 1918, RFC 6598 (which VNets may use too), RFC 4193, and this very machine.
_PRIVATE: Final = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "127.0.0.0/8",
        "::1/128",
    )
)


class PublicAddress(Exception):
    """A backend's name leads out of the VNet. It is not connected to: no token leaves by that way."""


@dataclass(frozen=True, slots=True)
class Result:
    """latency_ms: of connecting, signing in and one request; None unless all of them worked."""

    host: str
    port: int
    addresses: tuple[str, ...]
    latency_ms: float | None
    error: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "status": "failed" if self.error else "ok",
            "host": self.host,
            "port": self.port,
            "addresses": list(self.addresses),
            "private": all(map(is_private, self.addresses)) if self.addresses else None,
            "latency_ms": self.latency_ms,
            "error": self.error,
        }


class HealthChecks:
    """One thread for each backend, so that one that hangs delays nobody else, nor piles up under repeated requests."""

    def __init__(self, backends: Mapping[str, Backend], deadline: float = DEADLINE) -> None:
        self._backends = backends
        self._deadline = deadline
        self._threads = {name: ThreadPoolExecutor(1, f"health-{name}") for name in backends}

    def run(self) -> dict[str, Result]:
        """Never raises for a backend's sake, and takes no longer than the deadline."""
        started = {name: self._start(name, backend) for name, backend in self._backends.items()}
        wait([answer for _, answer in started.values()], timeout=self._deadline)
        return {name: self._result(name, *futures) for name, futures in started.items()}

    def _start(self, name: str, backend: Backend) -> "tuple[Future[tuple[str, ...]], Future[float]]":
        thread = self._threads[name]
        resolved = thread.submit(resolve, backend.host, backend.port)
        return resolved, thread.submit(_answer, backend, resolved)  # in the same thread: after `resolved`

    def _result(self, name: str, resolved: "Future[tuple[str, ...]]", answer: "Future[float]") -> Result:
        known = resolved.result() if resolved.done() and resolved.exception() is None else ()
        latency, error = None, None
        if not answer.done():
            resolved.cancel()
            answer.cancel()
            error = f"no answer in {self._deadline:g} s"
        elif failure := answer.exception():
            log.warning("%s failed: %s", name, type(failure).__name__)
            error = words(failure)
        else:
            latency = round(answer.result() * 1000, 1)
        backend = self._backends[name]
        return Result(backend.host, backend.port, known, latency, error)


def _answer(backend: Backend, resolved: "Future[tuple[str, ...]]") -> float:
    """Seconds until the backend did what it was asked."""
    addresses = resolved.result()
    if not all(map(is_private, addresses)):
        raise PublicAddress
    began = time.perf_counter()
    backend.check()
    return time.perf_counter() - began


def resolve(host: str, port: int) -> tuple[str, ...]:
    """The addresses that the app's own resolver gives, in its order. Raises socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def is_private(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in _PRIVATE)


def words(failure: BaseException) -> str:
    """What went wrong, in words that hold no secret, as a driver's or an SDK's own message might."""
    if isinstance(failure, socket.gaierror):
        return "the name does not resolve"
    if isinstance(failure, PublicAddress):
        return "the name resolves to a public address"
    return type(failure).__name__
