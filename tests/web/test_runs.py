"""A run that is asked for over HTTP, from its request to its result, and every refusal of one."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.access import HOLDER
from homeostat.operations.remediations import RUN_BACKUP
from homeostat.web import api
from tests.loop.crashes import Crash, Fate, mortal
from tests.web.http import Http, broken

pytestmark = pytest.mark.wire


async def test_a_remediation_is_accepted_and_its_run_can_be_followed(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    accepted = await http("POST", "/remediate", {"targets": ["app-flask"], "reason": "after a change"})
    assert accepted.status == 202
    assert accepted.headers["Location"] == accepted.body["statusUrl"] == f"/api/runs/{accepted.body['id']}"
    path = f"/runs/{accepted.body['id']}"
    assert (await http("GET", path)).body["state"] == "queued"
    assert broken(http.world)
    await http.world.deliver()
    run = (await http("GET", path)).body
    assert (run["state"], run["status"], run["reason"]) == ("done", "healed", "after a change")
    assert not broken(http.world)


async def test_whoever_waits_gets_the_result(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    answer = await http("POST", "/remediate", {"all": True, "confirm": 1, "wait": True})
    assert (answer.status, answer.body["state"], answer.body["status"]) == (200, "done", "healed")
    assert not broken(http.world)
    calls = len(http.world.calls())
    await http.world.work_for(2 * RUN_BACKUP)
    assert len(http.world.calls()) == calls


async def test_whoever_waits_too_long_is_told_where_to_look_and_the_run_goes_on(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "WAIT", 0.01)
    http.world.change_rule("allow-sql", access="Deny")
    gate = asyncio.Event()
    real = http.world.exchanger.clock.sleep

    async def blocked(seconds: float) -> None:
        await gate.wait()
        await real(seconds)

    object.__setattr__(http.world.exchanger.clock, "sleep", blocked)
    http.world.exchanger.latency = 0.1
    answer = await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True})
    assert answer.status == 202
    path = f"/runs/{answer.body['id']}"
    assert (await http("GET", path)).body["state"] == "queued"
    gate.set()
    going_on = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*going_on)
    assert (await http("GET", path)).body["state"] == "done"
    assert not broken(http.world)


async def test_a_waiting_run_whose_instance_dies_is_done_by_the_queue(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    dying = Http(mortal(http.world, Fate(at=15)))
    with pytest.raises(Crash):
        await dying("POST", "/remediate", {"targets": ["app-flask"], "wait": True})
    (run_id,) = [row.removeprefix("runs/") for row in http.world.rows() if row.startswith("runs/")]
    assert (await http("GET", f"/runs/{run_id}")).body["state"] == "queued"
    await http.world.work_for(timedelta(hours=1))
    assert (await http("GET", f"/runs/{run_id}")).body["state"] == "done"
    assert not broken(http.world)


async def test_a_dry_run_plans_and_writes_nothing(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    answer = await http("POST", "/remediate", {"targets": ["app-flask"], "dryRun": True, "wait": True})
    assert (answer.body["status"], answer.body["dryRun"]) == ("planned", True)
    (planned,) = [root for root in answer.body["roots"] if root["planned"]]
    assert planned["planned"][0]["repairs"][0]["have"] == "Deny"
    assert http.world.writes() == []
    assert broken(http.world)


async def test_the_caller_stands_in_the_run_and_in_the_ledger(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    body = {"targets": ["app-flask"], "wait": True, "reason": "ticket 7"}
    assert (await http("POST", "/remediate", body)).body["caller"] == HOLDER
    (entry,) = (await http("GET", "/targets/app-flask/history")).body["entries"]
    assert (entry["trigger"]["caller"], entry["trigger"]["reason"]) == (HOLDER, "ticket 7")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"targets": ["nobody"]}, (404, "UnknownTarget", "'nobody'")),
        ({"targets": ["app-flask", "nobody", "noone"]}, (404, "UnknownTarget", "'noone'")),
        ({"all": True}, (409, "NotConfirmed", '"confirm": 1')),
        ({"all": True, "confirm": 2}, (409, "NotConfirmed", "there are 1 targets")),
        ({}, (400, "BadRequest", "targets")),
        (b"not json", (400, "BadRequest", "not JSON")),
        ({"targets": ["app-flask"], "dryRun": "no"}, (400, "BadRequest", "dryRun")),
    ],
)
async def test_a_wrong_request_is_refused_and_leaves_nothing_behind(
    http: Http, body: Any, refused: tuple[int, str, str]
) -> None:
    status, code, message = await http.refusal("POST", "/remediate", body)
    assert (status, code) == refused[:2]
    assert refused[2] in message
    assert (http.world.rows(), http.world.waiting(), http.world.calls()) == ([], [], [])


async def test_a_run_that_nobody_knows_is_not_found(http: Http) -> None:
    assert (await http.refusal("GET", "/runs/unknown"))[:2] == (404, "UnknownRun")


async def test_a_persons_word_on_how_many_writes_is_kept_with_the_run(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    run = await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True, "maxWrites": 3})
    assert (run.body["status"], run.body["maxWrites"]) == ("healed", 3)
    (entry,) = (await http("GET", "/targets/app-flask/history")).body["entries"]
    assert entry["trigger"]["maxWrites"] == 3
    refused = await http.refusal("POST", "/remediate", {"targets": ["app-flask"], "maxWrites": 0})
    assert refused[:2] == (400, "BadRequest")
