"""A probe: each private host name resolves to its private endpoint, with the resolver that the app would use.

It only reports. What it finds is repaired by the kinds that own links, zones and zone groups; it also shows what these
cannot see, such as a custom DNS server that does not forward. It needs HOMEOSTAT_PROBES.
https://learn.microsoft.com/azure/private-link/private-endpoint-dns
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import PRIVATE_DNS_ZONE_GROUP, PRIVATE_ENDPOINT, SITE, SLOT, ArmType
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
from homeostat.core.probes import NameProbe, Probed, Result
from remediators.common import by_key, keep_the_rest, reference_problems, twice, unknown, why_unread
from remediators.probing import ELSEWHERE, NOT_JOINED, Network, dns_fault, joined, shown_addresses

_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)
OTHER_ADDRESS = "DNS answers with another private address than the endpoint's: check the zone's records"


class DnsResolutionSection(KindSection):
    """Names that the app uses, and the private endpoints at which they are to end."""

    hosts: dict[str, str] = Field(
        description="By public host name; the endpoint as NAME, RESOURCE-GROUP:NAME, or a full resource id.",
        examples=[{"sql-flask.database.windows.net": "pe-sql"}],
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One name. expected: the endpoint's addresses. unread: why they, or the network, are unknown."""

    expected: tuple[str, ...] = ()
    probed: Probed | None = None
    unread: str = ""


type Have = Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class DnsResolution:
    """Its root is the site or the slot; an item is a host name."""

    kind: str = "dns_resolution"
    section: type[DnsResolutionSection] = DnsResolutionSection
    touches: frozenset[ArmType] = frozenset({SITE, SLOT})

    def items(self, section: DnsResolutionSection, scope: Scope) -> tuple[Item[ResourceId], ...]:
        return tuple(
            Item(scope.web_app, host, scope.resource(endpoint, PRIVATE_ENDPOINT.name), ("hosts", host))
            for host, endpoint in section.hosts.items()
        )

    unmanaged = keep_the_rest

    def problems(self, section: DnsResolutionSection, scope: Scope) -> tuple[Problem, ...]:
        found = [problem for host in section.hosts for problem in host_problems(host, ("hosts", host))]
        for host, endpoint in section.hosts.items():
            found.extend(reference_problems(scope, endpoint, PRIVATE_ENDPOINT.name, ("hosts", host)))
        return (*found, *twice(section.hosts, ("hosts",)))

    def reads(self, want: Want[ResourceId], facts: Facts) -> frozenset[Query]:
        place = joined(want.root, facts)
        endpoints = {read for item in want.items.values() for read in (_endpoint(item.value), _groups(item.value))}
        probes = {_probe(place.network, host) for host in want.items} if place.network else set()
        return frozenset({*place.reads, *endpoints, *probes})

    def observe(self, want: Want[ResourceId], facts: Facts) -> Have:
        place = joined(want.root, facts)
        if place.network is None:
            return {host: Seen(unread=place.unread) for host in want.items}
        return {host: _seen(place.network, host, item.value, facts) for host, item in want.items.items()}

    def diff(self, want: Want[ResourceId], have: Have) -> tuple[Drift, ...]:
        drifts = (self._difference(want, host, have[host]) for host in want.items)
        return by_key(drift for drift in drifts if drift)

    def _difference(self, want: Want[ResourceId], host: str, seen: Seen) -> Drift | None:
        root, path = want.root, ("names", host)
        wanted: Value = shown_addresses(seen.expected) if seen.expected else want.items[host].value.text
        if seen.unread:
            return unknown(self.kind, root, path, host, wanted, seen.unread)
        if seen.probed is None:
            return Drift(self.kind, root, path, host, wanted, ABSENT, note=NOT_JOINED)
        if seen.probed.result is Result.ELSEWHERE:
            return Drift(self.kind, root, path, host, wanted, None, Verdict.UNKNOWN, ELSEWHERE)
        found = seen.probed.addresses
        fault = dns_fault(seen.probed, private=True)
        if not fault and found and set(found) <= set(seen.expected):
            return None
        has: Value = shown_addresses(found) if found else ABSENT
        return Drift(self.kind, root, path, host, wanted, has, note=fault or OTHER_ADDRESS)

    def edits(self, want: Want[ResourceId], have: Have) -> tuple[Edit | Obstacle, ...]:  # noqa: ARG002 - the Protocol's
        return ()


REMEDIATOR = DnsResolution()


def host_problems(host: str, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if not _HOST.fullmatch(host):
        yield Problem(path, f"{host!r} is no host name", "Write the name as the app uses it, without scheme and port.")
    elif ".privatelink." in f".{host.lower()}":
        remedy = "Write the public name: it resolves privately inside the network."
        yield Problem(path, f"{host} is a private-link name, which no app uses", remedy)


def _endpoint(endpoint: ResourceId) -> Read:
    return Read(PRIVATE_ENDPOINT, endpoint)


def _groups(endpoint: ResourceId) -> Read:
    return Read(PRIVATE_DNS_ZONE_GROUP, endpoint, every=True)


def _probe(network: Network, host: str) -> NameProbe:
    return NameProbe(network.id, host.lower(), network.servers)


def _seen(network: Network, host: str, endpoint: ResourceId, facts: Facts) -> Seen:
    body, groups, probed = (
        facts.get(_endpoint(endpoint)),
        facts.get(_groups(endpoint)),
        facts.get(_probe(network, host)),
    )
    if not isinstance(body, Found):
        return Seen(unread=f"private endpoint {endpoint.name}: {why_unread(body)}")
    if not isinstance(groups, Found):
        return Seen(unread=f"zone groups of {endpoint.name}: {why_unread(groups)}")
    if not isinstance(probed, Probed):
        return Seen(unread=why_unread(probed))
    return Seen(_addresses(body, groups), probed)


def _addresses(endpoint: Found, groups: Found) -> tuple[str, ...]:
    """The endpoint's addresses: from its zone group if there is one, else from the endpoint itself."""
    configs = json.objects_at(endpoint.body, "properties", "customDnsConfigs")
    records = (
        record
        for group in json.objects_at(groups.body, "value")
        for config in json.objects_at(group, "properties", "privateDnsZoneConfigs")
        for record in json.objects_at(config, "properties", "recordSets")
    )
    lists = (json.at(entry, ("ipAddresses",)) for entry in (*configs, *records))
    return tuple(sorted({str(ip) for found in lists if isinstance(found, list | tuple) for ip in found}))
