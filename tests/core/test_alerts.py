"""The alerts' payloads: what receivers hold on to."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import alerts
from homeostat.core.alerts import AlertType
from homeostat.core.arm_types import SITE, SITE_CONFIG
from homeostat.core.attribution import UNKNOWN, actor_json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, objects_at
from homeostat.core.model import Drift, Edit
from homeostat.core.outcome import Outcome, Status, drift_json
from homeostat.core.plan import Action, Plan, Verb
from homeostat.core.spec import Root
from homeostat.rows import outbox_rows
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SITE_ID = ResourceId.of("s", "rg-flask", SITE.name, "app-flask")
SETTINGS = SITE_ID.child("config", "appsettings")
ROOT = Root(SITE_ID, {}, ("app-a", "app-b"))


def drift(have: str = "old") -> Drift:
    return Drift("app_settings", SETTINGS, ("properties", "NAME"), "NAME", "new", have)


def test_a_detection_names_root_targets_kind_episode_and_every_drift() -> None:
    both = [drift(), Drift("app_settings", SETTINGS, ("properties", "GONE"), "GONE", "new", ABSENT)]
    episodes, (alert,) = alerts.opened(ROOT, both, {}, NOW)
    assert alert.type is AlertType.DRIFT_DETECTED
    assert alert.data == {
        "root": SITE_ID.text,
        "targets": ["app-a", "app-b"],
        "kind": "app_settings",
        "episode": episodes["app_settings"].id,
        "openedAt": NOW.isoformat(),
        "changedBy": actor_json(UNKNOWN),
        "drifts": [drift_json(each) for each in both],
    }


def test_a_repair_names_what_was_written_and_not_what_stood_in_the_body() -> None:
    episodes, _ = alerts.opened(ROOT, [drift()], {}, NOW)
    body = {"properties": {"THEIRS": "secret"}}
    action = Action(SETTINGS, SITE_CONFIG, Verb.PUT, (Edit(drift(), (), "x"),), body)
    outcome = Outcome(SITE_ID, Status.HEALED, Plan(SITE_ID), (action,), ("c",))
    _, (alert,) = alerts.settled(ROOT, outcome, episodes, NOW)
    assert alert.type is AlertType.REMEDIATED
    assert (alert.data["by"], "secret" in json.dumps(alert.data)) == ("homeostat", False)
    (told,) = objects_at(alert.data, "actions")
    assert told["repairs"] == [drift_json(drift())]


@given(st.integers(0, 10**6))
def test_an_episodes_id_depends_on_root_kind_and_time_alone(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    first, _ = alerts.opened(ROOT, [drift("a")], {}, at)
    second, _ = alerts.opened(ROOT, [drift("b")], {}, at)
    later, _ = alerts.opened(ROOT, [drift("a")], {}, at + timedelta(microseconds=1))
    assert first["app_settings"].id == second["app_settings"].id != later["app_settings"].id


def test_kinds_and_roots_have_ids_of_their_own() -> None:
    other_root = Root(ResourceId.of("s", "rg-flask", SITE.name, "app-other"), {}, ("app-c",))
    other_kind = Drift("vnet_integration", SITE_ID, (), "integration", "new", "old")
    ids = {
        alert.id
        for root, found in ((ROOT, drift()), (other_root, drift()), (ROOT, other_kind))
        for alert in alerts.opened(root, [found], {}, NOW)[1]
    }
    assert len(ids) == 3


def test_a_possible_overwrite_names_the_actor_and_what_to_do() -> None:
    write = foreign(SETTINGS.key, "microsoft.web/sites/config/write", "Eve", NOW, "c-1")
    (alert,) = alerts.overwrites(ROOT, [write], NOW)
    (again,) = alerts.overwrites(ROOT, [write], NOW + timedelta(hours=1))
    assert alert.id == again.id
    assert alert.data["actor"] == "Eve"
    assert alert.data["changedBy"] == actor_json(write.by)
    assert alert.data["resource"] == SETTINGS.key
    assert "lost" in str(alert.data["remedy"])


def test_each_retired_target_has_an_alert_with_what_to_do() -> None:
    found = alerts.retired(ROOT, NOW, NOW)
    assert [alert.data["target"] for alert in found] == ["app-a", "app-b"]
    assert len({alert.id for alert in found}) == 2
    assert all("Remove the target from the spec" in str(alert.data["remedy"]) for alert in found)


def test_an_alert_that_is_told_twice_at_once_is_one_row_and_writes_to_two_resources_are_two() -> None:
    here, there = (foreign(id_.key, "op/write", "Eve", NOW) for id_ in (SETTINGS, SITE_ID))
    rows = outbox_rows(alerts.overwrites(ROOT, [here, there, here], NOW))
    assert len(rows) == len({row.row for row in rows}) == 2
