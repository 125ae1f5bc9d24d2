"""A declared rule is the rule that ARM gives back, and what ARM would refuse is a problem at its place."""

import pytest

from homeostat.core.json import Json
from homeostat.core.model import Mode, Scope, Unmanaged
from remediators.nsg_rules import REMEDIATOR, NsgRulesSection
from tests.remediators.nsgs import APP, ASG, NSG, SPEC, SQL, declared
from tests.remediators.world import resource

pytestmark = pytest.mark.unit


def section(**rules: Json) -> NsgRulesSection:
    return NsgRulesSection.model_validate({"nsg-app": {"rules": rules}})


def test_a_declared_rule_is_the_rule_that_arm_gives_back() -> None:
    (item,) = REMEDIATOR.items(section(allow_sql=SPEC), Scope(APP))
    assert (item.root, item.name, item.path) == (NSG, "allow_sql", ("nsg-app", "rules", "allow_sql"))
    assert item.value == declared(SQL)


def test_the_most_specific_mode_and_the_nsg_s_policy_are_handed_on() -> None:
    found = NsgRulesSection.model_validate(
        {
            "mode": "ignore",
            "rg-hub:nsg-hub": {
                "mode": "alert",
                "unmanaged": "report",
                "rules": {"a": SPEC, "b": {**SPEC, "priority": "101", "mode": "enforce"}},
            },
        }
    )
    hub = resource("Microsoft.Network/networkSecurityGroups", "nsg-hub", group="rg-hub")
    assert found.mode is Mode.IGNORE
    assert [(item.root, item.name, item.mode) for item in REMEDIATOR.items(found, Scope(APP))] == [
        (hub, "a", Mode.ALERT),
        (hub, "b", Mode.ENFORCE),
    ]
    assert REMEDIATOR.unmanaged(found, Scope(APP)) == {hub: Unmanaged.REPORT}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"priority": "99"}, "priority"),
        ({"priority": "4097"}, "priority"),
        ({"description": "x" * 141}, "description"),
        ({"ports": "65536"}, "ports"),
        ({"ports": "20-10"}, "ports"),
        ({"ports": ["1433", "http"]}, "ports"),
        ({"ports": ["*", "1433"]}, "ports"),
        ({"ports": []}, "ports"),
        ({"source_ports": "-1"}, "source_ports"),
        ({"source": "10.0.0.0/33"}, "source"),
        ({"source": "10.0.0"}, "source"),
        ({"destination": "not a tag"}, "destination"),
        ({"destination": NSG.text}, "destination"),
        ({"destination": ["10.0.0.0/8", ASG.text]}, "destination"),
    ],
)
def test_a_rule_that_arm_would_refuse_is_a_problem_at_its_key(change: dict[str, Json], key: str) -> None:
    (problem,) = REMEDIATOR.problems(section(rule={**SPEC, **change}), Scope(APP))
    assert problem.path == ("nsg-app", "rules", "rule", key)
    assert problem.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"priority": "4096", "description": "x" * 140},
        {"ports": ["1433", "6380-6389", "0"], "source_ports": "*"},
        {"source": ["10.10.1.0/24", "10.0.0.4", "fd00::/8"], "destination": "AzureCloud.WestEurope"},
        {"destination": [ASG.text]},
        {"protocol": "tcp", "access": "ALLOW", "direction": "outbound"},
    ],
)
def test_a_rule_that_arm_accepts_is_no_problem(change: dict[str, Json]) -> None:
    assert REMEDIATOR.problems(section(rule={**SPEC, **change}), Scope(APP)) == ()


def test_a_priority_is_given_once_in_a_direction() -> None:
    twice = section(a=SPEC, b=SPEC, c={**SPEC, "direction": "Inbound"})
    assert [problem.path for problem in REMEDIATOR.problems(twice, Scope(APP))] == [
        ("nsg-app", "rules", "b", "priority")
    ]


@pytest.mark.parametrize("name", ["-a", "a b", "a" * 81, "a.", ""])
def test_a_name_that_arm_would_refuse_is_a_problem(name: str) -> None:
    assert len(REMEDIATOR.problems(section(**{name: SPEC}), Scope(APP))) == 1


@pytest.mark.parametrize("reference", ["rg:a/b", "", "/subscriptions/x", ASG.text])
def test_a_reference_to_no_nsg_is_a_problem(reference: str) -> None:
    found = NsgRulesSection.model_validate({reference: {"rules": {}}})
    assert [problem.path for problem in REMEDIATOR.problems(found, Scope(APP))] == [(reference,)]
