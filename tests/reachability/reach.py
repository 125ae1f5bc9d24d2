"""Who reaches whom: a pure function over the bodies that ARM gives for everything in a world.

A flow is a web app, a backend's public name, and the backend's port. It works when the app's resolver finds an address
for the name and a packet from the app gets there: through the NSG and the routes of the app's subnet where it takes
that way, to an approved private endpoint or to a public door that is open. What is not told by ARM is taken as working:
that the backend runs, that a virtual appliance forwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network

from homeostat.core import json
from homeostat.core.arm_types import (
    ARM_TYPES,
    NETWORK_VERSION,
    PRIVATE_DNS_ZONE,
    PRIVATE_ENDPOINT,
    SITE,
    SITE_CONFIG,
    SLOT,
    VIRTUAL_NETWORK_LINK,
    ArmType,
)
from homeostat.core.backends import BACKENDS, ENABLED, Backend
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import Json
from remediators.egress import Address, Packet, allows
from remediators.security_rule import Rule, rule_of
from simulator.cloud import Cloud
from tests.support.simulation import Answer, Client

INTERFACE = "microsoft.network/networkinterfaces"
SOMEWHERE = Address.of("20.0.0.1")
"""A public address, which nothing in these tests tells from another."""

type Bodies = Mapping[ResourceId, Json]
"""Everything in a world, as ARM shows it; of a web app's settings what the POST tells."""


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    app: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.app} -> {self.host}:{self.port}"


def bodies_of(cloud: Cloud) -> Bodies:
    """What ARM would say now of every resource that plays a part here."""
    client, found = Client(cloud), dict[ResourceId, Json]()
    for resource in list(cloud):
        row = ARM_TYPES.get(resource.type.lower())
        version = row.api_version if row else NETWORK_VERSION
        if row is not None or resource.type.lower() == INTERFACE:
            id_ = ResourceId.parse(resource.id)
            found[id_] = _told(client("GET", resource.id, api_version=version))
            if row in {SITE, SLOT}:
                settings = id_.child("config", "appsettings")
                found[settings] = _told(client("POST", f"{settings}/list", {}, SITE_CONFIG.api_version))
    return found


def _told(answer: Answer) -> Json:
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


def reach(bodies: Bodies) -> frozenset[Flow]:
    """The flows that work."""
    world = _World(bodies)
    return frozenset(
        Flow(app.short, backend.host, backend.port)
        for app in (*world.of(SITE), *world.of(SLOT))
        for backend in world.backends()
        if world.works(app, backend)
    )


@dataclass(frozen=True, slots=True)
class _Backend:
    id: ResourceId
    kind: Backend
    host: str
    record: str
    zone: str

    @property
    def port(self) -> int:
        return self.kind.port


