"""What an operator or a test asks of the simulator itself, under `/_simulator/`.

    GET    /_simulator/requests   every ARM call so far: time, duration, method, path, status, caller, correlation id
    DELETE /_simulator/requests   forget them
    GET    /_simulator/throttling what each bucket gave, and how often it refused
    GET    /_simulator/activities the activity log
    GET    /_simulator/world      every resource, in the form that PUT (and `--world FILE`) takes
    PUT    /_simulator/world      replace every resource

and, by `simulator.events_admin`, what Event Grid delivered and received.

No token is needed: whoever reaches the simulator owns it.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from simulator import events_admin, worlds
from simulator.cloud import Cloud
from simulator.messages import Json, Request, Response


def handle(cloud: Cloud, request: Request, now: datetime) -> Response:
    """Answer a request to the simulator itself."""
    cloud.advance(now)
    handler = _HANDLERS.get((request.method, request.path.rstrip("/")))
    found = handler(cloud, request) if handler is not None else events_admin.handle(cloud, request, now)
    if found is not None:
        return found
    return Response.json(404, {"error": {"code": "NotFound", "message": f"{request.path} is not known here."}})


def requests(cloud: Cloud) -> list[Json]:
    """The request log as JSON, oldest first."""
    return [{**asdict(each), "time": each.time.isoformat(timespec="milliseconds")} for each in cloud.exchanges]


def _list_requests(cloud: Cloud, _: Request) -> Response:
    return Response.json(200, requests(cloud))


def _forget_requests(cloud: Cloud, _: Request) -> Response:
    cloud.exchanges.clear()
    return Response.empty(204)


def _list_throttling(cloud: Cloud, _: Request) -> Response:
    return Response.json(200, cloud.throttling.shown())


def _list_activities(cloud: Cloud, _: Request) -> Response:
    records, _cursor = cloud.activities.since()
    return Response.json(200, [{**asdict(each), "at": each.at.isoformat()} for each in records])


def _dump(cloud: Cloud, _: Request) -> Response:
    return Response.json(200, worlds.dump(cloud))


def _load(cloud: Cloud, request: Request) -> Response:
    try:
        worlds.load(cloud, request.body)
    except worlds.WorldError as error:
        return Response.json(400, {"error": {"code": "InvalidWorld", "message": str(error)}})
    return Response.empty(204)


_HANDLERS: dict[tuple[str, str], Callable[[Cloud, Request], Response]] = {
    ("GET", "/_simulator/requests"): _list_requests,
    ("DELETE", "/_simulator/requests"): _forget_requests,
    ("GET", "/_simulator/throttling"): _list_throttling,
    ("GET", "/_simulator/activities"): _list_activities,
    ("GET", "/_simulator/world"): _dump,
    ("PUT", "/_simulator/world"): _load,
}
