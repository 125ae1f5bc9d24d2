"""What an operator or a test asks of the simulated Event Grid, under `/_simulator/`.

GET, DELETE /_simulator/alerts             the events published to custom topics, oldest first
GET, DELETE /_simulator/deliveries         every attempt to deliver: when, to whom, which events, what came back
GET, DELETE /_simulator/dead-letters       events given up on, with the reason
PUT /_simulator/subscriptions/NAME         {"webhook": URL, "schema": ..., "filter": ...}: an event subscription on
                                           the whole subscription, as its PUT through ARM would make it
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from simulator.cloud import OPERATOR, Cloud
from simulator.gateway import handle as arm
from simulator.messages import Json, Request, Response
from simulator.providers.eventgrid.state import state
from simulator.providers.eventgrid.subscriptions import VERSIONS

_SUBSCRIPTIONS = "/_simulator/subscriptions/"


def handle(cloud: Cloud, request: Request, now: datetime) -> Response | None:
    """The answer, or None where the path is not Event Grid's."""
    if request.method == "PUT" and request.path.startswith(_SUBSCRIPTIONS):
        return _subscribe(cloud, request, now)
    lists: dict[str, list[Any]] = {
        "/_simulator/alerts": state(cloud).published,
        "/_simulator/deliveries": state(cloud).deliveries,
        "/_simulator/dead-letters": state(cloud).dead_letters,
    }
    found = lists.get(request.path.rstrip("/"))
    match request.method:
        case "GET" if found is not None:
            return Response.json(200, [_shown(each) for each in found])
        case "DELETE" if found is not None:
            found.clear()
            return Response.empty(204)
    return None


def _shown(entry: Any) -> Json:
    if isinstance(entry, dict):
        return entry
    return {**asdict(entry), "at": entry.at.isoformat()}


def _subscribe(cloud: Cloud, request: Request, now: datetime) -> Response:
    try:
        wish = json.loads(request.body)
        webhook = wish["webhook"]
    except (ValueError, LookupError, TypeError):
        message = 'The body has the form {"webhook": "http://..."}.'
        return Response.json(400, {"error": {"code": "BadRequest", "message": message}})
    properties = {
        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": webhook}},
        "eventDeliverySchema": wish.get("schema"),
        "filter": wish.get("filter"),
    }
    name = request.path.removeprefix(_SUBSCRIPTIONS)
    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"
    body = {"properties": properties}
    return arm(cloud, Request.of("PUT", path, body, api_version=VERSIONS[0], caller=OPERATOR), now)
