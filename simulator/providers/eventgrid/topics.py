"""Custom topics: their ARM resource, their keys, and the endpoint that events are published to.

`POST /topics/NAME/api/events` is what azure-eventgrid's EventGridPublisherClient calls, with an access key in
`aeg-sas-key` or a bearer token for https://eventgrid.azure.net. The topic of the alerts is there from the start.
"""

import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt

from simulator.arm import Action, Call, Function, ResourceType, shown
from simulator.cloud import HOMEOSTAT, OPERATOR, Cloud, Resource
from simulator.environment import ALERT_TOPIC, ALERT_TOPIC_KEY
from simulator.errors import ArmError, bad_request
from simulator.messages import Json, Request, Response
from simulator.providers.eventgrid.state import Published, state
from simulator.providers.eventgrid.subscriptions import VERSIONS

TOPICS = "Microsoft.EventGrid/topics"

_MAX_BATCH = 1024 * 1024  # bytes of one publish request
_CLOUD_EVENTS = ("application/cloudevents-batch+json", "application/cloudevents+json")
_REQUIRED = {
    "CloudEventSchemaV1_0": ("id", "source", "type", "specversion"),
    "EventGridSchema": ("id", "subject", "eventType", "eventTime", "data", "dataVersion"),
}


# --- the ARM resource


def _put(call: Call) -> Response:
    body = call.body()
    if not body.get("location"):
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.", gateway=True)
    before = call.resource
    stored = Resource(before.id if before else call.display_id(), TOPICS, body)
    schema = stored.properties.get("inputSchema") or "EventGridSchema"
    if schema not in _REQUIRED:
        raise bad_request("InvalidRequest", f"Input schema '{schema}' is not simulated: use {', '.join(_REQUIRED)}.")
    keys = before.body["keys"] if before else [call.cloud.guid(), call.cloud.guid()]
    stored.body["keys"] = keys
    stored.properties["inputSchema"] = schema
    call.cloud.put(stored)
    return Response.json(200 if before else 201, shown(call, stored))


def _render(call: Call, topic: Resource) -> Json:
    properties = {
        "publicNetworkAccess": "Enabled",
        "disableLocalAuth": False,
        **topic.properties,
        "endpoint": f"{call.base_url}/topics/{topic.name}/api/events",
        "provisioningState": "Succeeded",
    }
    body = {name: value for name, value in topic.body.items() if name not in {"keys", "properties"}}
    return {"id": topic.id, "name": topic.name, "type": TOPICS, **body, "properties": properties}


def _delete(call: Call) -> Response:
    if call.resource is None:
        return Response.empty(204)
    call.cloud.remove(call.resource.id)
    return Response.empty(200)


def _list_keys(call: Call) -> Response:
    topic = call.cloud.get(call.target_id)
    if topic is None:
        raise ArmError(404, "ResourceNotFound", f"Topic '{call.target_id}' is not found.")
    return Response.json(200, dict(zip(("key1", "key2"), topic.body["keys"], strict=True)))


# --- publishing


def _publish(call: Call) -> Response:
    name, events_word = (*call.address.names, "")[:2]
    known = _topic(call.cloud, name)
    if known is None or events_word != "events":
        raise ArmError(404, "NotFound", f"There is no topic '{name}' here.")
    keys, schema = known
    caller = _caller(call, keys)
    for event in _events(call.request, schema):
        state(call.cloud).published.append(Published(call.now, name, caller, event))
    return Response.empty(200)


def _topic(cloud: Cloud, name: str) -> tuple[list[str], str] | None:
    """The keys and the input schema of a topic by its name."""
    for topic in cloud.of_type(TOPICS):
        if topic.name.lower() == name.lower():
            return topic.body["keys"], topic.properties["inputSchema"]
    return ([ALERT_TOPIC_KEY], "CloudEventSchemaV1_0") if name == ALERT_TOPIC else None


def _caller(call: Call, keys: list[str]) -> str:
    """401 without a fitting key or token."""
    given = call.header("aeg-sas-key")
    if given is not None:
        if any(hmac.compare_digest(given.encode(), key.encode()) for key in keys):
            return "access key"
        raise ArmError(401, "Unauthorized", "The request authorization key is not authorized for this topic.")
    scheme, _, token = (call.header("authorization") or "").partition(" ")
    claims = _claims(token) if scheme.lower() == "bearer" else {}
    known = {principal.object_id: principal.name for principal in (HOMEOSTAT, OPERATOR)}
    in_time = claims.get("exp", 0) > call.now.timestamp()
    if not in_time or "eventgrid.azure.net" not in str(claims.get("aud")) or claims.get("oid") not in known:
        raise ArmError(401, "Unauthorized", "Request must contain aeg-sas-key or a valid bearer token.")
    return known[claims["oid"]]


def _claims(token: str) -> Mapping[str, Any]:
    """What a token says. Its signature is not looked at: the identity endpoint gives a token to everybody here."""
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def _events(request: Request, schema: str) -> list[Json]:
    if len(request.body) > _MAX_BATCH:
        raise ArmError(413, "RequestEntityTooLarge", "The maximum size of a published batch is 1 MB.")
    kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if (kind in _CLOUD_EVENTS) != (schema == "CloudEventSchemaV1_0"):
        raise bad_request("BadRequest", f"This topic takes events of schema {schema}, not content type '{kind}'.")
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise bad_request("BadRequest", f"The request is not valid JSON: {error}") from error
    events = body if isinstance(body, list) else [body]
    for event in events:
        missing = [name for name in _REQUIRED[schema] if not isinstance(event, dict) or event.get(name) in (None, "")]
        if missing:
            raise bad_request("BadRequest", f"An event lacks {', '.join(missing)}.")
        if schema == "CloudEventSchemaV1_0" and event["specversion"] != "1.0":
            raise bad_request("BadRequest", f"specversion '{event['specversion']}' is not supported; use 1.0.")
    return events


TYPES = (
    ResourceType(
        name=TOPICS,
        api_versions=VERSIONS,
        put=_put,
        delete=_delete,
        render=_render,
        actions={"listkeys": Action(_list_keys)},
        tracked=True,
    ),
)
FUNCTIONS = (Function("POST", "topics/api", _publish, anonymous=True),)
