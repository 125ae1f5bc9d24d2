"""What a live web app depends on, read from ARM: the app, its subnet and network, and its private paths.

Each resource names the next, so that only three listings cover a whole subscription or zone: which zones are linked to
the network is read from the zones, since a network does not say. What cannot be read is reported, and the rest is
still read.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from homeostat.core import json
from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import (
    A_RECORD,
    ARM_TYPES,
    FLOW_LOG,
    NETWORK_SECURITY_GROUP,
    PRIVATE_DNS_ZONE,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    ROUTE_TABLE,
    SITE_CONFIG,
    SLOT,
    SLOT_CONFIG,
    SUBNET,
    VIRTUAL_NETWORK,
    VIRTUAL_NETWORK_LINK,
    ArmType,
    arm_type,
)
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import InvalidResourceId, ResourceId, same_id
from homeostat.core.json import JsonObject
from homeostat.core.model import Fact, Found, Gone, Read, Scope, Unreadable
from homeostat.core.secret_value import Secret
from homeostat.ports.azure import ArmReader, SubscriptionReader

CONCURRENT_READS: Final = 16
"""Concurrent reads; a hub's subscription can hold hundreds of zones."""


class NoWebApp(HomeostatError):
    """The web app or slot cannot be adopted: it does not exist, or may not be read."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as found."""

    id: ResourceId
    body: JsonObject = field(repr=False)

    def text(self, *path: str) -> str:
        return json.text_at(self.body, *path)

    def objects(self, *path: str) -> tuple[JsonObject, ...]:
        return json.objects_at(self.body, *path)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A private endpoint in the app's network. backend: what it leads to, if that could be read."""

    resource: Resource
    groups: tuple[Resource, ...] = ()
    backend: Resource | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """A private DNS zone that is linked to the app's network."""

    resource: Resource
    links: tuple[Resource, ...] = ()  # to all networks
    records: tuple[Resource, ...] = ()  # A records


