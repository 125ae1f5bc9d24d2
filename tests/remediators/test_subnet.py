"""Subnets have what is declared of them; a repair carries over the rest, and what is in use is never taken away."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import SUBNET, VIRTUAL_NETWORK
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    AnyRemediator,
    Disruption,
    Fact,
    Found,
    Gone,
    Milestone,
    Read,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import Verb, merge
from remediators.subnet import REMEDIATOR
from remediators.subnet_body import SubnetWant
from tests.remediators.contract import LOCKED, Case, RemediatorContract
from tests.remediators.subnets import (
    FULL,
    INTERFACES,
    LINK,
    NSG,
    OTHER_NSG,
    OTHER_RT,
    POLICIES,
    RT,
    SNET,
    VNET,
    WEB,
    delegation,
    endpoint,
    network,
    subnet,
    wanted,
)
from tests.remediators.world import World, healed, look

pytestmark = pytest.mark.unit


# --- the contract ----------------------------------------------------------------------------------------------------

BREAKAGES: dict[str, dict[str, json.Value]] = {
    "prefix": {"addressPrefix": "10.10.7.0/24"},
    "prefixes": {"addressPrefix": ABSENT, "addressPrefixes": ["10.10.1.0/24", "10.10.7.0/24"]},
    "no delegation": {"delegations": []},
    "another delegation": {"delegations": [delegation("Microsoft.Sql/managedInstances", "theirs")]},
    "no nsg": {"networkSecurityGroup": ABSENT},
    "another nsg": {"networkSecurityGroup": {"id": OTHER_NSG.text}},
    "no route table": {"routeTable": ABSENT},
    "another route table": {"routeTable": {"id": OTHER_RT.text}},
    "no endpoints": {"serviceEndpoints": ABSENT},
    "more endpoints": {"serviceEndpoints": [endpoint("Microsoft.Storage"), endpoint("Microsoft.Web")]},
}
OWNED_BY = {
    "delegation": "delegation",
    "nsg": "nsg",
    "route table": "route_table",
    "endpoints": "endpoints",
}


def is_owned(breakage: str, want: SubnetWant) -> bool:
    return all(getattr(want, field) is not None for words, field in OWNED_BY.items() if breakage.endswith(words))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kept = {field: getattr(FULL, field) for field in sorted(draw(st.sets(st.sampled_from(sorted(OWNED_BY.values())))))}
    want = SubnetWant(FULL.prefix, **kept, recreate=draw(st.booleans()))
    around = network("10.10.0.0/16", **{"snet-other": "10.10.2.0/24"})
    ranges: dict[str, json.Value] = draw(
        st.sampled_from([{}, {"addressPrefix": ABSENT, "addressPrefixes": ["10.10.1.0/24"]}])
    )
    there = {**around, **subnet(draw(st.sampled_from(["snet-app", "SNET-App"])), **ranges)}
    broken: World = there
    match draw(st.sampled_from(["kept", "deleted", "changed"])):
        case "deleted":
            broken = around
        case "changed":
            changes: dict[str, json.Value] = {}
            for name in sorted(draw(st.sets(st.sampled_from([key for key in BREAKAGES if is_owned(key, want)])))):
                changes |= BREAKAGES[name]
            broken = {**around, **subnet(**changes)} if changes else there
    return Case(wanted(want), there, broken)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """All but what is owned of the subnet; nothing of one that a repair made."""
        value: SubnetWant = want.items["snet-app"].value
        owned = {"addressPrefix", "addressPrefixes"}
        owned |= {"networkSecurityGroup"} if value.nsg else set()
        owned |= {"routeTable"} if value.route_table else set()
        owned |= {"serviceEndpoints"} if value.endpoints is not None else set()
        owned |= {"delegations"} if value.delegation else set()
        return {
            id_.key: json.without_keys(body, frozenset(owned | {"etag", "provisioningState", "actions"}))
            for id_, body in world.items()
            if json.text_at(body, "etag") or id_ != SNET
        }


# --- false drift -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"addressPrefix": ABSENT, "addressPrefixes": ["10.10.1.0/24"]}, id="the range alone in a list"),
        pytest.param({"addressPrefixes": []}, id="an empty list of ranges"),
        pytest.param({"delegations": [delegation(WEB.lower(), "delegation")]}, id="a service in small letters"),
        pytest.param(
            {"delegations": [delegation("Microsoft.Sql/x", "1"), delegation()]}, id="another delegation beside"
        ),
        pytest.param({"networkSecurityGroup": {"id": NSG.text.upper()}}, id="the NSG's id in capitals"),
        pytest.param({"routeTable": {"id": RT.text.lower()}}, id="the route table's id in small letters"),
        pytest.param(
            {"serviceEndpoints": [endpoint("microsoft.sql"), endpoint("Microsoft.Storage", "x")]}, id="endpoints' order"
        ),
        pytest.param({"privateEndpointNetworkPolicies": "Enabled", "defaultOutboundAccess": False}, id="defaults"),
        pytest.param({"serviceAssociationLinks": [LINK], "ipConfigurations": INTERFACES}, id="in use"),
    ],
)
def test_what_only_looks_different_is_no_drift(given: dict[str, json.Value]) -> None:
    assert look(REMEDIATOR, wanted(), subnet(**given)).drifts == ()


def test_what_is_not_declared_of_a_subnet_is_left_alone() -> None:
    changes = {key: value for name in BREAKAGES if "prefix" not in name for key, value in BREAKAGES[name].items()}
    assert look(REMEDIATOR, wanted(SubnetWant(FULL.prefix)), subnet(**changes)).drifts == ()


def test_no_service_endpoints_can_be_declared() -> None:
    want = wanted(SubnetWant(FULL.prefix, endpoints=()))
    assert look(REMEDIATOR, want, subnet(serviceEndpoints=ABSENT)).drifts == ()
    seen = look(REMEDIATOR, want, subnet())
    assert [drift.path for drift in seen.drifts] == [("service_endpoints",)]
    assert look(REMEDIATOR, want, healed(subnet(), seen)).drifts == ()


# --- drifts and their edits ------------------------------------------------------------------------------------------


def test_each_field_that_differs_is_a_drift_under_the_spec_s_name() -> None:
    changes = BREAKAGES["another nsg"] | BREAKAGES["no route table"] | BREAKAGES["no delegation"]
    seen = look(REMEDIATOR, wanted(), subnet(**changes, serviceEndpoints=[endpoint("Microsoft.Sql")]))
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [
        (("delegation",), WEB, ABSENT),
        (("nsg",), NSG.text, OTHER_NSG.text),
        (("route_table",), RT.text, ABSENT),
        (("service_endpoints",), ("Microsoft.Sql", "Microsoft.Storage"), ("Microsoft.Sql",)),
    ]


def test_several_drifts_are_one_put_that_carries_over_what_is_not_owned() -> None:
    changes = {
        **BREAKAGES["no delegation"],
        **BREAKAGES["no nsg"],
        "serviceEndpoints": [endpoint("Microsoft.Sql", "x")],
    }
    seen = look(REMEDIATOR, wanted(), subnet(**changes))
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, action.verb, action.etag) == (SNET, Verb.PUT, "etag")
    assert action.body == {
        "properties": {
            "addressPrefix": "10.10.1.0/24",
            "delegations": [{"name": "delegation", "properties": {"serviceName": WEB}}],
            "networkSecurityGroup": {"id": NSG.text},
            "routeTable": {"id": RT.text},
            "serviceEndpoints": [{"service": "Microsoft.Sql", "locations": ["x"]}, {"service": "Microsoft.Storage"}],
            "privateLinkServiceNetworkPolicies": "Enabled",
            **POLICIES,
        }
    }


def test_a_delegation_is_added_beside_those_of_others() -> None:
    seen = look(REMEDIATOR, wanted(), subnet(**BREAKAGES["another delegation"]))
    (action,) = merge(seen.edits, seen.facts)
    sent = json.objects_at(action.body, "properties", "delegations")
    assert [json.text_at(entry, "properties", "serviceName") for entry in sent] == [
        "Microsoft.Sql/managedInstances",
        WEB,
    ]


@pytest.mark.parametrize("users", [{"serviceAssociationLinks": [LINK]}, {"ipConfigurations": INTERFACES}])
def test_the_address_of_a_subnet_in_use_is_an_obstacle_and_the_rest_is_repaired(users: dict[str, json.Value]) -> None:
    world = {**network(), **subnet(**users, **BREAKAGES["prefix"], **BREAKAGES["no nsg"])}
    seen = look(REMEDIATOR, wanted(), world)
    assert [(entry.code, entry.drift.path) for entry in seen.obstacles] == [("subnet-in-use", ("address_prefix",))]
    assert seen.obstacles[0].reaches == {Milestone.SUBNET_READY}
    (action,) = merge(seen.edits, seen.facts)
    assert json.text_at(action.body, "properties", "addressPrefix") == "10.10.7.0/24"
    assert json.at(action.body, ("properties", "networkSecurityGroup")) == {"id": NSG.text}


@pytest.mark.parametrize(
    ("users", "named"),
    [
        ({"ipConfigurations": INTERFACES}, "network interfaces"),
        (
            {"serviceAssociationLinks": [{"properties": {"linkedResourceType": "Microsoft.App/environments"}}]},
            "Microsoft.App/environments",
        ),
    ],
)
def test_a_subnet_that_others_use_is_not_delegated_to_another_service(users: dict[str, json.Value], named: str) -> None:
    seen = look(REMEDIATOR, wanted(), subnet(**users, **BREAKAGES["another delegation"]))
    assert [(entry.code, entry.drift.path) for entry in seen.obstacles] == [("subnet-in-use", ("delegation",))]
    assert named in seen.obstacles[0].message
    assert seen.edits == ()


def test_a_delegation_comes_back_though_its_service_still_uses_the_subnet() -> None:
    seen = look(REMEDIATOR, wanted(), subnet(serviceAssociationLinks=[LINK], delegations=[]))
    assert [edit.path for edit in seen.edits] == [("properties", "delegations")]


@pytest.mark.parametrize("recreate", [True, False])
def test_a_subnet_that_is_gone_is_one_drift_and_is_created_whole(recreate: bool) -> None:
    want = wanted(SubnetWant(FULL.prefix, WEB, NSG, RT, ("Microsoft.Storage",), recreate))
    seen = look(REMEDIATOR, want, network())
    assert [(drift.resource, drift.path, drift.have) for drift in seen.drifts] == [(SNET, (), ABSENT)]
    (edit,) = seen.edits
    assert (edit.recreate, edit.reaches) == (recreate, frozenset({Milestone.SUBNET_READY}))
    assert edit.after == {Milestone.NSG_EXISTS, Milestone.EGRESS_ALLOWED, Milestone.ROUTES_EXIST}
    (action,) = merge(seen.edits, seen.facts)
    assert action.creates
    assert action.body == {
        "properties": {
            "addressPrefix": "10.10.1.0/24",
            "delegations": [{"name": "delegation", "properties": {"serviceName": WEB}}],
            "networkSecurityGroup": {"id": NSG.text},
            "routeTable": {"id": RT.text},
            "serviceEndpoints": [{"service": "Microsoft.Storage"}],
        }
    }


def test_a_subnet_without_associations_waits_for_none() -> None:
    (edit,) = look(REMEDIATOR, wanted(SubnetWant(FULL.prefix, WEB)), network()).edits
    assert edit.after == frozenset()


@pytest.mark.parametrize("there", [{}, subnet(addressPrefix="10.10.7.0/24")], ids=["gone", "with another range"])
@pytest.mark.parametrize(
    ("around", "code"),
    [
        (network("10.20.0.0/16", "fd00::/8"), "address-outside-network"),
        (network("10.10.1.0/25"), "address-outside-network"),
        (network("10.10.0.0/16", **{"snet-theirs": "10.10.0.0/23"}), "address-overlap"),
        (network("10.10.0.0/16", **{"snet-theirs": "10.10.1.128/25"}), "address-overlap"),
    ],
)
def test_a_range_for_which_the_network_has_no_place_is_an_obstacle(there: World, around: World, code: str) -> None:
    seen = look(REMEDIATOR, wanted(), {**around, **there})
    assert [entry.code for entry in seen.obstacles] == [code]
    assert seen.edits == ()


@pytest.mark.parametrize(
    ("breakage", "after", "disruption"),
    [
        ("no nsg", {Milestone.NSG_EXISTS, Milestone.EGRESS_ALLOWED}, Disruption.CONNECTIVITY),
        ("no route table", {Milestone.ROUTES_EXIST}, Disruption.CONNECTIVITY),
        ("no endpoints", set[Milestone](), Disruption.CONNECTIVITY),
        ("no delegation", set[Milestone](), Disruption.NONE),
    ],
)
def test_an_association_waits_for_what_it_brings_and_is_a_leaf(
    breakage: str, after: set[Milestone], disruption: Disruption
) -> None:
    (edit,) = look(REMEDIATOR, wanted(), subnet(**BREAKAGES[breakage])).edits
    assert (edit.after, edit.disruption, edit.recreate) == (frozenset(after), disruption, None)
    assert edit.reaches == {Milestone.SUBNET_READY}


def test_a_subnet_is_absent_only_when_its_living_network_lacks_it() -> None:
    own, vnet = Read(SUBNET, SNET), Read(VIRTUAL_NETWORK, VNET)
    listed = network("10.10.0.0/16", **{"snet-app": "10.10.1.0/24"})[VNET]
    facts: Mapping[str, Fact] = {
        "there": Found(listed),
        "gone": Gone(),
        "locked": Unreadable(LOCKED),
        "alive": Found(network()[VNET]),
    }
    verdicts = {}
    for name, fact in facts.items():
        have = REMEDIATOR.observe(wanted(), {own: Gone(), vnet: fact})
        (drift,) = REMEDIATOR.diff(wanted(), have)
        verdicts[name] = drift.verdict
        assert bool(REMEDIATOR.edits(wanted(), have)) == (name == "alive")
    unknown = Verdict.UNKNOWN
    assert verdicts == {"there": unknown, "gone": unknown, "locked": unknown, "alive": Verdict.DRIFTED}


def test_another_range_is_not_written_while_its_network_cannot_be_read() -> None:
    own, vnet = Read(SUBNET, SNET), Read(VIRTUAL_NETWORK, VNET)
    facts: dict[Read, Fact] = {own: Found(subnet(addressPrefix="10.10.7.0/24")[SNET])}
    assert REMEDIATOR.reads(wanted(), facts) == {own, vnet}
    have = REMEDIATOR.observe(wanted(), {**facts, vnet: Unreadable(LOCKED)})
    (answer,) = REMEDIATOR.edits(wanted(), have)
    assert getattr(answer, "code", "") == "unreadable"


def test_the_network_is_not_read_without_need() -> None:
    facts: dict[Read, Fact] = {Read(SUBNET, SNET): Found(subnet(networkSecurityGroup=ABSENT)[SNET])}
    assert REMEDIATOR.reads(wanted(), facts) == set(facts)


def test_a_difference_during_a_write_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, wanted(), subnet(routeTable=ABSENT, provisioningState="Updating"))
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()
