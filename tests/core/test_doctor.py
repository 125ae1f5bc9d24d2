"""How good it is what `doctor` found: by answers of Azure and of the service alone."""

from datetime import UTC, datetime, timedelta

import pytest

from homeostat.core import doctor as judge
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_types import SITE, SITE_CONFIG
from homeostat.core.doctor import Check, Finding, Heard, Look, State
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Facts, Found, Gone, Read, Unreadable
from homeostat.render import findings as shown

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def site(name: str) -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, "rg", SITE.name, name)


def refusal(class_: ErrorClass, code: str) -> ArmError:
    return ArmError(403, code, "no", class_)


def look(name: str, *errors: ArmError, refused: frozenset[str] = frozenset(), is_there: bool = True) -> Look:
    return Look(site(name), is_there, refused, errors)


def states(findings: object) -> list[State]:
    assert isinstance(findings, (list, tuple))
    return [finding.state for finding in findings]


# --- the clock ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "state", "words"),
    [
        (0, State.OK, "within 30 s of Azure's"),
        (30, State.OK, "within 30 s"),
        (32, State.PROBLEM, "ahead of Azure's by 31 s, more than the 30 s that a lease allows for"),
        (-31, State.PROBLEM, "behind Azure's by 31 s"),
        (3600, State.PROBLEM, "ahead of Azure's by 3599 s"),
    ],
)
def test_a_clock_may_differ_by_as_much_as_a_lease_allows_for(off: int, state: State, words: str) -> None:
    ours = NOW + off * SECOND
    finding = judge.of_clock(Heard(NOW, ours, ours))
    assert (finding.state, words in finding.what) == (state, True), finding
    assert bool(finding.remedy) is (state is State.PROBLEM)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    assert judge.of_clock(Heard(NOW, NOW - 40 * SECOND, NOW + 40 * SECOND)).state is State.OK


def test_an_answer_without_a_time_is_told() -> None:
    assert judge.of_clock(None).state is State.WARNING


# --- subscriptions --------------------------------------------------------------------------------------------------


def subscription(state: str = "Enabled") -> JsonObject:
    return {"subscriptionId": SUBSCRIPTION.upper(), "displayName": "Shop", "state": state}


def test_a_subscription_that_is_shown_and_enabled_is_well() -> None:
    (finding,) = judge.of_subscriptions([subscription()], {SUBSCRIPTION}, "AzureCloud")
    assert finding == judge.ok(Check.ARM, f"subscription {SUBSCRIPTION} (Shop) is enabled in AzureCloud")


def test_a_subscription_that_is_not_shown_or_read_only_is_a_problem_with_a_remedy() -> None:
    lacking, disabled = (
        *judge.of_subscriptions([], {SUBSCRIPTION}, "AzureCloud"),
        *judge.of_subscriptions([subscription("Disabled")], {SUBSCRIPTION}, "AzureCloud"),
    )
    assert (lacking.state, disabled.state) == (State.PROBLEM, State.PROBLEM)
    assert "is not among the 0 that AzureCloud shows" in lacking.what
    assert "is disabled, so nothing can be written there" in disabled.what
    assert lacking.remedy
    assert disabled.remedy


@pytest.mark.parametrize(("shown_", "state"), [([subscription()], State.OK), ([], State.WARNING)])
def test_where_no_subscription_is_named_their_number_is_told(shown_: list[JsonObject], state: State) -> None:
    (finding,) = judge.of_subscriptions(shown_, set(), "AzureCloud")
    assert (finding.state, finding.what.endswith(f": {len(shown_)}")) == (state, True)


# --- reads ----------------------------------------------------------------------------------------------------------


def test_a_look_tells_what_was_refused_what_failed_and_what_is_not_there() -> None:
    denied, locked = refusal(ErrorClass.DENIED, "AuthorizationFailed"), refusal(ErrorClass.LOCKED, "ScopeLocked")
    settings = Read(SITE_CONFIG, site("a").child("config", "appsettings"))
    facts: Facts = {Read(SITE, site("a")): Unreadable(denied), settings: Unreadable(locked)}
    assert judge.look_of(site("a"), facts, {"x/read"}) == look("a", locked, refused=frozenset({"x/read"}))
    gone: Facts = {Read(SITE, site("a")): Gone()}
    assert not judge.look_of(site("a"), gone, ()).is_there
    below: Facts = {Read(SITE, site("a")): Found({}), settings: Gone()}
    assert judge.look_of(site("a"), below, ()).is_there


def test_roots_that_can_be_read_are_well() -> None:
    (finding,) = judge.of_reads([look("a"), look("b")])
    assert finding == judge.ok(Check.READS, "readable: all 2 roots that the specs declare")


def test_a_permission_that_lacks_is_named_once_with_the_number_of_roots() -> None:
    actions = frozenset({"x/list/action"})
    looks = [look("a", refused=actions), look("b", refused=actions | {"y/read"}), look("c")]
    findings = tuple(judge.of_reads(looks))
    assert [(finding.state, finding.what) for finding in findings] == [
        (State.PROBLEM, "the role lacks x/list/action, needed for 2 of 3 roots, such as sites/a in rg"),
        (State.PROBLEM, "the role lacks y/read, needed for 1 of 3 roots, such as sites/b in rg"),
    ]
    assert all("docs/access.md" in finding.remedy for finding in findings)


