"""The HTTP functions for sweeps: the last ones, the report of each, and a request for one more."""

from typing import TYPE_CHECKING

import azure.functions as func

from homeostat.core.access import Caller
from homeostat.web.answers import answer, refusal

if TYPE_CHECKING:
    from homeostat.service import Service


async def latest(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import limit

    return answer({"sweeps": await service.sweeps.latest(limit(req.params.get("limit")))})


async def show(service: "Service", req: func.HttpRequest, _caller: Caller) -> func.HttpResponse:
    found = await service.sweep_asks.show(req.route_params["id"])
    if found is None:
        return refusal(404, "UnknownSweep", "there is no such sweep, or no report any more")
    return answer(found)


async def ask(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import ReasonBody, parse_body

    body = parse_body(ReasonBody, req.get_body())
    asked = await service.sweep_asks.ask(caller.name, body.reason)
    status_url = f"/api/sweeps/{asked['id']}"
    return answer({**asked, "statusUrl": status_url}, 202, {"Location": status_url})
