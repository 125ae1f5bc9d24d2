"""How a private endpoint's DNS zone group is read, compared and written.

An endpoint has at most one group, under any name: what counts is that it leads to the declared zone, and that the
records exist which it maintains there. They are lost with a zone that is deleted, and do not come back with a new one
until the group is written again.
https://learn.microsoft.com/azure/private-link/private-endpoint-dns-integration
"""

from collections.abc import Iterator
from dataclasses import dataclass

from homeostat.core import json
from homeostat.core.arm_types import A_RECORD, PRIVATE_DNS_ZONE_GROUP
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import Drift, Edit, Facts, Found, Gone, Milestone, Read
from homeostat.core.provisioning import being_written
from remediators.common import unknown, verdict_of, why_unread

CONFIGS = ("properties", "privateDnsZoneConfigs")


@dataclass(frozen=True, slots=True)
class ZoneGroupWant:
    name: str
    zone: ResourceId


@dataclass(frozen=True, slots=True)
class Config:
    """One zone that a group leads to, and the names of the records that it maintains there."""

    name: str
    zone: str
    records: tuple[str, ...]

    @property
    def as_sent(self) -> Json:
        return {"name": self.name, "properties": {"privateDnsZoneId": self.zone}}


@dataclass(frozen=True, slots=True)
class ZoneGroup:
    """lost: the names of the records that it maintains in the declared zone, but that do not exist."""

    id: ResourceId
    configs: tuple[Config, ...]
    under_way: bool
    lost: tuple[str, ...] = ()

    def config_of(self, zone: ResourceId) -> Config | None:
        return next((config for config in self.configs if same_id(config.zone, zone.text)), None)


@dataclass(frozen=True, slots=True)
class Groups:
    """group: None if there is none. unread: why that is unknown, or ""."""

    group: ZoneGroup | None = None
    unread: str = ""


NO_GROUP = Groups()


def reads(endpoint: ResourceId, wanted: ZoneGroupWant, facts: Facts) -> frozenset[Read]:
    """The listing; the declared group itself if the listing is empty; then the records that the group maintains."""
    listed = facts.get(_listing(endpoint))
    found = {_listing(endpoint)}
    if isinstance(listed, Found) and not json.objects_at(listed.body, "value"):
        found.add(_own(endpoint, wanted.name))
    group = observe(endpoint, wanted, facts).group
    return frozenset({*found, *(_records(group, wanted.zone) if group else ())})


def observe(endpoint: ResourceId, wanted: ZoneGroupWant, facts: Facts) -> Groups:
    """A group is missing only if the listing and its own read say so."""
    listing = facts.get(_listing(endpoint))
    if not isinstance(listing, Found):
        return Groups(unread=why_unread(listing))
    groups = [_zone_group(endpoint, wanted.zone, body, facts) for body in json.objects_at(listing.body, "value")]
    if groups:
        return Groups(groups[0])
    match facts.get(_own(endpoint, wanted.name)):
        case Found(body):
            return Groups(_zone_group(endpoint, wanted.zone, body, facts))
        case Gone():
            return Groups()
        case unread:
            return Groups(unread=why_unread(unread))


def differences(kind: str, endpoint: ResourceId, item: str, wanted: ZoneGroupWant, groups: Groups) -> Iterator[Drift]:
    own, zone, group = _own(endpoint, wanted.name).id, wanted.zone.text, groups.group
    if groups.unread:
        yield unknown(kind, own, (), item, {"zone": zone}, groups.unread)
    elif group is None:
        yield Drift(kind, own, (), item, {"zone": zone}, ABSENT)
    else:
        verdict = verdict_of(under_way=group.under_way)
        if group.config_of(wanted.zone) is None:
            zones = sorted(config.zone for config in group.configs)
            yield Drift(kind, group.id, CONFIGS, item, zone, zones, verdict)
        elif group.lost:
            note = f"not in the zone: {', '.join(group.lost)}"
            yield Drift(kind, group.id, CONFIGS, item, {"zone": zone, "records": "present"}, zone, verdict, note)


def edit(drift: Drift, wanted: ZoneGroupWant, groups: Groups) -> Edit:
    """Configurations for other zones stay; one for a zone of the same name elsewhere is replaced."""
    after, reaches = frozenset({Milestone.ZONES_EXIST}), frozenset({Milestone.RECORDS_EXIST, Milestone.NAMES_RESOLVE})
    there = groups.group.configs if groups.group else ()
    own = groups.group.config_of(wanted.zone) if groups.group else None
    leading = own or Config(wanted.zone.name.replace(".", "-"), wanted.zone.text, ())  # named as the portal does
    kept = [config for config in there if _last(config.zone) != wanted.zone.name.lower()]
    configs = [config.as_sent for config in (*kept, leading)]
    return Edit(
        drift,
        drift.path,
        configs if drift.path else {"properties": {CONFIGS[-1]: configs}},
        after=after,
        reaches=reaches,
    )


def _listing(endpoint: ResourceId) -> Read:
    return Read(PRIVATE_DNS_ZONE_GROUP, endpoint, every=True)


def _own(endpoint: ResourceId, name: str) -> Read:
    return Read(PRIVATE_DNS_ZONE_GROUP, endpoint.child("privateDnsZoneGroups", name))


def _records(group: ZoneGroup, zone: ResourceId) -> tuple[Read, ...]:
    """The reads of the records that a group maintains in the declared zone."""
    config = group.config_of(zone)
    return tuple(_record(zone, name) for name in config.records) if config else ()


def _record(zone: ResourceId, name: str) -> Read:
    return Read(A_RECORD, zone.child("A", name))


def _zone_group(endpoint: ResourceId, zone: ResourceId, body: Json, facts: Facts) -> ZoneGroup:
    configs = tuple(
        Config(
            json.text_at(config, "name"),
            json.text_at(config, "properties", "privateDnsZoneId"),
            tuple(
                json.text_at(record, "recordSetName")
                for record in json.objects_at(config, "properties", "recordSets")
                if json.text_at(record, "recordType").upper() == "A" and json.text_at(record, "recordSetName")
            ),
        )
        for config in json.objects_at(body, *CONFIGS)
    )
    group = ZoneGroup(_own(endpoint, json.text_at(body, "name")).id, configs, being_written(body))
    config = group.config_of(zone)
    lost = [name for name in config.records if isinstance(facts.get(_record(zone, name)), Gone)] if config else []
    return ZoneGroup(group.id, configs, group.under_way, tuple(sorted(lost)))


def _last(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2].lower()
