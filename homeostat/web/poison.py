"""The HTTP functions about messages that failed too often."""

import json
from typing import TYPE_CHECKING, Any

import azure.functions as func

from homeostat.core.access import Caller

if TYPE_CHECKING:
    from homeostat.service import Service


async def messages(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    listed = await service.poison.list()
    return _json({"count": await service.poison.count(), "messages": listed})


async def explain(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return _json(await service.poison.explain(req.route_params["id"]))


async def replay(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return _json(await service.poison.replay(req.route_params["id"], caller.name))


async def drop(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return _json(await service.poison.drop(req.route_params["id"], caller.name))


def _json(body: Any) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), mimetype="application/json")
