"""The HTTP functions: parse, hand over, answer. Every answer is JSON, except the dashboard.

Errors are answered as `{"error": {"code", "message"}}`: 400 for a wrong request, 401 and 403 for a wrong caller, 404
for what does not exist, 409 if the caller must look again, 429 for too many requests, 503 if the service itself cannot
work now.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import azure.functions as func

from homeostat.core.access import AppRole, Caller
from homeostat.runtime import Runtime
from homeostat.web import approvals, poison, rollback, sweeps
from homeostat.web.answers import answer, refusal
from homeostat.web.limits import Limiter

if TYPE_CHECKING:
    from homeostat.service import Service

log = logging.getLogger(__name__)

WAIT: Final = 200.0
"""Seconds that a caller may wait for a run. The platform's front end hangs up after 230."""

type Handler = Callable[[Service, func.HttpRequest, Caller], Awaitable[func.HttpResponse]]
type Open = Callable[[Service], Awaitable[func.HttpResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One function of the API. A GET writes nothing and needs AppRole.READ; all others need a role of their own."""

    name: str
    method: str
    path: str
    needs: AppRole
    handler: Handler


def http_functions(runtime: Runtime) -> func.Blueprint:
    """The routes of the API over the runtime's service."""
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves its constructor unannotated
    # Callers without a key, who follow links, are counted apart from those with one.
    groups = ((ROUTES, func.AuthLevel.FUNCTION, Limiter()), (LINKED, func.AuthLevel.ANONYMOUS, Limiter()))
    for routes, level, limiter in groups:
        for route in routes:
            guarded = _guarded(route, runtime, limiter)
            bound = blueprint.route(route.path, methods=[route.method], auth_level=level)(guarded)
            blueprint.function_name(route.name)(bound)
    for name, path, handler in OPEN:
        opened = _opened(handler, runtime)
        bound = blueprint.route(path, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)(opened)
        blueprint.function_name(name)(bound)
    return blueprint


def _guarded(
    route: Route, runtime: Runtime, limiter: Limiter
) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def invoke(req: func.HttpRequest) -> func.HttpResponse:
        from homeostat.core.errors import HomeostatError

        try:
            service = await runtime.service()
            return await route.handler(service, req, _admitted(route, service, req, limiter))
        except HomeostatError as error:
            from homeostat.web.refusals import refused

            return refused(error)

    return invoke


def _admitted(route: Route, service: "Service", req: func.HttpRequest, limiter: Limiter) -> Caller:
    """The caller, once it is known that they may call, and not too often. The body is not looked at before."""
    from homeostat.web.principals import budget_of, caller_of, permit

    is_write, now = route.needs is not AppRole.READ, service.engine.ambient.now()
    limiter.admit(budget_of(req.headers, req.params, service.access.auth), service.access, now, is_write=is_write)
    caller = caller_of(req.headers, service.access.auth)
    permit(caller, route.needs)
    if is_write:
        log.info("%s (%s) asks for %s", caller.name, caller.object_id or caller.kind, route.name)
    return caller


def _opened(handler: Open, runtime: Runtime) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def invoke(req: func.HttpRequest) -> func.HttpResponse:
        from homeostat.core.errors import HomeostatError

        del req  # the answer is the same for everybody
        try:
            return await handler(await runtime.service())
        except HomeostatError as error:
            return _unwell(error)

    return invoke


async def _remediate(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.core.outcome import Trigger
    from homeostat.web.requests import RemediateBody, parse_body

    body = parse_body(RemediateBody, req.get_body())
    names = await service.remediations.all_targets(body.confirm) if body.all else tuple(body.targets or ())
    trigger = Trigger(
        "manual",
        caller=caller.name,
        reason=body.reason,
        create=body.create,
        dry_run=body.dry_run,
        max_writes=body.max_writes,
    )
    run_id = await service.remediations.start(names, trigger, backup=body.wait)
    if body.wait:
        try:
            done = await asyncio.wait_for(asyncio.shield(service.remediations.execute(run_id)), WAIT)
        except TimeoutError:
            log.info("run %s takes longer than a request may; it goes on", run_id)
        else:
            return answer(done)
    # The host is known by the name that the caller used; behind a gateway a relative URL still works.
    status_url = f"/api/runs/{run_id}"
    return answer({"id": run_id, "statusUrl": status_url}, 202, {"Location": status_url})


async def _run(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    run = await service.remediations.load(req.route_params["id"])
    return answer(run) if run else refusal(404, "UnknownRun", "there is no such run")


async def _targets(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer({"targets": await service.targets()})


async def _target(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer(await service.target(req.route_params["name"]))


async def _history(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import cursor, limit

    name, at_most = req.route_params["name"], limit(req.params.get("limit"))
    entries = await service.history(name, at_most, cursor(req.params.get("before")))
    return answer({"target": name, "entries": entries, "next": entries[-1]["id"] if len(entries) == at_most else None})


async def _explain(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer(await service.explain(req.route_params["name"]))


async def _whom(service: "Service", req: func.HttpRequest) -> str:
    """The target in the path; FLEET if there is none. Raises UnknownTarget, also for FLEET in the path."""
    from homeostat.core.gate.situation import FLEET

    name = req.route_params.get("name")
    return FLEET if name is None else (await service.declared(name)).name


async def _pause(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.core.gate.situation import Pause
    from homeostat.web.requests import PauseBody, parse_body, until

    body = parse_body(PauseBody, req.get_body())
    ends = until(body, service.engine.ambient.now())
    await service.pause(Pause(await _whom(service, req), ends, body.reason, caller.name))
    return answer({"target": req.route_params.get("name"), "until": ends.isoformat(), "reason": body.reason})


async def _resume(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import ReasonBody, parse_body

    body = parse_body(ReasonBody, req.get_body())
    was_paused = await service.resume(await _whom(service, req), caller.name, body.reason)
    return answer({"target": req.route_params.get("name"), "paused": False, "wasPaused": was_paused})


async def _release(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import ReleaseBody, parse_body, released_until

    body = parse_body(ReleaseBody, req.get_body())
    if body.what == "rollout":
        return answer(await service.releases.rollout(caller.name, body.reason))
    ends = released_until(body, service.engine.ambient.now())
    return answer(await service.releases.mass_drift(ends, caller.name, body.reason))


async def _reset_breaker(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import ReasonBody, parse_body

    body = parse_body(ReasonBody, req.get_body())
    return answer(await service.releases.reset_breaker(req.route_params["name"], caller.name, body.reason))


async def _fleet(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    state = await service.health()
    health = {"status": state["status"], "why": state["why"]}
    return answer({**await service.releases.state(), "budgets": list(service.low_budgets()), "health": health})


async def _retest(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from datetime import timedelta

    from homeostat.web.requests import RetestBody, parse_body

    body = parse_body(RetestBody, req.get_body())
    name, duration = req.route_params["name"], timedelta(seconds=body.seconds)
    # A caller who hangs up must not stop it half-way.
    begun = service.retests.start(name, duration, body.reason, caller.name)
    return answer(await asyncio.shield(begun), 201)


async def _retest_state(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer(await service.retests.state(req.route_params["name"]))


async def _retest_end(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return answer(await service.retests.end(req.route_params["name"], caller.name))


async def _approvals(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer({"approvals": await service.open_approvals()})


async def _approve(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return await _decided(service, req, caller, yes=True)


async def _reject(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return await _decided(service, req, caller, yes=False)


async def _decided(service: "Service", req: func.HttpRequest, caller: Caller, *, yes: bool) -> func.HttpResponse:
    from homeostat.core.approvals import to_json

    return answer(to_json(await service.decide_approval(req.route_params["id"], yes=yes, by=caller.name)))


async def _health(service: "Service") -> func.HttpResponse:
    """Anybody may ask, so it says whether the service works, and nothing else."""
    state = await service.health()
    return answer({"status": state["status"], "mode": state["mode"]})


async def _dashboard(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    from homeostat.web.dashboard import page

    sweep = next(iter(await service.sweeps.latest(1)), None)
    targets, asked = await service.targets(), await service.open_approvals()
    html = page(await service.health(), targets, service.engine.ambient.now(), sweep, asked)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
    return func.HttpResponse(html, mimetype="text/html", charset="utf-8", headers=headers)


ROUTES: Final = (
    Route("remediate", "POST", "remediate", AppRole.OPERATE, _remediate),
    Route("run", "GET", "runs/{id}", AppRole.READ, _run),
    Route("targets", "GET", "targets", AppRole.READ, _targets),
    Route("target", "GET", "targets/{name}", AppRole.READ, _target),
    Route("history", "GET", "targets/{name}/history", AppRole.READ, _history),
    Route("explain", "GET", "targets/{name}/explain", AppRole.READ, _explain),
    Route("pause", "POST", "targets/{name}/pause", AppRole.PAUSE, _pause),
    Route("resume", "POST", "targets/{name}/resume", AppRole.PAUSE, _resume),
    Route("reset_breaker", "POST", "targets/{name}/reset-breaker", AppRole.OPERATE, _reset_breaker),
    Route("retest_route_all", "POST", "targets/{name}/retest-route-all", AppRole.OPERATE, _retest),
    Route("retest_state", "GET", "targets/{name}/retest-route-all", AppRole.READ, _retest_state),
    Route("retest_end", "POST", "targets/{name}/retest-route-all/end", AppRole.OPERATE, _retest_end),
    Route("rollback", "POST", "targets/{name}/rollback", AppRole.ROLL_BACK, rollback.rollback),
    Route("poison", "GET", "poison", AppRole.READ, poison.messages),
    Route("poison_explain", "GET", "poison/{id}", AppRole.READ, poison.explain),
    Route("poison_replay", "POST", "poison/{id}/replay", AppRole.OPERATE, poison.replay),
    Route("poison_drop", "POST", "poison/{id}/drop", AppRole.OPERATE, poison.drop),
    Route("sweeps", "GET", "sweeps", AppRole.READ, sweeps.latest),
    Route("sweep_at_once", "POST", "sweeps", AppRole.OPERATE, sweeps.ask),
    Route("sweep_report", "GET", "sweeps/{id}", AppRole.READ, sweeps.show),
    Route("pause_fleet", "POST", "pause", AppRole.PAUSE, _pause),
    Route("resume_fleet", "POST", "resume", AppRole.PAUSE, _resume),
    Route("approvals", "GET", "approvals", AppRole.READ, _approvals),
    Route("approve", "POST", "approvals/{id}/approve", AppRole.APPROVE, _approve),
    Route("reject", "POST", "approvals/{id}/reject", AppRole.APPROVE, _reject),
    Route("release", "POST", "release", AppRole.APPROVE, _release),
    Route("fleet", "GET", "fleet", AppRole.READ, _fleet),
    Route("dashboard", "GET", "dashboard", AppRole.READ, _dashboard),
)

LINKED: Final = (
    Route("approval_page", "GET", "approvals/{id}", AppRole.READ, approvals.show),
    Route("approval_word", "POST", "approvals/{id}", AppRole.APPROVE, approvals.decide_by_link),
)
"""Where an alert's signed link leads; the link is its own key. HOMEOSTAT_AUTH=entra asks for a sign-in as well."""

OPEN: Final[tuple[tuple[str, str, Open], ...]] = (("health", "health", _health),)
"""What anybody may GET without key, sign-in or limit: so it must not reveal anything."""


def _unwell(error: Exception) -> func.HttpResponse:
    """What probes see of an error: its message may quote settings and specs, and goes to the log."""
    log.error("the service cannot work: %s", error)
    return answer({"status": "unavailable"}, 503)
