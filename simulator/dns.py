"""Azure's resolver, as one virtual network sees it: private zones linked to the network first, then public names.

A backend that has a private endpoint is known in public by an alias of its `privatelink` name. So inside a linked
network its name ends at the endpoint, elsewhere at a public address; and where the zone is linked but lacks the record,
the name does not exist. https://learn.microsoft.com/azure/private-link/private-endpoint-dns

`lookup` and `respond` are pure; `serve` is their shell, over UDP and TCP (RFC 1035, 4.2) on the loopback interface.
"""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import override

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from simulator.cloud import Cloud, Resource
from simulator.messages import Json
from simulator.providers import registry
from simulator.providers.privatedns import LINK, VNET, ZONE

_ADDRESS = "127.0.0.1"
_PUBLIC_TTL = 300
_LONGEST_CHAIN = 8
_MAX_UDP = 512  # without EDNS; what does not fit is asked again over TCP
_IDLE_SECONDS = 10.0
_TRIES_FOR_A_PORT = 20
_ZONE_SUFFIX = {"vault.azure.net": "vaultcore.azure.net"}  # where it is not the public one with `privatelink.`
_REDIRECT = "NxDomainRedirect"  # of a link: what its zone lacks is asked in public


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name came to. aliases: (name, what it is an alias of), in order. exists: False is NXDOMAIN."""

    aliases: tuple[tuple[str, str], ...] = ()
    name: str = ""  # at the end of the aliases
    addresses: tuple[str, ...] = ()
    ttl: int = _PUBLIC_TTL
    exists: bool = True


def lookup(cloud: Cloud, network: str, name: str) -> Answer:
    """The A records of a name as the virtual network of that id sees them."""
    here = name.rstrip(".").lower()
    aliases: list[tuple[str, str]] = []
    for _ in range(_LONGEST_CHAIN):
        step = _step(cloud, network, here)
        if isinstance(step, Answer):
            return replace(step, aliases=tuple(aliases), name=here)
        aliases.append((here, step))
        here = step
    return Answer(tuple(aliases), here, exists=False)


def _step(cloud: Cloud, network: str, name: str) -> Answer | str:
    """The answer for a name, or the name that it is an alias of."""
    private = _private(cloud, network, name)
    return private if private is not None else _public(cloud, name)


# --- private zones


def _private(cloud: Cloud, network: str, name: str) -> Answer | str | None:
    """None where no linked zone holds the name, so that public DNS is asked."""
    linked = ((zone, link) for zone, link in _linked(cloud, network) if _label(name, zone.name) is not None)
    zone, link = max(linked, key=lambda each: len(each[0].name), default=(None, None))
    if zone is None or link is None:
        return None
    label = _label(name, zone.name)
    for record in (cloud.get(f"{zone.id}/A/{label}"), cloud.get(f"{zone.id}/A/*")):
        if record is not None:
            addresses = tuple(str(each["ipv4Address"]) for each in record.properties.get("aRecords") or ())
            return Answer(addresses=addresses, ttl=int(record.properties.get("ttl") or _PUBLIC_TTL))
    alias = cloud.get(f"{zone.id}/CNAME/{label}")
    if alias is not None:
        return str(alias.properties["cnameRecord"]["cname"]).rstrip(".").lower()
    redirected = str(link.properties.get("resolutionPolicy") or "").lower() == _REDIRECT.lower()
    return None if redirected else Answer(exists=_label(name, zone.name) == "@")


def _linked(cloud: Cloud, network: str) -> Iterator[tuple[Resource, Resource]]:
    for zone in cloud.of_type(ZONE):
        for link in cloud.children(zone.id, LINK):
            if _target(link.properties).lower() == network.lower():
                yield zone, link


def _target(properties: Json) -> str:
    return str((properties.get("virtualNetwork") or {}).get("id") or "")


def _label(name: str, zone: str) -> str | None:
    """The name of a record inside a zone: `@` for the zone's own. None for a name outside it."""
    zone = zone.lower()
    if name == zone:
        return "@"
    return name.removesuffix(f".{zone}") if name.endswith(f".{zone}") else None


# --- public names


