"""Probes by real sockets, for a function app that is integrated into its apps' virtual network.

Every probe ends in bounded time and is tried a second time before it counts, so that one lost packet is no alert.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import aiohttp

from homeostat.azure.pipeline import http_session
from homeostat.config import ConfigError
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.probes import HttpProbe, NameProbe, Probe, Probed, Result, TcpProbe

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

PLATFORM_RESOLVER: Final = "168.63.129.16"
"""https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16"""

DNS_PORT: Final = 53
SECONDS: Final = 5.0
"""For a name's answer, and for a connection."""

PAGE_SECONDS: Final = 15.0
"""An app looks at everything it depends on before its health page answers."""

TRIES: Final = 2

GOOD: Final = frozenset({Result.ANSWERED, Result.ELSEWHERE})


@dataclass(frozen=True, slots=True)
class NetworkProber:
    """networks: the virtual networks that this process is in; None where it is said to be in all that matter.

    resolver: ADDRESS and port that are asked instead of every network's own resolver; for tests.
    """

    environment: Mapping[str, str] = field(repr=False)  # holds connection strings and keys
    networks: frozenset[ResourceId] | None = None
    resolver: tuple[str, int] | None = None
    seconds: float = SECONDS

    async def probe(self, probe: Probe) -> Probed:
        """Asks, and asks again where the answer is not good."""
        found = Probed(Result.FAILED)
        for _ in range(TRIES):
            found = await self._once(probe)
            if found.result in GOOD:
                break
        return found

    async def _once(self, probe: Probe) -> Probed:
        if isinstance(probe, HttpProbe):
            return await self._page(probe)
        if self.networks is not None and probe.network not in self.networks:
            return Probed(Result.ELSEWHERE)
        if isinstance(probe, NameProbe):
            return await self._name(probe.name, probe.servers)
        return await self._port(probe)

    async def _name(self, name: str, servers: tuple[str, ...]) -> Probed:
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            answer = await self._resolver(servers).resolve(f"{name}.", "A", lifetime=self.seconds)
        except (NXDOMAIN, NoAnswer):
            return Probed(Result.NO_SUCH_NAME)
        except (DNSException, OSError):
            return Probed(Result.NO_RESOLVER)
        return Probed(Result.ANSWERED, tuple(sorted(record.to_text() for record in answer)))

    def _resolver(self, servers: tuple[str, ...]) -> "Resolver":
        """Without a cache and without the machine's own configuration: what is wanted is what the app's would say."""
        from dns.asyncresolver import Resolver

        resolver = Resolver(configure=False)
        if self.resolver is not None:
            resolver.nameservers = [self.resolver[0]]
            resolver.port = self.resolver[1]
        else:
            resolver.nameservers = list(servers) or [PLATFORM_RESOLVER]
            resolver.port = DNS_PORT
        return resolver

    async def _port(self, probe: TcpProbe) -> Probed:
        """At each of the name's addresses in turn, until one takes the connection."""
        named = await self._name(probe.host, probe.servers)
        result = named.result
        for address in named.addresses:
            result = await self._connect(address, probe.port)
            if result is Result.ANSWERED:
                break
        return Probed(result, named.addresses)

    async def _connect(self, address: str, port: int) -> Result:
        try:
            async with asyncio.timeout(self.seconds):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            return Result.TIMED_OUT
        except ConnectionRefusedError:
            return Result.REFUSED
        except OSError:
            return Result.FAILED
        writer.close()
        return Result.ANSWERED

    async def _page(self, probe: HttpProbe) -> Probed:
        """Redirects are not followed: a login page is no health page."""
        timeout = aiohttp.ClientTimeout(total=PAGE_SECONDS)
        try:
            async with (
                http_session(self.environment) as session,
                session.get(probe.url, timeout=timeout, allow_redirects=False) as response,
            ):
                return Probed(Result.ANSWERED, status=response.status)
        except TimeoutError:
            return Probed(Result.TIMED_OUT)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, ConnectionRefusedError)
            return Probed(Result.REFUSED if refused else Result.FAILED)
        except aiohttp.ClientError:
            return Probed(Result.FAILED)


def prober_of(environment: Mapping[str, str]) -> NetworkProber | None:
    """The prober that HOMEOSTAT_PROBES asks for: `on`, or the ids of the virtual networks that this process is in.

    None, and nothing is probed, where it is missing or `off`: from outside a network its names mean something else.
    Raises ConfigError.
    """
    text = environment.get("HOMEOSTAT_PROBES", "").strip()
    if text.lower() in {"", "off"}:
        return None
    resolver = _resolver_of(environment)
    if text.lower() == "on":
        return NetworkProber(environment, resolver=resolver)
    try:
        networks = frozenset(ResourceId.parse(part) for part in re.split(r"[,;\s]+", text) if part)
    except InvalidResourceId as error:
        message = f"HOMEOSTAT_PROBES is {text!r}: set it to on, off, or the resource ids of virtual networks"
        raise ConfigError((message,)) from error
    return NetworkProber(environment, networks, resolver)


def _resolver_of(environment: Mapping[str, str]) -> tuple[str, int] | None:
    text = environment.get("HOMEOSTAT_DNS_SERVER", "").strip()
    if not text:
        return None
    address, _, port = text.partition(":")
    try:
        resolver = str(IPv4Address(address)), int(port) if port else DNS_PORT
    except ValueError:
        resolver = "", 0
    if not 0 < resolver[1] < 65536:
        raise ConfigError((f"HOMEOSTAT_DNS_SERVER is {text!r}: set it to ADDRESS or ADDRESS:PORT",))
    return resolver
