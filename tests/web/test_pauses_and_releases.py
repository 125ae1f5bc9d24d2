"""What people hold, and let go on, over HTTP: it has an end, a reason and a name."""

from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.access import HOLDER
from homeostat.core.gate.situation import FLEET
from tests.web.http import Http, broken, in_a_while

pytestmark = pytest.mark.wire


# --- pauses ---


@pytest.mark.parametrize(("prefix", "target"), [("/targets/app-flask", "app-flask"), ("", FLEET)])
async def test_a_pause_holds_until_it_is_resumed(http: Http, prefix: str, target: str) -> None:
    until = in_a_while(http.world, hours=1)
    answer = await http("POST", f"{prefix}/pause", {"until": until, "reason": "freeze"})
    assert answer.body == {"target": None if target == FLEET else target, "until": until, "reason": "freeze"}
    http.world.change_rule("allow-sql", access="Deny")
    run = await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True})
    assert run.body["status"] == "held"
    (pause,) = (await http("GET", "/targets/app-flask")).body["pauses"]
    assert (pause["by"], pause["reason"]) == (HOLDER, "freeze")
    for was_paused in (True, False):
        told = (await http("POST", f"{prefix}/resume")).body
        assert (told["paused"], told["wasPaused"]) == (False, was_paused)
    await http.world.work_for(timedelta(minutes=5))
    assert not broken(http.world)


@pytest.mark.parametrize(
    "body",
    [{}, {"until": "soon"}, {"until": "2026-03-01T03:00:00"}, {"until": "2020-01-01T00:00:00Z"}, {"until": 7}, b"{"],
)
async def test_a_pause_without_a_proper_end_is_refused(http: Http, body: Any) -> None:
    assert (await http.refusal("POST", "/targets/app-flask/pause", body))[:2] == (400, "BadRequest")
    assert http.world.rows() == []


@pytest.mark.parametrize("name", ["nobody", FLEET])
async def test_only_what_is_declared_is_paused_or_resumed_by_name_and_never_the_fleet(http: Http, name: str) -> None:
    body = {"until": in_a_while(http.world, hours=1)}
    await http("POST", "/pause", body)
    assert (await http.refusal("POST", f"/targets/{name}/pause", body))[:2] == (404, "UnknownTarget")
    assert (await http.refusal("POST", f"/targets/{name}/resume"))[:2] == (404, "UnknownTarget")
    (pause,) = (await http("GET", "/targets/app-flask")).body["pauses"]
    assert pause["target"] is None, "the fleet's own pause is there still, and no other"


# --- what the gate holds for the whole fleet ---


async def test_a_mass_drift_is_released_for_a_time_by_somebody_who_says_why(http: Http) -> None:
    body = {"what": "mass-drift", "until": in_a_while(http.world, hours=2), "reason": "we moved the cache"}
    answer = await http("POST", "/release", body)
    assert (answer.body["released"], answer.body["by"]) == ("mass-drift", HOLDER)
    told = (await http("GET", "/fleet")).body["released"]
    assert (told["by"], told["reason"], told["until"]) == (HOLDER, "we moved the cache", body["until"])


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"what": "mass-drift", "reason": "why"}, (400, "BadRequest", "until")),
        ({"what": "mass-drift", "until": "2030-01-01T00:00:00Z", "reason": "why"}, (400, "BadRequest", "the next day")),
        ({"what": "mass-drift", "until": "2026-03-01T03:00:00", "reason": "why"}, (400, "BadRequest", "time zone")),
        ({"what": "mass-drift", "until": "2026-03-01T03:00:00Z"}, (400, "BadRequest", "reason")),
        ({"what": "everything", "reason": "why"}, (400, "BadRequest", "what")),
        ({"what": "rollout", "reason": "why"}, (409, "NothingToRelease", "no rollout")),
    ],
)
async def test_a_release_of_nothing_or_without_end_is_refused(
    http: Http, body: Any, refused: tuple[int, str, str]
) -> None:
    status, code, message = await http.refusal("POST", "/release", body)
    assert (status, code) == refused[:2]
    assert refused[2] in message
    assert http.world.rows() == []


async def test_a_breaker_is_reset_for_a_declared_target_only(http: Http) -> None:
    assert (await http("POST", "/targets/app-flask/reset-breaker")).body == {"target": "app-flask", "reset": []}
    assert (await http.refusal("POST", "/targets/nobody/reset-breaker"))[:2] == (404, "UnknownTarget")
