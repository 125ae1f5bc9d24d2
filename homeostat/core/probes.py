"""What is asked of the network itself instead of ARM: a name's addresses, a port's answer, a page's status.

An answer only counts from inside the app's virtual network, so every probe names that network.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Final

from homeostat.core.ids import ResourceId

PRIVATE_RANGES: Final = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918."""


@dataclass(frozen=True, slots=True)
class NameProbe:
    """The IPv4 addresses of a host name. servers: the network's own DNS servers; if empty, the platform's."""

    network: ResourceId
    name: str
    servers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"name {self.name}"


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Whether a port accepts a TCP connection, at an address to which the name resolves as in NameProbe."""

    network: ResourceId
    host: str
    port: int
    servers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"tcp {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """The status of a page. It is asked from any network: an app's health page may be public."""

    url: str

    def __str__(self) -> str:
        return f"page {self.url}"


type Probe = NameProbe | TcpProbe | HttpProbe


class Result(StrEnum):
    ANSWERED = "answered"
    NO_SUCH_NAME = "no such name"
    NO_RESOLVER = "the resolver does not answer"
    TIMED_OUT = "no answer in time"
    REFUSED = "refused"
    FAILED = "failed"  # another error of the network, or of TLS
    ELSEWHERE = "elsewhere"  # Homeostat is not in that network, and did not ask


@dataclass(frozen=True, slots=True)
class Probed:
    """The result of a probe. status: of a page; 0 without one."""

    result: Result
    addresses: tuple[str, ...] = ()  # sorted
    status: int = 0


def is_private(address: str) -> bool:
    """Whether an IPv4 address is one of a private network."""
    found = ip_address(address)
    return any(found in private for private in PRIVATE_RANGES)


def within(address: str, prefixes: tuple[str, ...]) -> bool:
    """Whether the address is in one of the ranges."""
    return any(ip_address(address) in ip_network(prefix, strict=False) for prefix in prefixes)
