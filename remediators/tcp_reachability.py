"""A probe: each backend accepts connections at its port, the app's NSG lets them through, and the app is healthy.

It only reports, and says where the private path is broken: DNS, the NSG, or the backend. Homeostat's own subnet has
another NSG than the app's, so what the app's lets through is computed from its rules, not tried. It needs
HOMEOSTAT_PROBES.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from pydantic import Field

from homeostat.core import json
from homeostat.core.addresses import address_of
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, SITE, SLOT, SUBNET, ArmType
from homeostat.core.backends import is_public_name
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Value
from homeostat.core.model import (
    Drift,
    Edit,
    Facts,
    Found,
    Item,
    KindSection,
    Obstacle,
    Problem,
    Query,
    Read,
    Scope,
    Verdict,
    Want,
)
from homeostat.core.probes import HttpProbe, Probed, Result, TcpProbe
from remediators.common import by_key, keep_the_rest, twice, unknown, why_unread
from remediators.dns_resolution import host_problems
from remediators.egress import Address, Packet, deciding
from remediators.probing import ELSEWHERE, NOT_JOINED, Network, dns_fault, joined, reference_at
from remediators.security_rule import Rule, rule_of

HEALTH = "health_url"

BACKEND = (
    "the name and the NSG are in order: confirm that the private endpoint is approved and healthy, check the backend's "
    "firewall and private access policy, then the route table"
)
UNWELL = "the app says that something it depends on fails: its page names it"
SILENT = "the app does not answer: check that it runs, and that Homeostat may reach it"

_ENDPOINT = re.compile(r"(?P<host>[^:/\s]+):(?P<port>\d{1,5})")


class TcpReachabilitySection(KindSection):
    """What must accept connections from inside the app's network."""

    endpoints: tuple[str, ...] = Field(
        default=(), description="HOST:PORT each.", examples=[["sql-flask.database.windows.net:1433"]]
    )
    health_url: str | None = Field(
        default=None,
        description="A page of the app's own that answers 2xx only while everything it depends on is well.",
        examples=["https://app-flask.azurewebsites.net/health/dependencies"],
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Filter:
    """What filters the app's traffic. source: an address in its subnet. rules: of its NSG, by name."""

    source: str = "10.0.0.4"
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def blocked_by(self, address: str, port: int) -> str:
        """The name of the rule that denies a connection; "" if none does."""
        decisive = deciding(self.rules.values(), Packet(Address.of(address), port, source=Address.of(self.source)))
        if decisive.access == "Allow":
            return ""
        return next((name for name, rule in self.rules.items() if rule is decisive), "DenyAllOutBound")


@dataclass(frozen=True, slots=True)
class Have:
    """probed: by item. filter: None if it is unknown. unread: why the app's network or filter is unknown."""

    probed: Mapping[str, Probed] = field(default_factory=dict)
    filter: Filter | None = None
    unread: str = ""
    joined: bool = True


@dataclass(frozen=True, slots=True)
class TcpReachability:
    """Its root is the site or the slot; an item is `HOST:PORT`, or `health_url`."""

    kind: str = "tcp_reachability"
    section: type[TcpReachabilitySection] = TcpReachabilitySection
    touches: frozenset[ArmType] = frozenset({SITE, SLOT})

    def items(self, section: TcpReachabilitySection, scope: Scope) -> tuple[Item[Endpoint | str], ...]:
        endpoints = [
            Item[Endpoint | str](scope.web_app, text.lower(), endpoint, ("endpoints", place))
            for place, text in enumerate(section.endpoints)
            if (endpoint := _parsed(text))
        ]
        health = (
            [Item[Endpoint | str](scope.web_app, HEALTH, section.health_url, (HEALTH,))] if section.health_url else []
        )
        return (*endpoints, *health)

    unmanaged = keep_the_rest

    def problems(self, section: TcpReachabilitySection, scope: Scope) -> tuple[Problem, ...]:  # noqa: ARG002 - the Protocol's
        return tuple(_problems(section))

    def reads(self, want: Want[Endpoint | str], facts: Facts) -> frozenset[Query]:
        health = {HttpProbe(item.value) for item in want.items.values() if isinstance(item.value, str)}
        endpoints = [item.value for item in want.items.values() if isinstance(item.value, Endpoint)]
        if not endpoints:
            return frozenset(health)
        place = joined(want.root, facts)
        filtering = _filter_reads(place.subnet, facts) if place.subnet else frozenset[Read]()
        probes = {_probe(place.network, endpoint) for endpoint in endpoints} if place.network else set()
        return frozenset({*health, *place.reads, *filtering, *probes})

    def observe(self, want: Want[Endpoint | str], facts: Facts) -> Have:
        place = joined(want.root, facts)
        probed: dict[str, Probed] = {}
        for name, item in want.items.items():
            answer = facts.get(_probe_of(place.network, item.value)) if _can_ask(place.network, item.value) else None
            if isinstance(answer, Probed):
                probed[name] = answer
        if place.network is None or place.subnet is None:
            return Have(probed, unread=place.unread, joined=bool(place.unread))
        found = _filter(place.subnet, facts)
        return Have(probed, *((found, "") if isinstance(found, Filter) else (None, found)))

    def diff(self, want: Want[Endpoint | str], have: Have) -> tuple[Drift, ...]:
        drifts = (
            self._health(want.root, name, have)
            if isinstance(item.value, str)
            else self._endpoint(want.root, name, item.value, have)
            for name, item in want.items.items()
        )
        return by_key(drift for drift in drifts if drift)

    def _health(self, root: ResourceId, name: str, have: Have) -> Drift | None:
        probed = have.probed.get(name)
        if probed is None:
            return unknown(self.kind, root, (name,), name, "2xx", "not asked")
        if probed.result is Result.ELSEWHERE:
            return Drift(self.kind, root, (name,), name, "2xx", None, Verdict.UNKNOWN, ELSEWHERE)
        if probed.result is Result.ANSWERED and 200 <= probed.status < 300:
            return None
        answered = probed.result is Result.ANSWERED
        has: Value = str(probed.status) if answered else probed.result.value
        return Drift(self.kind, root, (name,), name, "2xx", has, note=UNWELL if answered else SILENT)

    def _endpoint(self, root: ResourceId, name: str, endpoint: Endpoint, have: Have) -> Drift | None:
        path, want = ("endpoints", name), Result.ANSWERED.value
        if have.unread:
            return unknown(self.kind, root, path, name, want, have.unread)
        if not have.joined:
            return Drift(self.kind, root, path, name, want, ABSENT, note=NOT_JOINED)
        probed = have.probed.get(name)
        if probed is None or have.filter is None:
            return unknown(self.kind, root, path, name, want, "not asked")
        if probed.result is Result.ELSEWHERE:
            return Drift(self.kind, root, path, name, want, None, Verdict.UNKNOWN, ELSEWHERE)
        fault = _fault(endpoint, probed, have.filter)
        return Drift(self.kind, root, path, name, want, probed.result.value, note=fault) if fault else None

    def edits(self, want: Want[Endpoint | str], have: Have) -> tuple[Edit | Obstacle, ...]:  # noqa: ARG002 - the Protocol's
        return ()


REMEDIATOR = TcpReachability()


def _fault(endpoint: Endpoint, probed: Probed, filter_: Filter) -> str:
    """What is in the way from the app to the backend, nearest to the app first; "" if nothing is."""
    if fault := dns_fault(probed, private=is_public_name(endpoint.host)):
        return fault
    for address in probed.addresses:
        if rule := filter_.blocked_by(address, endpoint.port):
            return f"the integration subnet's NSG blocks it, by rule {rule}: allow port {endpoint.port} outbound"
    return "" if probed.result is Result.ANSWERED else BACKEND


def _parsed(text: str) -> Endpoint | None:
    found = _ENDPOINT.fullmatch(text)
    return Endpoint(found["host"].lower(), int(found["port"])) if found else None


def _problems(section: TcpReachabilitySection) -> Iterator[Problem]:
    if not section.endpoints and section.health_url is None:
        yield Problem((), "nothing is to be reached", "Name endpoints, a health_url, or remove the section.")
    for place, text in enumerate(section.endpoints):
        endpoint, path = _parsed(text), ("endpoints", place)
        if endpoint is None or not 1 <= endpoint.port <= 65535:
            yield Problem(path, f"{text!r} is no HOST:PORT", "Write it as sql-flask.database.windows.net:1433.")
        else:
            yield from host_problems(endpoint.host, path)
    yield from twice(dict.fromkeys(section.endpoints), ("endpoints",))
    if section.health_url is not None and not _is_page(section.health_url):
        message = "must be a page's URL, without user, password or query"  # not quoted, since it may have them
        yield Problem((HEALTH,), message, "Write https://NAME.azurewebsites.net/PATH.")


def _is_page(url: str) -> bool:
    """It must have no password, since URLs are shown."""
    parts = address_of(url)
    return parts is not None and parts.scheme in {"https", "http"} and "@" not in parts.netloc and not parts.query


def _can_ask(network: Network | None, value: Endpoint | str) -> bool:
    return network is not None or isinstance(value, str)


def _probe_of(network: Network | None, value: Endpoint | str) -> TcpProbe | HttpProbe:
    if isinstance(value, str):
        return HttpProbe(value)
    assert network is not None, "an endpoint is asked inside a network"
    return _probe(network, value)


def _probe(network: Network, endpoint: Endpoint) -> TcpProbe:
    return TcpProbe(network.id, endpoint.host, endpoint.port, network.servers)


def _filter_reads(subnet: ResourceId, facts: Facts) -> frozenset[Read]:
    body = facts.get(Read(SUBNET, subnet))
    group = reference_at(body.body, "properties", "networkSecurityGroup", "id") if isinstance(body, Found) else None
    reads = {Read(SUBNET, subnet)}
    return frozenset({*reads, Read(NETWORK_SECURITY_GROUP, group)} if group else reads)


def _filter(subnet: ResourceId, facts: Facts) -> Filter | str:
    """What filters the subnet's traffic, or why that is unknown."""
    body = facts.get(Read(SUBNET, subnet))
    if not isinstance(body, Found):
        return f"subnet {subnet.name}: {why_unread(body)}"
    source = _address_in(body)
    group = reference_at(body.body, "properties", "networkSecurityGroup", "id")
    if group is None:
        return Filter(source)
    found = facts.get(Read(NETWORK_SECURITY_GROUP, group))
    if not isinstance(found, Found):
        return f"{group.name}: {why_unread(found)}"
    bodies = json.objects_at(found.body, *SECURITY_RULE.embedded)
    properties = ((json.text_at(rule, "name"), json.at(rule, ("properties",))) for rule in bodies)
    return Filter(source, {name: rule_of(found) for name, found in properties if isinstance(found, Mapping)})


def _address_in(subnet: Found) -> str:
    """Some address of the subnet that an app's instance can have: Azure reserves the first four."""
    prefixes = json.at(subnet.body, ("properties", "addressPrefixes"))
    first = str(prefixes[0]) if isinstance(prefixes, list | tuple) and prefixes else ""
    prefix = json.text_at(subnet.body, "properties", "addressPrefix") or first
    return str(ip_network(prefix)[4]) if prefix else Filter().source
