"""Bodies that ARM really gave of zones, records, endpoints, sites and backends: each change is found as that alone."""

from collections.abc import Iterator

import pytest

from homeostat.core import json
from homeostat.core.arm_types import PRIVATE_DNS_ZONE
from homeostat.core.backends import BACKENDS, backend_of
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import ABSENT, Json, Path
from remediators.backend_access import AccessWant
from remediators.declared_endpoints import EndpointWant
from remediators.identity import SYSTEM, SystemWant
from remediators.route_all import FLAGS, FLAGS_BEFORE
from remediators.zone_group import ZoneGroupWant
from remediators.zones import RecordWant, ZoneWant
from tests.remediators.contract import want_of
from tests.remediators.corpus import CORPUS, Body, Change, Made, show_each_change
from tests.remediators.world import World

pytestmark = pytest.mark.unit


def put(id_: ResourceId, body: Body, path: Path, value: json.Value) -> World:
    return {id_: json.with_value(body, path, value)}


def zones(id_: ResourceId, body: Body) -> Iterator[Made]:
    yield want_of(id_, {"zone": ZoneWant()}), {id_: body}, [({}, ("",))]


def records(id_: ResourceId, body: Body) -> Iterator[Made]:
    zone = id_.parent
    assert zone is not None
    ips = sorted({json.text_at(each, "ipv4Address") for each in json.objects_at(body, "properties", "aRecords")})
    ttl = json.at(body, ("properties", "ttl"))
    assert isinstance(ttl, int)
    there: World = {zone: {"id": zone.text, "name": zone.name, "type": zone.type, "properties": {}}}
    changes: list[Change] = [
        (there, ("",)),
        ({**there, **put(id_, body, ("properties", "aRecords"), [{"ipv4Address": "192.0.2.99"}])}, ("aRecords",)),
        ({**there, **put(id_, body, ("properties", "ttl"), ttl + 1)}, ("ttl",)),
    ]
    yield want_of(zone, {f"A/{id_.name}": RecordWant(tuple(ips), ttl)}), {**there, id_: body}, changes


def endpoints(id_: ResourceId, body: Body) -> Iterator[Made]:
    for name in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for connection in json.objects_at(body, "properties", name)[:1]:
            try:
                yield _endpoint(id_, body, name, connection)
            except InvalidResourceId:
                continue  # a recording whose ids were cut when it was made public


def _endpoint(id_: ResourceId, body: Body, name: str, connection: Body) -> Made:
    target = ResourceId.parse(json.text_at(connection, "properties", "privateLinkServiceId"))
    subnet = ResourceId.parse(json.text_at(body, "properties", "subnet", "id"))
    groups = json.at(connection, ("properties", "groupIds"))
    group = str(groups[0]) if isinstance(groups, list) and groups else "group"
    status = ("properties", "privateLinkServiceConnectionState", "status")

    def changed(*edits: tuple[Path, Json]) -> World:
        approved: Json = json.with_value(connection, ("properties", "groupIds"), [group])
        for path, value in ((status, "Approved"), *edits):
            approved = json.with_value(approved, path, value)
        settled = json.with_value(body, ("properties", "provisioningState"), "Succeeded")
        return {id_: json.with_value(settled, ("properties", name), [approved])}

    moved = json.with_value(changed()[id_], ("properties", "subnet", "id"), f"{subnet}-2")
    wanted = EndpointWant(json.text_at(body, "location").upper(), subnet, target, group)
    changes: list[Change] = [
        ({}, ("",)),
        ({id_: moved}, ("id",)),
        (changed((("properties", "privateLinkServiceId"), f"{target}-2")), ("privateLinkServiceId",)),
        (changed((("properties", "groupIds"), ["another"])), ("groupIds",)),
        *((changed((status, each)), ("status",)) for each in ("Pending", "Rejected", "Disconnected")),
    ]
    return want_of(id_, {"endpoint": wanted}), changed(), changes


