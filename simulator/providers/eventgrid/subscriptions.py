"""Event subscriptions, under a system topic or as an extension of a subscription or resource group.

Creating one with a webhook is a long-running operation: the endpoint has to answer a handshake first, which somebody
with a network makes (`state.Handshake`), and without its consent the subscription does not come to be.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from simulator.arm import Action, Call, ResourceType, announce, existing, shown
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bad_request
from simulator.ids import parent_of
from simulator.messages import Json, Response
from simulator.operations import Operation, Protocol
from simulator.providers.eventgrid.events import ADVANCED, EVENT_TYPES, Schema
from simulator.providers.eventgrid.state import Handshake, state

EXTENSION = "Microsoft.EventGrid/eventSubscriptions"
NESTED = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
SYSTEM_TOPICS = "Microsoft.EventGrid/systemTopics"
VERSIONS = ("2025-02-15", "2019-06-01")

_HANDSHAKE_TIME = timedelta(seconds=60)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SCHEMAS = ("EventGridSchema", "CloudEventSchemaV1_0")
_PROTOCOL = Protocol(
    status_path="/subscriptions/{subscription}/providers/Microsoft.EventGrid/locations/{location}/operationsStatus/{id}",
    api_version="2025-02-15",
    retry_after=1,
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a stored subscription tells whoever delivers."""

    id: str
    name: str
    topic: str
    filter: Json
    schema: Schema
    endpoint_type: str
    endpoint: Json
    max_attempts: int
    time_to_live: timedelta
    dead_letter: Json | None

    @property
    def batch(self) -> int:
        """Events in one request to a webhook; batching is off by default."""
        return int(self.endpoint.get("maxEventsPerBatch") or 1)

    @property
    def batch_bytes(self) -> int:
        return int(self.endpoint.get("preferredBatchSizeInKilobytes") or 64) * 1024


def active(cloud: Cloud) -> list[Subscription]:
    """Every subscription that receives events now."""
    found = [*cloud.of_type(EXTENSION), *cloud.of_type(NESTED)]
    return [subscription(cloud, each) for each in found if each.provisioning in {"Succeeded", "Updating"}]


def subscription(cloud: Cloud, resource: Resource) -> Subscription:
    """A stored subscription as the one who delivers needs it."""
    properties = resource.properties
    destination, policy = properties["destination"], properties["retryPolicy"]
    return Subscription(
        resource.id,
        resource.name,
        _topic(cloud, resource.id),
        properties["filter"],
        properties["eventDeliverySchema"],
        destination["endpointType"],
        destination["properties"],
        int(policy["maxDeliveryAttempts"]),
        timedelta(minutes=int(policy["eventTimeToLiveInMinutes"])),
        properties.get("deadLetterDestination"),
    )


def _topic(cloud: Cloud, subscription_id: str) -> str:
    owner = cloud.get(parent_of(subscription_id))
    if owner is not None and owner.type.lower() == SYSTEM_TOPICS.lower():
        return str(owner.properties["source"])
    return parent_of(subscription_id)


# --- the ARM resource


def _put(call: Call) -> Response:
    return _store(call, call.body().get("properties") or {})


def _patch(call: Call) -> Response:
    """Replaces the members that are given (EventSubscriptionUpdateParameters is flat, without `properties`)."""
    body = call.body()
    return _store(call, {**deepcopy(existing(call).properties), **(body.get("properties") or body)}, status=200)


def _store(call: Call, given: Json, status: int = 201) -> Response:
    before = call.resource
    stored = Resource(before.id if before else call.display_id(), call.type.name if call.type else EXTENSION)
    stored.body = {"properties": _checked(given)}
    topic = _checked_topic(call, stored.id)
    destination = stored.properties["destination"]
    if destination["endpointType"] == "StorageQueue":
        call.cloud.put(stored)
        return Response.json(status, shown(call, stored))
    stored.provisioning = "Creating"
    if before is None:
        call.cloud.put(stored)
    operation = _await_consent(call, stored, before)
    cloud_events = stored.properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    code = str(call.cloud.guid()).upper()
    url = destination["properties"]["endpointUrl"]
    state(call.cloud).request(Handshake(stored.id, url, cloud_events, code, topic, operation))
    headers = announce(call.cloud, call.operation) if call.operation else {}
    return Response.json(status, shown(call, stored), headers)


def _await_consent(call: Call, stored: Resource, before: Resource | None) -> Any:
    """Begin the operation that ends with the handshake, and return what ends it."""
    cloud, operation_id = call.cloud, call.cloud.guid()
    names = {"subscription": call.address.subscription or cloud.subscription, "location": "global", "id": operation_id}
    status_url = f"{call.base_url}{(_PROTOCOL.status_path or '').format(**names)}?api-version={_PROTOCOL.api_version}"
    due = call.now + _HANDSHAKE_TIME
    operation = Operation(
        operation_id, _PROTOCOL, "global", stored.id, call.now, due, status_url, "", finish=lambda _: None
    )
    cloud.operations[operation_id] = call.operation = operation

    def conclude(at: datetime, error: Json | None) -> None:
        if error is None:
            stored.provisioning = "Succeeded"
            cloud.put(stored)
        elif before is None:
            cloud.remove(stored.id)
        operation.error, operation.done = error, True
        cloud.touch()
        call.record("Failure" if error else "Success", at, long_running=True)

    return conclude


def _checked_topic(call: Call, subscription_id: str) -> str:
    topic = _topic(call.cloud, subscription_id)
    segments = topic.strip("/").lower().split("/")
    if segments[0] != "subscriptions" or len(segments) not in {2, 4}:
        raise bad_request(
            "InvalidRequest",
            f"Events of '{topic}' are not simulated: a topic is a subscription or a resource group.",
        )
    return topic


