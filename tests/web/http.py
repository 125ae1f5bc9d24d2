"""The HTTP functions on a real service, called by their routes as the host calls them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, override

import azure.functions as func

from homeostat.runtime import Runtime
from homeostat.service import Service
from homeostat.web import api
from tests.loop.stand import Stand
from tests.support.planted import watch

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


def in_a_while(world: Stand, **amount: float) -> str:
    return (world.ambient.now() + timedelta(**amount)).isoformat()


def broken(world: Stand) -> bool:
    return bool(world.rule("allow-sql")["properties"]["access"] == "Deny")
