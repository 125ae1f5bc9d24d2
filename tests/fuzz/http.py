"""HTTP requests: what a holder of a key, or of none, may send to every route of the function app.

Promise: an answer of the documented kinds, with a reason that is JSON, whatever the body, the headers and the query.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, override

import azure.functions as func

from homeostat.core.spec import Fleet
from homeostat.runtime import Runtime
from homeostat.service import Service
from homeostat.web import api
from tests.fuzz.junk import Junk
from tests.fuzz.target import Target, Worlds, worked
from tests.loop.stand import SPEC

STATUSES: Final = frozenset({200, 201, 202, 400, 401, 403, 404, 409, 413, 429, 502})
"""503 is not among them: nothing that a caller sends makes the service unable to work."""

_HEADERS: Final = ("x-ms-client-principal-name", "x-ms-client-principal", "content-type", "x-functions-key")
_worlds = Worlds(SPEC, inputs=100)


class _Ready(Runtime):
    """The runtime of a process whose service is open already."""

    given: Service

    @override
    async def service(self) -> Service:
        return self.given


_ready = _Ready({}, Path())


def run(data: bytes) -> None:
    junk = Junk(data)
    world = _worlds.next()
    _, method, route, _ = junk.one_of(api.ROUTES)
    headers = {junk.one_of(_HEADERS): junk.text() for _ in range(junk.below(3))}
    params = {"limit": junk.text()} if junk.below(2) else {}
    target = junk.one_of(("app-flask", "nobody", junk.text()))
    names = {name: target for name in ("name", "id") if f"{{{name}}}" in route}
    body = _body(junk, worked(world.fleet))
    _ready.given = world.service
    answer = worked(lambda: _ask(method, route, headers, params, names, body))
    assert answer.status_code in STATUSES, (method, route, answer.status_code, answer.get_body())
    if answer.mimetype == "application/json":
        told = json.loads(answer.get_body())
        assert answer.status_code < 400 or told["error"]["message"], told


def _body(junk: Junk, fleet: Fleet) -> bytes:
    """Raw bytes, or a good body with damage. A run of a target is short here: nothing has drifted."""
    if junk.below(2):
        return junk.rest()
    good: tuple[dict[str, Any], ...] = (
        {"targets": list(fleet.targets), "wait": bool(junk.below(2)), "dryRun": True, "reason": "r", "create": False},
        {"all": True, "confirm": len(fleet.targets)},
        {"until": "2026-03-01T03:00:00Z", "reason": "r"},
        {"for": 60, "reason": "r"},
    )
    return json.dumps(junk.damaged(junk.one_of(good))).encode()


@cache
def _functions() -> dict[str, Any]:
    """The function app's own handlers, by name."""
    app = func.FunctionApp()
    app.register_functions(api.http_functions(_ready))
    return {str(each.get_function_name()): each.get_user_function() for each in app.get_functions()}


async def _ask(
    method: str,
    route: str,
    headers: dict[str, str],
    params: dict[str, str],
    names: dict[str, str],
    body: bytes,
) -> func.HttpResponse:
    name = next(name for name, verb, of, _ in api.ROUTES if (verb, of) == (method, route))
    request = func.HttpRequest(
        method=method,
        url=f"https://homeostat.example/api/{route}",
        headers=headers,
        params=params,
        route_params=names,
        body=body,
    )
    answer: func.HttpResponse = await _functions()[name](request)
    return answer


def seeds() -> Iterator[bytes]:
    bodies = (
        b'{"targets": ["app-flask"], "dryRun": true, "wait": true}',
        b'{"all": true, "confirm": 1}',
        b'{"all": true, "confirm": 1e400}',
        b'{"until": "2026-03-01T03:00:00Z"}',
        b'{"until": 1e300}',
        b'{"until": "0001-01-01T00:00:00+23:59"}',
        b'{"for": 60, "reason": "\\ud800"}',
        b'{"targets": ["\\ud800"]}',
        b'{"reason": NaN}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"\xff\xfe\x00",
        b"9" * 5000,
    )
    for index in range(len(api.ROUTES)):
        for body in bodies:
            yield bytes((index, 0, 0, 0, 1)) + body


HTTP = Target("http", run, seeds)
