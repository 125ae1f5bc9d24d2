"""Network watchers and flow logs."""

from simulator.arm import Call, ResourceType, read
from simulator.cloud import Resource
from simulator.errors import bad_request, network_body
from simulator.ids import name_of
from simulator.messages import Json, Response
from simulator.providers.network import nrp
from simulator.providers.network.security import GROUP
from simulator.providers.network.subnets import NIC, SUBNET, VNET

WATCHER = "Microsoft.Network/networkWatchers"
FLOW_LOG = f"{WATCHER}/flowLogs"

_TARGETS = {each.lower() for each in (GROUP, VNET, SUBNET, NIC)}
_STORAGE = "Microsoft.Storage/storageAccounts"


def _show_watcher(call: Call, watcher: Resource) -> Json:
    return nrp.view(call.cloud, watcher, {"runningOperationIds": []})


def _put_watcher(call: Call) -> Response:
    """Create at once; one watcher a region (https://learn.microsoft.com/azure/network-watcher/network-watcher-create)."""
    nrp.guard(call)
    existing = call.resource
    head = nrp.envelope_of(call, call.body(), existing)
    others = [
        each
        for each in call.cloud.of_type(WATCHER, f"/subscriptions/{call.address.subscription}")
        if each.key != call.id.lower()
    ]
    if any(each.body["location"] == head["location"] for each in others):
        message = "Cannot create more than 1 network watchers for this subscription in this region."
        raise bad_request("NetworkWatcherCountLimitReached", message)
    watcher = existing or call.cloud.put(Resource(call.display_id(), WATCHER))
    watcher.body = head
    watcher.etag = call.cloud.guid()
    call.cloud.touch()
    return Response.json(200 if existing else 201, _show_watcher(call, watcher))


def _delete_watcher(call: Call) -> Response:
    return nrp.deleted(call, check=lambda _: None, finish=lambda watcher: call.cloud.remove(watcher.id))


def _show_log(call: Call, log: Resource) -> Json:
    return nrp.view(call.cloud, log, log.properties)


def _put_log(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    body = call.body()
    head = nrp.envelope_of(call, body, existing)
    given = nrp.properties_of(body)
    target = _target(call, given)
    storage = nrp.reference(call, call.id, {"id": given.get("storageId")}, _STORAGE)
    if storage is None:
        raise bad_request("InvalidRequestFormat", "storageId is required for a flow log.")
    before = existing.properties if existing is not None else {}
    same_target = before.get("targetResourceId") == target.id
    properties = {
        "targetResourceId": target.id,
        "targetResourceGuid": before["targetResourceGuid"] if same_target else _guid(call, target),
        "storageId": storage["id"],
        "enabled": bool(given.get("enabled", True)),
        "flowAnalyticsConfiguration": _analytics(given),
        "retentionPolicy": {"days": 0, "enabled": False, **(given.get("retentionPolicy") or {})},
        "format": {"type": "JSON", "version": 1, **(given.get("format") or {})},
    }
    log = existing or call.cloud.put(Resource(call.display_id(), FLOW_LOG))
    log.body = {**head, "properties": properties}
    return nrp.written(call, log, _show_log, created=existing is None, changed=before != properties)


def _guid(call: Call, target: Resource) -> str:
    return str(target.properties.get("resourceGuid") or call.cloud.guid())


def _target(call: Call, given: Json) -> Resource:
    wanted = str(given.get("targetResourceId") or "")
    target = call.cloud.get(wanted)
    if target is None or target.type.lower() not in _TARGETS:
        is_group = "/networksecuritygroups/" in wanted.lower()
        kind = "Network security group" if is_group else "Resource"
        code = "NetworkSecurityGroupNotFoundForFlowLog" if is_group else "TargetResourceNotFoundForFlowLog"
        message = f"{kind} specified in flow log TargetResourceId {wanted} is not found."
        raise bad_request(code, message)
    for other in call.cloud.of_type(FLOW_LOG):
        if other.key != call.id.lower() and other.properties["targetResourceId"].lower() == target.key:
            message = f"Target resource {name_of(wanted)} already has the flow log {other.id}."
            raise bad_request("FlowLogAlreadyExistsForTargetResource", message)
    return target


def _analytics(given: Json) -> Json:
    asked = (given.get("flowAnalyticsConfiguration") or {}).get("networkWatcherFlowAnalyticsConfiguration") or {}
    return {"networkWatcherFlowAnalyticsConfiguration": {"enabled": False, **asked}}


def _delete_log(call: Call) -> Response:
    return nrp.deleted(call, check=lambda _: None, finish=lambda log: call.cloud.remove(log.id))


def _get(call: Call) -> Response:
    """Watchers and flow logs carry no ETag header."""
    response = read(call)
    response.headers.pop("etag", None)
    return response


TYPES = (
    ResourceType(
        name=WATCHER,
        api_versions=nrp.VERSIONS,
        get=_get,
        put=_put_watcher,
        patch=nrp.patch_tags,
        delete=_delete_watcher,
        render=_show_watcher,
        error_body=network_body,
        tracked=True,
    ),
    ResourceType(
        name=FLOW_LOG,
        api_versions=nrp.VERSIONS,
        get=_get,
        put=_put_log,
        patch=nrp.patch_tags,
        delete=_delete_log,
        render=_show_log,
        error_body=network_body,
    ),
)