@dataclass(frozen=True, slots=True)
class _World:
    bodies: Bodies

    def of(self, row: ArmType) -> Iterator[ResourceId]:
        return (id_ for id_ in sorted(self.bodies) if id_.is_type(row.name))

    def body(self, id_: str) -> Json:
        return self.bodies.get(ResourceId.parse(id_)) if id_ else None

    def backends(self) -> Iterator[_Backend]:
        for kind in BACKENDS.values():
            for id_ in self.of(kind.type):
                region = json.text_at(self.bodies[id_], "location")
                yield _Backend(id_, kind, kind.hostname(id_, region), kind.record(id_, region), kind.zone(region))

    def works(self, app: ResourceId, backend: _Backend) -> bool:
        subnet_id = json.text_at(self.bodies[app], "properties", "virtualNetworkSubnetId")
        subnet = self.body(subnet_id)
        vnet = subnet_id.lower().partition("/subnets/")[0]
        zone = self.zone_of(vnet, backend.zone) if subnet is not None else None
        if zone is None:
            is_open = backend.kind.public_network_access(self.bodies[backend.id]) == ENABLED
            through = subnet is None or not self.routes_all(app) or self.lets_out(subnet, SOMEWHERE, backend.port)
            return is_open and through
        return any(
            self.leads_to(address, backend) and self.lets_out(subnet, Address.of(address), backend.port)
            for address in self.addresses(zone, backend.record)
        )

    # --- names ---

    def zone_of(self, vnet: str, name: str) -> ResourceId | None:
        """The private zone of that name that the network resolves by."""
        for link in self.of(VIRTUAL_NETWORK_LINK):
            zone = link.parent
            linked = json.text_at(self.bodies[link], "properties", "virtualNetwork", "id")
            if zone is not None and zone.name.lower() == name and same_id(linked, vnet):
                return zone
        return None

    def addresses(self, zone: ResourceId, record: str) -> Sequence[str]:
        assert zone.is_type(PRIVATE_DNS_ZONE.name)
        records = json.objects_at(self.bodies.get(zone.child("A", record)), "properties", "aRecords")
        return [json.text_at(each, "ipv4Address") for each in records]

    # --- the way ---

    def routes_all(self, app: ResourceId) -> bool:
        """Whether what the app sends to public addresses goes through its network."""
        routing = json.at(self.bodies[app], ("properties", "outboundVnetRouting"))
        settings = self.bodies[app.child("config", "appsettings")]
        legacy = json.text_at(settings, "properties", "WEBSITE_VNET_ROUTE_ALL") == "1"
        flags = routing if isinstance(routing, Mapping) else {}
        return legacy or any(flags.get(name) is True for name in ("applicationTraffic", "allTraffic"))

    def lets_out(self, subnet: Json, to: Address, port: int) -> bool:
        group = self.body(json.text_at(subnet, "properties", "networkSecurityGroup", "id"))
        start = json.text_at(subnet, "properties", "addressPrefix").partition("/")[0]
        packet = Packet(to, port, source=Address.of(start))
        return self.is_routed(subnet, to) and (group is None or allows(_rules(group), packet))

    def is_routed(self, subnet: Json, to: Address) -> bool:
        """Whether no route drops it. The longest prefix counts; a network's own ranges lie in 10.0.0.0/8 here."""
        table = self.body(json.text_at(subnet, "properties", "routeTable", "id"))
        assert to.ip is not None
        met = [
            (IPv4Network(prefix).prefixlen, json.text_at(route, "properties", "nextHopType"))
            for route in json.objects_at(table, "properties", "routes")
            if (prefix := json.text_at(route, "properties", "addressPrefix"))[:1].isdigit()
            and to.ip in ip_network(prefix)
        ]
        return max(met, default=(0, ""))[1] != "None"

    def leads_to(self, address: str, backend: _Backend) -> bool:
        """Whether an approved private endpoint of the backend has this address."""
        return any(self.has_address(self.bodies[endpoint], address, backend) for endpoint in self.of(PRIVATE_ENDPOINT))

    def has_address(self, endpoint: Json, address: str, backend: _Backend) -> bool:
        connections = [
            connection
            for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
            for connection in json.objects_at(endpoint, "properties", kind)
        ]
        approved = any(
            same_id(json.text_at(each, "properties", "privateLinkServiceId"), backend.id.text)
            and json.text_at(each, "properties", "privateLinkServiceConnectionState", "status") == "Approved"
            for each in connections
        )
        held = [
            json.text_at(config, "properties", "privateIPAddress")
            for interface in json.objects_at(endpoint, "properties", "networkInterfaces")
            for config in json.objects_at(self.body(json.text_at(interface, "id")), "properties", "ipConfigurations")
        ]
        return approved and ip_address(address) in map(ip_address, held)


def _rules(group: Json) -> Iterator[Rule]:
    for rule in json.objects_at(group, "properties", "securityRules"):
        properties = rule["properties"]
        assert isinstance(properties, Mapping)
        yield rule_of(properties)
