"""Rows answer for a GET where they show what it does, and are silent about all else."""

from typing import Any

import pytest

from homeostat.core.arm_types import (
    A_RECORD,
    ARM_TYPES,
    NETWORK_SECURITY_GROUP,
    PRIVATE_DNS_ZONE,
    SECURITY_RULE,
    SITE,
    SITE_CONFIG,
    SLOT,
    SUBNET,
    VIRTUAL_NETWORK,
    VIRTUAL_NETWORK_LINK,
    ArmType,
)
from homeostat.core.ids import ResourceId
from homeostat.core.indexed import MAX_GROUPS, MAX_NAMES, Rows, queries
from homeostat.core.model import Found, Read

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def resource(type_: ArmType, *names: str, group: str = "rg") -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, type_.name, *names)


def row(id_: ResourceId, **properties: Any) -> dict[str, Any]:
    """As Resource Graph shows it: ids as they were written, types in lower case."""
    return {"id": id_.text, "name": id_.name, "type": id_.type.lower(), "properties": properties}


APP, GROUP, NETWORK = resource(SITE, "App"), resource(NETWORK_SECURITY_GROUP, "nsg"), resource(VIRTUAL_NETWORK, "vnet")
ZONE = resource(PRIVATE_DNS_ZONE, "zone")
LINK = resource(VIRTUAL_NETWORK_LINK, "zone", "link")
RULE = {"name": "Allow-SQL", "properties": {"access": "Allow"}}
ROOTS = (APP, GROUP, NETWORK, ZONE)
ROWS = Rows.of(
    [
        row(APP, state="Running"),
        row(GROUP, securityRules=[RULE]),
        row(NETWORK),
        row(ZONE),
        row(LINK),
        row(resource(SITE, "foreign")),
        row(resource(VIRTUAL_NETWORK_LINK, "foreign-zone", "link")),
    ],
    ROOTS,
)


def answer(type_: ArmType, id_: ResourceId, *, every: bool = False) -> Any:
    found = ROWS.fact(Read(type_, id_, every))
    return found.body if isinstance(found, Found) else None


def test_a_row_of_its_own_answers_whatever_the_case_of_its_id() -> None:
    assert answer(SITE, resource(SITE, "aPP"))["properties"] == {"state": "Running"}


def test_no_answer_of_a_row_is_fresh() -> None:
    found = ROWS.fact(Read(SITE, APP))
    assert found is not None
    assert not found.fresh
    assert found.etag is None


def test_a_child_is_found_in_its_parents_row() -> None:
    assert answer(SECURITY_RULE, GROUP.child("securityRules", "allow-sql")) == RULE
    assert answer(SECURITY_RULE, GROUP, every=True) == {"value": [RULE]}


def test_children_with_rows_are_listed_where_their_parent_has_one() -> None:
    listed = answer(VIRTUAL_NETWORK_LINK, ZONE, every=True)
    assert [each["name"] for each in listed["value"]] == ["link"]
    assert answer(VIRTUAL_NETWORK_LINK, LINK)["name"] == "link"
    assert answer(VIRTUAL_NETWORK_LINK, resource(PRIVATE_DNS_ZONE, "foreign-zone"), every=True) is None


@pytest.mark.parametrize(
    ("type_", "id_", "every"),
    [
        (SITE, resource(SITE, "gone"), False),
        (SITE, resource(SITE, "foreign"), False),
        (SECURITY_RULE, GROUP.child("securityRules", "gone"), False),
        (SUBNET, NETWORK.child("subnets", "snet"), False),
        (SUBNET, NETWORK, True),
        (SITE_CONFIG, APP.child("config", "appsettings"), False),
        (A_RECORD, ZONE, True),
    ],
    ids=[
        "a row that is lacking",
        "one that is not asked for",
        "a child its parent lacks",
        "a child of a row that says nothing of children",
        "their listing",
        "what has no rows",
        "a listing of what has none",
    ],
)
def test_what_rows_do_not_show_is_for_arm_to_say(type_: ArmType, id_: ResourceId, every: bool) -> None:
    assert ROWS.fact(Read(type_, id_, every)) is None


def test_a_query_asks_for_the_types_of_the_roots_and_what_is_below_them() -> None:
    (query,) = queries((ZONE, APP))
    assert query.types == (
        "microsoft.network/privatednszones",
        f"{ZONE.type}/virtualNetworkLinks".lower(),
        SITE.name.lower(),
    )
    assert (query.subscriptions, query.resource_groups) == ((SUBSCRIPTION,), ("rg",))
    assert "id" in query.columns


def test_a_query_names_what_a_type_is_called_where_few_names_say_it() -> None:
    apps = [resource(SITE, f"app-{number:04}", group=f"rg-{number // 25}") for number in range(MAX_NAMES + 1)]
    zones = [resource(PRIVATE_DNS_ZONE, "Zone", group=f"rg-{number}") for number in range(10)]
    (query,) = queries((*apps, *zones))
    assert (query.names, query.any_name) == (("zone",), (SITE.name.lower(),))
    (query,) = queries((*apps[:50], *zones))
    assert (len(query.names), query.any_name) == (51, ())
    (query,) = queries(apps)
    assert (query.names, query.any_name) == ((), ())


def test_a_slot_is_named_by_the_app_that_it_is_of() -> None:
    (query,) = queries((resource(SLOT, "app", "staging"),))
    assert query.names == ("app",)


def test_a_slot_is_asked_for_only_where_it_is_a_root() -> None:
    assert queries((APP,))[0].types == (SITE.name.lower(),)
    assert queries((resource(SLOT, "app", "staging"),))[0].types == (SLOT.name.lower(),)


def test_no_query_names_too_many_groups() -> None:
    roots = [resource(SITE, "app", group=f"rg-{number:04}") for number in range(2 * MAX_GROUPS + 1)]
    asked = queries(roots)
    assert [len(query.resource_groups) for query in asked] == [MAX_GROUPS, MAX_GROUPS, 1]


def test_nothing_is_asked_where_nothing_has_rows() -> None:
    assert queries(()) == ()
    assert queries((resource(ARM_TYPES["microsoft.cache/redisenterprise"], "cache"),)) == ()


def test_what_is_nested_in_a_row_is_nested_in_the_row_of_its_parent() -> None:
    """Else a table of rows would promise what no query asks for."""
    for type_ in ARM_TYPES.values():
        if type_.row is not None:
            parent = ARM_TYPES.get(type_.name.lower().rpartition("/")[0])
            assert type_.root or (parent is not None and parent.root and parent.row == ()), type_.name
