"""Sections that share a resource: what several owners declare in part, what contradicts, what is no base of a write."""

from typing import Any

import pytest

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE_CONFIG, SQL_SERVER
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Edit, Found, Read
from homeostat.core.plan import StaleBase, merge
from homeostat.core.source import SpecError
from homeostat.core.spec import Fleet, load
from remediators import REGISTRY
from tests.remediators.nsgs import NSG, SQL, world_of

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ENDPOINT = "{location: westeurope, subnet: v/s, backend: 'rg-data:sql', kind: sql}"


def document(name: str, *sections: str) -> str:
    return "\n".join([f"target: {name}", f"web_app: {name}", f"resource_group: rg-{name}", *sections, ""])


def fleet(**texts: str) -> Fleet:
    named = {f"{name}.yaml": text for name, text in texts.items()}
    return load(named, REGISTRY, subscription=SUBSCRIPTION)


def access(of: Fleet) -> Any:
    root = of.roots[ResourceId.of(SUBSCRIPTION, "rg-data", SQL_SERVER.name, "sql")]
    return root.wants["backend_access"].items["public_network_access"]


def test_owners_of_one_backend_join_their_endpoints() -> None:
    closed = "backend_access: {'rg-data:sql': {kind: sql}}"
    both = fleet(
        one=document("one", closed, f"private_endpoints: {{pe-one: {ENDPOINT}}}"),
        two=document("two", closed, f"private_endpoints: {{pe-two: {ENDPOINT}}}"),
    )
    assert access(both).owners == ("one", "two")
    assert sorted(endpoint.name for endpoint in access(both).value.endpoints) == ["pe-one", "pe-two"]


def test_owners_who_contradict_each_other_are_told_both_places() -> None:
    with pytest.raises(SpecError, match=r"two.yaml:4: .* is declared otherwise at one.yaml:4"):
        fleet(
            one=document("one", "backend_access: {'rg-data:sql': {kind: sql}}"),
            two=document("two", "backend_access: {'rg-data:sql': {kind: sql, public_network_access: Enabled}}"),
        )


def test_an_app_setting_that_says_the_opposite_of_its_neighbour_is_refused_with_both_places() -> None:
    setting = "app_settings: {settings: {WEBSITE_VNET_ROUTE_ALL: 1}}"
    assert fleet(one=document("one", "route_all: {application_traffic: true}", setting)).targets
    with pytest.raises(SpecError, match=r"one.yaml:5: WEBSITE_VNET_ROUTE_ALL .* contradicts route_all at one.yaml:4"):
        fleet(one=document("one", "route_all: {application_traffic: false}", setting))


def test_the_opposite_is_refused_too_where_two_documents_declare_one_app() -> None:
    setting = document("one", "app_settings: {settings: {WEBSITE_VNET_ROUTE_ALL: 1}}")
    routing = document("one", "route_all: {application_traffic: false}").replace("target: one", "target: other")
    with pytest.raises(SpecError, match=r"a.yaml:4: .* at b.yaml:4"):
        fleet(a=setting, b=routing)


def test_a_row_of_resource_graph_is_never_the_base_of_a_write() -> None:
    settings = ResourceId.of(SUBSCRIPTION, "rg", SITE_CONFIG.name, "app", "appsettings")
    edit = Edit(Drift("app_settings", settings, ("properties", "A"), "A", "1", "0"), ("properties", "A"), "1")
    with pytest.raises(StaleBase, match="must be read"):
        merge([edit], {Read(SITE_CONFIG, settings): Found({"properties": {"A": "0"}}, fresh=False)})


def test_nor_is_one_that_holds_several_children() -> None:

    world = world_of({"a": SQL, "b": {**SQL, "priority": 300}})
    paths = [NSG.child("securityRules", name) for name in ("a", "b")]
    edits = [Edit(Drift("nsg_rules", path, (), path.name, "x", "y"), (), {"properties": {}}) for path in paths]
    with pytest.raises(StaleBase, match="nsg"):
        merge(edits, {Read(NETWORK_SECURITY_GROUP, NSG): Found(world[NSG], fresh=False)})
