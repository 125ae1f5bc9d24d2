"""Bodies that ARM really gave: each is understood, agrees with itself, and shows each change as that change alone.

The recordings are third-party material outside the project: HOMEOSTAT_ARM_CORPUS names their folder, which by default
lies beside the checkout. Without it there is nothing to test.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Drift, Verdict, Want
from remediators import REGISTRY
from remediators.app_settings import Setting
from remediators.dns_links import LinkWant
from remediators.security_rule import PLURALS, Rule, rule_of
from remediators.vnet_integration import SUBNET
from tests.remediators.contract import want_of
from tests.remediators.corpus import CORPUS, of_type
from tests.remediators.world import World, look, resource

pytestmark = pytest.mark.unit

type Change = tuple[str, World, tuple[str, ...]]
"""What was changed, the world after it, and the last parts of the paths of the drifts that it must make."""
type Check = Callable[[ResourceId, Mapping[str, Json]], Iterator[tuple[Want[Any], World, list[Change]]]]


def with_members(world: World, id_: ResourceId, members: Mapping[str, json.Value]) -> World:
    body = world[id_]
    for name, value in members.items():
        body = json.with_value(body, ("properties", name), value)
    return {**world, id_: body}


# --- what each kind makes of a body ---------------------------------------------------------------------------------


def vnet_integration(id_: ResourceId, body: Mapping[str, Json]) -> Iterator[tuple[Want[Any], World, list[Change]]]:
    here = json.text_at(body, "properties", "virtualNetworkSubnetId")
    wanted = ResourceId.parse(here) if here else resource(SUBNET, "vnet", "snet")
    joined = with_members({id_: body}, id_, {"virtualNetworkSubnetId": wanted.text.upper()})
    left = [with_members(joined, id_, {"virtualNetworkSubnetId": value}) for value in (None, ABSENT, f"{wanted}-2")]
    yield want_of(id_, {"integration": wanted}), joined, [("subnet", world, ("subnetResourceId",)) for world in left]


def app_settings(id_: ResourceId, body: Mapping[str, Json]) -> Iterator[tuple[Want[Any], World, list[Change]]]:
    values = body["properties"]
    assert isinstance(values, Mapping)
    if id_.name != "appsettings" or not values or id_.parent is None:
        return
    world: World = {id_: body}
    changes: list[Change] = []
    for name, value in values.items():
        changes.append((name, with_members(world, id_, {name: f"{value}!"}), (name,)))
        changes.append((name, with_members(world, id_, {name: ABSENT}), (name,)))
    yield want_of(id_.parent, {name: Setting(str(value)) for name, value in values.items()}), world, changes


def _changed(rule: Rule, field: str) -> dict[str, json.Value]:
    match field:
        case "priority":
            return {field: rule.priority + 1}
        case "direction":
            return {field: "inbound" if rule.direction == "Outbound" else "outbound"}
        case "access":
            return {field: "Deny" if rule.access == "Allow" else "Allow"}
        case "protocol":
            return {field: "Esp" if rule.protocol != "Esp" else "Ah"}
        case "description":
            return {field: f"{rule.description}!"}
        case _:
            names = PLURALS[field]
            return {names.one: "7", names.many: [], **({names.groups: ABSENT} if names.groups else {})}


def nsg_rules(id_: ResourceId, body: Mapping[str, Json]) -> Iterator[tuple[Want[Any], World, list[Change]]]:
    listed = json.objects_at(body, "properties", "securityRules")
    rules = {str(rule["name"]): rule_of(_properties(rule)) for rule in listed if "properties" in rule}
    if not rules:
        return
    world, changes = {id_: body}, list[Change]()
    for place, rule in enumerate(listed):
        found = rules[str(rule["name"])]
        for field in Rule.__dataclass_fields__:
            members = {**_properties(rule), **_changed(found, field)}
            altered = {**rule, "properties": {key: value for key, value in members.items() if value is not ABSENT}}
            several = [*listed[:place], altered, *listed[place + 1 :]]
            changes.append((field, with_members(world, id_, {"securityRules": several}), (field,)))
        fewer = [*listed[:place], *listed[place + 1 :]]
        changes.append(("rule", with_members(world, id_, {"securityRules": fewer}), ("",)))
    yield want_of(id_, rules), world, changes


def _properties(body: Mapping[str, Json]) -> Mapping[str, Json]:
    found = body["properties"]
    assert isinstance(found, Mapping)
    return found


def single_rules(id_: ResourceId, body: Mapping[str, Json]) -> Iterator[tuple[Want[Any], World, list[Change]]]:
    """A rule that was recorded by itself, as the only one of its NSG."""
    group = id_.parent
    assert group is not None
    properties: Json = {"securityRules": [body], "provisioningState": "Succeeded"}
    yield from nsg_rules(group, {"id": group.text, "name": group.name, "type": group.type, "properties": properties})


def dns_links(id_: ResourceId, body: Mapping[str, Json]) -> Iterator[tuple[Want[Any], World, list[Change]]]:
    registration = json.at(body, ("properties", "registrationEnabled")) is True
    world, zone = {id_: body}, id_.parent
    assert zone is not None
    vnet = ResourceId.parse(json.text_at(body, "properties", "virtualNetwork", "id"))
    elsewhere = {"virtualNetwork": {"id": f"{vnet}-2"}}
    changes: list[Change] = [
        ("registration", with_members(world, id_, {"registrationEnabled": not registration}), ("registrationEnabled",)),
        ("network", with_members(world, id_, elsewhere), ("id",)),
        ("link", {}, ("",)),
    ]
    yield want_of(zone, {id_.name: LinkWant(vnet, registration)}), world, changes


CHECKS: Mapping[str, tuple[str, Check, tuple[str, ...]]] = {
    "sites": ("vnet_integration", vnet_integration, ("microsoft.web/sites", "microsoft.web/sites/slots")),
    "app settings": ("app_settings", app_settings, ("microsoft.web/sites/config", "microsoft.web/sites/slots/config")),
    "NSGs": ("nsg_rules", nsg_rules, ("microsoft.network/networksecuritygroups",)),
    "rules": ("nsg_rules", single_rules, ("microsoft.network/networksecuritygroups/securityrules",)),
    "links": ("dns_links", dns_links, ("microsoft.network/privatednszones/virtualnetworklinks",)),
}


def _really(drifts: tuple[Drift, ...]) -> list[Drift]:
    """Without the links and writes that were under way when they were recorded, and agree otherwise."""
    return [drift for drift in drifts if drift.path != ("properties", "virtualNetworkLinkState")]


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no recorded bodies in {CORPUS}; set HOMEOSTAT_ARM_CORPUS")
@pytest.mark.parametrize("name", CHECKS)
def test_the_corpus_of_recorded_bodies_shows_each_change_and_no_false_drift(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, check, types = CHECKS[name]
    remediator: AnyRemediator = REGISTRY[kind]
    found, changed = 0, Counter[str]()
    for id_, body in of_type(*types):
        for want, world, changes in check(id_, body):
            found += 1
            assert _really(look(remediator, want, world).drifts) == [], id_
            for what, altered, ends in changes:
                drifts = look(remediator, want, altered).drifts
                assert tuple(drift.path[-1] if drift.path else "" for drift in drifts) == ends, (id_, what, drifts)
                assert {drift.verdict for drift in drifts} <= {Verdict.DRIFTED, Verdict.SETTLING}
                changed[what if kind != "app_settings" else "setting"] += 1
    assert found, f"the corpus holds no {name}"
    with capsys.disabled():
        figures = ", ".join(f"{what} {count}" for what, count in sorted(changed.items()))
        print(f"\n{name}: {found} recorded bodies without false drift; changes found: {figures}")
