"""The HTTP functions about sweeps: the last ones, and the report of each."""

import json
from typing import TYPE_CHECKING, Any

import azure.functions as func

from homeostat.core.access import Caller

if TYPE_CHECKING:
    from homeostat.service import Service


async def latest(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import limit

    return _json({"sweeps": await service.sweeps.latest(limit(req.params.get("limit")))})


async def show(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    found = await service.sweeps.show(req.route_params["id"])
    if found is None:
        return _json(
            {"error": {"code": "UnknownSweep", "message": "there is no such sweep, or no report any more"}}, 404
        )
    return _json(found)


def _json(body: Any, status: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")
