"""Re-tests of routing and rollbacks over HTTP: looked at, done, refused, and Azure's fault told as that."""

from typing import Any

import pytest

from homeostat.core.access import HOLDER
from tests.loop.stand import SPEC, stand
from tests.web.http import Http, broken

pytestmark = pytest.mark.wire


# --- a re-test of routing ---

RETEST = "/targets/app-flask/retest-route-all"


async def test_a_retest_is_started_looked_at_and_ended_over_http() -> None:
    http = Http(stand(spec=SPEC + "\nroute_all: {application_traffic: true}\n"))
    assert await http.refusal("GET", RETEST) == (404, "NoRetest", "the routing of app-flask has not been re-tested")
    begun = await http("POST", RETEST, {"for": 600, "reason": "why"})
    assert (begun.status, begun.body["state"], begun.body["by"]) == (201, "running", HOLDER)
    assert http.world.settings()["WEBSITE_VNET_ROUTE_ALL"] == "0"
    assert (await http("GET", RETEST)).body == begun.body
    status, code, message = await http.refusal("POST", RETEST, {"for": 600})
    assert (status, code) == (409, "RetestRefused")
    assert f"a retest by {HOLDER} is running" in message
    ending = (await http("POST", f"{RETEST}/end")).body
    assert (ending["state"], ending["endedBy"]) == ("ending", HOLDER)
    await http.world.deliver()
    assert (await http("GET", RETEST)).body["state"] == "restored"
    assert http.world.settings()["WEBSITE_VNET_ROUTE_ALL"] == "1"


async def test_a_retest_that_azure_refuses_is_told_as_azures_fault() -> None:
    http = Http(stand(spec=SPEC + "\nroute_all: {application_traffic: true}\n"))
    body = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    http.world.strike(method="PATCH", path="/sites/app-flask$", status=403, body=body)
    status, code, message = await http.refusal("POST", RETEST, {"for": 600})
    assert (status, code) == (502, "RetestFailed")
    assert "AuthorizationFailed" in message


@pytest.mark.parametrize("body", [{}, {"for": 9}, {"for": 3601}, {"for": "600"}, {"for": 600, "seconds": 600}])
async def test_a_retest_has_its_bounds(http: Http, body: Any) -> None:
    status, code, _ = await http.refusal("POST", RETEST, body)
    assert (status, code) == (400, "BadRequest")
    assert http.world.writes() == []


# --- rollback ---


async def test_a_rollback_is_looked_at_and_done_over_http(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    await http.world.reconcile("nsg")
    looked = await http("POST", "/targets/app-flask/rollback", {"dryRun": True})
    assert (looked.status, looked.body["restored"][0]["to"], looked.body["held"]) == (200, "Deny", [])
    body = {"entry": looked.body["entry"], "for": 3600, "reason": "why"}
    done = await http("POST", "/targets/app-flask/rollback", body)
    assert (done.status, done.body["verified"]) == (200, True)
    assert broken(http.world)
    (pause,) = (await http("GET", "/targets/app-flask")).body["pauses"]
    assert (pause["by"], pause["cause"], pause["until"]) == (HOLDER, "rollback", done.body["pausedUntil"])
    status, code, _ = await http.refusal("POST", "/targets/app-flask/rollback", {})
    assert (status, code) == (409, "RollbackRefused")


@pytest.mark.parametrize("body", [{"for": 5}, {"for": "1h"}, {"entry": 7}, {"to": "x"}])
async def test_a_rollback_that_is_not_understood_is_refused(http: Http, body: Any) -> None:
    assert (await http.refusal("POST", "/targets/app-flask/rollback", body))[:2] == (400, "BadRequest")


async def test_a_rollback_that_azure_refuses_is_told_as_azures_fault(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    await http.world.reconcile("nsg")
    http.world.strike(method="PUT", status=403, body={"error": {"code": "AuthorizationFailed", "message": "no"}})
    assert (await http.refusal("POST", "/targets/app-flask/rollback", {}))[:2] == (502, "RollbackFailed")
