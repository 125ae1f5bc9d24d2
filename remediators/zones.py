"""Private DNS zones and the A records that are declared in them.

A zone is a container: it is created again only if a spec or a person says so. Records are leaves. A record that a
private endpoint's zone group maintains, or that a network registers, has an owner already: Azure writes it again at any
time, so it is never touched, and a differing declaration is reported.
https://learn.microsoft.com/azure/dns/private-dns-privatednszone
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from homeostat.core import json
from homeostat.core.arm_types import A_RECORD, PRIVATE_DNS_ZONE, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Value
from homeostat.core.model import (
    Disruption,
    Drift,
    Edit,
    Facts,
    Found,
    Gone,
    Item,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Verdict,
    Want,
)
from homeostat.core.provisioning import being_written
from homeostat.core.scalars import OneOrMany
from remediators.common import (
    ByName,
    by_key,
    keep_the_rest,
    reference_problems,
    twice,
    unknown,
    why_unread,
)
from remediators.declared_endpoints import records_of

ZONE = "zone"
"""The item for the zone itself; the others are records, `A/NAME`."""

DEFAULT_TTL = 3600
IPS, TTL = ("properties", "aRecords"), ("properties", "ttl")

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_RECORD = re.compile(rf"@|(\*|{_LABEL})(\.{_LABEL})*")
_BY_ENDPOINT = "created by private endpoint"


def _long_form(written: object) -> object:
    return written if isinstance(written, Mapping | RecordSpec) else {"ips": written}


class RecordSpec(Section):
    """An A record."""

    ips: OneOrMany = Field(description="IPv4 addresses, in any order.", examples=[["10.10.2.4"]])
    ttl: int | None = Field(
        default=None, ge=1, le=2147483647, description=f"Seconds. Not looked at if not given; {DEFAULT_TTL} when made."
    )
    mode: Mode | None = Field(default=None, description="Wins over the zone's mode.")


class ZoneSpec(Section):
    """One private DNS zone."""

    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")
    recreate: bool = Field(default=False, description="Whether the zone is made again unattended.")
    records: dict[str, Annotated[RecordSpec, BeforeValidator(_long_form)]] = Field(
        default_factory=dict,
        description="A records by name, `@` for the zone's own; never those that a zone group keeps.",
        examples=[{"legacy-api": ["10.10.2.20"]}],
    )


class ZonesSection(ByName[ZoneSpec]):
    """Private DNS zones by name, RESOURCE-GROUP:NAME, or full resource id."""


@dataclass(frozen=True, slots=True)
class ZoneWant:
    recreate: bool = False


@dataclass(frozen=True, slots=True)
class RecordWant:
    """ips: sorted. ttl: None if any will do."""

    ips: tuple[str, ...]
    ttl: int | None = None


type Wanted = ZoneWant | RecordWant


@dataclass(frozen=True, slots=True)
class Record:
    """ips: sorted. owner: who maintains the record, in words, if Azure does; else ""."""

    ips: tuple[str, ...]
    ttl: int
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Have:
    """records: by item. unsure: the items of which neither presence nor absence is certain, and why."""

    is_gone: bool = False
    records: Mapping[str, Record] = field(default_factory=dict)
    unsure: Mapping[str, str] = field(default_factory=dict)
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Zones:
    """Its root is the zone; an item is the zone itself, or an A record in it."""

    kind: str = "zones"
    section: type[ZonesSection] = ZonesSection
    touches: frozenset[ArmType] = frozenset({PRIVATE_DNS_ZONE, A_RECORD})

    def items(self, section: ZonesSection, scope: Scope) -> tuple[Item[Wanted], ...]:
        return tuple(item for name, spec in section.entries.items() for item in _items(name, spec, scope))

    unmanaged = keep_the_rest

    def problems(self, section: ZonesSection, scope: Scope) -> tuple[Problem, ...]:
        found = (problem for name, spec in section.entries.items() for problem in _problems(name, spec, scope))
        return (*found, *twice(section.entries, ()))

    def reads(self, want: Want[Wanted], facts: Facts) -> frozenset[Read]:
        own = {_own(want.root, item) for item in want.items if item != ZONE}
        found = {Read(PRIVATE_DNS_ZONE, want.root), *own}
        if any(isinstance(facts.get(read), Gone) for read in own):
            found.add(_listing(want.root))
        return frozenset(found)

    def observe(self, want: Want[Wanted], facts: Facts) -> Have:
        """A record is gone if its own read says so and the existing zone's listing lacks it."""
        zone = facts.get(Read(PRIVATE_DNS_ZONE, want.root))
        if isinstance(zone, Gone):
            return Have(is_gone=True)
        if not isinstance(zone, Found):
            return Have(unsure=dict.fromkeys(want.items, why_unread(zone)))
        records: dict[str, Record] = {}
        unsure: dict[str, str] = {}
        for item in want.items:
            if item == ZONE:
                continue
            match facts.get(_own(want.root, item)):
                case Found(body):
                    records[item] = _record(body)
                case Gone():
                    unsure |= _doubt(want.root, item, facts)
                case unread:
                    unsure[item] = why_unread(unread)
        return Have(records=records, unsure=unsure, under_way=being_written(zone.body))

    def diff(self, want: Want[Wanted], have: Have) -> tuple[Drift, ...]:
        found = (
            drift for name, item in want.items.items() for drift in self._differences(want, name, item.value, have)
        )
        return by_key(found)

    def _differences(self, want: Want[Wanted], name: str, wanted: Wanted, have: Have) -> Iterator[Drift]:
        resource = want.root if name == ZONE else _own(want.root, name).id
        if reason := have.unsure.get(name):
            yield unknown(self.kind, resource, (), name, _shown(wanted), reason)
        elif isinstance(wanted, ZoneWant):
            if have.is_gone:
                yield Drift(self.kind, resource, (), name, _shown(wanted), ABSENT)
        elif have.is_gone:
            return  # they follow, once the zone exists
        elif (record := have.records.get(name)) is None:
            yield Drift(self.kind, resource, (), name, _shown(wanted), ABSENT)
        else:
            if record.ips != wanted.ips:
                yield Drift(self.kind, resource, IPS, name, list(wanted.ips), list(record.ips), note=record.owner)
            if wanted.ttl is not None and record.ttl != wanted.ttl:
                yield Drift(self.kind, resource, TTL, name, wanted.ttl, record.ttl, note=record.owner)

    def edits(self, want: Want[Wanted], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            _repair(drift, want.items[drift.item].value, have)
            for drift in self.diff(want, have)
            if drift.verdict is Verdict.DRIFTED
        )


