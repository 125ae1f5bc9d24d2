"""HTTP-triggered functions: from a request to the right function, and its return value to a response.

A request that no route answers is 404, one without a fitting key 401; a function that fails is 500 with an empty
body, since the host shows its callers nothing of the exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from devhost.errors import DevHostError
from devhost.keys import AuthLevel, Keys, presented_key
from devhost.protos import RpcHttp, RpcHttpCookie, TypedData
from devhost.routes import Route
from devhost.worker import Function, Worker

_REASON = "This function was programmatically called via the host APIs."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP function at its route."""

    function: Function
    route: Route
    level: AuthLevel


def endpoints(functions: Sequence[Function]) -> tuple[Endpoint, ...]:
    """The HTTP functions, in the order in which routes are tried. Raises DevHostError where two share one route."""
    found = sorted(
        (_endpoint(each) for each in functions if each.kind == "httpTrigger"), key=lambda each: each.route.precedence
    )
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            if _clash(one.route, other.route):
                raise DevHostError(
                    f"functions '{one.function.name}' and '{other.function.name}' share the route "
                    f"'{one.route.template}'"
                )
    return tuple(found)


class HttpFunctions:
    """Serves every HTTP function under one prefix."""

    def __init__(self, worker: Worker, keys: Keys, prefix: str) -> None:
        self._worker = worker
        self._keys = keys
        self._prefix = f"/{prefix}/" if prefix else "/"
        self.endpoints = endpoints(worker.functions)

    async def handle(self, request: web.Request) -> web.Response:
        path = unquote(request.rel_url.raw_path)
        if not path.lower().startswith(self._prefix.lower()):
            raise web.HTTPNotFound
        for endpoint in self.endpoints:
            parameters = endpoint.route.match(path[len(self._prefix) :])
            if parameters is None or (endpoint.route.methods and request.method not in endpoint.route.methods):
                continue
            if not self._keys.open_function(endpoint.function.name, endpoint.level, _key(request)):
                raise web.HTTPUnauthorized
            data = TypedData(http=await _rpc_request(request, dict(parameters)))
            outcome = await self._worker.invoke(endpoint.function, data, reason=_REASON)
            return web.Response(status=500) if outcome.failure else _response(outcome.value)
        raise web.HTTPNotFound


def _key(request: web.Request) -> str | None:
    return presented_key(request.headers, request.query)


def _endpoint(function: Function) -> Endpoint:
    trigger = function.trigger
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    route = Route.parse(str(trigger.get("route") or function.name), methods)
    return Endpoint(function, route, AuthLevel(str(trigger.get("authLevel") or "function").lower()))


def _clash(one: Route, other: Route) -> bool:
    overlap = not one.methods or not other.methods or one.methods & other.methods
    return one.shape == other.shape and bool(overlap)


async def _rpc_request(request: web.Request, parameters: dict[str, str]) -> RpcHttp:
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    body = TypedData(bytes=await request.read())
    return RpcHttp(request.method, str(request.url), headers, parameters, query, body)


def _response(value: TypedData | None) -> web.Response:
    match value.WhichOneof("data") if value is not None else None:
        case None:
            return web.Response(status=204)
        case "http":
            assert value is not None
            return _http_response(value.http)
        case "json":
            assert value is not None
            return web.Response(text=value.json, content_type="application/json")
        case _:
            assert value is not None
            return web.Response(text=value.string)


def _http_response(rpc: RpcHttp) -> web.Response:
    response = web.Response(status=int(rpc.status_code), headers=CIMultiDict(rpc.headers), body=rpc.body.bytes)
    for cookie in rpc.cookies or ():
        _set_cookie(response, cookie)
    return response


def _set_cookie(response: web.Response, cookie: RpcHttpCookie) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        domain=cookie.domain.value if cookie.domain else None,
        path=cookie.path.value if cookie.path and cookie.path.value else "/",
        max_age=int(cookie.max_age.value) if cookie.max_age else None,
        secure=cookie.secure.value if cookie.secure else None,
        httponly=cookie.http_only.value if cookie.http_only else None,
        samesite=cookie.same_site,
    )
