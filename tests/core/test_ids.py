"""One resource has one id, however it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_types import ARM_TYPES, arm_type, root_of
from homeostat.core.ids import InvalidResourceId, ResourceId, same_id

pytestmark = pytest.mark.unit

RULE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flask"
    "/providers/Microsoft.Network/networkSecurityGroups/nsg-app/securityRules/allow-sql"
)
names = st.text("abcXYZ019-_.", min_size=1, max_size=12)


def test_an_id_is_taken_apart_once() -> None:
    id_ = ResourceId.parse(RULE)
    assert (id_.subscription, id_.resource_group) == ("00000000-0000-0000-0000-000000000001", "rg-flask")
    assert (id_.type, id_.names) == ("Microsoft.Network/networkSecurityGroups/securityRules", ("nsg-app", "allow-sql"))
    assert (id_.name, id_.short) == ("allow-sql", "networkSecurityGroups/nsg-app/securityRules/allow-sql")
    assert str(id_) == RULE


@pytest.mark.parametrize(
    "spelled", [RULE.lower(), RULE.upper(), RULE.replace("resourceGroups", "resourcegroups"), RULE + "/"]
)
def test_two_spellings_are_one_resource(spelled: str) -> None:
    one, other = ResourceId.parse(RULE), ResourceId.parse(spelled)
    assert one == other
    assert len({one, other}) == 1
    assert same_id(RULE, spelled)


def test_the_spelling_that_was_parsed_is_kept() -> None:
    assert ResourceId.parse(RULE.upper()).name == "ALLOW-SQL"
    assert ResourceId.parse(RULE).text == RULE


def test_ids_hold_what_they_have_in_common_once() -> None:
    one, other = ResourceId.parse(RULE), ResourceId.parse(RULE.replace("allow-sql", "deny-all"))
    assert one.subscription is other.subscription
    assert one.resource_group is other.resource_group
    assert one.type is other.type


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nsg-app",
        "/subscriptions/s",
        "/subscriptions/s/resourceGroups/g",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups",
        "/subscriptions/s/resourceGroups//providers/Microsoft.Network/networkSecurityGroups/n",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n/securityRules",
        "/subscriptions/s/providers/Microsoft.Network/locations/westeurope",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n" + "/a/b" * 5_000,
    ],
)
def test_what_is_no_resource_in_a_group_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidResourceId, match="expected"):
        ResourceId.parse(text)


def test_a_type_takes_one_name_for_each_level() -> None:
    with pytest.raises(InvalidResourceId, match="takes 2 names, not 1"):
        ResourceId.of("s", "g", "Microsoft.Network/virtualNetworks/subnets", "vnet")


@given(names, names, names)
def test_a_built_id_parses_to_itself(group: str, parent: str, child: str) -> None:
    built = ResourceId.of("s", group, "Microsoft.Network/virtualNetworks", parent).child("subnets", child)
    parsed = ResourceId.parse(built.text)
    assert (parsed, parsed.text, parsed.names, parsed.type) == (built, built.text, (parent, child), built.type)


def test_a_lineage_runs_from_a_resource_to_its_top() -> None:
    id_ = ResourceId.parse(RULE)
    assert [ancestor.name for ancestor in id_.lineage] == ["allow-sql", "nsg-app"]
    assert id_.parent is not None
    assert id_.parent.parent is None


def test_ids_are_ordered_without_regard_to_case() -> None:
    low, high = (ResourceId.of("s", "g", "Microsoft.Network/virtualNetworks", name) for name in ("a", "B"))
    assert sorted([high, low]) == [low, high]


def test_no_id_is_the_same_as_none() -> None:
    assert not same_id("", "")


def test_every_type_s_ids_lead_to_its_row_and_to_a_root() -> None:
    for row in ARM_TYPES.values():
        id_ = ResourceId.of("s", "g", row.name.upper(), *("n" * row.name.count("/")))
        assert arm_type(id_) is row
        root = root_of(id_)
        assert root is not None
        assert (root == id_) == row.root


def test_a_slot_is_a_root_of_its_own_and_a_setting_belongs_to_its_site() -> None:
    slot = ResourceId.of("s", "g", "Microsoft.Web/sites/slots", "app", "staging")
    assert root_of(slot.child("config", "appsettings")) == slot
    assert root_of(ResourceId.of("s", "g", "Microsoft.Web/sites", "app").child("config", "appsettings")) == slot.parent


def test_a_type_that_is_not_known_has_no_row_and_no_root() -> None:
    machine = ResourceId.of("s", "g", "Microsoft.Compute/virtualMachines", "vm")
    assert root_of(machine) is None
    with pytest.raises(KeyError):
        arm_type(machine)
