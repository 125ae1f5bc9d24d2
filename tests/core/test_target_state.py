"""What is told of a target is what is known of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from homeostat.core import json
from homeostat.core.record import Judgement, RootRecord
from homeostat.core.spec import load
from homeostat.core.target_state import target_json
from remediators import REGISTRY

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SEEN = RootRecord(judgement=Judgement("v1", "in-sync", ()))
TEXT = "target: app\nweb_app: app\nresource_group: rg\napp_settings: {settings: {A: 1}}\n"
TARGET = load({"app.yaml": TEXT}, REGISTRY, subscription="00000000-0000-0000-0000-000000000001").targets["app"]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (RootRecord(), ["not looked at yet"]),
        (replace(SEEN, missing_since=NOW), ["not found, looked at again"]),
        (replace(SEEN, settling=1), ["settling"]),
        (SEEN, []),
        (replace(RootRecord(), retired=True, missing_since=NOW), []),
    ],
    ids=["new", "missing", "settling", "seen", "retired"],
)
def test_a_root_of_which_nobody_knows_how_it_is_is_told_with_the_reason(record: RootRecord, why: list[str]) -> None:
    told = target_json(TARGET, {TARGET.web_app: record}, ())
    assert [json.text_at(unsure, "why") for unsure in json.objects_at(told, "unsure")] == why
