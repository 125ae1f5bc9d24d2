"""Declared flow logs record what and where they should; what the spec does not say of them is left as it is."""

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.core import json
from homeostat.core.arm_types import FLOW_LOG, NETWORK_SECURITY_GROUP, NETWORK_WATCHER, STORAGE_ACCOUNT
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import AnyRemediator, Fact, Found, Gone, Mode, Read, Scope, Unreadable, Verdict, Want
from homeostat.core.plan import Verb, merge
from remediators.flow_log import Log
from remediators.flow_logs import INTERFACE, REMEDIATOR, FlowLogsSection, LogWant
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
WATCHER = resource(NETWORK_WATCHER.name, "NetworkWatcher_westeurope", group="NetworkWatcherRG")
VNET, HUB = (resource("Microsoft.Network/virtualNetworks", name) for name in ("vnet-app", "vnet-hub"))
ACCOUNT, OTHER = (resource(STORAGE_ACCOUNT.name, name) for name in ("stflask", "stother"))
NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")

LOG = Log(VNET.text, ACCOUNT.text, enabled=True, retention_days=7, format_version=2)


def log(name: str = "flow-vnet", /, **properties: json.Value) -> World:
    id_ = WATCHER.child("flowLogs", name)
    members: dict[str, json.Value] = {
        "provisioningState": "Succeeded",
        "targetResourceId": VNET.text,
        "targetResourceGuid": "9421dae5",
        "storageId": ACCOUNT.text,
        "enabled": True,
        "flowAnalyticsConfiguration": {"networkWatcherFlowAnalyticsConfiguration": {"enabled": True}},
        "retentionPolicy": {"days": 7, "enabled": True},
        "format": {"type": "JSON", "version": 2},
        **properties,
    }
    there = {key: value for key, value in members.items() if value is not ABSENT}
    return {id_: body_of(id_, there, location="westeurope", etag='W/"1"', tags={"etag": "mine"})}


def wanted(**logs: Log) -> Want[Any]:
    named = logs or {"flow_vnet": LOG}
    return want_of(WATCHER, {name.replace("_", "-"): LogWant(value, "westeurope") for name, value in named.items()})


BREAKAGES: dict[str, dict[str, json.Value]] = {
    "target": {"targetResourceId": HUB.text},
    "storage": {"storageId": OTHER.text},
    "enabled": {"enabled": False},
    "kept for less": {"retentionPolicy": {"days": 1, "enabled": True}},
    "kept for ever": {"retentionPolicy": {"days": 0, "enabled": False}},
    "switched off": {"retentionPolicy": {"days": 7, "enabled": False}},
    "format": {"format": {"type": "JSON", "version": 1}},
}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    owned = draw(st.sets(st.sampled_from(["retention", "format"])))
    wants = Log(
        VNET.text,
        ACCOUNT.text,
        enabled=True,
        retention_days=7 if "retention" in owned else None,
        format_version=2 if "format" in owned else None,
    )
    theirs = log("theirs", targetResourceId=OTHER.text) if draw(st.booleans()) else {}
    name = draw(st.sampled_from(["flow-vnet", "Flow-VNet"]))
    there = {**theirs, **log(name, targetResourceId=draw(st.sampled_from([VNET.text, VNET.text.upper()])))}
    able = [
        key
        for key in BREAKAGES
        if key in {"target", "storage", "enabled"} or ("retention" in owned and key != "format")
    ]
    if "format" in owned:
        able.append("format")
    broken: World = there
    match draw(st.sampled_from(["kept", "deleted", "changed"])):
        case "deleted":
            broken = theirs
        case "changed":
            changes: dict[str, json.Value] = {}
            for key in sorted(draw(st.sets(st.sampled_from(able), min_size=1))):
                changes |= BREAKAGES[key]
            broken = {**theirs, **log(name, **changes)}
    return Case(wanted(flow_vnet=wants), there, broken)


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        """Other logs whole; of the declared one, unless a repair made it, all but what is owned."""
        (declared,) = want.items.values()
        owned = {"targetResourceId", "storageId", "enabled", "provisioningState", "targetResourceGuid"}
        owned |= {"retentionPolicy"} if declared.value.log.retention_days is not None else set()
        owned |= {"version"} if declared.value.log.format_version is not None else set()
        bodies = {id_.key: (id_.name.lower() in want.items, body) for id_, body in world.items()}
        return {
            key: json.without_keys(body, frozenset(owned)) if is_ours else body
            for key, (is_ours, body) in bodies.items()
            if not is_ours or json.text_at(body, "etag")  # which no repair sets
        }


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(log(targetResourceId=VNET.text.lower(), storageId=ACCOUNT.text.upper()), id="ids in any casing"),
        pytest.param(log("FLOW-VNET"), id="the name in capitals"),
        pytest.param(log(flowAnalyticsConfiguration={}), id="analytics that nobody declared"),
        pytest.param(log(flowAnalyticsConfiguration=ABSENT, targetResourceGuid=ABSENT), id="members missing"),
    ],
)
def test_what_only_looks_different_is_no_drift(world: World) -> None:
    assert look(REMEDIATOR, wanted(), world).drifts == ()


