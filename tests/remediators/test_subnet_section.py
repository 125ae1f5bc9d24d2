"""A declared subnet belongs to its network, and what ARM would refuse is a problem at its key."""

import pytest
from pydantic import ValidationError

from homeostat.core.arm_types import ROUTE_TABLE
from homeostat.core.json import Json
from homeostat.core.model import Mode, Scope
from remediators.subnet import REMEDIATOR, SubnetSection
from remediators.subnet_body import SubnetWant
from tests.remediators.subnets import APP, NSG, RT, VNET, WEB
from tests.remediators.world import resource

pytestmark = pytest.mark.unit

SPEC: dict[str, Json] = {
    "address_prefix": "10.10.1.0/24",
    "delegation": WEB,
    "nsg": "nsg-app",
    "route_table": "rg-hub:rt-hub",
    "service_endpoints": "Microsoft.Storage",
    "recreate": "true",
}


def section(reference: str = "vnet-app/snet-app", /, **changes: Json) -> SubnetSection:
    return SubnetSection.model_validate({reference: {**SPEC, **changes}})


def test_a_declared_subnet_belongs_to_its_network() -> None:
    (item,) = REMEDIATOR.items(section(mode="alert"), Scope(APP))
    assert (item.root, item.name, item.path, item.mode) == (VNET, "snet-app", ("vnet-app/snet-app",), Mode.ALERT)
    hub = resource(ROUTE_TABLE.name, "rt-hub", group="rg-hub")
    assert item.value == SubnetWant("10.10.1.0/24", WEB, NSG, hub, ("Microsoft.Storage",), recreate=True)
    assert REMEDIATOR.problems(section(), Scope(APP)) == ()


def test_what_is_null_is_not_owned() -> None:
    nothing: dict[str, Json] = dict.fromkeys(("delegation", "nsg", "route_table", "service_endpoints"))
    (item,) = REMEDIATOR.items(section(**nothing), Scope(APP))
    assert item.value == SubnetWant("10.10.1.0/24", recreate=True)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"address_prefix": "10.10.1.5/24"}, "address_prefix"),
        ({"address_prefix": "10.10.1"}, "address_prefix"),
        ({"address_prefix": "10.10.1.0/30"}, "address_prefix"),
        ({"delegation": "serverFarms"}, "delegation"),
        ({"nsg": "a/b"}, "nsg"),
        ({"nsg": RT.text}, "nsg"),
        ({"route_table": ""}, "route_table"),
    ],
)
def test_what_arm_would_refuse_is_a_problem_at_its_key(change: dict[str, Json], key: str) -> None:
    (problem,) = REMEDIATOR.problems(section(**change), Scope(APP))
    assert problem.path == ("vnet-app/snet-app", key)
    assert problem.remedy


@pytest.mark.parametrize("reference", ["vnet-app", "/x", VNET.text, "vnet-app/"])
def test_a_reference_to_no_subnet_is_a_problem(reference: str) -> None:
    assert [problem.path for problem in REMEDIATOR.problems(section(reference), Scope(APP))] == [(reference,)]


def test_declared_ranges_of_one_network_do_not_overlap() -> None:
    found = SubnetSection.model_validate(
        {
            "vnet-app/a": {"address_prefix": "10.10.0.0/23"},
            "vnet-app/b": {"address_prefix": "10.10.1.0/24"},
            "vnet-hub/b": {"address_prefix": "10.10.1.0/24"},
        }
    )
    assert [problem.path for problem in REMEDIATOR.problems(found, Scope(APP))] == [("vnet-app/b", "address_prefix")]


def test_a_subnet_without_a_range_is_refused() -> None:
    with pytest.raises(ValidationError):
        SubnetSection.model_validate({"vnet-app/snet-app": {"delegation": WEB}})
