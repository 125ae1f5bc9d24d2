"""The combined effect of security rules: whether a packet gets through, and which rules undo what others promise.

A packet meets the first rule, by priority, that covers its addresses, ports and protocol; after all rules come the
platform's own. Packets are distinguished only as far as the given rules distinguish them: addresses, ports and
protocols are divided into classes that every rule covers or leaves as a whole, and a rule becomes a box of bit sets.

The addresses of a service tag are not known here, so they are approximated:
- A service tag is a class of its own. It lies within its service (`Sql.WestEurope` in `Sql`), within `AzureCloud` of
  its region, within `Internet`, and outside every prefix except those of length 0. An application security group is
  also one, within `VirtualNetwork`.
- `VirtualNetwork` is taken to be the private ranges (RFC 1918, RFC 6598, RFC 4193) and the platform's address
  168.63.129.16, which is `AzureLoadBalancer`; `Internet` is taken to be everything else. A network with public ranges,
  or with private ranges that nothing routes to, is judged wrongly.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#default-security-rules
https://learn.microsoft.com/azure/virtual-network/service-tags-overview
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from remediators.security_rule import Rule, Terms, is_group

PORTS: Final = 65536
PROTOCOLS: Final = ("Tcp", "Udp", "Icmp", "Esp", "Ah")
OUTBOUND: Final = "Outbound"

ALL: Final = frozenset({"*", "any"})
NETWORK, INTERNET, BALANCER, CLOUD = "virtualnetwork", "internet", "azureloadbalancer", "azurecloud"

PLATFORM_ADDRESS: Final = "168.63.129.16/32"
type Prefix = IPv4Network | IPv6Network

PRIVATE: Final = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", PLATFORM_ADDRESS),
    )
)


# --- packets ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where a packet comes from or goes to: an IP address, or a member of a service tag or application security group.

    tag: lower case, with its region if any, or a group's id; "" if only `ip` is known.
    ip: None with a tag. version: of IP.
    """

    ip: IPv4Address | IPv6Address | None = None
    tag: str = ""
    version: int = 4

    @classmethod
    def of(cls, text: str) -> "Address":
        """From `10.10.2.4`, `Sql.WestEurope` or a group's id."""
        try:
            ip = ip_address(text)
        except ValueError:
            return cls(tag=text.lower())
        return cls(ip=ip, version=ip.version)

    @property
    def is_private(self) -> bool:
        if self.ip is None:
            return is_group(self.tag)
        return any(self.ip in private for private in PRIVATE)

    def __str__(self) -> str:
        return str(self.ip) if self.ip is not None else self.tag


@dataclass(frozen=True, slots=True)
class Packet:
    """destination, port: of the side that accepts the connection."""

    destination: Address
    port: int
    protocol: str = "Tcp"
    source: Address = Address(IPv4Address("10.0.0.4"))
    source_port: int = 49152
    direction: str = OUTBOUND

    def __str__(self) -> str:
        return f"{self.protocol} from {self.source} to {self.destination}, port {self.port}"


ANY: Final = Terms.of(["*"])


def _platform(priority: int, direction: str, access: str, source: str, destination: str) -> Rule:
    return Rule(priority, direction, access, "*", Terms.of([source]), ANY, Terms.of([destination]), ANY, None)