@pytest.mark.parametrize("given", [ABSENT, None, {}, {"days": 0, "enabled": False}, {"days": 90, "enabled": False}])
def test_a_retention_that_is_off_or_not_given_keeps_for_ever(given: json.Value) -> None:
    ever = Log(VNET.text, ACCOUNT.text, enabled=True, retention_days=0, format_version=1)
    assert look(REMEDIATOR, wanted(flow_vnet=ever), log(retentionPolicy=given, format=ABSENT)).drifts == ()


def test_what_is_not_declared_of_a_log_is_left_alone() -> None:
    bare = Log(VNET.text, ACCOUNT.text, enabled=True)
    changed = log(retentionPolicy={"days": 90, "enabled": True}, format={"type": "JSON", "version": 1})
    assert look(REMEDIATOR, wanted(flow_vnet=bare), changed).drifts == ()


def test_each_field_that_differs_is_a_drift_under_the_spec_s_name() -> None:
    changes = BREAKAGES["target"] | BREAKAGES["storage"] | BREAKAGES["enabled"] | BREAKAGES["switched off"]
    seen = look(REMEDIATOR, wanted(), log(**changes, format={"type": "JSON", "version": 1}))
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [
        (("enabled",), True, False),
        (("format_version",), 2, 1),
        (("retention_days",), 7, 0),
        (("storage",), ACCOUNT.text, OTHER.text),
        (("target",), VNET.text, HUB.text),
    ]


def test_a_repair_is_one_put_that_carries_over_what_is_not_owned() -> None:
    seen = look(REMEDIATOR, wanted(), log(**BREAKAGES["enabled"], **BREAKAGES["format"]))
    (action,) = merge(seen.edits, seen.facts)
    assert (action.resource, action.verb, action.etag) == (WATCHER.child("flowLogs", "flow-vnet"), Verb.PUT, "etag")
    assert action.body == {
        "location": "westeurope",
        "tags": {"etag": "mine"},
        "properties": {
            "targetResourceId": VNET.text,
            "storageId": ACCOUNT.text,
            "enabled": True,
            "flowAnalyticsConfiguration": {"networkWatcherFlowAnalyticsConfiguration": {"enabled": True}},
            "retentionPolicy": {"days": 7, "enabled": True},
            "format": {"type": "JSON", "version": 2},
        },
    }


def test_a_missing_log_is_a_leaf_and_created_whole() -> None:
    seen = look(REMEDIATOR, wanted(), {})
    assert [(drift.path, drift.have) for drift in seen.drifts] == [((), ABSENT)]
    (edit,) = seen.edits
    assert edit.recreate is None
    (action,) = merge(seen.edits, seen.facts)
    assert action.creates
    assert action.body == {
        "location": "westeurope",
        "properties": {
            "targetResourceId": VNET.text,
            "storageId": ACCOUNT.text,
            "enabled": True,
            "retentionPolicy": {"days": 7, "enabled": True},
            "format": {"type": "JSON", "version": 2},
        },
    }


@pytest.mark.parametrize("world", [log("theirs"), {**log("theirs"), **log(targetResourceId=HUB.text)}])
def test_another_log_of_the_same_network_is_an_obstacle_that_names_it(world: World) -> None:
    seen = look(REMEDIATOR, wanted(), world)
    assert [entry.code for entry in seen.obstacles] == ["target-has-flow-log"]
    assert "theirs" in seen.obstacles[0].message
    assert seen.edits == ()


