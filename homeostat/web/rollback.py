"""The HTTP function that undoes what a write changed."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import azure.functions as func

from homeostat.core.access import Caller
from homeostat.web.answers import answer

if TYPE_CHECKING:
    from homeostat.service import Service


async def rollback(service: "Service", req: func.HttpRequest, caller: Caller) -> func.HttpResponse:
    from homeostat.web.requests import RollbackBody, parse_body

    body = parse_body(RollbackBody, req.get_body())
    # A caller who hangs up must not stop it half-way.
    begun = service.rollbacks.start(
        req.route_params["name"],
        body.entry,
        timedelta(seconds=body.seconds),
        body.reason,
        caller.name,
        dry_run=body.dry_run,
    )
    return answer(await asyncio.shield(begun))
