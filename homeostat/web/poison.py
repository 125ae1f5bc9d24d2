"""The HTTP functions for messages that failed too often."""

from typing import TYPE_CHECKING

import azure.functions as func

from homeostat.core.access import Caller
from homeostat.web.answers import answer

if TYPE_CHECKING:
    from homeostat.service import Service


async def messages(service: "Service", _req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    listed = await service.poison.list()
    return answer({"count": await service.poison.count(), "messages": listed})


async def explain(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    return answer(await service.poison.explain(req.route_params["id"]))


async def replay(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return answer(await service.poison.replay(req.route_params["id"], caller.name))


async def drop(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    return answer(await service.poison.drop(req.route_params["id"], caller.name))
