"""A declared NSG is there; what is in it and who uses it is none of this kind's business."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Milestone, Mode, Scope, Want
from homeostat.core.plan import Verb, merge
from remediators.nsg import ITEM, REMEDIATOR, GroupWant, NsgSection
from tests.remediators.contract import Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
NSG, OTHER = (resource(NETWORK_SECURITY_GROUP.name, name) for name in ("nsg-app", "nsg-other"))


def group(**properties: Json) -> World:
    members: dict[str, Json] = {"provisioningState": "Succeeded", "securityRules": [], **properties}
    return {NSG: body_of(NSG, members, location="westeurope", etag='W/"1"', tags={"etag": "mine"})}


def wanted(*, location: str = "westeurope", recreate: bool = False) -> Want[Any]:
    return want_of(NSG, {ITEM: GroupWant(location, recreate)})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    theirs = {OTHER: body_of(OTHER, {})} if draw(st.booleans()) else {}
    state = draw(st.sampled_from(["Succeeded", "Updating", "Failed"]))
    there = {**theirs, **group(provisioningState=state, securityRules=[{"name": "theirs", "properties": {}}])}
    want = wanted(location=draw(st.sampled_from(["westeurope", "West Europe"])), recreate=draw(st.booleans()))
    return Case(want, there, theirs if draw(st.booleans()) else there)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        return {id_.key: body for id_, body in world.items() if id_ != want.root}


@pytest.mark.parametrize(
    "world",
    [
        pytest.param({NSG: body_of(NSG, {}, location="West Europe")}, id="its region spelled for people"),
        pytest.param({NSG: body_of(NSG, {}, location="northeurope")}, id="another region than it would be made in"),
        pytest.param(group(subnets=[{"id": "x"}], securityRules=[{"name": "theirs"}]), id="in use, with rules"),
    ],
)
def test_what_only_looks_different_is_no_drift(world: World) -> None:
    assert look(REMEDIATOR, wanted(), world).drifts == ()


@pytest.mark.parametrize("recreate", [True, False])
def test_a_group_that_is_gone_is_one_drift_and_made_as_the_spec_lets_it(recreate: bool) -> None:
    seen = look(REMEDIATOR, wanted(location="West Europe", recreate=recreate), {})
    assert [(drift.resource, drift.path, drift.have) for drift in seen.drifts] == [(NSG, (), ABSENT)]
    (edit,) = seen.edits
    assert (edit.recreate, edit.reaches) == (recreate, frozenset({Milestone.NSG_EXISTS}))
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, action.verb, action.creates) == (NSG, Verb.PUT, True)
    assert action.body == {"location": "West Europe", "properties": {}}


def test_a_section_names_groups_here_and_elsewhere() -> None:
    section = NsgSection.model_validate(
        {
            "mode": "alert",
            "nsg-app": {"location": "westeurope", "recreate": "true"},
            "rg-hub:nsg-hub": {"location": "northeurope", "mode": "enforce"},
        }
    )
    hub = resource(NETWORK_SECURITY_GROUP.name, "nsg-hub", group="rg-hub")
    assert [(item.root, item.value, item.path, item.mode) for item in REMEDIATOR.items(section, Scope(APP))] == [
        (NSG, GroupWant("westeurope", recreate=True), ("nsg-app",), None),
        (hub, GroupWant("northeurope", recreate=False), ("rg-hub:nsg-hub",), Mode.ENFORCE),
    ]
    assert REMEDIATOR.problems(section, Scope(APP)) == ()


@pytest.mark.parametrize("reference", ["rg:a/b", "", APP.text])
def test_a_reference_to_no_nsg_is_a_problem(reference: str) -> None:
    section = NsgSection.model_validate({reference: {"location": "westeurope"}})
    assert [problem.path for problem in REMEDIATOR.problems(section, Scope(APP))] == [(reference,)]


@pytest.mark.parametrize("spec", [{}, {"location": ""}, {"location": "westeurope", "rules": {}}])
def test_a_group_without_a_location_or_with_what_belongs_elsewhere_is_refused(spec: Json) -> None:
    with pytest.raises(ValidationError):
        NsgSection.model_validate({"nsg-app": spec})
