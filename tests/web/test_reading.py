"""What the HTTP API and the dashboard tell of a real service, and to whom it tells nothing."""

import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from homeostat.core.arm_types import SITE
from homeostat.core.model import Read
from homeostat.ports.storage import Documents, StorageUnavailable
from homeostat.runtime import Runtime
from homeostat.web import api
from tests.loop.stand import stand
from tests.web.http import PATHS, Http, in_a_while

pytestmark = pytest.mark.wire


# --- explain ---


async def test_a_target_is_explained_without_a_call_to_azure(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    await http.world.reconcile("nsg")
    calls = len(http.world.cloud.exchanges)
    answer = await http("GET", "/targets/app-flask/explain")
    assert (answer.status, answer.body["target"]) == (200, "app-flask")
    assert len(answer.body["roots"]) == 5
    assert len(http.world.cloud.exchanges) == calls


async def test_a_target_that_nobody_declares_is_not_explained(http: Http) -> None:
    assert (await http.refusal("GET", "/targets/nobody/explain"))[:2] == (404, "UnknownTarget")


# --- targets ---


async def test_targets_are_listed_and_shown(http: Http) -> None:
    (listed,) = (await http("GET", "/targets")).body["targets"]
    assert listed["name"] == "app-flask"
    assert len(listed["roots"]) == 5
    assert (await http("GET", "/targets/app-flask")).body == listed


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/targets/nobody"), ("GET", "/targets/nobody/history"), ("POST", "/targets/nobody/resume")],
)
async def test_a_target_that_nobody_declares_is_not_found(http: Http, method: str, path: str) -> None:
    assert (await http.refusal(method, path))[:2] == (404, "UnknownTarget")


async def test_history_is_limited_and_a_wrong_limit_refused(http: Http) -> None:
    for _ in range(3):
        http.world.change_rule("allow-sql", access="Deny")
        await http.world.reconcile("nsg")
        http.world.pass_time(minutes=1)
    assert len((await http("GET", "/targets/app-flask/history?limit=2")).body["entries"]) == 2
    assert len((await http("GET", "/targets/app-flask/history")).body["entries"]) == 3
    assert (await http.refusal("GET", "/targets/app-flask/history?limit=all"))[:2] == (400, "BadRequest")


async def test_the_state_of_the_fleet_has_the_policy_the_hours_use_and_the_rollout(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True})
    fleet = (await http("GET", "/fleet")).body
    assert fleet["policy"]["caps"]["share_per_run"] == "25%"
    assert fleet["hour"] == {"writes": 1, "writesAllowed": 500, "roots": 1, "rootsAllowed": 30}
    assert (fleet["rollout"]["state"], fleet["rollout"]["version"]) == ("done", fleet["specVersion"])


async def test_the_state_of_the_fleet_has_the_quotas_of_arm_of_which_little_is_left(http: Http) -> None:
    assert (await http("GET", "/fleet")).body["budgets"] == []
    for _ in range(100):
        await http.world.arm.reader.read(Read(SITE, http.world.id("site")))
    low = (await http("GET", "/fleet")).body["budgets"]
    assert [(each["quota"], each["region"], each["left"], each["of"]) for each in low] == [
        ("subscription-reads", "westeurope", 87, 187)
    ]


# --- health and dashboard ---


async def test_health_says_whether_and_not_what(http: Http) -> None:
    assert (await http("GET", "/health")).body == {"status": "ok", "mode": "enforce"}
    http.world.specs.by_name["homeostat.yaml"] = "target: ["
    http.world.pass_time(minutes=1)
    assert (await http("GET", "/health")).body == {"status": "degraded", "mode": "enforce"}
    told = (await http("GET", "/fleet")).body["health"]
    assert told["status"] == "degraded"
    assert told["why"][0].startswith("homeostat.yaml:2: not YAML")


async def test_what_keeps_the_service_from_working_is_for_holders_of_a_key_only() -> None:
    http = Http(stand(spec="mode: private-words"))
    public = await http("GET", "/health")
    assert (public.status, public.body) == (503, {"status": "unavailable"})
    status, code, message = await http.refusal("GET", "/targets")
    assert (status, code) == (503, "SpecError")
    assert "homeostat.yaml" in message


async def test_a_store_that_does_not_answer_is_a_503() -> None:
    class Down:
        def __getattr__(self, _: str) -> Any:
            raise StorageUnavailable("the storage account does not answer")

    def down(_: Documents) -> Any:
        return Down()

    http = Http(stand(documents=down))
    assert (await http.refusal("GET", "/targets"))[:2] == (503, "StorageUnavailable")
    assert (await http.refusal("POST", "/remediate", {"targets": ["app-flask"]}))[0] == 503


async def test_the_dashboard_shows_the_fleet_and_runs_nothing(http: Http) -> None:
    body = {"until": in_a_while(http.world, hours=1), "reason": "<script>alert(1)</script>"}
    await http("POST", "/targets/app-flask/pause", body)
    answer = await http("GET", "/dashboard")
    assert answer.status == 200
    assert "app-flask" in answer.body
    assert "<script" not in answer.body
    assert "&lt;script&gt;" in answer.body
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_values_that_are_no_proper_text_can_still_be_answered(http: Http) -> None:
    await http.world.service.remediations.run_store.save("odd", {"id": "odd", "error": "\ud800"})
    assert (await http("GET", "/runs/odd")).body["error"] == "\ud800"


def test_only_health_and_what_a_signed_link_leads_to_need_no_key() -> None:
    app = func.FunctionApp()
    app.register_functions(api.http_functions(Runtime({}, Path())))
    triggers = {
        each.get_function_name(): json.loads(each.get_function_json())["bindings"] for each in app.get_functions()
    }
    levels = {
        name: binding["authLevel"] for name, bindings in triggers.items() for binding in bindings if "route" in binding
    }
    assert {name for name, level in levels.items() if level != "FUNCTION"} == {
        "health",
        "approval_page",
        "approval_word",
    }
    assert len(levels) == len(PATHS)


async def test_what_keeps_failing_and_what_failed_too_often_is_on_the_dashboard(http: Http) -> None:
    http.world.strike(path="/networkSecurityGroups/", status=503, body={"error": {"code": "<b>"}})
    await http.world.reconcile("nsg")
    await http.world.memory.queues.send("homeostat-work-poison", "{}")
    page = (await http("GET", "/dashboard")).body
    assert "1 tries failed" in page
    assert "503 &lt;b&gt;" in page
    assert "1 messages failed too often" in page


async def test_a_page_of_history_is_asked_for_by_the_last_ones_id(http: Http) -> None:
    for _ in range(3):
        http.world.change_rule("allow-sql", access="Deny")
        await http.world.reconcile("nsg")
        http.world.pass_time(minutes=1)
    first = (await http("GET", "/targets/app-flask/history?limit=2")).body
    second = (await http("GET", f"/targets/app-flask/history?limit=2&before={first['next']}")).body
    assert (len(second["entries"]), second["next"]) == (1, None)
    assert second["entries"][0]["at"] < first["entries"][-1]["at"]
    assert (await http.refusal("GET", "/targets/app-flask/history?before=yesterday"))[:2] == (400, "BadRequest")
