"""The HTTP API on a real service: every route, every refusal, and the life of a run."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, override

import azure.functions as func
import pytest

from homeostat.core.access import HOLDER
from homeostat.core.arm_types import SITE
from homeostat.core.gate.situation import FLEET
from homeostat.core.model import Read
from homeostat.ports import Documents, StorageUnavailable
from homeostat.runtime import Runtime
from homeostat.service import RUN_BACKUP, Service
from homeostat.store import SWEEP_QUEUE
from homeostat.web import api
from tests.loop.crashes import Crash, Fate, mortal
from tests.loop.stand import SPEC, Stand, stand
from tests.support.planted import watch

pytestmark = pytest.mark.wire

PATHS = (
    *((each.name, each.method, each.path) for each in (*api.ROUTES, *api.LINKED)),
    *((name, "GET", path) for name, path, _ in api.OPEN),
)


class Ready(Runtime):
    """The runtime of a process whose service is open already."""

    def __init__(self, service: Service) -> None:
        super().__init__({}, Path())
        self.given = service

    @override
    async def service(self) -> Service:
        return self.given


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Http:
    """Calls the functions by their routes, as the host does."""

    world: Stand
    functions: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        app = func.FunctionApp()
        app.register_functions(api.http_functions(Ready(self.world.service)))
        self.functions = {str(each.get_function_name()): each.get_user_function() for each in app.get_functions()}

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        path, _, query = path.partition("?")
        name, params = self._route(method, path)
        request = func.HttpRequest(
            method=method,
            url=f"https://homeostat.example/api{path}",
            headers=dict(headers or {}),
            params=dict(pair.split("=", 1) for pair in query.split("&") if pair),
            route_params=params,
            body=body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode(),
        )
        response = await self.functions[name](request)
        text = response.get_body().decode()
        watch(f"the answer to {method} {path}", text)
        is_json = response.mimetype == "application/json"
        return Answer(response.status_code, json.loads(text) if is_json else text, response.headers)

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        segments = path.strip("/").split("/")
        for name, verb, route in PATHS:
            pattern = route.split("/")
            if verb == method and len(pattern) == len(segments):
                pairs = list(zip(pattern, segments, strict=True))
                if all(part.startswith("{") or part == segment for part, segment in pairs):
                    return name, {part.strip("{}"): segment for part, segment in pairs if part.startswith("{")}
        raise AssertionError(f"no route for {method} {path}")

    async def refusal(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        answer = await self(method, path, body, headers)
        return answer.status, answer.body["error"]["code"], answer.body["error"]["message"]


@pytest.fixture
def http() -> Http:
    return Http(stand())


def in_a_while(world: Stand, **amount: float) -> str:
    return (world.ambient.now() + timedelta(**amount)).isoformat()


def broken(world: Stand) -> bool:
    return bool(world.rule("allow-sql")["properties"]["access"] == "Deny")


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


# --- remediate and runs ---


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
    assert (await http("POST", f"{prefix}/resume")).body["paused"] is False
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
        ({"what": "mass-drift", "until": "2030-01-01T00:00:00Z", "reason": "why"}, (400, "BadRequest", "1 days")),
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


async def test_a_persons_word_on_how_many_writes_is_kept_with_the_run(http: Http) -> None:
    http.world.change_rule("allow-sql", access="Deny")
    run = await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True, "maxWrites": 3})
    assert (run.body["status"], run.body["maxWrites"]) == ("healed", 3)
    (entry,) = (await http("GET", "/targets/app-flask/history")).body["entries"]
    assert entry["trigger"]["maxWrites"] == 3
    refused = await http.refusal("POST", "/remediate", {"targets": ["app-flask"], "maxWrites": 0})
    assert refused[:2] == (400, "BadRequest")


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


async def test_a_breaker_is_reset_for_a_declared_target_only(http: Http) -> None:
    assert (await http("POST", "/targets/app-flask/reset-breaker")).body == {"target": "app-flask", "reset": []}
    assert (await http.refusal("POST", "/targets/nobody/reset-breaker"))[:2] == (404, "UnknownTarget")


# --- health and dashboard ---


async def test_health_says_whether_and_not_what(http: Http) -> None:
    assert (await http("GET", "/health")).body == {"status": "ok", "mode": "enforce"}
    http.world.specs.by_name["homeostat.yaml"] = "target: ["
    http.world.pass_time(minutes=1)
    assert (await http("GET", "/health")).body == {"status": "degraded", "mode": "enforce"}


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
    await http.world.service.run_store.save("odd", {"id": "odd", "error": "\ud800"})
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
