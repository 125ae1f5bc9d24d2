"""Microsoft.ResourceGraph: who changed what, for queries of the one shape that Homeostat sends.

A query that it does not understand is refused as the real service refuses a wrong one, so that a changed query fails a
test. Quota headers and refusals: https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
"""

import re
from collections import deque
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from simulator import access
from simulator.arm import Call, Function
from simulator.changes import Change
from simulator.errors import ArmError
from simulator.messages import Json, Principal, Response

PERMISSION = "Microsoft.ResourceGraph/resources/read"
QUOTA = 15
WINDOW = timedelta(seconds=5)
REMEMBERED = timedelta(days=14)

_SHAPE = re.compile(
    r"resourcechanges"
    r" \| extend at = todatetime\(properties\.changeAttributes\.timestamp\),"
    r" target = tostring\(properties\.targetResourceId\)"
    r" \| where at >= datetime\((?P<since>[0-9T:.\-]+Z)\)"
    r" and \(target =~ '(?P<root>(?:[^'\\]|\\.)+)' or target startswith '(?P<below>(?:[^'\\]|\\.)+)/'\)"
    r" \| order by at desc \| limit (?P<rows>\d+) \| project properties"
)
_CLIENTS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
}


def _query(call: Call) -> Response:
    access.check_role(call.cloud, call.caller, PERMISSION, f"/subscriptions/{call.cloud.subscription}")
    headers = _take_quota(call)
    body = call.body()
    match = _SHAPE.fullmatch(" ".join(str(body.get("query") or "").split()))
    if match is None or match["root"] != match["below"]:
        message = "Please provide below info when asking for support: the query is not one that this cloud understands."
        raise ArmError(400, "BadRequest", message, details=[{"code": "InvalidQuery", "message": "Query is invalid."}])
    subscriptions = [str(each).lower() for each in body.get("subscriptions") or [call.cloud.subscription]]
    found = _rows(call, match) if call.cloud.subscription in subscriptions else []
    shown = {"totalRecords": len(found), "count": len(found), "data": found, "facets": [], "resultTruncated": "false"}
    return Response.json(200, shown, headers)


def _rows(call: Call, match: re.Match[str]) -> list[Json]:
    """The changes that were asked for, newest first."""
    since = max(datetime.fromisoformat(match["since"]), call.now - REMEMBERED)
    root = re.sub(r"\\(.)", r"\1", match["root"]).lower()
    wanted = [
        change
        for change in call.cloud.changes
        if change.at >= since and (change.target_id.lower() == root or change.target_id.lower().startswith(f"{root}/"))
    ]
    newest = sorted(wanted, key=lambda change: change.at, reverse=True)
    return [{"properties": _properties(change)} for change in newest[: int(match["rows"])]]


def _properties(change: Change) -> Json:
    activity = change.activity
    snapshot = f"{change.target_id}|{change.at.isoformat()}"
    return {
        "targetResourceId": change.target_id,
        "targetResourceType": change.target_type,
        "changeType": change.change_type,
        "changeAttributes": {
            "timestamp": change.at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "correlationId": activity.correlation_id,
            "changedBy": _name(activity.caller),
            "changedByType": "User" if activity.caller.upn else "Application",
            "clientType": _CLIENTS.get(activity.caller.app_id, activity.caller.app_id),
            "operation": activity.operation_name.lower(),
            "changesCount": len(change.fields),
            "previousResourceSnapshotId": f"{uuid5(NAMESPACE_URL, snapshot + '|before')}",
            "newResourceSnapshotId": f"{uuid5(NAMESPACE_URL, snapshot + '|after')}",
        },
        "changes": change.fields,
    }


def _name(caller: Principal) -> str:
    return caller.upn or caller.app_id


def _take_quota(call: Call) -> dict[str, str]:
    """The quota's headers, after one query was taken from it; 429 when there is none left."""
    taken = call.cloud.extras.setdefault("Microsoft.ResourceGraph", {}).setdefault(call.caller.object_id, deque())
    while taken and taken[0] <= call.now - WINDOW:
        taken.popleft()
    resets = (taken[0] if taken else call.now) + WINDOW - call.now
    headers = {
        "x-ms-user-quota-remaining": str(max(0, QUOTA - len(taken) - 1)),
        "x-ms-user-quota-resets-after": str(timedelta(seconds=-(-resets // timedelta(seconds=1)))).rjust(8, "0"),
    }
    if len(taken) >= QUOTA:
        message = "Please provide below info when asking for support: the user's query quota is used up."
        raise ArmError(429, "RateLimiting", message, headers=headers)
    taken.append(call.now)
    return headers


TYPES = ()
FUNCTIONS = (Function("POST", "Microsoft.ResourceGraph/resources", _query),)
