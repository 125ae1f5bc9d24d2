"""The web app is in the declared subnet, however ARM happens to say so."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import SITE, SITE_NETWORK_CONNECTION
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Disruption, Edit, Facts, Found, Read, Scope, Unreadable, Verdict, Want
from homeostat.core.plan import Verb, merge
from remediators.vnet_integration import REMEDIATOR, SUBNET, VnetIntegrationSection
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
STAGING = resource("Microsoft.Web/sites/slots", "app-flask", "staging")
DECLARED = resource(SUBNET, "vnet-appservice", "snet-appservice-integration")
OTHER = resource(SUBNET, "vnet-appservice", "snet-other")
FIELD = ("properties", "virtualNetworkSubnetId")


def site(subnet: json.Value, root: ResourceId = APP, **properties: Json) -> dict[str, Json]:
    body = body_of(root, {"state": "Running", "enabled": True, **properties}, location="West Europe", kind="app")
    return body if subnet is ABSENT else dict(json.with_value(body, FIELD, subnet))  # type: ignore[arg-type] # an object


def wanted(root: ResourceId = APP) -> Want[Any]:
    return want_of(root, {"integration": DECLARED})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    root = draw(st.sampled_from([APP, STAGING]))
    settled = draw(st.sampled_from([DECLARED.text, DECLARED.text.lower(), DECLARED.text.upper()]))
    broken = draw(st.sampled_from([settled, None, ABSENT, "", OTHER.text]))
    state = draw(st.sampled_from(["Running", "Stopped", "Disabled"]))
    return Case(wanted(root), {root: site(settled, root, state=state)}, {root: site(broken, root, state=state)})


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        return json.with_value(world[want.root], FIELD, ABSENT)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(site(DECLARED.text.lower()), id="the id in lower case"),
        pytest.param(site(DECLARED.text.replace("resourceGroups", "resourcegroups")), id="resourcegroups"),
        pytest.param(site(DECLARED.text, state="Stopped"), id="a stopped app"),
        pytest.param(site(DECLARED.text, inProgressOperationId="53c5536f"), id="an operation under way"),
        pytest.param(site(DECLARED.text, outboundVnetRouting=None, siteConfig={"vnetName": None}), id="null members"),
    ],
)
def test_what_only_looks_different_is_no_drift(found: Json) -> None:
    assert look(REMEDIATOR, wanted(), {APP: found}).drifts == ()


@pytest.mark.parametrize("found", [None, ABSENT, ""], ids=["null", "absent", "empty"])
def test_an_app_in_no_subnet_is_one_drift_and_is_joined_by_the_network_config(found: json.Value) -> None:
    seen = look(REMEDIATOR, wanted(), {APP: site(found)})
    assert [(drift.want, drift.have, drift.verdict) for drift in seen.drifts] == [
        (DECLARED.text, ABSENT, Verdict.DRIFTED)
    ]
    (action,) = merge(seen.edits, seen.facts)
    assert (action.verb, action.resource) == (Verb.PUT, APP.child("networkConfig", "virtualNetwork"))
    assert action.body == {"properties": {"subnetResourceId": DECLARED.text, "swiftSupported": True}}
    assert action.disruption is Disruption.RESTART
    assert action.creates


def test_an_app_in_another_subnet_is_moved_which_creates_nothing() -> None:
    seen = look(REMEDIATOR, wanted(), {APP: site(OTHER.text)})
    assert [drift.have for drift in seen.drifts] == [OTHER.text]
    (action,) = merge(seen.edits, seen.facts)
    assert not action.creates


def test_a_difference_during_an_operation_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, wanted(), {APP: site(None, inProgressOperationId="53c5536f")})
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


def connection(root: ResourceId, *, swift: bool) -> World:
    id_ = root.child("virtualNetworkConnections", "f0a16aad_vnet")
    return {id_: body_of(id_, {"isSwift": swift, "vnetResourceId": OTHER.text})}


def test_a_gateway_required_integration_is_an_obstacle() -> None:
    seen = look(REMEDIATOR, wanted(), {APP: site(None), **connection(APP, swift=False)})
    assert [entry.code for entry in seen.obstacles] == ["classic-integration"]
    assert seen.edits == ()


def test_a_stale_regional_connection_is_no_obstacle() -> None:
    assert look(REMEDIATOR, wanted(), {APP: site(None), **connection(APP, swift=True)}).obstacles == ()


@pytest.mark.parametrize("swift", [True, False])
def test_the_listing_may_be_a_bare_array(swift: bool) -> None:
    facts: Facts = {
        Read(SITE, APP): Found(site(None)),
        Read(SITE_NETWORK_CONNECTION, APP, every=True): Found([{"properties": {"isSwift": swift}}]),
    }
    (entry,) = REMEDIATOR.edits(wanted(), REMEDIATOR.observe(wanted(), facts))
    assert isinstance(entry, Edit) == swift


def test_nothing_is_joined_while_a_gateway_integration_cannot_be_ruled_out() -> None:
    facts: Facts = {
        Read(SITE, APP): Found(site(None)),
        Read(SITE_NETWORK_CONNECTION, APP, every=True): Unreadable(LOCKED),
    }
    (entry,) = REMEDIATOR.edits(wanted(), REMEDIATOR.observe(wanted(), facts))
    assert not isinstance(entry, Edit)
    assert entry.code == "unreadable"


def test_an_app_in_its_subnet_costs_one_read() -> None:
    assert len(look(REMEDIATOR, wanted(), {APP: site(DECLARED.text)}).facts) == 1


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("vnet-appservice/snet-appservice-integration", DECLARED),
        ("rg-hub:vnet-hub/snet-apps", resource(SUBNET, "vnet-hub", "snet-apps", group="rg-hub")),
        (OTHER.text, OTHER),
    ],
)
def test_a_subnet_is_named_by_names_by_group_or_by_id(reference: str, expected: ResourceId) -> None:
    section, scope = VnetIntegrationSection(subnet=reference), Scope(APP)
    assert REMEDIATOR.problems(section, scope) == ()
    (item,) = REMEDIATOR.items(section, scope)
    assert (item.root, item.name, item.value) == (APP, "integration", expected)


@pytest.mark.parametrize("reference", ["", "vnet", "a/b/c", "vnet/", "/subscriptions/x", APP.text])
def test_a_reference_to_no_subnet_is_a_problem_with_a_remedy(reference: str) -> None:
    (problem,) = REMEDIATOR.problems(VnetIntegrationSection(subnet=reference), Scope(APP))
    assert problem.path == ("subnet",)
    assert "VIRTUALNETWORK/SUBNET" in problem.remedy
