"""HTTP requests: what a holder of a key, or of none, may send to every route of the function app.

Promise: an answer of the documented kinds, with a reason that is JSON, whatever the body, the headers and the query.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, override

import azure.functions as func

from homeostat.core.access import Access, AppRole, Auth
from homeostat.runtime import Runtime
from homeostat.service import Service
from homeostat.web import api
from homeostat.web.principals import PRINCIPAL
from tests.fuzz.junk import Junk
from tests.fuzz.target import Target, Worlds, worked
from tests.loop.stand import SPEC, Stand

STATUSES: Final = frozenset({200, 201, 202, 400, 401, 403, 404, 409, 413, 429, 502})
"""503 is not among them: nothing that a caller sends makes the service unable to work."""

PATHS: Final = (
    *((route.name, route.method, route.path) for route in api.ROUTES),
    *((name, "GET", path) for name, path, _ in api.OPEN),
)
_HEADERS: Final = ("x-ms-client-principal-name", "content-type", "x-functions-key")
_worlds = Worlds(SPEC, inputs=100)


class _Ready(Runtime):
    """The runtime of a process whose service is open already."""

    given: Service

    @override
    async def service(self) -> Service:
        return self.given


@dataclass(slots=True)
class _App:
    """The function app's own handlers, by name, made anew for each world: they count how often anybody asked."""

    runtime: _Ready = field(default_factory=lambda: _Ready({}, Path()))
    functions: dict[str, Any] = field(default_factory=dict)
    world: Stand | None = None

    def of(self, world: Stand, auth: Auth) -> dict[str, Any]:
        self.runtime.given = replace(world.service, access=Access(auth))
        if self.world is not world:
            app = func.FunctionApp()
            app.register_functions(api.http_functions(self.runtime))
            found = app.get_functions()
            self.world = world
            self.functions = {str(each.get_function_name()): each.get_user_function() for each in found}
        return self.functions


_app = _App()


def run(data: bytes) -> None:
    junk = Junk(data)
    world = _worlds.next()
    name, method, path = junk.one_of(PATHS)
    world.pass_time(minutes=1)  # so that the limits on how often anybody asks do not answer first
    auth = junk.one_of((Auth.KEYS, Auth.ENTRA))
    headers = {junk.one_of(_HEADERS): junk.text() for _ in range(junk.below(3))}
    principal = _principal(junk) if auth is Auth.ENTRA else {}
    target = junk.one_of(("app-flask", "nobody", junk.text()))
    request = func.HttpRequest(
        method=method,
        url=f"https://homeostat.example/api/{name}",
        headers={**headers, **principal},
        params={"limit": junk.text()} if junk.below(2) else {},
        route_params={part: target for part in ("name", "id") if f"{{{part}}}" in path},
        body=_body(junk, world),
    )
    answer: func.HttpResponse = worked(partial(_app.of(world, auth)[name], request))
    assert answer.status_code in STATUSES, (name, answer.status_code, answer.get_body())
    if answer.mimetype == "application/json":
        told = json.loads(answer.get_body())
        assert answer.status_code < 400 or told["error"]["message"], told


def _principal(junk: Junk) -> dict[str, str]:
    """The headers by which App Service vouches for somebody with every role, damaged."""
    roles = [{"typ": "roles", "val": role.value} for role in AppRole]
    claims = [{"typ": "oid", "val": "o"}, {"typ": "preferred_username", "val": "ops@example.org"}, *roles]
    sent = {"auth_typ": "aad", "role_typ": "roles", "claims": claims}
    text = json.dumps(junk.damaged(sent) if junk.below(2) else sent)
    return {PRINCIPAL: base64.b64encode(text.encode()).decode()}


def _body(junk: Junk, world: Stand) -> bytes:
    """Raw bytes, or a good body with damage. A run of a target is short here: nothing has drifted."""
    if junk.below(2):
        return junk.rest()
    later = (world.ambient.now() + timedelta(hours=1)).isoformat()
    good: tuple[dict[str, Any], ...] = (
        {"targets": ["app-flask"], "wait": bool(junk.below(2)), "dryRun": True, "reason": "r", "create": False},
        {"all": True, "confirm": 1},
        {"until": later, "reason": "r"},
        {"for": 60, "reason": "r"},
    )
    return json.dumps(junk.damaged(junk.one_of(good))).encode()


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
    for index in range(len(PATHS)):
        for body in bodies:
            yield bytes((index, 0, 0, 0, 0, 1)) + body


HTTP = Target("http", run, seeds)