def test_other_errors_are_told_by_their_kind_with_an_example() -> None:
    locked = refusal(ErrorClass.LOCKED, "ScopeLocked")
    (finding,) = judge.of_reads([look("a", locked, locked), look("b", locked)])
    assert finding.state is State.PROBLEM
    assert finding.what == "not readable, locked, ScopeLocked: 2 of 2 roots, such as sites/a in rg"


def test_what_is_not_there_is_a_warning_since_a_repair_may_create_it() -> None:
    findings = tuple(judge.of_reads([look("a", is_there=False), look("b")]))
    assert states(findings) == [State.OK, State.WARNING]
    assert findings[1].what == "not there: 1 of 2 roots, such as sites/a in rg"


# --- the service ----------------------------------------------------------------------------------------------------


def test_each_reason_of_a_degraded_service_is_a_problem() -> None:
    fleet: JsonObject = {"health": {"status": "degraded", "why": ["a mass drift: 9 of 10", "poison"]}}
    findings = tuple(judge.of_health({"status": "degraded", "mode": "enforce"}, fleet))
    assert [finding.what for finding in findings] == ["it is degraded: a mass drift: 9 of 10", "it is degraded: poison"]
    assert states(findings) == [State.PROBLEM, State.PROBLEM]
    assert states(tuple(judge.of_health({"status": "degraded"}, {}))) == [State.PROBLEM]
    assert states(tuple(judge.of_health({"status": "ok", "mode": "alert"}, {}))) == [State.OK]


def test_an_hour_that_is_used_up_is_told() -> None:
    hour: JsonObject = {"writes": 200, "writesAllowed": 200, "roots": 3, "rootsAllowed": 50}
    (finding,) = judge.of_hour({"hour": hour})
    assert (finding.state, "the 200 writes of this hour are used up" in finding.what) == (State.WARNING, True)
    assert tuple(judge.of_hour({"hour": {**hour, "writes": 199}})) == ()


def test_targets_that_fail_and_pauses_are_told() -> None:
    everywhere = {"target": None, "until": "2026-03-02", "reason": "", "by": "anna"}
    one = {"target": "b", "until": "2026-03-02", "reason": "", "by": "anna"}
    targets: list[JsonObject] = [
        {"name": "a", "failing": [{"root": "r"}], "pauses": [everywhere]},
        {"name": "b", "failing": [], "pauses": [everywhere, one]},
    ]
    assert [(finding.state, finding.what) for finding in judge.of_targets(targets)] == [
        (State.WARNING, "targets: 2, and failing: 1, such as a"),
        (State.WARNING, "the whole fleet is paused until 2026-03-02 by anna: no reason given"),
        (State.OK, "paused targets: 1, such as b"),
    ]
    assert [finding.what for finding in judge.of_targets([{"name": "a"}])] == ["targets: 1"]


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        (NOW - timedelta(hours=47), State.OK),
        (NOW - timedelta(hours=49), State.WARNING),
    ],
)
def test_a_sweep_that_ended_more_than_two_nights_ago_is_a_warning(ended: datetime, state: State) -> None:
    running: JsonObject = {"status": "running", "began": NOW.isoformat()}
    finding = judge.of_sweeps([running, {"ended": ended.isoformat()}], NOW)
    assert finding.state is state
    assert ended.isoformat() in finding.what


@pytest.mark.parametrize("sweeps", [[], [{"status": "running"}], [{"ended": "yesterday"}], [{"ended": "2026-01-01"}]])
def test_without_a_sweep_that_ended_there_is_a_warning(sweeps: list[JsonObject]) -> None:
    finding = judge.of_sweeps(sweeps, NOW)
    assert (finding.state, finding.what) == (State.WARNING, "no sweep has ended yet")


@pytest.mark.parametrize(
    ("told", "state"), [({"count": 0}, State.OK), ({"count": 3}, State.WARNING), ({}, State.WARNING)]
)
def test_messages_in_poison_queues_are_a_warning(told: JsonObject, state: State) -> None:
    assert judge.of_poison(told).state is state


# --- how it is shown ------------------------------------------------------------------------------------------------

SOME = (
    judge.ok(Check.SETTINGS, "all read right"),
    judge.problem(Check.TOKEN, "no token.\nTry\x1b[31m again", "Run `az login`"),
    judge.not_asked(Check.ARM, "there is no token"),
)


def test_each_finding_is_one_line_that_a_terminal_obeys_in_nothing() -> None:
    assert shown.as_text(SOME).splitlines() == [
        "ok         settings: all read right",
        "problem    token: no token. Try\\x1b[31m again. Run `az login`",
        "not asked  resource manager: there is no token",
    ]


@pytest.mark.parametrize(
    ("findings", "well"), [(SOME[:1], True), (SOME[2:], True), ((judge.warning(Check.ARM, "x"),), True), (SOME, False)]
)
def test_only_a_problem_is_not_well(findings: tuple[Finding, ...], well: bool) -> None:
    assert judge.is_well(findings) is well
