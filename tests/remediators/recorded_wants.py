"""From a recorded request the want that asks for the same, and worlds in which it is not yet so.

In the first world the resource is missing, or lacks what is owned; in the others it is there as ARM had it after the
request, but differs. `BUILDS` has one function for each type that is written.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from homeostat.core import json
from homeostat.core.arm_types import ROUTE, SECURITY_RULE
from homeostat.core.backends import BACKENDS, ENABLED, backend_of
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Path
from homeostat.core.model import Want
from remediators.app_settings import Setting
from remediators.backend_access import ITEM as DOOR
from remediators.backend_access import AccessWant
from remediators.declared_endpoints import ENDPOINT, ZONE_GROUP, EndpointWant
from remediators.dns_links import LinkWant
from remediators.flow_log import log_of
from remediators.flow_logs import LogWant
from remediators.identity import SYSTEM, SystemWant, UserWant
from remediators.nsg import ITEM as GROUP
from remediators.nsg import GroupWant
from remediators.private_endpoints import LISTS
from remediators.route import MEMBERS as ROUTE_MEMBERS
from remediators.route import Route
from remediators.route_all import FLAGS, FLAGS_BEFORE
from remediators.route_table import TABLE, TableWant
from remediators.security_rule import rule_of
from remediators.subnet_body import SubnetWant, present_of
from remediators.vnet_integration import ITEM as INTEGRATION
from remediators.zone_group import ZoneGroupWant
from remediators.zones import DEFAULT_TTL, ZONE, RecordWant, ZoneWant
from tests.remediators.contract import want_of
from tests.remediators.requests import Request
from tests.remediators.world import World, body_of


class Case(NamedTuple):
    """A kind, what it wants, and the worlds that are not so."""

    kind: str
    want: Want[Any]
    worlds: tuple[World, ...]


type Build = Callable[[Request], Iterator[Case]]


def there(request: Request) -> JsonObject:
    """The resource as ARM had it once the request was done."""
    found = request.answer or request.body
    members = json.at(found, ("properties",))
    return {**found, **body_of(request.id, done({} if members is ABSENT else members))}


def done(body: Json) -> Json:
    """The body when the write that it tells of has come to its end."""
    if isinstance(body, Mapping):
        return {name: "Succeeded" if name == "provisioningState" else done(value) for name, value in body.items()}
    return [done(each) for each in body] if isinstance(body, list) else body


def altered(body: Json, *edits: tuple[Path, json.Value]) -> JsonObject:
    for path, value in edits:
        body = json.with_value(body, path, value)
    assert isinstance(body, Mapping)
    return body


def properties(**members: json.Value) -> tuple[tuple[Path, json.Value], ...]:
    return tuple((("properties", name), value) for name, value in members.items())


def above(id_: ResourceId) -> ResourceId:
    assert id_.parent is not None
    return id_.parent


# --- what each request asks for --------------------------------------------------------------------------------------


def rule(request: Request) -> Iterator[Case]:
    group, sent = above(request.id), _members(request.body)
    other = "Deny" if json.text_at(sent, "access").lower() == "allow" else "Allow"
    differing = altered(
        there(request), *properties(access=other, destinationPortRange="7", destinationPortRanges=ABSENT)
    )
    worlds = tuple(
        {group: body_of(group, {"securityRules": listed}, location="westeurope")} for listed in ([], [differing])
    )
    yield Case("nsg_rules", want_of(group, {request.id.name: rule_of(sent)}), worlds)


def group(request: Request) -> Iterator[Case]:
    location = json.text_at(request.body, "location")
    yield Case("nsg", want_of(request.id, {GROUP: GroupWant(location, recreate=True)}), ({},))
    listed = json.objects_at(request.body, *SECURITY_RULE.embedded)
    rules = {json.text_at(each, "name"): rule_of(_members(each)) for each in listed}
    if rules:
        empty = altered(there(request), *properties(securityRules=[]))
        stood = json.objects_at(there(request), *SECURITY_RULE.embedded)
        opened = [altered(each, *properties(destinationPortRange="7", destinationPortRanges=ABSENT)) for each in stood]
        full = altered(there(request), *properties(securityRules=opened))
        yield Case("nsg_rules", want_of(request.id, rules), ({request.id: empty}, {request.id: full}))


def _members(body: Json) -> JsonObject:
    found = json.at(body, ("properties",))
    return found if isinstance(found, Mapping) else {}


def subnet(request: Request) -> Iterator[Case]:
    network, asked = above(request.id), present_of(request.body)
    if not asked.prefixes:
        return
    want = SubnetWant(
        prefix=asked.prefixes[0],
        delegation=next(iter(asked.delegated_to), None),
        nsg=ResourceId.parse(asked.nsg) if asked.nsg else None,
        route_table=ResourceId.parse(asked.route_table) if asked.route_table else None,
        endpoints=asked.services,
    )
    around: World = {network: body_of(network, {"addressSpace": {"addressPrefixes": ["0.0.0.0/0", "::/0"]}})}
    other = altered(there(request), *properties(serviceEndpoints=[{"service": "Microsoft.Other"}]))
    bare = altered(other, *properties(delegations=[], networkSecurityGroup=ABSENT, routeTable=ABSENT))
    worlds = tuple({**around, request.id: body} for body in (other, bare))
    yield Case("subnet", want_of(network, {request.id.name: want}), (around, *worlds))


def table(request: Request) -> Iterator[Case]:
    body = there(request)
    off = json.at(request.body, ("properties", "disableBgpRoutePropagation")) is True
    items: dict[str, object] = {
        TABLE: TableWant(json.text_at(request.body, "location"), recreate=True, no_propagation=off)
    }
    for each in json.objects_at(request.body, *ROUTE.embedded):
        items[json.text_at(each, "name")] = _route(each)
    flipped = altered(body, *properties(disableBgpRoutePropagation=not off))
    emptied = altered(flipped, *properties(routes=[]))
    yield Case("route_table", want_of(request.id, items), ({}, {request.id: flipped}, {request.id: emptied}))


def _route(body: Json) -> Route:
    return Route(*(json.text_at(body, "properties", member) for member in ROUTE_MEMBERS.values()))


def route(request: Request) -> Iterator[Case]:
    holder = above(request.id)
    elsewhere = altered(there(request), *properties(addressPrefix="192.0.2.0/24"))
    worlds = tuple({holder: body_of(holder, {"routes": listed})} for listed in ([], [elsewhere]))
    yield Case("route_table", want_of(holder, {request.id.name: _route(request.body)}), worlds)


def flow_log(request: Request) -> Iterator[Case]:
    log = log_of(request.body)
    want = want_of(above(request.id), {request.id.name: LogWant(log, json.text_at(request.body, "location"))})
    differing = properties(
        enabled=not log.enabled, storageId=f"{log.storage}2", retentionPolicy=ABSENT, format={"type": "JSON"}
    )
    yield Case("flow_logs", want, ({}, {request.id: altered(there(request), *differing)}))


def endpoint(request: Request) -> Iterator[Case]:
    for name in LISTS:
        for connection in json.objects_at(request.body, "properties", name)[:1]:
            groups = json.at(connection, ("properties", "groupIds"))
            wanted = EndpointWant(
                json.text_at(request.body, "location"),
                ResourceId.parse(json.text_at(request.body, "properties", "subnet", "id")),
                ResourceId.parse(json.text_at(connection, "properties", "privateLinkServiceId")),
                str(groups[0]) if isinstance(groups, list) and groups else "group",
            )
            yield Case("private_endpoints", want_of(request.id, {ENDPOINT: wanted}), ({},))


def zone_group(request: Request) -> Iterator[Case]:
    holder = above(request.id)
    around: World = {holder: body_of(holder, {})}
    for config in json.objects_at(request.body, "properties", "privateDnsZoneConfigs"):
        zone = ResourceId.parse(json.text_at(config, "properties", "privateDnsZoneId"))
        kept = json.objects_at(there(request), "properties", "privateDnsZoneConfigs")
        moved = [altered(each, *properties(privateDnsZoneId=f"{zone}.other")) for each in kept]
        differing = altered(there(request), *properties(privateDnsZoneConfigs=moved))
        want = want_of(holder, {ZONE_GROUP: ZoneGroupWant(request.id.name, zone)})
        yield Case("private_endpoints", want, (around, {**around, request.id: differing}))


def zone(request: Request) -> Iterator[Case]:
    yield Case("zones", want_of(request.id, {ZONE: ZoneWant(recreate=True)}), ({},))


def record(request: Request) -> Iterator[Case]:
    holder, ttl = above(request.id), _members(request.body).get("ttl")
    ips = {json.text_at(each, "ipv4Address") for each in json.objects_at(request.body, "properties", "aRecords")}
    seconds = ttl if isinstance(ttl, int) else DEFAULT_TTL
    around: World = {holder: body_of(holder, {})}
    differing = altered(there(request), *properties(aRecords=[{"ipv4Address": "192.0.2.99"}], ttl=seconds + 1))
    want = want_of(holder, {f"A/{request.id.name}": RecordWant(tuple(sorted(ips)), seconds)})
    yield Case("zones", want, (around, {**around, request.id: differing}))


def link(request: Request) -> Iterator[Case]:
    vnet = ResourceId.parse(json.text_at(request.body, "properties", "virtualNetwork", "id"))
    registers = json.at(request.body, ("properties", "registrationEnabled")) is True
    differing = altered(there(request), *properties(registrationEnabled=not registers))
    want = want_of(above(request.id), {request.id.name: LinkWant(vnet, registers)})
    yield Case("dns_links", want, ({}, {request.id: differing}))


def settings(request: Request) -> Iterator[Case]:
    values = {name: Setting(str(value)) for name, value in _members(request.body).items()}
    fewer = altered(there(request), (("properties",), {"UNOWNED": "x"}))
    changed = altered(there(request), *properties(**{name: f"{each.value}!" for name, each in values.items()}))
    want = want_of(above(request.id), values)
    yield Case("app_settings", want, ({request.id: fewer}, {request.id: changed}))


def integration(request: Request) -> Iterator[Case]:
    site = above(request.id)
    subnet_id = ResourceId.parse(json.text_at(request.body, "properties", "subnetResourceId"))
    yield Case("vnet_integration", want_of(site, {INTEGRATION: subnet_id}), ({site: body_of(site, {})},))


def site(request: Request) -> Iterator[Case]:
    """The identities, the routing, the integration and the settings that a site is made with."""
    body = there(request)
    if "systemassigned" in json.text_at(request.body, "identity", "type").lower():
        want = want_of(request.id, {SYSTEM: SystemWant(present=True, recreate=True)})
        yield Case("identity", want, ({request.id: altered(body, (("identity",), ABSENT))},))
    users = json.at(request.body, ("identity", "userAssignedIdentities"))
    if isinstance(users, Mapping) and users:
        ids = [ResourceId.parse(name) for name in users]
        want = want_of(request.id, {each.key: UserWant(each) for each in ids})
        yield Case("identity", want, ({request.id: altered(body, (("identity",), ABSENT))},))
    yield from _site_network(request)
    if listed := json.objects_at(request.body, "properties", "siteConfig", "appSettings"):
        config = request.id.child("config", "appsettings")
        values = {json.text_at(each, "name"): Setting(json.text_at(each, "value")) for each in listed}
        yield Case("app_settings", want_of(request.id, values), ({config: body_of(config, {})},))


def _site_network(request: Request) -> Iterator[Case]:
    asked, config = _members(request.body), request.id.child("config", "appsettings")
    if subnet_id := json.text_at(asked, "virtualNetworkSubnetId"):
        want = want_of(request.id, {INTEGRATION: ResourceId.parse(subnet_id)})
        left = altered(there(request), *properties(virtualNetworkSubnetId=None))
        yield Case("vnet_integration", want, ({request.id: left},))
    routing = json.at(asked, ("outboundVnetRouting",))
    now = routing if isinstance(routing, Mapping) else {}
    before = {flag: asked[name] for flag, name in FLAGS_BEFORE.items() if isinstance(asked.get(name), bool)}
    values = {name: (now or before)[flag] for name, flag in FLAGS.items() if (now or before).get(flag) is not None}
    if values:
        off = altered(there(request), *properties(outboundVnetRouting={}))
        yield Case("route_all", want_of(request.id, values), ({request.id: off, config: body_of(config, {})},))


def door(request: Request) -> Iterator[Case]:
    row = backend_of(request.id)
    assert row is not None
    closed = altered(there(request), (row.public_access, "Disabled"))
    yield Case("backend_access", want_of(request.id, {DOOR: AccessWant(ENABLED, row)}), ({request.id: closed},))


NETWORK = "microsoft.network"
BUILDS: Mapping[str, Build] = {
    f"{NETWORK}/networksecuritygroups/securityrules": rule,
    f"{NETWORK}/networksecuritygroups": group,
    f"{NETWORK}/virtualnetworks/subnets": subnet,
    f"{NETWORK}/routetables": table,
    f"{NETWORK}/routetables/routes": route,
    f"{NETWORK}/networkwatchers/flowlogs": flow_log,
    f"{NETWORK}/privateendpoints": endpoint,
    f"{NETWORK}/privateendpoints/privatednszonegroups": zone_group,
    f"{NETWORK}/privatednszones": zone,
    f"{NETWORK}/privatednszones/a": record,
    f"{NETWORK}/privatednszones/virtualnetworklinks": link,
    "microsoft.web/sites": site,
    "microsoft.web/sites/config": settings,
    "microsoft.web/sites/networkconfig": integration,
    **{row.type.name.lower(): door for row in BACKENDS.values()},
}
"""By the type's name in lower case; a slot's are its site's."""