REMEDIATOR = Zones()


def _own(zone: ResourceId, item: str) -> Read:
    return Read(A_RECORD, zone.child("A", item.removeprefix("A/")))


def _listing(zone: ResourceId) -> Read:
    return Read(A_RECORD, zone, every=True)


def _items(name: str, spec: ZoneSpec, scope: Scope) -> Iterator[Item[Wanted]]:
    root = scope.resource(name, PRIVATE_DNS_ZONE.name)
    yield Item(root, ZONE, ZoneWant(spec.recreate), (name,), spec.mode)
    for record, value in spec.records.items():
        wanted = RecordWant(tuple(sorted({_canonical(ip) for ip in value.ips})), value.ttl)
        yield Item(root, f"A/{record}", wanted, (name, "records", record), value.mode or spec.mode)


def _canonical(ip: str) -> str:
    """The address in its usual form, if it is one."""
    try:
        return str(IPv4Address(ip.strip()))
    except AddressValueError:
        return ip


def _record(body: Json) -> Record:
    ttl = json.at(body, TTL)
    creator = json.text_at(body, "properties", "metadata", "creator")
    owner = creator if creator.lower().startswith(_BY_ENDPOINT) else ""
    if json.at(body, ("properties", "isAutoRegistered")) is True:
        owner = "registered by a network"
    ips = {_canonical(json.text_at(each, "ipv4Address")) for each in json.objects_at(body, *IPS)}
    return Record(tuple(sorted(ips)), ttl if isinstance(ttl, int) else 0, owner)


def _doubt(zone: ResourceId, item: str, facts: Facts) -> dict[str, str]:
    """Why a record that its own read did not find may exist all the same; empty if it is gone."""
    listing = facts.get(_listing(zone))
    if not isinstance(listing, Found):
        return {item: why_unread(listing)}
    names = {json.text_at(each, "name").lower() for each in json.objects_at(listing.body, "value")}
    return {item: "its zone lists it"} if _own(zone, item).id.name.lower() in names else {}


def _shown(wanted: Wanted) -> Value:
    if isinstance(wanted, ZoneWant):
        return "present"
    return {"ips": list(wanted.ips), "ttl": wanted.ttl or DEFAULT_TTL}


def _repair(drift: Drift, wanted: Wanted, have: Have) -> Edit | Obstacle:
    after, reaches = frozenset({Milestone.ZONES_EXIST}), frozenset({Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE})
    if isinstance(wanted, ZoneWant):
        # names resolve once the links and records exist that follow it on this root
        born = frozenset({Milestone.ZONES_EXIST, Milestone.NAMES_RESOLVE})
        return Edit(drift, (), {"location": "global"}, reaches=born, recreate=wanted.recreate)
    if owner := have.records[drift.item].owner if drift.item in have.records else "":
        message = f"{drift.resource.name} was {owner}, which keeps it: remove it from the spec"
        return Obstacle(drift, "record-has-an-owner", message, reaches)
    if not drift.path:
        properties: Json = {"ttl": wanted.ttl or DEFAULT_TTL, "aRecords": _addresses(wanted)}
        return Edit(drift, (), {"properties": properties}, after=after, reaches=reaches)
    if drift.path == TTL:
        return Edit(drift, TTL, wanted.ttl, after=after)
    return Edit(drift, IPS, _addresses(wanted), Disruption.CONNECTIVITY, after, reaches)


def _addresses(wanted: RecordWant) -> list[Json]:
    return [{"ipv4Address": ip} for ip in wanted.ips]


def _problems(name: str, spec: ZoneSpec, scope: Scope) -> Iterator[Problem]:
    broken = reference_problems(scope, name, PRIVATE_DNS_ZONE.name, (name,))
    yield from broken
    yield from twice(spec.records, (name, "records"))
    kept = {} if broken else records_of(scope.resource(name, PRIVATE_DNS_ZONE.name), scope)
    for record, value in spec.records.items():
        path = (name, "records", record)
        if not _RECORD.fullmatch(record):
            yield Problem(path, f"{record!r} is no name of a record", "Write it relative to the zone, or `@`.")
        for ip in value.ips:
            if not _is_address(ip):
                yield Problem(path, f"{ip!r} is no IPv4 address", "Write it like 10.10.2.4.")
        if endpoint := kept.get(record.lower()):
            message = f"{record} is kept by the zone group of the private endpoint {endpoint}"
            yield Problem(path, message, "Remove it here: Azure writes it.")


def _is_address(text: Any) -> bool:
    try:
        return bool(IPv4Address(text))
    except AddressValueError:
        return False