def zone_groups(id_: ResourceId, body: Body) -> Iterator[Made]:
    endpoint = id_.parent
    assert endpoint is not None
    for config in json.objects_at(body, "properties", "privateDnsZoneConfigs"):
        zone = ResourceId.parse(json.text_at(config, "properties", "privateDnsZoneId"))
        there: World = {endpoint: {"id": endpoint.text, "properties": {}}}
        kept: World = {
            record: {"id": record.text, "properties": {}}
            for each in json.objects_at(config, "properties", "recordSets")
            for record in (zone.child("A", json.text_at(each, "recordSetName")),)
        }
        elsewhere = ResourceId.of(zone.subscription, "elsewhere", PRIVATE_DNS_ZONE.name, zone.name)
        moved = json.with_value(config, ("properties", "privateDnsZoneId"), elsewhere.text)
        changes: list[Change] = [
            ({**there, **kept}, ("",)),
            ({**there, **put(id_, body, ("properties", "privateDnsZoneConfigs"), [moved])}, ("privateDnsZoneConfigs",)),
        ]
        if kept:
            changes.append(({**there, id_: body}, ("privateDnsZoneConfigs",)))
        yield want_of(endpoint, {"zone_group": ZoneGroupWant(id_.name, zone)}), {**there, **kept, id_: body}, changes


def identities(id_: ResourceId, body: Body) -> Iterator[Made]:
    has = "systemassigned" in json.text_at(body, "identity", "type").lower()
    other: Json = {"type": "None"} if has else {"type": "SystemAssigned, UserAssigned"}
    changes: list[Change] = [(put(id_, body, ("identity",), other), ("type",))]
    if has:
        changes.append((put(id_, body, ("identity",), ABSENT), ("type",)))
    yield want_of(id_, {SYSTEM: SystemWant(present=has, recreate=False)}), {id_: body}, changes


def routing(id_: ResourceId, body: Body) -> Iterator[Made]:
    """In the form that the recording has; one that tells of no routing is judged by another resource."""
    if json.at(body, ("properties", "outboundVnetRouting")) is not ABSENT:
        places: dict[str, Path] = {name: ("properties", "outboundVnetRouting", flag) for name, flag in FLAGS.items()}
    elif json.at(body, ("properties", "vnetRouteAllEnabled")) is not ABSENT:
        places = {name: ("properties", FLAGS_BEFORE[flag]) for name, flag in FLAGS.items() if flag in FLAGS_BEFORE}
    else:
        return
    config = id_.child("config", "appsettings")
    settings: World = {config: {"id": config.text, "properties": {}}}
    values = {name: json.at(body, path) is True for name, path in places.items()}
    if values.get("all_traffic"):
        return
    changes: list[Change] = [
        ({**settings, **put(id_, body, path, not values[name])}, (FLAGS[name],))
        for name, path in places.items()
        if name != "all_traffic"
    ]
    yield want_of(id_, values), {**settings, id_: body}, changes


def doors(id_: ResourceId, body: Body) -> Iterator[Made]:
    row = backend_of(id_)
    assert row is not None
    access = row.public_network_access(body)
    other = "Disabled" if access == "Enabled" else "Enabled"
    changes: list[Change] = [(put(id_, body, row.public_access, other), (row.public_access[-1],))]
    if access != "Enabled":
        changes.append((put(id_, body, row.public_access, ABSENT), (row.public_access[-1],)))
    yield want_of(id_, {"public_network_access": AccessWant(access, row)}), {id_: body}, changes


NETWORK, SITES = "microsoft.network", ("microsoft.web/sites", "microsoft.web/sites/slots")
CHECKS = {
    "zones": ("zones", zones, (f"{NETWORK}/privatednszones",)),
    "A records": ("zones", records, (f"{NETWORK}/privatednszones/a",)),
    "endpoints": ("private_endpoints", endpoints, (f"{NETWORK}/privateendpoints",)),
    "zone groups": ("private_endpoints", zone_groups, (f"{NETWORK}/privateendpoints/privatednszonegroups",)),
    "identities": ("identity", identities, SITES),
    "routing": ("route_all", routing, SITES),
    "public doors": ("backend_access", doors, tuple(row.type.name.lower() for row in BACKENDS.values())),
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no recorded bodies in {CORPUS}; set HOMEOSTAT_ARM_CORPUS")
@pytest.mark.parametrize("name", CHECKS)
def test_the_corpus_shows_each_change_and_no_false_drift(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_each_change(name, *CHECKS[name], capsys)
