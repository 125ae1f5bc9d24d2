"""Bodies that ARM really gave of subnets, NSGs, route tables and flow logs: each change is found as that alone."""

from collections.abc import Iterator

import pytest

from homeostat.core import json
from homeostat.core.arm_types import VIRTUAL_NETWORK
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from remediators.flow_log import MEMBERS as LOG_MEMBERS
from remediators.flow_log import log_of
from remediators.flow_logs import LogWant
from remediators.nsg import ITEM, GroupWant
from remediators.route import MEMBERS as ROUTE_MEMBERS
from remediators.route import Route
from remediators.route_table import TABLE, TableWant
from remediators.subnet_body import SubnetWant, present_of
from tests.remediators.contract import want_of
from tests.remediators.corpus import CORPUS, Body, Change, Made, show_each_change
from tests.remediators.test_recorded_bodies import with_members
from tests.remediators.world import World, body_of

pytestmark = pytest.mark.unit


def subnets(id_: ResourceId, body: Body) -> Iterator[Made]:
    found, network = present_of(body), id_.parent
    assert network is not None
    want = SubnetWant(
        prefix=found.prefixes[0],
        delegation=next(iter(found.delegated_to), None),
        nsg=ResourceId.parse(found.nsg.upper()) if found.nsg else None,
        route_table=ResourceId.parse(found.route_table.lower()) if found.route_table else None,
        endpoints=found.services,
    )
    around: World = {network: body_of(network, {"addressSpace": {"addressPrefixes": ["0.0.0.0/0"]}, "subnets": []})}
    world: World = {**around, id_: body}
    changes: list[Change] = [
        (around, ("",)),
        (with_members(world, id_, {"addressPrefix": "192.0.2.0/24", "addressPrefixes": ABSENT}), ("address_prefix",)),
        (with_members(world, id_, {"serviceEndpoints": [{"service": "Microsoft.New"}]}), ("service_endpoints",)),
    ]
    for owned, member, path in (
        (want.delegation, "delegations", "delegation"),
        (want.nsg, "networkSecurityGroup", "nsg"),
        (want.route_table, "routeTable", "route_table"),
    ):
        changes += [(with_members(world, id_, {member: value}), (path,)) for value in (ABSENT, None) if owned]
    if len(found.prefixes) == 1:  # a subnet of two ranges cannot be declared
        yield want_of(network, {id_.name: want}), world, changes


def networks(id_: ResourceId, body: Body) -> Iterator[Made]:
    """The subnets that a network's body shows."""
    for subnet in json.objects_at(body, "properties", "subnets"):
        if name := json.text_at(subnet, "name"):
            yield from subnets(id_.child("subnets", name), subnet)


def groups(id_: ResourceId, body: Body) -> Iterator[Made]:
    yield want_of(id_, {ITEM: GroupWant("anywhere", recreate=False)}), {id_: body}, [({}, ("",))]


def tables(id_: ResourceId, body: Body) -> Iterator[Made]:
    listed = json.objects_at(body, "properties", "routes")
    off = json.at(body, ("properties", "disableBgpRoutePropagation")) is True
    items: dict[str, object] = {TABLE: TableWant("anywhere", recreate=False, no_propagation=off)}
    for route in listed:
        values = (json.text_at(route, "properties", member) for member in ROUTE_MEMBERS.values())
        items[json.text_at(route, "name")] = Route(*values)
    world: World = {id_: body}
    flipped = with_members(world, id_, {"disableBgpRoutePropagation": not off})
    changes: list[Change] = [({}, ("",)), (flipped, ("disableBgpRoutePropagation",))]
    for place, route in enumerate(listed):
        for name, member in ROUTE_MEMBERS.items():
            changed = json.with_value(route, ("properties", member), "192.0.2.7")
            several = [*listed[:place], changed, *listed[place + 1 :]]
            changes.append((with_members(world, id_, {"routes": several}), (name,)))
        fewer = [*listed[:place], *listed[place + 1 :]]
        changes.append((with_members(world, id_, {"routes": fewer}), ("",)))
    yield want_of(id_, items), world, changes


def routes(id_: ResourceId, body: Body) -> Iterator[Made]:
    """A route that was recorded by itself, as the only one of its table."""
    table = id_.parent
    assert table is not None
    yield from tables(table, body_of(table, {"routes": [body]}))


def logs(id_: ResourceId, body: Body) -> Iterator[Made]:
    watcher, world = id_.parent, {id_: body}
    assert watcher is not None
    found = log_of(body)
    changed: dict[str, Json] = {
        "target": f"{found.target}-2",
        "storage": f"{found.storage}-2",
        "enabled": not found.enabled,
        "retention_days": {"days": 99, "enabled": True},
        "format_version": {"type": "JSON", "version": 7},
    }
    changes: list[Change] = [({}, ("",))]
    changes += [(with_members(world, id_, {LOG_MEMBERS[key]: value}), (key,)) for key, value in changed.items()]
    yield want_of(watcher, {id_.name: LogWant(found, "anywhere")}), world, changes


CHECKS = {
    "subnets": ("subnet", subnets, ("microsoft.network/virtualnetworks/subnets",)),
    "networks": ("subnet", networks, (VIRTUAL_NETWORK.name.lower(),)),
    "NSGs": ("nsg", groups, ("microsoft.network/networksecuritygroups",)),
    "route tables": ("route_table", tables, ("microsoft.network/routetables",)),
    "routes": ("route_table", routes, ("microsoft.network/routetables/routes",)),
    "flow logs": ("flow_logs", logs, ("microsoft.network/networkwatchers/flowlogs",)),
}


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no recorded bodies in {CORPUS}; set HOMEOSTAT_ARM_CORPUS")
@pytest.mark.parametrize("name", CHECKS)
def test_the_corpus_shows_each_change_and_no_false_drift(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_each_change(name, *CHECKS[name], capsys)
