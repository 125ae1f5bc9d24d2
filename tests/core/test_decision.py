"""From facts to a plan: what is read next, what is judged, and what the plan leaves out."""

import pytest

from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE, SITE_CONFIG
from homeostat.core.decision import decide, judge, looked_at, own_read, reads_of, root_gone, root_is_missing
from homeostat.core.gate.situation import Situation, Surroundings
from homeostat.core.gate.standing import CONTAINER_GONE, MODE_ALERT
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Fact, Facts, Found, Gone, Mode, Query, Read, Unreadable, Verdict
from homeostat.core.spec import Root, load
from remediators import REGISTRY
from tests.azure.scripted import SUBSCRIPTION, VirtualAmbient

pytestmark = pytest.mark.unit

NOW = VirtualAmbient().now()
SITE_ID = ResourceId.of(SUBSCRIPTION, "rg-flask", SITE.name, "app-flask")
SETTINGS = Read(SITE_CONFIG, SITE_ID.child("config", "appsettings"))

SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
vnet_integration: {subnet: vnet/snet}
app_settings:
  settings:
    LOUD: wanted
    QUIET: {value: wanted, mode: alert}
    IGNORED: {value: wanted, mode: ignore}
nsg_rules:
  nsg-app:
    rules:
      allow-sql: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}
