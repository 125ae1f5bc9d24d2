"""The HTTP functions: parse, hand over, answer. Every answer is JSON but the dashboard's.

Errors are answered as `{"error": {"code", "message"}}`: 400 for what was sent, 404 for what is not there, 409 where the
caller must look again, 503 where the service itself cannot work now.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import azure.functions as func

from homeostat.runtime import Runtime

if TYPE_CHECKING:
    from homeostat.service import Service

log = logging.getLogger(__name__)

WAIT: Final = 200.0
"""Seconds that a caller may wait for a run. The platform's front end hangs up after 230."""

type Handler = Callable[[Service, func.HttpRequest], Awaitable[func.HttpResponse]]


def http_functions(runtime: Runtime) -> func.Blueprint:
    """The routes of the API over the runtime's service."""
    blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # azure-functions leaves its constructor unannotated
    for name, method, route, handler in ROUTES:
        level = func.AuthLevel.ANONYMOUS if handler is _health else func.AuthLevel.FUNCTION
        bound = blueprint.route(route, methods=[method], auth_level=level)(_function(handler, runtime))
        blueprint.function_name(name)(bound)
    return blueprint


def _function(handler: Handler, runtime: Runtime) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def invoke(req: func.HttpRequest) -> func.HttpResponse:
        from homeostat.core.errors import HomeostatError

        try:
            return await handler(await runtime.service(), req)
        except HomeostatError as error:
            return _unwell(error) if handler is _health else _error(error)

    return invoke


async def _remediate(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    from homeostat.core.outcome import Trigger
    from homeostat.web.requests import RemediateBody, caller, parse_body

    body = parse_body(RemediateBody, req.get_body())
    names = await service.all_targets(body.confirm) if body.all else tuple(body.targets or ())
    who = caller(req.headers)
    trigger = Trigger("manual", caller=who, reason=body.reason, create=body.create, dry_run=body.dry_run)
    run_id = await service.start_run(names, trigger, backup=body.wait)
    if body.wait:
        try:
            done = await asyncio.wait_for(asyncio.shield(service.execute_run(run_id)), WAIT)
        except TimeoutError:
            log.info("run %s takes longer than a request may; it goes on", run_id)
        else:
            return _json(done)
    # The host is known by the name that the caller used; behind a gateway a relative URL still leads back.
    status_url = f"/api/runs/{run_id}"
    return _json({"id": run_id, "statusUrl": status_url}, 202, {"Location": status_url})


async def _run(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    run = await service.run(req.route_params["id"])
    return _json(run) if run else _refusal(404, "UnknownRun", "there is no such run")


async def _targets(service: "Service", _req: func.HttpRequest) -> func.HttpResponse:
    return _json({"targets": await service.targets()})


async def _target(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    return _json(await service.target(req.route_params["name"]))


async def _history(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    from homeostat.web.requests import limit

    name = req.route_params["name"]
    return _json({"target": name, "entries": await service.history(name, limit(req.params.get("limit")))})


async def _explain(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    return _json(await service.explain(req.route_params["name"]))


async def _pause(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    from homeostat.core.gate.situation import FLEET, Pause
    from homeostat.web.requests import PauseBody, caller, parse_body, until

    body = parse_body(PauseBody, req.get_body())
    name = req.route_params.get("name", FLEET)
    ends = until(body, service.engine.ambient.now())
    await service.pause(Pause(name, ends, body.reason, caller(req.headers)))
    return _json({"target": None if name == FLEET else name, "until": ends.isoformat(), "reason": body.reason})


async def _resume(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    from homeostat.core.gate.situation import FLEET

    name = req.route_params.get("name", FLEET)
    await service.resume(name)
    return _json({"target": None if name == FLEET else name, "paused": False})


async def _retest(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    from datetime import timedelta

    from homeostat.web.requests import RetestBody, caller, parse_body

    body = parse_body(RetestBody, req.get_body())
    name, duration = req.route_params["name"], timedelta(seconds=body.seconds)
    # A caller who hangs up does not stop it half-way.
    begun = service.retests.start(name, duration, body.reason, caller(req.headers))
    return _json(await asyncio.shield(begun), 201)


async def _retest_state(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    return _json(await service.retests.state(req.route_params["name"]))


async def _retest_end(service: "Service", req: func.HttpRequest) -> func.HttpResponse:
    return _json(await service.retests.end(req.route_params["name"]))


async def _health(service: "Service", _req: func.HttpRequest) -> func.HttpResponse:
    """Open to probes, so it says whether and not what."""
    state = await service.health()
    return _json({"status": state["status"], "mode": state["mode"]})


async def _dashboard(service: "Service", _req: func.HttpRequest) -> func.HttpResponse:
    from homeostat.web.dashboard import page

    html = page(await service.health(), await service.targets(), service.engine.ambient.now())
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
    return func.HttpResponse(html, mimetype="text/html", charset="utf-8", headers=headers)


ROUTES: Final[tuple[tuple[str, str, str, Handler], ...]] = (
    ("remediate", "POST", "remediate", _remediate),
    ("run", "GET", "runs/{id}", _run),
    ("targets", "GET", "targets", _targets),
    ("target", "GET", "targets/{name}", _target),
    ("history", "GET", "targets/{name}/history", _history),
    ("explain", "GET", "targets/{name}/explain", _explain),
    ("pause", "POST", "targets/{name}/pause", _pause),
    ("resume", "POST", "targets/{name}/resume", _resume),
    ("retest_route_all", "POST", "targets/{name}/retest-route-all", _retest),
    ("retest_state", "GET", "targets/{name}/retest-route-all", _retest_state),
    ("retest_end", "POST", "targets/{name}/retest-route-all/end", _retest_end),
    ("pause_fleet", "POST", "pause", _pause),
    ("resume_fleet", "POST", "resume", _resume),
    ("health", "GET", "health", _health),
    ("dashboard", "GET", "dashboard", _dashboard),
)


def _error(error: Exception) -> func.HttpResponse:
    from homeostat.retest import NoRetest, RetestFailed, RetestRefused
    from homeostat.runs import UnknownTarget
    from homeostat.service import NotConfirmed
    from homeostat.web.requests import BadRequest

    statuses: tuple[tuple[type[Exception], int], ...] = (
        (BadRequest, 400),
        (UnknownTarget, 404),
        (NoRetest, 404),
        (NotConfirmed, 409),
        (RetestRefused, 409),
        (RetestFailed, 502),
    )
    for kind, status in statuses:
        if isinstance(error, kind):
            return _refusal(status, kind.__name__, str(error))
    log.error("the service cannot work: %s", error)
    return _refusal(503, type(error).__name__, str(error))


def _unwell(error: Exception) -> func.HttpResponse:
    """The probes' share of an error: the words may quote settings and specs, and go to the log."""
    log.error("the service cannot work: %s", error)
    return _json({"status": "unavailable"}, 503)


def _refusal(status: int, code: str, message: str) -> func.HttpResponse:
    return _json({"error": {"code": code, "message": message}}, status)


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    text = json.dumps(body)  # in ASCII: a setting may hold what UTF-8 cannot say
    return func.HttpResponse(text, status_code=status, headers=dict(headers or {}), mimetype="application/json")
