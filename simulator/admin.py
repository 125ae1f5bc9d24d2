"""What an operator or a test asks of the simulator itself, under `/_simulator/`.

    GET    /_simulator/requests   every ARM call so far: time, duration, method, path, status, caller, correlation id
    DELETE /_simulator/requests   forget them
    GET    /_simulator/activities the activity log
    GET    /_simulator/world      every resource, in the form that PUT (and `--world FILE`) takes
    PUT    /_simulator/world      replace every resource

and, by `simulator.events_admin`, what Event Grid delivered and received.

No token is needed: whoever reaches the simulator owns it.
"""

from dataclasses import asdict
from datetime import datetime

from simulator import events_admin, worlds
from simulator.cloud import Cloud
from simulator.messages import Json, Request, Response


def handle(cloud: Cloud, request: Request, now: datetime) -> Response:
    """Answer a request to the simulator itself."""
    cloud.advance(now)
    match request.method, request.path.rstrip("/"):
        case "GET", "/_simulator/requests":
            return Response.json(200, requests(cloud))
        case "DELETE", "/_simulator/requests":
            cloud.exchanges.clear()
            return Response.empty(204)
        case "GET", "/_simulator/activities":
            records, _ = cloud.activities.since()
            return Response.json(200, [{**asdict(each), "at": each.at.isoformat()} for each in records])
        case "GET", "/_simulator/world":
            return Response.json(200, worlds.dump(cloud))
        case "PUT", "/_simulator/world":
            return _load(cloud, request)
    found = events_admin.handle(cloud, request, now)
    if found is not None:
        return found
    return Response.json(404, {"error": {"code": "NotFound", "message": f"{request.path} is not known here."}})


def _load(cloud: Cloud, request: Request) -> Response:
    try:
        worlds.load(cloud, request.body)
    except worlds.WorldError as error:
        return Response.json(400, {"error": {"code": "InvalidWorld", "message": str(error)}})
    return Response.empty(204)


def requests(cloud: Cloud) -> list[Json]:
    """The request log as JSON, oldest first."""
    return [{**asdict(each), "time": each.time.isoformat(timespec="milliseconds")} for each in cloud.exchanges]
