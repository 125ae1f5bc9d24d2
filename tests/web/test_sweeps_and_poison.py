"""Sweeps, and messages that failed too often, over HTTP: listed, shown, asked for and handled."""

import json
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.access import HOLDER
from homeostat.store import SWEEP_QUEUE
from tests.web.http import Http, broken

pytestmark = pytest.mark.wire


# --- poison ---


async def test_poison_messages_are_listed_explained_replayed_and_dropped_over_http(http: Http) -> None:
    for run in ("a", "b"):
        await http.world.memory.queues.send("homeostat-work-poison", json.dumps({"run": run}))
    listed = (await http("GET", "/poison")).body
    assert (listed["count"], [each["names"] for each in listed["messages"]]) == (2, ["a", "b"])
    first, second = (each["id"] for each in listed["messages"])
    assert "not known any more" in (await http("GET", f"/poison/{first}")).body["explanation"][0]
    assert (await http("POST", f"/poison/{first}/replay")).status == 200
    assert (await http("POST", f"/poison/{second}/drop")).status == 200
    assert (await http("GET", "/poison")).body["count"] == 0
    assert len(http.world.waiting()) == 1
    assert (await http.refusal("POST", f"/poison/{first}/replay"))[:2] == (404, "NoSuchMessage")


# --- sweeps ---


async def test_sweeps_are_listed_and_shown_with_what_became_of_each_root(http: Http) -> None:
    assert (await http("GET", "/sweeps")).body == {"sweeps": []}
    http.world.change_rule("allow-sql", access="Deny")
    id_ = await http.world.sweep()
    assert (await http("GET", "/sweeps?limit=1")).body["sweeps"][0]["status"] == "running"
    assert "0 of 5 roots" not in (await http("GET", "/dashboard")).body
    await http.world.work_for(timedelta(hours=1))
    (listed,) = (await http("GET", "/sweeps")).body["sweeps"]
    assert (listed["sweep"], listed["healed"], listed["checked"]) == (id_, 1, 4)
    shown = (await http("GET", f"/sweeps/{id_}")).body
    assert shown["marked"][http.world.id("nsg").key] == "healed"
    assert "4 of 5 roots as declared; 1 healed." in (await http("GET", "/dashboard")).body


@pytest.mark.parametrize("id_", ["nobody", "..", "0" * 36])
async def test_a_sweep_that_is_not_known_is_not_found(http: Http, id_: str) -> None:
    assert (await http.refusal("GET", f"/sweeps/{id_}"))[:2] == (404, "UnknownSweep")


async def test_how_many_sweeps_are_asked_for_is_a_number(http: Http) -> None:
    assert (await http.refusal("GET", "/sweeps?limit=x"))[:2] == (400, "BadRequest")


async def test_a_sweep_that_is_asked_for_is_accepted_and_can_be_followed_to_its_end(http: Http) -> None:
    await http.world.sweep()
    await http.world.work_for(timedelta(hours=24))
    http.world.change_rule("allow-sql", access="Deny")
    accepted = await http("POST", "/sweeps", {"reason": "ticket 7"})
    path = f"/sweeps/{accepted.body['id']}"
    assert accepted.status == 202
    assert accepted.headers["Location"] == accepted.body["statusUrl"] == f"/api{path}"
    queued = (await http("GET", path)).body
    assert (queued["status"], queued["asked"][0]["by"]) == ("queued", HOLDER)
    await http.world.deliver(SWEEP_QUEUE)
    assert (await http("GET", path)).body["status"] == "running"
    await http.world.work_for(timedelta(hours=1))
    ended = (await http("GET", path)).body
    assert (ended["cause"], ended["healed"], ended["asked"][0]["reason"]) == ("manual", 1, "ticket 7")
    assert f", asked for by {HOLDER}: 4 of 5 roots as declared" in (await http("GET", "/dashboard")).body
    assert not broken(http.world)


async def test_whoever_asks_while_a_sweep_is_under_way_is_told_that_it_goes_on_instead(http: Http) -> None:
    running = await http.world.service.sweeps.start("nightly")
    began = http.world.ambient.now().isoformat()
    await http.world.deliver(SWEEP_QUEUE)
    answer = await http("POST", "/sweeps")
    url = f"/api/sweeps/{running}"
    assert answer.status == 202
    assert answer.body == {"id": running, "status": "running", "began": began, "statusUrl": url}


@pytest.mark.parametrize("body", [b"not json", [], {"reason": 7}, {"reason": "x" * 501}, {"targets": ["app-flask"]}])
async def test_a_sweep_that_is_not_rightly_asked_for_is_refused_and_leaves_nothing_behind(
    http: Http, body: Any
) -> None:
    assert (await http.refusal("POST", "/sweeps", body))[:2] == (400, "BadRequest")
    assert http.world.rows() == []
    assert await http.world.memory.queues.count(SWEEP_QUEUE) == 0