def _public(cloud: Cloud, name: str) -> Answer | str:
    for host, resource in _hosts(cloud):
        alias = _privatelink(host)
        if name == host:
            has_endpoint = bool(cloud.children(resource.id, f"{resource.type}/privateEndpointConnections"))
            return alias if has_endpoint else Answer(addresses=(_public_address(host),))
        if name == alias:
            return Answer(addresses=(_public_address(host),))
    return Answer(exists=False)


def _hosts(cloud: Cloud) -> Iterator[tuple[str, Resource]]:
    """Every public name of a resource that private endpoints can lead to."""
    for kind in registry().by_name.values():
        if kind.private_link is not None:
            for resource in cloud.of_type(kind.name):
                for hosts in kind.private_link.groups(resource).values():
                    yield from ((host.lower(), resource) for host in hosts)


def _privatelink(host: str) -> str:
    label, _, suffix = host.partition(".")
    return f"{label}.privatelink.{_ZONE_SUFFIX.get(suffix, suffix)}"


def _public_address(host: str) -> str:
    """Always the same for a host, in a range of Azure's."""
    digest = hashlib.sha256(host.encode()).digest()
    return f"20.{digest[0]}.{digest[1]}.{digest[2] or 1}"


# --- the wire


def respond(cloud: Cloud, network: str, wire: bytes, *, limit: int = 65535) -> bytes | None:
    """The answer to one message, truncated to `limit` bytes; None where it is no question and gets no answer."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    question = query.question[0]
    _fill(response, lookup(cloud, network, question.name.to_text()), question.rdtype)
    limit = max(limit, query.payload) if limit == _MAX_UDP else limit
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        short = dns.message.make_response(query, recursion_available=True)
        short.flags |= dns.flags.TC
        return short.to_wire()


def _fill(response: dns.message.Message, answer: Answer, asked: dns.rdatatype.RdataType) -> None:
    if not answer.exists:
        response.set_rcode(dns.rcode.NXDOMAIN)
    for name, target in answer.aliases:
        response.answer.append(dns.rrset.from_text(f"{name}.", _PUBLIC_TTL, "IN", "CNAME", f"{target}."))
    if answer.addresses and asked == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(f"{answer.name}.", answer.ttl, "IN", "A", *answer.addresses))


# --- the shell


def default_network(cloud: Cloud) -> str:
    """The network whose resolver is served where none is named: the first one."""
    return next((network.id for network in cloud.of_type(VNET)), "")


@asynccontextmanager
async def serve(cloud: Cloud, network: str = "", port: int = 0) -> AsyncIterator[str]:
    """Serve until the block ends; gives `ADDRESS:PORT`. A `network` of "" is the cloud's first at each question."""
    answers = _Answers(cloud, network)
    server, transport, bound = await _listen(answers, port)
    try:
        yield f"{_ADDRESS}:{bound}"
    finally:
        transport.close()
        server.close()
        server.close_clients()
        await server.wait_closed()


@dataclass(frozen=True, slots=True)
class _Answers:
    cloud: Cloud
    network: str

    def to(self, wire: bytes, limit: int = 65535) -> bytes | None:
        return respond(self.cloud, self.network or default_network(self.cloud), wire, limit=limit)


async def _listen(answers: _Answers, port: int) -> tuple[asyncio.Server, asyncio.DatagramTransport, int]:
    """UDP and TCP on one port, as resolvers are asked. OSError when it cannot be had."""
    loop = asyncio.get_running_loop()
    for tries_left in reversed(range(1 if port else _TRIES_FOR_A_PORT)):
        server = await asyncio.start_server(_over_tcp(answers), _ADDRESS, port)
        bound: int = server.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(answers), local_addr=(_ADDRESS, bound)
            )
        except OSError:
            server.close()
            await server.wait_closed()
            if not tries_left:
                raise
        else:
            return server, transport, bound
    raise AssertionError("the last try returns or raises")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answers: _Answers) -> None:
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport), "of a datagram endpoint"
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answers.to(data, _MAX_UDP)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


def _over_tcp(answers: _Answers) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each message goes after its length in two bytes."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    answer = answers.to(await reader.readexactly(length))
                if answer is None:
                    break
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    return converse
