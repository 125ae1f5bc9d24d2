"""A changed spec comes to one target, then to some, then to all; and never to more before those are as declared."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import rollout as rollouts
from homeostat.core.alerts import WHOLE_ROOT
from homeostat.core.digests import kind_digest
from homeostat.core.gate.flapping import FLAPPING
from homeostat.core.gate.rollout import ROLLOUT, ROLLOUT_STOPPED, within_rollout
from homeostat.core.gate.situation import Course, History, Situation
from homeostat.core.json import ABSENT
from homeostat.core.limits import RolloutStages
from homeostat.core.model import Drift, Edit, Mode
from homeostat.core.outcome import Status
from homeostat.core.progress import Trouble, Waiting, after_look, progress
from homeostat.core.record import Episode, Judgement, RootRecord
from homeostat.core.rollout import Index, Rollout, State, advanced, begun, changed_targets, index_of, released, size
from homeostat.core.spec import Fleet, Root, load
from homeostat.core.uses import mark_of
from remediators import REGISTRY

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = RolloutStages()
NAMES = [f"app-{number:03}" for number in range(200)]


def document(name: str, port: int = 6380, *, shared: int = 443) -> str:
    return f"""
target: {name}
web_app: {name}
resource_group: rg
app_settings: {{settings: {{REDIS_PORT: {port}, HOST: {name}}}}}
nsg_rules:
  nsg-shared:
    rules:
      allow-https: {{priority: 120, direction: Outbound, access: Allow, protocol: Tcp, ports: {shared}}}