def test_a_log_that_only_the_listing_has_is_there() -> None:
    own, listing = Read(FLOW_LOG, WATCHER.child("flowLogs", "flow-vnet")), Read(FLOW_LOG, WATCHER, every=True)
    facts: dict[Read, Fact] = {own: Gone(), listing: Found({"value": list(log().values())})}
    assert REMEDIATOR.reads(wanted(), {own: Gone()}) == {own, listing}
    assert REMEDIATOR.diff(wanted(), REMEDIATOR.observe(wanted(), facts)) == ()


def test_a_log_that_is_gone_is_unknown_while_the_listing_cannot_be_read() -> None:
    own, listing = Read(FLOW_LOG, WATCHER.child("flowLogs", "flow-vnet")), Read(FLOW_LOG, WATCHER, every=True)
    have = REMEDIATOR.observe(wanted(), {own: Gone(), listing: Unreadable(LOCKED)})
    assert [drift.note for drift in REMEDIATOR.diff(wanted(), have)] == ["could not be read: locked"]
    assert REMEDIATOR.edits(wanted(), have) == ()


def test_a_difference_during_a_write_is_settling_and_left_alone() -> None:
    seen = look(REMEDIATOR, wanted(), log(enabled=False, provisioningState="Updating"))
    assert [drift.verdict for drift in seen.drifts] == [Verdict.SETTLING]
    assert seen.answers == ()


# --- the section -----------------------------------------------------------------------------------------------------

SPEC: dict[str, Json] = {
    "network_watcher": "NetworkWatcherRG:NetworkWatcher_westeurope",
    "target": "vnet-app",
    "storage": "stflask",
    "retention_days": "7",
    "format_version": "2",
    "location": "westeurope",
}


def section(**changes: Json) -> FlowLogsSection:
    return FlowLogsSection.model_validate({"flow-vnet": {**SPEC, **changes}})


def test_a_declared_log_belongs_to_its_watcher() -> None:
    (item,) = REMEDIATOR.items(section(mode="alert"), Scope(APP))
    assert (item.root, item.name, item.path, item.mode) == (WATCHER, "flow-vnet", ("flow-vnet",), Mode.ALERT)
    assert item.value == LogWant(LOG, "westeurope")
    assert REMEDIATOR.problems(section(), Scope(APP)) == ()


NIC = resource(INTERFACE, "nic")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("rg-hub:vnet-hub", "/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"),
        ("vnet-app/snet", "/virtualNetworks/vnet-app/subnets/snet"),
        (NIC.text, NIC.text),
    ],
)
def test_a_target_is_a_network_a_subnet_or_an_interface(reference: str, target: str) -> None:
    (item,) = REMEDIATOR.items(section(target=reference), Scope(APP))
    assert item.value.log.target.endswith(target)
    assert REMEDIATOR.problems(section(target=reference), Scope(APP)) == ()


def test_a_log_of_an_nsg_is_refused_with_the_dates_and_the_way_out() -> None:
    (problem,) = REMEDIATOR.problems(section(target=NSG.text), Scope(APP))
    assert problem.path == ("flow-vnet", "target")
    assert "30 June 2025" in problem.message
    assert "30 September 2027" in problem.message
    assert "VNet flow log" in problem.remedy


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"target": ACCOUNT.text}, "target"),
        ({"target": "vnet/snet/x"}, "target"),
        ({"target": ""}, "target"),
        ({"storage": "a/b"}, "storage"),
        ({"network_watcher": VNET.text}, "network_watcher"),
    ],
)
def test_a_reference_to_the_wrong_thing_is_a_problem_at_its_key(change: dict[str, Json], key: str) -> None:
    assert [problem.path for problem in REMEDIATOR.problems(section(**change), Scope(APP))] == [("flow-vnet", key)]


@pytest.mark.parametrize("change", [{"retention_days": "366"}, {"retention_days": "-1"}, {"format_version": "3"}])
def test_a_number_out_of_range_is_refused(change: dict[str, Json]) -> None:
    with pytest.raises(ValidationError):
        section(**change)


def test_a_name_that_arm_would_refuse_is_a_problem() -> None:
    found = FlowLogsSection.model_validate({"a b": SPEC})
    assert [problem.path for problem in REMEDIATOR.problems(found, Scope(APP))] == [("a b",)]
