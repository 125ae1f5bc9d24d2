"""Edits become the fewest writes, in an order that cuts nothing, and what waits for a held edit is held."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.arm_types import (
    KEY_VAULT,
    NETWORK_SECURITY_GROUP,
    ROUTE,
    ROUTE_TABLE,
    SECURITY_RULE,
    SITE,
    SITE_CONFIG,
    SUBNET,
    VIRTUAL_NETWORK,
    VIRTUAL_NETWORK_LINK,
    arm_type,
)
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, Path, Value
from homeostat.core.model import Disruption, Drift, Edit, Fact, Found, Gone, Milestone, Obstacle, Read
from homeostat.core.plan import (
    Action,
    ContradictingEdits,
    Held,
    Hold,
    Verb,
    body_of,
    hold_dependents,
    merge,
    rebase,
    writable,
)

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
EGRESS, NAMES, INTEGRATED = Milestone.EGRESS_ALLOWED, Milestone.NAMES_RESOLVE, Milestone.INTEGRATED


def resource(type_: str, *names: str) -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, "rg-flask", type_, *names)


NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
SETTINGS = resource(SITE_CONFIG.name, "app-flask", "appsettings")
ZONE = resource("Microsoft.Network/privateDnsZones", "privatelink.database.windows.net")
LINK = ZONE.child("virtualNetworkLinks", "link-app")
TABLE = resource(ROUTE_TABLE.name, "rt-app")
VNET = resource(VIRTUAL_NETWORK.name, "vnet-app")
APP = resource(SITE.name, "app-flask")
SUBNET_JOIN = resource("Microsoft.Web/sites/networkConfig", "app-flask", "virtualNetwork")


def edit(
    id_: ResourceId,
    path: Path,
    value: Value,
    have: Value = "old",
    after: frozenset[Milestone] = frozenset(),
    reaches: frozenset[Milestone] = frozenset(),
    kind: str = "a_kind",
) -> Edit:
    drift = Drift(kind, id_, path, "item", "new", have)
    return Edit(drift, path, value, Disruption.NONE, after, reaches)


def rule(name: str, **properties: Json) -> Json:
    id_ = NSG.child("securityRules", name)
    return {
        "id": id_.text,
        "name": name,
        "etag": 'W/"1"',
        "properties": {"provisioningState": "Succeeded", **properties},
    }


def nsg_facts(*rules: Json, **envelope: Json) -> dict[Read, Fact]:
    properties: dict[str, Json] = {"securityRules": rules, "resourceGuid": "g", "defaultSecurityRules": [rule("d")]}
    body = {"id": NSG.text, "name": NSG.name, "etag": 'W/"1"', "properties": properties, **envelope}
    return {Read(NETWORK_SECURITY_GROUP, NSG): Found(body, 'W/"1"')}


def settings_facts(values: Mapping[str, Json]) -> dict[Read, Fact]:
    return {Read(SITE_CONFIG, SETTINGS): Found({"id": SETTINGS.text, "name": "appsettings", "properties": values})}


def rule_edit(name: str, path: Path, value: Value, have: Value = "old") -> Edit:
    return edit(NSG.child("securityRules", name), path, value, have)


def names_and_priorities(action: Action) -> list[tuple[Value, Value]]:
    sent = json.objects_at(action.body, "properties", "securityRules")
    return [(entry["name"], json.at(entry, ("properties", "priority"))) for entry in sent]


# --- merging -------------------------------------------------------------------------------------------------------


def test_no_edits_are_no_writes() -> None:
    assert merge((), {}) == ()


def test_edits_of_one_resource_by_several_kinds_are_one_write() -> None:
    edits = [
        edit(SETTINGS, ("properties", "A"), "1", kind="app_settings"),
        edit(SETTINGS, ("properties", "B"), ABSENT, kind="route_all"),
    ]
    (action,) = merge(edits, settings_facts({"X": "x", "A": "0", "B": "0"}))
    assert action.body == {"properties": {"X": "x", "A": "1"}}
    assert (action.verb, len(action.edits), action.creates) == (Verb.PUT, 2, False)


def test_equal_values_for_one_field_agree_and_unequal_ones_contradict() -> None:
    same = [edit(SETTINGS, ("properties", "A"), "1", kind=kind) for kind in ("route_all", "app_settings")]
    (action,) = merge(same, settings_facts({}))
    assert action.body == {"properties": {"A": "1"}}
    with pytest.raises(ContradictingEdits, match="app_settings and route_all want different values for properties/A"):
        merge([same[0], edit(SETTINGS, ("properties", "A"), "2", kind="app_settings")], settings_facts({}))


def test_one_child_is_written_by_itself_with_its_parent_s_etag() -> None:
    facts = nsg_facts(rule("a", priority=100), rule("b", priority=200))
    (action,) = merge([rule_edit("a", ("properties", "priority"), 150)], facts)
    assert (action.resource.name, action.type, action.etag) == ("a", SECURITY_RULE, 'W/"1"')
    assert action.body == {"properties": {"priority": 150}}


def test_several_children_are_one_write_of_the_parent_in_the_order_in_which_they_stood() -> None:
    facts = nsg_facts(
        *(rule(name, priority=number) for name, number in (("z", 300), ("A", 100), ("m", 400), ("b", 200)))
    )
    edits = [
        rule_edit("b", ("properties", "priority"), 100),
        rule_edit("a", ("properties", "priority"), 200),
        rule_edit("m", (), ABSENT),
        rule_edit("new", (), {"properties": {"priority": 500}}, have=ABSENT),
    ]
    (action,) = merge(edits, facts)
    assert (action.resource, action.verb, action.etag, action.creates) == (NSG, Verb.PUT, 'W/"1"', False)
    assert names_and_priorities(action) == [("z", 300), ("A", 200), ("b", 100), ("new", 500)]


def test_a_parent_s_write_leaves_rules_that_no_edit_touches_as_they_were() -> None:
    theirs = rule("theirs", priority=300, description="subnets and etag", destinationPortRanges=["1", "2"])
    facts = nsg_facts(theirs, rule("a", priority=100), rule("b", priority=110), tags={"etag": "mine"}, location="west")
    swap = [rule_edit("a", ("properties", "priority"), 110), rule_edit("b", ("properties", "priority"), 100)]
    (action,) = merge(swap, facts)
    kept = json.objects_at(action.body, "properties", "securityRules")[0]
    assert json.without_keys(kept, SECURITY_RULE.read_only) == json.without_keys(theirs, SECURITY_RULE.read_only)
    assert {key: json.at(action.body, (key,)) for key in ("tags", "location")} == {
        "tags": {"etag": "mine"},
        "location": "west",
    }
    assert json.at(action.body, ("properties", "resourceGuid")) is ABSENT
    assert json.at(action.body, ("properties", "defaultSecurityRules")) is ABSENT


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["a", "b", "c", "d"]))
def test_the_merge_does_not_depend_on_the_order_of_the_edits(stood: list[str], given_order: list[str]) -> None:
    facts = nsg_facts(*(rule(name, priority=100) for name in stood))
    edits = [rule_edit(name, ("properties", "priority"), ord(name)) for name in given_order]
    assert merge(edits, facts) == merge(sorted(edits, key=lambda entry: entry.drift.key), facts)


def test_edits_of_a_parent_and_of_its_child_are_one_put_of_the_parent() -> None:
    routes = [{"name": name, "properties": {"nextHopType": "VnetLocal"}} for name in ("theirs", "ours")]
    body: Json = {"id": TABLE.text, "properties": {"routes": routes, "disableBgpRoutePropagation": True}}
    facts: dict[Read, Fact] = {Read(ROUTE_TABLE, TABLE): Found(body, 'W/"1"')}
    ours = edit(TABLE.child("routes", "ours"), ("properties", "nextHopType"), "None")
    edits = [edit(TABLE, ("properties", "disableBgpRoutePropagation"), False), ours]
    (action,) = merge(edits, facts)
    assert (action.resource, action.verb, action.etag) == (TABLE, Verb.PUT, 'W/"1"')
    changed: Json = {"name": "ours", "properties": {"nextHopType": "None"}}
    assert action.body == {"properties": {"disableBgpRoutePropagation": False, "routes": [routes[0], changed]}}
    assert rebase(action, Found(body, 'W/"2"')).body == action.body


def test_one_route_is_its_own_put() -> None:
    body: Json = {"properties": {"routes": [{"name": "ours", "properties": {"nextHopType": "None"}}]}}
    ours = edit(TABLE.child("routes", "ours"), ("properties", "nextHopType"), "VnetLocal")
    (action,) = merge([ours], {Read(ROUTE_TABLE, TABLE): Found(body, 'W/"1"')})
    assert (action.resource, action.type, action.etag) == (TABLE.child("routes", "ours"), ROUTE, 'W/"1"')


def test_several_subnets_are_never_written_through_their_network() -> None:
    subnets = [VNET.child("subnets", name) for name in ("a", "b")]
    body: Json = {"properties": {"addressPrefix": "10.0.0.0/24"}}
    facts: dict[Read, Fact] = {Read(SUBNET, subnet): Found(body, subnet.name) for subnet in subnets}
    network: Json = {"properties": {"subnets": [body, body]}}
    facts[Read(VIRTUAL_NETWORK, VNET)] = Found(network)
    actions = merge([edit(subnet, ("properties", "routeTable"), {"id": "x"}) for subnet in subnets], facts)
    assert [(action.resource, action.verb, action.etag) for action in actions] == [
        (subnet, Verb.PUT, subnet.name) for subnet in subnets
    ]


# --- types whose PUT merges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [APP, resource(KEY_VAULT.name, "kv-flask")], ids=str)
def test_where_a_put_would_merge_a_patch_of_the_edited_fields_alone_is_sent(id_: ResourceId) -> None:
    everything: Json = {"location": "West Europe", "properties": {"a": 1, "b": {"c": 1, "d": 1}, "e": "theirs"}}
    facts: dict[Read, Fact] = {Read(arm_type(id_), id_): Found(everything, '"e1"')}
    (action,) = merge([edit(id_, ("properties", "b", "c"), 2), edit(id_, ("properties", "a"), None)], facts)
    assert (action.verb, action.body, action.etag) == (
        Verb.PATCH,
        {"properties": {"a": None, "b": {"c": 2}}},
        None,
    )
    assert not action.unprotected
    assert rebase(action, Found({"properties": {"a": 7}})).body == action.body


def test_a_patch_with_an_object_that_carries_others_members_over_is_unprotected() -> None:
    """Whether ARM merges what is inside it or replaces it, the members are sent as they were read."""
    routing, path = {"applicationTraffic": False, "allTraffic": False}, ("properties", "outboundVnetRouting")
    facts: dict[Read, Fact] = {Read(SITE, APP): Found({"properties": {"outboundVnetRouting": routing}})}
    (carrying,) = merge([edit(APP, path, {**routing, "applicationTraffic": True})], facts)
    (alone,) = merge([edit(APP, path, {"applicationTraffic": True})], facts)
    assert (carrying.verb, carrying.unprotected) == (Verb.PATCH, True)
    assert (alone.verb, alone.unprotected) == (Verb.PATCH, False)


def test_a_field_cannot_be_removed_by_a_patch_so_that_the_whole_is_put() -> None:
    facts: dict[Read, Fact] = {Read(SITE, APP): Found({"location": "west", "properties": {"a": 1, "b": 1}})}
    (action,) = merge([edit(APP, ("properties", "a"), ABSENT)], facts)
    assert (action.verb, action.body) == (Verb.PUT, {"location": "west", "properties": {"b": 1}})


# --- where nothing may be written without a base -------------------------------------------------------------------


def test_children_cannot_be_written_together_before_their_parent_was_read() -> None:
    with pytest.raises(HomeostatError, match="must be read before"):
        merge([rule_edit("a", (), ABSENT), rule_edit("b", (), ABSENT)], {})


def test_a_removed_resource_is_a_delete_and_not_an_empty_put() -> None:
    (action,) = merge([rule_edit("a", (), ABSENT)], nsg_facts(rule("a", priority=100)))
    assert (action.verb, action.body, action.etag) == (Verb.DELETE, None, 'W/"1"')


def test_a_resource_that_is_not_there_is_created_from_the_edit_alone() -> None:
    facts: dict[Read, Fact] = {Read(VIRTUAL_NETWORK_LINK, LINK): Gone()}
    (action,) = merge([edit(LINK, (), {"location": "global", "properties": {"x": 1}}, have=ABSENT)], facts)
    assert (action.creates, action.etag) == (True, None)
    assert action.body == {"location": "global", "properties": {"x": 1}}


def test_what_another_resource_tells_of_is_overwritten_and_not_created() -> None:
    (action,) = merge([edit(SUBNET_JOIN, (), {"properties": {}}, have="/another/subnet")], {})
    assert not action.creates


def test_a_field_edit_goes_into_the_whole_that_another_edit_brings() -> None:
    edits = [edit(LINK, ("properties", "b"), 2), edit(LINK, (), {"properties": {"a": 1}}, have=ABSENT)]
    (action,) = merge(edits, {})
    assert action.body == {"properties": {"a": 1, "b": 2}}


def test_a_disruption_is_the_worst_of_an_action_s_edits() -> None:
    mild, bad = (edit(SETTINGS, ("properties", name), "1") for name in "AB")
    worst = Edit(bad.drift, bad.path, bad.value, Disruption.CONNECTIVITY)
    (action,) = merge([mild, worst], settings_facts({}))
    assert action.disruption is Disruption.CONNECTIVITY


# --- where a body comes from ---------------------------------------------------------------------------------------


def test_a_child_s_own_read_is_preferred_to_its_parent_s_body() -> None:
    facts = nsg_facts(rule("a", priority=100))
    id_ = NSG.child("securityRules", "A")
    assert body_of(id_, facts) == Found(rule("a", priority=100), 'W/"1"')
    facts[Read(SECURITY_RULE, id_)] = Found(rule("a", priority=101), 'W/"2"')
    assert body_of(id_, facts) == Found(rule("a", priority=101), 'W/"2"')


def test_a_listed_child_brings_its_own_etag() -> None:
    body: Json = {"id": LINK.text.upper(), "etag": '"7"', "properties": {}}
    facts: dict[Read, Fact] = {Read(VIRTUAL_NETWORK_LINK, ZONE, every=True): Found({"value": [body]}, "of the listing")}
    assert body_of(LINK, facts) == Found(body, '"7"')


def test_a_child_that_nobody_has_seen_has_no_body() -> None:
    assert body_of(NSG.child("securityRules", "x"), nsg_facts(rule("a"))) is None


def test_tags_go_back_whole_whatever_they_are_called() -> None:
    body: Json = {
        "id": "x",
        "etag": "x",
        "tags": {"etag": "mine"},
        "properties": {"etag": "x", "a": [{"etag": "x", "b": 1}]},
    }
    assert writable(body, NETWORK_SECURITY_GROUP) == {"tags": {"etag": "mine"}, "properties": {"a": [{"b": 1}]}}


def test_what_a_read_shows_as_null_beside_the_properties_is_not_sent() -> None:
    body: Json = {"location": "West Europe", "tags": None, "properties": {"A": None}}
    assert writable(body, SITE_CONFIG) == {"location": "West Europe", "properties": {"A": None}}


# --- rebasing ------------------------------------------------------------------------------------------------------


def test_the_same_edits_over_a_fresher_body_keep_what_came_in_between() -> None:
    (action,) = merge([edit(SETTINGS, ("properties", "A"), "1")], settings_facts({"A": "0"}))
    fresher = rebase(action, Found({"properties": {"A": "2", "B": "new"}}, "e2"))
    assert (fresher.body, fresher.etag) == ({"properties": {"A": "1", "B": "new"}}, "e2")


def test_a_write_of_several_children_is_rebased_over_the_parent_s_fresher_body() -> None:
    swap = [rule_edit("a", ("properties", "priority"), 110), rule_edit("b", ("properties", "priority"), 100)]
    (action,) = merge(swap, nsg_facts(rule("a", priority=100), rule("b", priority=110)))
    (fresher,) = nsg_facts(rule("new", priority=9), rule("b", priority=110), rule("a", priority=100)).values()
    assert isinstance(fresher, Found)
    assert names_and_priorities(rebase(action, fresher)) == [("new", 9), ("b", 100), ("a", 110)]


# --- order ---------------------------------------------------------------------------------------------------------


def test_what_reaches_a_milestone_comes_before_what_waits_for_it() -> None:
    edits = [
        edit(SETTINGS, ("properties", "A"), "1", after=frozenset({INTEGRATED, NAMES})),
        edit(SUBNET_JOIN, (), {"properties": {}}, after=frozenset({EGRESS, NAMES}), reaches=frozenset({INTEGRATED})),
        edit(LINK, (), {"properties": {}}, have=ABSENT, reaches=frozenset({NAMES})),
    ]
    assert [action.resource for action in merge(edits, settings_facts({}))] == [LINK, SUBNET_JOIN, SETTINGS]


def test_writes_that_wait_for_nothing_go_by_their_resource() -> None:
    edits = [edit(id_, (), {"properties": {}}) for id_ in (SUBNET_JOIN, LINK, SETTINGS)]
    assert [action.resource for action in merge(edits, {})] == sorted([SUBNET_JOIN, LINK, SETTINGS])


def test_writes_that_wait_for_each_other_still_come_to_an_end() -> None:
    edits = [
        edit(SETTINGS, ("properties", "A"), "1", after=frozenset({NAMES}), reaches=frozenset({INTEGRATED})),
        edit(LINK, (), {"properties": {}}, after=frozenset({INTEGRATED}), reaches=frozenset({NAMES})),
    ]
    assert len(merge(edits, settings_facts({}))) == 2


# --- what waits for a held edit ------------------------------------------------------------------------------------

PAUSED = Hold("paused", "the target is paused")


def held(entry: Edit) -> Held:
    return Held(entry.drift, PAUSED)


def test_what_waits_for_a_held_edit_is_held_and_says_so() -> None:
    link = edit(LINK, (), {}, reaches=frozenset({NAMES}))
    setting = edit(SETTINGS, ("properties", "A"), "1", after=frozenset({NAMES}))
    (entry,) = hold_dependents([setting], [held(link)], [link])
    assert (entry.drift, entry.hold.code) == (setting.drift, "waits-for-held")
    assert entry.hold.message == "waits for names-resolve"
    assert entry.hold.numbers == {"held": "paused"}


def test_what_waits_for_it_through_two_steps_is_held_too() -> None:
    link = edit(LINK, (), {}, reaches=frozenset({NAMES}))
    join = edit(SUBNET_JOIN, (), {}, after=frozenset({NAMES}), reaches=frozenset({INTEGRATED}))
    setting = edit(SETTINGS, ("properties", "A"), "1", after=frozenset({INTEGRATED}))
    for allowed in ([join, setting], [setting, join]):
        found = hold_dependents(allowed, [held(link)], [link])
        assert {entry.drift.resource for entry in found} == {SUBNET_JOIN, SETTINGS}


def test_a_milestone_is_not_met_while_one_of_the_edits_that_reach_it_is_held() -> None:
    first, second = (rule_edit(name, (), {}) for name in "ab")
    allow = [Edit(entry.drift, (), {}, reaches=frozenset({EGRESS})) for entry in (first, second)]
    deny = edit(NSG.child("securityRules", "deny"), (), {}, after=frozenset({EGRESS}))
    found = hold_dependents([allow[1], deny], [held(allow[0])], [allow[0]])
    assert [entry.drift for entry in found] == [deny.drift]


def test_an_obstacle_holds_what_waits_for_it_like_a_held_edit() -> None:
    allow = rule_edit("a", (), {})
    obstacle = Obstacle(allow.drift, "priority-conflict", "b holds priority 100", frozenset({EGRESS}))
    deny = edit(NSG.child("securityRules", "deny"), (), {}, after=frozenset({EGRESS}))
    assert [entry.drift for entry in hold_dependents([deny], [], [obstacle])] == [deny.drift]


def test_what_waits_for_nothing_held_goes_on() -> None:
    link = edit(LINK, (), {}, reaches=frozenset({NAMES}))
    others = [
        edit(SETTINGS, ("properties", "A"), "1", after=frozenset({EGRESS})),
        edit(SETTINGS, ("properties", "B"), "1"),
    ]
    assert hold_dependents(others, [held(link)], [link]) == ()


def test_a_drift_with_several_edits_is_held_once() -> None:
    link = edit(LINK, (), {}, reaches=frozenset({NAMES}))
    drift = edit(SETTINGS, ("properties", "A"), "1").drift
    several = [Edit(drift, ("properties", name), "1", after=frozenset({NAMES})) for name in "Aa"]
    assert len(hold_dependents(several, [held(link)], [link])) == 1
