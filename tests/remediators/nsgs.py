"""Network security groups and their rules, as ARM gives them and as a spec declares them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.json import Json
from homeostat.core.model import Mode, Unmanaged, Want
from remediators.security_rule import Rule, rule_of
from tests.remediators.contract import want_of
from tests.remediators.world import World, body_of, resource

APP = resource("Microsoft.Web/sites", "app-flask")
NSG = resource("Microsoft.Network/networkSecurityGroups", "nsg-app")
ASG = resource("Microsoft.Network/applicationSecurityGroups", "asg-app")

SQL: dict[str, Json] = {
    "priority": 100,
    "direction": "Outbound",
    "access": "Allow",
    "protocol": "Tcp",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "Sql",
    "destinationPortRange": "1433",
}
DENY: dict[str, Json] = {**SQL, "priority": 4096, "access": "Deny", "protocol": "*", "destinationPortRange": "*"}


def stored(name: str, properties: Mapping[str, Json]) -> Json:
    """A rule as ARM gives it: with the plural empty where the singular is set."""
    plurals: dict[str, Json] = {
        many: []
        for one, many in (
            ("sourceAddressPrefix", "sourceAddressPrefixes"),
            ("destinationAddressPrefix", "destinationAddressPrefixes"),
            ("sourcePortRange", "sourcePortRanges"),
            ("destinationPortRange", "destinationPortRanges"),
        )
        if one in properties
    }
    return body_of(NSG.child("securityRules", name), {"provisioningState": "Succeeded", **plurals, **properties})


def world_of(rules: Mapping[str, Mapping[str, Json]], **properties: Json) -> World:
    listed = [stored(name, rule) for name, rule in rules.items()]
    envelope: dict[str, Json] = {"location": "westeurope", "tags": {"etag": "mine", "subnets": "mine"}}
    return {NSG: body_of(NSG, {"provisioningState": "Succeeded", **properties, "securityRules": listed}, **envelope)}


def declared(properties: Mapping[str, Json]) -> Rule:
    """The rule that these properties would be declared as, without a description."""
    return replace(rule_of(properties), description=None)


def wanted(
    rules: Mapping[str, Mapping[str, Json]],
    unmanaged: Unmanaged = Unmanaged.KEEP,
    modes: Mapping[str, Mode] = MappingProxyType({}),
) -> Want[Any]:
    return want_of(NSG, {name: declared(rule) for name, rule in rules.items()}, unmanaged, modes)


def rules_in(world: World) -> Sequence[Mapping[str, Json]]:
    return json.objects_at(world[NSG], "properties", "securityRules")


prefixes = st.sampled_from(["*", "0.0.0.0/0", "Internet", "10.10.1.0/24", "Sql.WestEurope"])
ports = st.sampled_from(["*", "1433", "6380-6389", "443"])


@st.composite
def one_or_many(draw: st.DrawFn, one: str, many: str, values: st.SearchStrategy[str]) -> dict[str, Json]:
    found = draw(st.lists(values.filter(lambda value: value != "*"), min_size=1, max_size=3, unique=True))
    single = draw(values)
    return draw(st.sampled_from([{one: single, many: []}, {many: found}, {one: found[0]}]))  # one element in a list too


@st.composite
def bodies(draw: st.DrawFn, priority: int) -> dict[str, Json]:
    ends = draw(st.sampled_from(["", "group"]))
    source: dict[str, Json] = {"sourceApplicationSecurityGroups": [{"id": ASG.text}]} if ends else {}
    body: dict[str, Json] = {
        "priority": priority,
        "direction": "Outbound",
        "access": draw(st.sampled_from(["Allow", "Deny"])),
        "protocol": draw(st.sampled_from(["Tcp", "TCP", "tcp", "*", "Udp"])),
        **(source or draw(one_or_many("sourceAddressPrefix", "sourceAddressPrefixes", prefixes))),
        **draw(one_or_many("destinationAddressPrefix", "destinationAddressPrefixes", prefixes)),
        **draw(one_or_many("sourcePortRange", "sourcePortRanges", ports)),
        **draw(one_or_many("destinationPortRange", "destinationPortRanges", ports)),
    }
    return {**body, "description": "of others"} if draw(st.booleans()) else body


SPEC: dict[str, Json] = {
    "priority": "100",
    "direction": "Outbound",
    "access": "Allow",
    "protocol": "Tcp",
    "destination": "Sql",
    "ports": "1433",
}