"""


def root(id_: ResourceId = SITE_ID, spec: str = SPEC) -> Root:
    return load({"spec.yaml": spec}, REGISTRY, subscription=SUBSCRIPTION).roots[id_]


def settings(**values: str) -> Found:
    return Found({"id": SETTINGS.id.text, "properties": values})


def site(subnet: str = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask/providers/Microsoft.Network/"
         "virtualNetworks/vnet/subnets/snet") -> Found:  # fmt: skip
    body: Json = {"id": SITE_ID.text, "properties": {"virtualNetworkSubnetId": subnet}}
    return Found(body)


def refused(error_class: ErrorClass) -> Unreadable:
    return Unreadable(ArmError(404, "Code", "message", error_class))


def facts(**values: str) -> dict[Read, Fact]:
    return {own_read(SITE_ID): site(), SETTINGS: settings(**values)}


def situation(of: Root, cap: Mode = Mode.ENFORCE) -> Situation:
    calm = Surroundings(of.id, site(), deployments=Found({"value": []}))
    return Situation(NOW, cap, of.wants, of.targets, surroundings=calm)


def test_each_resource_is_read_once_and_in_a_steady_order() -> None:
    reads = reads_of(root(), {}, REGISTRY)
    assert reads == (own_read(SITE_ID), SETTINGS)
    assert reads_of(root(), facts(LOUD="x"), REGISTRY) == ()


def test_a_kind_that_is_ignored_is_neither_read_nor_judged() -> None:
    quiet = root(spec=SPEC.replace("app_settings:\n", "app_settings:\n  mode: ignore\n"))
    assert "app_settings" in looked_at(quiet), "one of its settings asks to be looked at"
    ignored = root(spec=SPEC.replace("vnet_integration: {", "vnet_integration: {mode: ignore, "))
    assert looked_at(ignored) == ("app_settings",)
    assert reads_of(ignored, {}, REGISTRY) == (SETTINGS,)


@pytest.mark.parametrize("fact", [Gone(), refused(ErrorClass.MISSING), refused(ErrorClass.MISSING_PARENT)])
def test_a_child_that_is_not_there_asks_whether_its_root_is(fact: Fact) -> None:
    only_settings = root(spec=SPEC.replace("vnet_integration: {subnet: vnet/snet}\n", ""))
    assert reads_of(only_settings, {SETTINGS: fact}, REGISTRY) == (own_read(SITE_ID),)


@pytest.mark.parametrize("error_class", [ErrorClass.LOCKED, ErrorClass.DENIED, ErrorClass.TRANSIENT])
def test_a_child_that_cannot_be_read_says_nothing_of_its_root(error_class: ErrorClass) -> None:
    only_settings = root(spec=SPEC.replace("vnet_integration: {subnet: vnet/snet}\n", ""))
    assert reads_of(only_settings, {SETTINGS: refused(error_class)}, REGISTRY) == ()


@pytest.mark.parametrize(
    ("fact", "missing"),
    [
        (Gone(), True),
        (refused(ErrorClass.MISSING_PARENT), True),
        (refused(ErrorClass.DENIED), False),
        (refused(ErrorClass.TRANSIENT), False),
        (site(), False),
        (None, False),
    ],
)
def test_a_root_is_missing_only_when_arm_says_so(fact: Fact | None, *, missing: bool) -> None:
    known = {} if fact is None else {own_read(SITE_ID): fact}
    assert root_is_missing(SITE_ID, known) is missing


def test_items_that_are_ignored_drop_out_and_those_that_are_only_reported_are_held() -> None:
    judged = judge(root(), facts(), REGISTRY)
    assert [drift.item for drift in judged.drifts] == ["LOUD", "QUIET"]
    plan = decide(root(), judged, facts(), situation(root()))
    (action,) = plan.actions
    assert action.body == {"properties": {"LOUD": "wanted"}}
    assert [(held.drift.item, held.hold.code) for held in plan.held] == [("QUIET", MODE_ALERT)]


def test_under_a_cap_everything_is_held_and_nothing_is_planned() -> None:
    judged = judge(root(), facts(), REGISTRY)
    plan = decide(root(), judged, facts(), situation(root(), Mode.ALERT))
    assert plan.actions == ()
    assert {held.hold.code for held in plan.held} == {MODE_ALERT}
    assert {held.drift.key for held in plan.held} == {drift.key for drift in plan.drifts}


def test_what_cannot_be_read_is_unknown_and_has_no_edit() -> None:
    unread: dict[Read, Fact] = {**facts(), SETTINGS: refused(ErrorClass.DENIED)}
    judged = judge(root(), unread, REGISTRY)
    assert {drift.verdict for drift in judged.drifts} == {Verdict.UNKNOWN}
    assert judged.edits == ()


CONTAINER = SPEC.replace("nsg_rules:", "nsg: {nsg-app: {location: westeurope}}\nnsg_rules:")


@pytest.mark.parametrize(("spec", "unknown"), [(SPEC, True), (CONTAINER, False)], ids=["nobody creates it", "declared"])
def test_what_is_in_a_missing_container_is_unknown_unless_a_repair_creates_the_container(
    spec: str, *, unknown: bool
) -> None:
    nsg = ResourceId.of(SUBSCRIPTION, "rg-flask", NETWORK_SECURITY_GROUP.name, "nsg-app")
    of, seen = root(nsg, spec), dict[Query, Fact]()
    while wanted := reads_of(of, seen, REGISTRY):
        seen |= {query: Gone() if query == own_read(nsg) else refused(ErrorClass.DENIED) for query in wanted}
    verdicts = {drift.verdict for drift in judge(of, seen, REGISTRY).drifts}
    assert (Verdict.UNKNOWN in verdicts) is unknown
    assert (Verdict.DRIFTED in verdicts) is not unknown


def test_every_drift_of_a_plan_is_repaired_held_or_only_reported() -> None:
    away: dict[Read, Fact] = {**facts(), own_read(SITE_ID): site(""), **no_connections()}
    judged = judge(root(), away, REGISTRY)
    plan = decide(root(), judged, away, situation(root()))
    repaired = {edit.drift.key for action in plan.actions for edit in action.edits}
    held = {entry.drift.key for entry in plan.held}
    assert not repaired & held
    assert repaired | held == {drift.key for drift in plan.drifts}


def no_connections() -> Facts:
    away = {own_read(SITE_ID): site(""), SETTINGS: settings()}
    return {read: Found({"value": []}) for read in reads_of(root(), away, REGISTRY)}


def test_a_root_that_is_gone_holds_every_kind_that_is_looked_at() -> None:
    plan = root_gone(root())
    assert sorted(held.drift.kind for held in plan.held) == ["app_settings", "vnet_integration"]
    assert {held.hold.code for held in plan.held} == {CONTAINER_GONE}
    assert plan.actions == ()
