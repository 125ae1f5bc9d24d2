"""The sections about the private paths out of the app's network: zones, links, endpoints, and their backends."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from homeostat.adopt.sections.part import Part, reference, reference_of, some, texts_at
from homeostat.adopt.survey import Endpoint, Resource, Survey, Zone, backend_of, zones_of
from homeostat.core import json
from homeostat.core.backends import BACKENDS, Backend
from homeostat.core.ids import InvalidResourceId, ResourceId, same_id
from homeostat.core.json import Json, JsonObject
from homeostat.core.model import Scope


def zones(survey: Survey) -> Part:
    grouped = {record for endpoint in survey.endpoints for group in endpoint.groups for record in _group_records(group)}
    ranges = tuple(survey.vnet.body and _address_space(survey.vnet)) if survey.vnet else ()
    section: dict[str, Json] = {}
    left_out: list[str] = []
    for zone in survey.zones:
        name = reference(survey.scope, zone.resource.id)
        own = {it.id.name: it for it in zone.records if it.id not in grouped and not _is_platforms(it)}
        records: dict[str, Json] = {key: _record(it) for key, it in own.items() if _points_into(it, ranges)}
        section[name] = {"recreate": False, **({"records": records} if records else {})}
        if others := sorted(own.keys() - records.keys()):
            left_out.append(f"records of {name} that point out of the app's network: {some(others)}")
    return Part(section, left_out=tuple(left_out))


def _group_records(group: Resource) -> Iterator[ResourceId]:
    for config in group.objects("properties", "privateDnsZoneConfigs"):
        try:
            zone = ResourceId.parse(json.text_at(config, "properties", "privateDnsZoneId"))
        except InvalidResourceId:
            continue
        for record in json.objects_at(config, "properties", "recordSets"):
            yield zone.child("A", json.text_at(record, "recordSetName"))


def _is_platforms(record: Resource) -> bool:
    """Whether another network's zone group, or a network's registration, maintains the record."""
    creator = record.text("properties", "metadata", "creator").lower()
    registered = json.at(record.body, ("properties", "isAutoRegistered")) is True
    return registered or creator.startswith("created by private endpoint")


def _record(record: Resource) -> JsonObject:
    found: dict[str, Json] = {"ips": list(_addresses(record))}
    ttl = json.at(record.body, ("properties", "ttl"))
    return {**found, "ttl": ttl} if isinstance(ttl, int) else found


def _addresses(record: Resource) -> tuple[str, ...]:
    return tuple(json.text_at(it, "ipv4Address") for it in record.objects("properties", "aRecords"))


def _address_space(vnet: Resource) -> tuple[str, ...]:
    return texts_at(vnet.body, "properties", "addressSpace", "addressPrefixes")


def _points_into(record: Resource, ranges: Iterable[str]) -> bool:
    networks = [ip_network(text, strict=False) for text in ranges]
    addresses = [ip_address(text) for text in _addresses(record)]
    return bool(addresses) and all(any(it in network for network in networks) for it in addresses)


def dns_links(survey: Survey) -> Part:
    assert survey.vnet is not None or not survey.zones, "zones are those of a network"
    section: dict[str, Json] = {}
    left_out: list[str] = []
    for zone in survey.zones:
        name = reference(survey.scope, zone.resource.id)
        section[name] = {"links": _links(zone, survey)}
        if others := len(zone.links) - len(_links(zone, survey)):
            left_out.append(f"{others} links of {name} to other networks")
    return Part(section, left_out=tuple(left_out))


def _links(zone: Zone, survey: Survey) -> JsonObject:
    links: dict[str, Json] = {}
    for link in zone.links:
        target = link.text("properties", "virtualNetwork", "id")
        if survey.vnet is not None and same_id(target, survey.vnet.id.text):
            registration = json.at(link.body, ("properties", "registrationEnabled")) is True
            links[link.id.name] = {"vnet": reference(survey.scope, survey.vnet.id), "registration": registration}
    return links


def private_endpoints(survey: Survey) -> Part:
    section: dict[str, Json] = {}
    left_out: list[str] = []
    for endpoint in survey.endpoints:
        name, row, target = (
            reference(survey.scope, endpoint.resource.id),
            row_of(endpoint),
            backend_of(endpoint.resource),
        )
        if row is None or target is None:
            left_out.append(f"private endpoint {name}: what it leads to is of no kind that is known here")
            continue
        section[name] = {
            "location": endpoint.resource.text("location"),
            "subnet": reference_of(survey.scope, endpoint.resource.text("properties", "subnet", "id")),
            "backend": reference(survey.scope, target),
            "kind": row.kind,
            "recreate": False,
            **_zone_group(survey.scope, endpoint, row),
        }
        if not endpoint.groups:
            left_out.append(f"a zone group of private endpoint {name}: it has none, so that no name follows it")
    return Part(section, left_out=tuple(left_out))


def _zone_group(scope: Scope, endpoint: Endpoint, row: Backend) -> JsonObject:
    if not endpoint.groups:
        return {}
    group = endpoint.groups[0]
    found = zones_of(group)
    usual = row.zone(endpoint.resource.text("location")).lower()
    fitting = next((zone for zone in found if zone.name.lower() == usual), found[0] if found else None)
    named: dict[str, Json] = {"zone_group": group.id.name}
    return {**named, "zone": reference(scope, fitting)} if fitting else named


def row_of(endpoint: Endpoint) -> Backend | None:
    """The row of the backends table that fits a private endpoint's connection: its target's type and its group."""
    target = backend_of(endpoint.resource)
    groups = {group.lower() for group in _group_ids(endpoint.resource)}
    fitting = (row for row in BACKENDS.values() if target and target.is_type(row.type.name))
    return next((row for row in fitting if row.group_id.lower() in groups), None)


def _group_ids(endpoint: Resource) -> tuple[str, ...]:
    for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for connection in endpoint.objects("properties", kind):
            return texts_at(connection, "properties", "groupIds")
    return ()


def backend_access(survey: Survey) -> Part:
    section: dict[str, Json] = {}
    for endpoint in survey.endpoints:
        row, backend = row_of(endpoint), endpoint.backend
        if row is not None and backend is not None:
            access = row.public_network_access(backend.body)
            section[reference(survey.scope, backend.id)] = {"kind": row.kind, "public_network_access": access}
    return Part({"mode": "alert", **section} if section else {})


# --- what the probes ask ---


def dns_resolution(survey: Survey) -> Part:
    hosts: dict[str, Json] = {}
    for endpoint, host, _ in _named_backends(survey):
        hosts.setdefault(host, reference(survey.scope, endpoint.resource.id))
    return Part({"hosts": hosts} if hosts else {})


def tcp_reachability(survey: Survey) -> Part:
    endpoints = sorted({f"{host}:{port}" for _, host, port in _named_backends(survey)})
    if not endpoints:
        return Part()
    comment = "health_url, a page of the app's own that tells whether all is well, is yours to add"
    return Part({"endpoints": endpoints}, {(): comment})


def _named_backends(survey: Survey) -> Iterator[tuple[Endpoint, str, int]]:
    """The endpoints whose backend's public name is known, with that name and the port of its kind."""
    for endpoint in survey.endpoints:
        row, backend = row_of(endpoint), endpoint.backend
        if row is None or backend is None or not endpoint.groups:
            continue
        if host := row.hostname(backend.id, backend.text("location")):
            yield endpoint, host, row.port