@dataclass(frozen=True, slots=True)
class Survey:
    """settings: None if they could not be read. sticky: names of settings that stay with their slot.

    unread: in words, what could not be read and why.
    """

    scope: Scope
    site: Resource
    settings: Mapping[str, Secret] | None = None
    sticky: frozenset[str] = frozenset()
    config: Resource | None = None  # config/web
    subnet: Resource | None = None
    vnet: Resource | None = None
    nsg: Resource | None = None
    route_table: Resource | None = None
    flow_logs: tuple[Resource, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    zones: tuple[Zone, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class Remembering:
    """A reader that reads each thing from ARM once, so that a plan can be made from what was surveyed."""

    reader: ArmReader
    facts: dict[Read, Fact] = field(default_factory=dict)

    async def read(self, read: Read) -> Fact:
        if read not in self.facts:
            self.facts[read] = await self.reader.read(read)
        return self.facts[read]


async def survey(web_app: ResourceId, reader: ArmReader, everywhere: SubscriptionReader) -> Survey:
    """Raises NoWebApp. Everything else that cannot be read is reported in `unread`."""
    surveyor = _Surveyor(reader, everywhere)
    site = await surveyor.web_app(web_app)
    found = await surveyor.configuration(Survey(Scope(site.id), site))
    if subnet := _reference(site.body, "properties", "virtualNetworkSubnetId"):
        found = await surveyor.network(found, subnet)
    if found.vnet is not None:
        found = await surveyor.private_paths(found, found.vnet)
    return replace(found, unread=tuple(sorted(surveyor.unread)))


def backend_of(endpoint: Resource) -> ResourceId | None:
    """What a private endpoint leads to: its only connection, which may have been requested manually."""
    for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for connection in endpoint.objects("properties", kind):
            return _reference(connection, "properties", "privateLinkServiceId")
    return None


def zones_of(group: Resource) -> tuple[ResourceId, ...]:
    """The zones that a zone group writes its records into."""
    configs = group.objects("properties", "privateDnsZoneConfigs")
    return tuple(zone for config in configs if (zone := _reference(config, "properties", "privateDnsZoneId")))


@dataclass(slots=True)
class _Surveyor:
    reader: ArmReader
    everywhere: SubscriptionReader
    unread: set[str] = field(default_factory=set)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_READS))

    # --- the app ---

    async def web_app(self, web_app: ResourceId) -> Resource:
        match await self.reader.read(Read(arm_type(web_app), web_app)):
            case Found(body) if isinstance(body, Mapping):
                return _as_arm_spells(Resource(web_app, body))
            case Unreadable(error) if error.error_class is not ErrorClass.MISSING_PARENT:
                raise NoWebApp(f"{web_app.short} could not be read: {error}") from error
            case _:
                where = f"{web_app.resource_group} of subscription {web_app.subscription}"
                remedy = "Check --web-app, --resource-group and --subscription."
                raise NoWebApp(f"there is no {web_app.short} in {where}. {remedy}")

    async def configuration(self, found: Survey) -> Survey:
        site = found.site.id
        is_slot = site.is_type(SLOT.name)
        row, app = (SLOT_CONFIG, site.lineage[-1]) if is_slot else (SITE_CONFIG, site)
        settings, config, names = await asyncio.gather(
            self.one(Read(row, site.child("config", "appsettings"))),
            self.one(Read(row, site.child("config", "web"))),
            self.one(Read(SITE_CONFIG, app.child("config", "slotConfigNames"))),
        )
        sticky = json.at(names.body, ("properties", "appSettingNames")) if names else None
        return replace(
            found,
            settings=json.secrets_at(settings.body, "properties") if settings else None,
            sticky=frozenset(map(str, sticky)) if isinstance(sticky, Sequence) else frozenset(),
            config=config,
        )

    # --- its network ---

    async def network(self, found: Survey, subnet_id: ResourceId) -> Survey:
        vnet_id = subnet_id.parent
        assert vnet_id is not None, "a subnet is a network's"
        subnet, vnet = await asyncio.gather(self.one(Read(SUBNET, subnet_id)), self.one(Read(VIRTUAL_NETWORK, vnet_id)))
        body: JsonObject = subnet.body if subnet else {}
        nsg, table = await asyncio.gather(
            self.referred(NETWORK_SECURITY_GROUP, body, "properties", "networkSecurityGroup", "id"),
            self.referred(ROUTE_TABLE, body, "properties", "routeTable", "id"),
        )
        return replace(found, subnet=subnet, vnet=vnet, nsg=nsg, route_table=table)

    async def private_paths(self, found: Survey, vnet: Resource) -> Survey:
        endpoints, flow_logs = await asyncio.gather(self.endpoints(vnet), self.flow_logs(vnet))
        zones = await self.zones(vnet, endpoints)
        return replace(found, endpoints=endpoints, flow_logs=flow_logs, zones=zones)

    async def flow_logs(self, vnet: Resource) -> tuple[Resource, ...]:
        """A network refers to its flow logs."""
        return await self.all_of(FLOW_LOG, (_reference(log, "id") for log in vnet.objects("properties", "flowLogs")))

    async def endpoints(self, vnet: Resource) -> tuple[Endpoint, ...]:
        """A subnet refers to the private endpoints in it, in upper case; they know their own spelling."""
        referred = (
            _reference(reference, "id")
            for subnet in vnet.objects("properties", "subnets")
            for reference in json.objects_at(subnet, "properties", "privateEndpoints")
        )
        return tuple(await asyncio.gather(*map(self._endpoint, await self.all_of(PRIVATE_ENDPOINT, referred))))

    async def _endpoint(self, endpoint: Resource) -> Endpoint:
        groups, backend = await asyncio.gather(
            self.children(PRIVATE_DNS_ZONE_GROUP, endpoint.id), self._backend(backend_of(endpoint))
        )
        return Endpoint(endpoint, groups, backend)

    async def _backend(self, backend: ResourceId | None) -> Resource | None:
        if backend is None or backend.type.lower() not in ARM_TYPES:  # a kind that Homeostat does not know
            return None
        return await self.one(Read(arm_type(backend), backend))

    async def zones(self, vnet: Resource, endpoints: Iterable[Endpoint]) -> tuple[Zone, ...]:
        """The zones of the network's subscription, and of its endpoints' zone groups, that are linked to it."""
        named = [zone for endpoint in endpoints for group in endpoint.groups for zone in zones_of(group)]
        listed = await self.everywhere.read_all(PRIVATE_DNS_ZONE, vnet.id.subscription)
        if isinstance(listed, Unreadable):
            self.unread.add(f"the private DNS zones of subscription {vnet.id.subscription}: {listed.error.error_class}")
        bodies = json.objects_at(listed.body, "value") if isinstance(listed, Found) else ()
        ids = sorted({*named, *(zone for body in bodies if (zone := _reference(body, "id")))})
        found = await asyncio.gather(*(self._zone(zone, vnet) for zone in ids))
        return tuple(zone for zone in found if zone is not None)

    async def _zone(self, zone: ResourceId, vnet: Resource) -> Zone | None:
        links = await self.children(VIRTUAL_NETWORK_LINK, zone)
        if not any(same_id(link.text("properties", "virtualNetwork", "id"), vnet.id.text) for link in links):
            return None
        body, records = await asyncio.gather(self.one(Read(PRIVATE_DNS_ZONE, zone)), self.children(A_RECORD, zone))
        return Zone(body, links, records) if body else None

    # --- reads ---

    async def one(self, read: Read) -> Resource | None:
        async with self.gate:
            fact = await self.reader.read(read)
        match fact:
            case Found(body) if isinstance(body, Mapping):
                return _as_arm_spells(Resource(read.id, body))
            case Unreadable(error):
                self.unread.add(f"{read.id.short}: {error.error_class}")
            case Gone():
                self.unread.add(f"{read.id.short}: it is not there")
        return None

    async def referred(self, row: ArmType, body: JsonObject, *path: str) -> Resource | None:
        id_ = _reference(body, *path)
        return await self.one(Read(row, id_)) if id_ else None

    async def all_of(self, row: ArmType, ids: Iterable[ResourceId | None]) -> tuple[Resource, ...]:
        found = await asyncio.gather(*(self.one(Read(row, id_)) for id_ in sorted({id_ for id_ in ids if id_})))
        return tuple(sorted((each for each in found if each), key=lambda each: each.id))

    async def children(self, row: ArmType, parent: ResourceId) -> tuple[Resource, ...]:
        async with self.gate:
            fact = await self.reader.read(Read(row, parent, every=True))
        if isinstance(fact, Unreadable):
            self.unread.add(f"{row.collection} of {parent.short}: {fact.error.error_class}")
        bodies = json.objects_at(fact.body, "value") if isinstance(fact, Found) else ()
        found = (Resource(parent.child(row.collection, json.text_at(body, "name")), body) for body in bodies)
        return tuple(sorted(found, key=lambda each: each.id))


def _reference(body: JsonObject, *path: str) -> ResourceId | None:
    """The id at a place in a body; None if there is none, or it is not a resource's."""
    try:
        return ResourceId.parse(json.text_at(body, *path))
    except InvalidResourceId:
        return None


def _as_arm_spells(found: Resource) -> Resource:
    """The resource with the spelling of its own body: references to it may be in capitals."""
    own = _reference(found.body, "id")
    return replace(found, id=own) if own == found.id else found