"""


def fleet(ports: dict[str, int], shared: int = 443) -> Fleet:
    return load(
        {f"{name}.yaml": document(name, port, shared=shared) for name, port in ports.items()},
        REGISTRY,
        subscription="s",
    )


def site(of: Fleet, name: str) -> Root:
    return of.roots[of.targets[name].web_app]


def nsg(of: Fleet) -> Root:
    return next(root for root in of.roots.values() if "nsg_rules" in root.wants)


def changed(count: int = 100, limits: RolloutStages = LIMITS) -> tuple[Rollout, tuple[str, ...]]:
    names = tuple(sorted(NAMES[:count], key=lambda name: rollouts.position("v2", name)))
    return begun("v2", "v1", names, limits, NOW), names


def admitted(rollout: Rollout, names: Sequence[str]) -> list[str]:
    return [name for name in names if rollout.admits(name)]


# --- stages ---


def test_a_first_version_and_a_small_change_come_into_force_at_once() -> None:
    assert begun("v1", "", NAMES, LIMITS, NOW).state is State.DONE
    assert changed(9)[0].state is State.DONE
    assert changed(10)[0].state is State.RUNNING


def test_one_target_then_a_hundredth_then_all() -> None:
    rollout, names = changed(200)
    assert admitted(rollout, names) == [names[0]]
    second = advanced(rollout, names, LIMITS, NOW)
    assert (admitted(second, names), second.stage, second.of) == ([*names[:2]], 2, 3)
    third = advanced(second, names, LIMITS, NOW)
    assert (third.state, admitted(third, names)) == (State.DONE, [*names])


@given(
    count=st.integers(10, 200),
    stages=st.lists(st.integers(1, 300) | st.floats(0, 1), max_size=6),
    seed=st.integers(0, 1000),
)
def test_stages_only_ever_admit_more_and_end_with_all(count: int, stages: list[float], seed: int) -> None:
    limits = RolloutStages(stages=(*stages, 1.0))
    version = f"v{seed}"
    names = tuple(sorted(NAMES[:count], key=lambda name: rollouts.position(version, name)))
    rollout, before = begun(version, "v1", names, limits, NOW), set[str]()
    for _ in range(len(stages) + 2):
        now_admitted = set(admitted(rollout, names))
        assert len(now_admitted) == rollout.admitted
        assert now_admitted >= before
        assert rollout.state is State.DONE or rollout.admitted < count
        before = now_admitted
        if rollout.state is State.DONE:
            break
        rollout = advanced(rollout, names, limits, NOW)
    assert before == {*names}


def test_a_share_is_rounded_up_to_at_least_one_and_a_number_is_never_more_than_there_are() -> None:
    assert [size(0.01, count) for count in (1, 99, 100, 101, 10_000)] == [1, 1, 1, 2, 100]
    assert size(50, 20) == 20


def test_the_first_target_is_not_the_same_for_every_version() -> None:
    firsts = {min(NAMES, key=lambda name: rollouts.position(version, name)) for version in map(str, range(20))}
    assert len(firsts) > 10


def test_a_person_may_let_all_follow() -> None:
    rollout, names = changed(50)
    after = released(rollout, "Anna", "it is fine")
    assert (after.state, after.by, admitted(after, names)) == (State.DONE, "Anna", [*names])


def test_it_survives_its_document() -> None:
    rollout, _ = changed(50)
    assert rollouts.from_json(rollouts.to_json(rollout)) == rollout


# --- what changed ---


def test_only_targets_whose_declarations_differ_have_changed() -> None:
    before = fleet(dict.fromkeys(NAMES[:5], 6380))
    after = fleet({**dict.fromkeys(NAMES[:5], 6380), "app-003": 1, "app-new": 2})
    assert set(changed_targets(after, index_of(before))) == {"app-003", "app-new"}
    assert changed_targets(before, index_of(before)) == ()


def test_what_two_targets_declare_together_changes_for_both_and_what_is_removed_for_all_of_the_section() -> None:
    before = fleet(dict.fromkeys(NAMES[:3], 6380))
    after = fleet(dict.fromkeys(NAMES[:3], 6380), shared=444)
    assert set(changed_targets(after, index_of(before))) == {*NAMES[:3]}
    texts = {name: document(name).replace(", HOST: app-001", "") for name in NAMES[:3]}
    assert changed_targets(load(texts, REGISTRY, subscription="s"), index_of(before)) == ("app-001",)


def test_an_index_of_a_large_fleet_is_small_and_one_that_is_lost_makes_everything_new() -> None:
    of = fleet(dict.fromkeys(NAMES[:50], 6380))
    whole = index_of(of)
    assert sum(len(mark) + len(digests) for mark, digests in whole.roots.items()) / 50 < 300
    assert set(changed_targets(of, Index())) == {*NAMES[:50]}
    assert index_of(fleet(dict.fromkeys(NAMES[:50], 6380))) == whole


def test_what_an_earlier_release_stored_of_a_declaration_is_known_again() -> None:
    text = document("app") + "vnet_integration: {subnet: vnet/Apps}\n"
    declared = load({"app.yaml": text}, REGISTRY, subscription="00000000-0000-0000-0000-000000000001")
    (app,) = (root for root in declared.roots.values() if "vnet_integration" in root.wants)
    assert kind_digest("vnet_integration", app.wants["vnet_integration"]) == "849c264b70"


# --- the guard ---


def hold_of(root: Root, kind: str, item: str, rollout: Rollout, base: Fleet, version: str = "v2") -> str | None:
    known = index_of(base).of(mark_of(root.id))
    history = History(rollout=Course(rollout, version, known))
    situation = Situation(NOW, Mode.ENFORCE, root.wants, root.targets, history=history)
    hold = within_rollout(Edit(Drift(kind, root.id, (item,), item, "a", ABSENT), (), "a"), situation)
    return hold.code if hold else None


def test_on_a_target_that_is_not_admitted_only_what_changed_is_held() -> None:
    before, after = fleet(dict.fromkeys(NAMES[:20], 6380)), fleet(dict.fromkeys(NAMES[:20], 1))
    rollout, names = changed(20)
    first, last = site(after, names[0]), site(after, names[-1])
    assert hold_of(first, "app_settings", "REDIS_PORT", rollout, before) is None
    assert hold_of(last, "app_settings", "REDIS_PORT", rollout, before) == ROLLOUT
    assert hold_of(last, "app_settings", "HOST", rollout, before) is None
    assert hold_of(last, "app_settings", "", rollout, before) == ROLLOUT  # as a removal that follows the section
    assert hold_of(nsg(after), "nsg_rules", "allow-https", rollout, before) is None


def test_what_targets_share_waits_for_the_last_of_them() -> None:
    ports = dict.fromkeys(NAMES[:20], 6380)
    before, after = fleet(ports), fleet(ports, shared=444)
    rollout, _ = changed(20)
    assert hold_of(nsg(after), "nsg_rules", "allow-https", rollout, before) == ROLLOUT
    assert hold_of(nsg(after), "nsg_rules", "allow-https", released(rollout, "Anna", ""), before) is None


def test_a_stopped_rollout_says_so_and_another_version_than_the_one_in_force_writes_nothing() -> None:
    before, after = fleet(dict.fromkeys(NAMES[:20], 6380)), fleet(dict.fromkeys(NAMES[:20], 1))
    rollout, names = changed(20)
    last = site(after, names[-1])
    stopped = rollouts.stopped(rollout, "app-x fails")
    assert hold_of(last, "app_settings", "REDIS_PORT", stopped, before) == ROLLOUT_STOPPED
    assert hold_of(last, "app_settings", "HOST", rollout, before, version="v1") == ROLLOUT


# --- its progress ---

WELL = RootRecord(judgement=Judgement("v2", "healed"))


def found(record: RootRecord, *, shared: bool = False) -> Waiting | Trouble | None:
    after = fleet(dict.fromkeys(NAMES[:20], 1))
    rollout, names = changed(20)
    root = nsg(after) if shared else site(after, names[0])
    return progress(rollout, [(root, record)])


@pytest.mark.parametrize(
    ("judgement", "done"),
    [
        (None, False),
        (Judgement("v1", "in-sync"), False),
        (Judgement("v2", "in-sync"), True),
        (Judgement("v2", "healed"), True),
        (Judgement("v2", "drifted", ("mode-alert",)), True),
        (Judgement("v2", "settling"), False),
        (Judgement("v2", "held", ("paused",)), False),
        (Judgement("v2", "held", (ROLLOUT,)), False),
    ],
)
def test_a_root_is_done_when_the_new_version_has_nothing_to_write_there(
    judgement: Judgement | None, *, done: bool
) -> None:
    assert (found(RootRecord(judgement=judgement)) is None) is done


def test_what_waits_for_targets_of_a_later_stage_does_not_keep_this_one_from_ending() -> None:
    assert found(RootRecord(judgement=Judgement("v2", "held", (ROLLOUT,))), shared=True) is None
    assert isinstance(found(RootRecord(judgement=Judgement("v2", "held", ("paused",))), shared=True), Waiting)


def episode(opened: datetime) -> Episode:
    return Episode("e", opened, "Homeostat.DriftDetected.v1")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (replace(WELL, episodes={WHOLE_ROOT: episode(NOW)}), "fails"),
        (RootRecord(judgement=Judgement("v2", "held", (FLAPPING,))), "flap breaker"),
        (replace(WELL, episodes={"tcp_reachability": episode(NOW)}), "tcp_reachability"),
    ],
)
def test_it_stops_when_a_target_of_the_stage_is_in_trouble(record: RootRecord, reason: str) -> None:
    trouble = found(record)
    assert isinstance(trouble, Trouble)
    assert reason in trouble.reason


def test_a_probe_that_failed_before_the_stage_began_is_no_news() -> None:
    assert found(replace(WELL, episodes={"tcp_reachability": episode(NOW - MINUTE)})) is None


def test_the_next_stage_begins_once_this_one_was_calm_for_the_whole_bake_time() -> None:
    rollout, names = changed(20)
    calm = after_look(rollout, None, names, LIMITS, NOW)
    assert calm == replace(rollout, calm_since=NOW)
    nearly = after_look(calm, None, names, LIMITS, NOW + 9 * MINUTE)
    assert nearly == calm
    restless = after_look(nearly, Waiting(("a root",)), names, LIMITS, NOW + 9 * MINUTE)
    assert restless.calm_since is None
    assert after_look(calm, None, names, LIMITS, NOW + 10 * MINUTE).stage == 2
    assert after_look(restless, None, names, LIMITS, NOW + 10 * MINUTE).stage == 1
    stopped = after_look(calm, Trouble("why"), names, LIMITS, NOW + 10 * MINUTE)
    assert (stopped.state, stopped.reason, stopped.settled_version) == (State.STOPPED, "why", "v1")


def test_every_status_that_says_so_counts_as_declared() -> None:
    for status in (Status.IN_SYNC, Status.HEALED, Status.DRIFTED, Status.RETIRED):
        assert found(RootRecord(judgement=Judgement("v2", status.value))) is None