def _checked(given: Json) -> Json:
    """The properties with Event Grid's defaults. 400 for what it would refuse, or what is not simulated."""
    destination = given.get("destination") or {}
    policy = given.get("retryPolicy") or {}
    rules = given.get("filter") or {}
    schema = given.get("eventDeliverySchema") or "EventGridSchema"
    if schema not in _SCHEMAS:
        raise bad_request("InvalidRequest", f"Event delivery schema '{schema}' is not one of {', '.join(_SCHEMAS)}.")
    for rule in rules.get("advancedFilters") or ():
        if str(rule.get("operatorType")).replace("StringNot", "String") not in ADVANCED or "key" not in rule:
            raise bad_request("InvalidRequest", f"The advanced filter {rule} is not simulated.")
    return {
        "destination": _checked_destination(destination),
        "filter": {
            "subjectBeginsWith": rules.get("subjectBeginsWith") or "",
            "subjectEndsWith": rules.get("subjectEndsWith") or "",
            "isSubjectCaseSensitive": bool(rules.get("isSubjectCaseSensitive")),
            "includedEventTypes": rules.get("includedEventTypes") or list(EVENT_TYPES),
            **({"advancedFilters": rules["advancedFilters"]} if rules.get("advancedFilters") else {}),
        },
        "labels": given.get("labels") or [],
        "eventDeliverySchema": schema,
        "retryPolicy": {
            "maxDeliveryAttempts": _within(policy, "maxDeliveryAttempts", 30, 30),
            "eventTimeToLiveInMinutes": _within(policy, "eventTimeToLiveInMinutes", 1440, 1440),
        },
        **({"deadLetterDestination": given["deadLetterDestination"]} if given.get("deadLetterDestination") else {}),
    }


def _within(given: Json, name: str, default: int, high: int, low: int = 1) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not low <= value <= high:
        raise bad_request("InvalidRequest", f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return value


def _checked_destination(destination: Json) -> Json:
    kind, properties = destination.get("endpointType"), destination.get("properties") or {}
    if kind == "StorageQueue":
        if not properties.get("resourceId") or not properties.get("queueName"):
            raise bad_request("InvalidRequest", "A StorageQueue destination needs resourceId and queueName.")
        return {"endpointType": kind, "properties": properties}
    if kind != "WebHook":
        raise bad_request("InvalidRequest", f"Destination type '{kind}' is not simulated: use WebHook or StorageQueue.")
    url = urlsplit(str(properties.get("endpointUrl") or ""))
    if not url.hostname or (url.scheme != "https" and url.hostname not in _LOOPBACK):
        raise bad_request("InvalidRequest", "The endpoint URL must be an https URL (http on this machine alone).")
    checked = {
        "endpointUrl": urlunsplit(url),
        "maxEventsPerBatch": _within(properties, "maxEventsPerBatch", 1, 5000),
        "preferredBatchSizeInKilobytes": _within(properties, "preferredBatchSizeInKilobytes", 64, 1024),
    }
    return {"endpointType": kind, "properties": checked}


def _render(call: Call, resource: Resource) -> Json:
    """The endpoint's URL is shown without its query, which holds the key; `getFullUrl` gives all of it."""
    properties = deepcopy(resource.properties)
    if properties["destination"]["endpointType"] == "WebHook":
        endpoint = properties["destination"]["properties"]
        endpoint["endpointBaseUrl"] = endpoint.pop("endpointUrl").partition("?")[0]
    properties |= {"topic": _topic(call.cloud, resource.id), "provisioningState": resource.provisioning}
    return {"id": resource.id, "name": resource.name, "type": resource.type, "properties": properties}


def _full_url(call: Call) -> Response:
    resource = call.cloud.get(call.target_id)
    if resource is None:
        raise ArmError(404, "ResourceNotFound", f"Event subscription '{call.target_id}' is not found.")
    endpoint = resource.properties["destination"]["properties"]
    return Response.json(200, {"endpointUrl": endpoint.get("endpointUrl")})


def _delete(call: Call) -> Response:
    if call.resource is None:
        return Response.empty(204)
    call.cloud.remove(call.resource.id)
    return Response.empty(200)


def _put_topic(call: Call) -> Response:
    body = call.body()
    properties = body.get("properties") or {}
    source = properties.get("source")
    if not source or not properties.get("topicType") or not body.get("location"):
        raise bad_request(
            "InvalidRequest", "A system topic needs a location, properties.source and properties.topicType."
        )
    for other in call.cloud.of_type(SYSTEM_TOPICS):
        if other.properties["source"].lower() == source.lower() and other.key != call.id.lower():
            message = f"Only one system topic is allowed per source. Source '{source}' has '{other.id}'."
            raise bad_request("InvalidRequest", message)
    before = call.resource
    stored = Resource(before.id if before else call.display_id(), SYSTEM_TOPICS, body)
    metric = before.properties["metricResourceId"] if before else call.cloud.guid()
    stored.body["properties"] = {**properties, "provisioningState": "Succeeded", "metricResourceId": metric}
    call.cloud.put(stored)
    return Response.json(200 if before else 201, shown(call, stored))


def _subscription_type(name: str, *, extension: bool) -> ResourceType:
    return ResourceType(
        name=name,
        api_versions=VERSIONS,
        put=_put,
        patch=_patch,
        delete=_delete,
        render=_render,
        actions={"getfullurl": Action(_full_url)},
        extension=extension,
    )


TYPES = (
    ResourceType(
        name=SYSTEM_TOPICS, api_versions=(VERSIONS[0], "2020-04-01"), put=_put_topic, delete=_delete, tracked=True
    ),
    _subscription_type(NESTED, extension=False),
    _subscription_type(EXTENSION, extension=True),
)