PLATFORM_RULES: Final = (
    _platform(65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    _platform(65001, "Outbound", "Allow", "*", "Internet"),
    _platform(65500, "Outbound", "Deny", "*", "*"),
    _platform(65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    _platform(65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    _platform(65500, "Inbound", "Deny", "*", "*"),
)
"""The rules that every NSG has and nobody can remove."""


def allows(rules: Iterable[Rule], packet: Packet) -> bool:
    """Whether an NSG with these rules, and the platform's, lets the packet through."""
    return deciding(rules, packet).access == "Allow"


def deciding(rules: Iterable[Rule], packet: Packet) -> Rule:
    """The rule that decides on the packet. Of equal priorities, which ARM refuses, the first counts."""
    in_order = sorted((*rules, *PLATFORM_RULES), key=lambda rule: rule.priority)
    return next(rule for rule in in_order if covers(rule, packet))


def covers(rule: Rule, packet: Packet) -> bool:
    return (
        rule.direction == packet.direction
        and rule.protocol in {"*", packet.protocol}
        and any(in_term(packet.destination, term) for term in rule.destination.key)
        and any(low <= packet.port < high for low, high in map(_span, rule.ports.key))
        and any(in_term(packet.source, term) for term in rule.source.key)
        and any(low <= packet.source_port < high for low, high in map(_span, rule.source_ports.key))
    )


def in_term(address: Address, term: str) -> bool:
    """Whether a rule's `term`, lower case, covers the address."""
    if term in ALL:
        return True
    if term == NETWORK:
        return address.is_private
    if term == INTERNET:
        return not address.is_private
    network = _network(PLATFORM_ADDRESS if term == BALANCER else term)
    if network is None:
        return address.ip is None and _in_tag(address.tag, term)
    if address.ip is None:
        return network.prefixlen == 0 and network.version == address.version
    return address.ip in network


def _in_tag(tag: str, term: str) -> bool:
    """Whether a tag's addresses also belong to another tag."""
    if is_group(tag) or is_group(term):
        return tag == term
    service, _, region = tag.partition(".")
    wanted, _, wanted_region = term.partition(".")
    return wanted in {service, CLOUD} and wanted_region in {"", region}


def _network(text: str) -> Prefix | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _span(term: str) -> tuple[int, int]:
    """The ports of a term, from the first up to, but not including, the second."""
    if term == "*":
        return 0, PORTS
    low, _, high = term.partition("-")
    return int(low), int(high or low) + 1


# --- what undoes a promise -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Undoing:
    """A rule decides on `packet`, and similar ones, against a declared rule.

    rule, declared: their names. lets_through: whether it allows what is denied; otherwise it denies what is allowed.
    """

    rule: str
    declared: str
    packet: Packet
    lets_through: bool

    def __str__(self) -> str:
        what, against = ("lets through", "denies") if self.lets_through else ("blocks", "allows")
        return f"{what} what {self.declared} {against}, such as {self.packet}"


def undoing(declared: Mapping[str, Rule], others: Mapping[str, Rule]) -> Mapping[str, Undoing]:
    """Those of the `others`, by name, that decide on some packet differently from the declared rules alone.

    Where no declared rule covers a packet, nothing is promised. A rule that is overshadowed by another undoes nothing.
    """
    ranked = sorted(
        (
            *(_Ranked(rule, name, is_declared=True) for name, rule in declared.items()),
            *(_Ranked(rule, name, is_declared=False) for name, rule in others.items()),
        ),
        key=_rank,
    )
    found: dict[str, Undoing] = {}
    for direction in ("Inbound", "Outbound"):
        found |= _undoing([entry for entry in ranked if entry.rule.direction == direction], direction)
    return found


@dataclass(frozen=True, slots=True)
class _Ranked:
    rule: Rule
    name: str
    is_declared: bool


def _rank(entry: _Ranked) -> tuple[int, bool, str]:
    """The order in which rules are met. If a priority is taken, a declared rule cannot have it yet."""
    return entry.rule.priority, entry.is_declared, entry.name.lower()


def _undoing(entries: Sequence[_Ranked], direction: str) -> Mapping[str, Undoing]:
    """For the rules of one direction, in the order in which they are met."""
    if all(entry.is_declared for entry in entries):
        return {}
    classes = Classes([entry.rule for entry in entries], direction)
    boxes = [classes.box(entry.rule) for entry in entries]
    found: dict[str, Undoing] = {}
    for place, entry in enumerate(entries):
        if not entry.is_declared:
            decides_on = _less([boxes[place]], boxes[:place])
            for promise, box in zip(entries[place + 1 :], boxes[place + 1 :], strict=True):
                if not promise.is_declared or not (met := _met(decides_on, box)):
                    continue
                if promise.rule.access != entry.rule.access:
                    lets_through = entry.rule.access == "Allow"
                    found[entry.name] = Undoing(entry.name, promise.name, classes.packet(met), lets_through)
                    break
                decides_on = _less(decides_on, [box])  # on these it decides as promised
    return found


class Box(NamedTuple):
    """The packets that a rule covers: in each dimension a set of classes, as bits."""

    source: int
    destination: int
    protocol: int
    source_port: int
    port: int


def _common(one: Box, other: Box) -> Box:
    return Box(*(mine & theirs for mine, theirs in zip(one, other, strict=True)))


def _less(parts: Sequence[Box], covers: Iterable[Box]) -> Sequence[Box]:
    """What the covers leave of the parts, as disjoint parts."""
    for cover in covers:
        if not parts:
            break
        parts = [piece for part in parts for piece in _without(part, cover)]
    return parts


def _met(parts: Iterable[Box], box: Box) -> Box | None:
    """The intersection of a box with the first of the parts that it meets."""
    return next((common for part in parts if all(common := _common(part, box))), None)


def _without(box: Box, cover: Box) -> Iterator[Box]:
    """The box less the cover, as disjoint parts: one for each dimension in which something is left over."""
    if not all(_common(box, cover)):
        yield box
        return
    inside = box
    for dimension, bits in zip(Box._fields, cover, strict=True):
        mine: int = getattr(inside, dimension)
        if outside := mine & ~bits:
            yield inside._replace(**{dimension: outside})
        inside = inside._replace(**{dimension: mine & bits})


class Classes:
    """Addresses, ports and protocols, divided as finely as rules distinguish them; a member stands for its class."""

    def __init__(self, rules: Sequence[Rule], direction: str) -> None:
        terms = {term for rule in rules for term in (*rule.source.key, *rule.destination.key)}
        spans = [_span(term) for rule in rules for term in (*rule.source_ports.key, *rule.ports.key)]
        networks = [network for term in terms if (network := _network(term))]
        self._direction = direction
        self._ports = sorted({0, *(edge for span in spans for edge in span if edge < PORTS)})
        self._protocols = (*PROTOCOLS, *sorted({rule.protocol for rule in rules} - {*PROTOCOLS, "*"}))
        self._starts = {version: _starts(version, networks) for version in (4, 6)}
        self._tags = [Address(tag=tag, version=version) for version in (4, 6) for tag in _tag_classes(terms)]
        self._masks: dict[str, int] = {}

    @cached_property
    def addresses(self) -> Sequence[Address]:
        """First those with an IP address, by version and in order, then the members of tags and groups."""
        fours = [Address(IPv4Address(start)) for start in self._starts[4]]
        sixes = [Address(IPv6Address(start), version=6) for start in self._starts[6]]
        return [*fours, *sixes, *self._tags]

    def box(self, rule: Rule) -> Box:
        return Box(
            source=_any(map(self._addresses_of, rule.source.key)),
            destination=_any(map(self._addresses_of, rule.destination.key)),
            protocol=_any(1 << i for i, name in enumerate(self._protocols) if rule.protocol in {"*", name}),
            source_port=_any(map(self._ports_of, rule.source_ports.key)),
            port=_any(map(self._ports_of, rule.ports.key)),
        )

    def packet(self, box: Box) -> Packet:
        """A packet in the box."""
        return Packet(
            destination=self.addresses[_first(box.destination)],
            port=self._ports[_first(box.port)],
            protocol=self._protocols[_first(box.protocol)],
            source=self.addresses[_first(box.source)],
            source_port=self._ports[_first(box.source_port)],
            direction=self._direction,
        )

    def _addresses_of(self, term: str) -> int:
        if term not in self._masks:
            network = _network(term)
            self._masks[term] = self._named(term) if network is None else self._within(network)
        return self._masks[term]

    def _named(self, term: str) -> int:
        return _any(1 << i for i, address in enumerate(self.addresses) if in_term(address, term))

    def _within(self, network: Prefix) -> int:
        """As `in_term` over all classes, without looking at each: there can be thousands of prefixes."""
        starts = self._starts[network.version]
        first = int(network.network_address)
        bits = _run(bisect_left(starts, first), bisect_left(starts, first + network.num_addresses))
        if network.version == 6:
            bits <<= len(self._starts[4])
        if network.prefixlen == 0:
            offset = len(self._starts[4]) + len(self._starts[6])
            bits |= _any(1 << offset + i for i, tag in enumerate(self._tags) if tag.version == network.version)
        return bits

    def _ports_of(self, term: str) -> int:
        low, end = _span(term)
        return _run(bisect_left(self._ports, low), bisect_left(self._ports, end))


def _starts(version: int, networks: Iterable[Prefix]) -> list[int]:
    """Where classes of addresses begin, sorted: at the first address of a range, and after its last."""
    top = 1 << (32 if version == 4 else 128)
    known = [network for network in (*networks, *PRIVATE) if network.version == version]
    firsts = {int(network.network_address) for network in known}
    ends = {int(network.network_address) + network.num_addresses for network in known}
    return sorted(({0} | firsts | ends) - {top})


def _tag_classes(terms: Iterable[str]) -> list[str]:
    """The tags that the terms distinguish: each, its service, and every service in each region of `AzureCloud`."""
    tags = {term for term in terms if term not in {*ALL, NETWORK, INTERNET, BALANCER} and _network(term) is None}
    services = {tag for tag in tags if not is_group(tag)}
    bases = {tag.partition(".")[0] for tag in services}
    regions = {tag.partition(".")[2] for tag in services if tag.startswith(f"{CLOUD}.")}
    return sorted(tags | bases | {f"{base}.{region}" for base in bases for region in regions})


def _any(masks: Iterable[int]) -> int:
    bits = 0
    for mask in masks:
        bits |= mask
    return bits


def _run(first: int, end: int) -> int:
    """The bits from `first` up to, but not including, `end`."""
    return (1 << end) - (1 << first)


def _first(bits: int) -> int:
    """The position of the lowest bit."""
    return (bits & -bits).bit_length() - 1
