"""Microsoft.ResourceGraph: which resources there are, and who changed what, for queries as Homeostat sends them.

A query that it does not understand is refused as the real service refuses a wrong one, so that a changed query fails a
test. The rows of the table `resources` are there at once, unless the cloud's timing lets them be old, as the real ones
are. Its quota is `simulator.throttling`'s. Paging:
https://learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data
"""

import base64
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from simulator import access
from simulator.arm import Call, Function
from simulator.changes import Change
from simulator.errors import ArmError
from simulator.messages import Json, Principal, Response
from simulator.providers import graph_rows, kusto

PERMISSION = "Microsoft.ResourceGraph/resources/read"
REMEMBERED = timedelta(days=14)
MAX_TOP = 1000
MAX_PAYLOAD = 16_777_216

_TEXT = r"(?:[^'\\]|\\.)+"
_ROOT = rf"target =~ '{_TEXT}' or target startswith '{_TEXT}/'"
_ROOTS = re.compile(rf"target =~ '({_TEXT})' or target startswith '({_TEXT})/'")
_SHAPE = re.compile(
    r"resourcechanges"
    r" \| extend at = todatetime\(properties\.changeAttributes\.timestamp\),"
    r" target = tostring\(properties\.targetResourceId\)"
    r" \| where at >= datetime\((?P<since>[0-9T:.\-]+Z)\)"
    rf" and \((?P<roots>{_ROOT}(?: or {_ROOT})*)\)"
    r" \| order by at desc \| limit (?P<rows>\d+) \| project properties"
)
_CLIENTS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
}


def _query(call: Call) -> Response:
    access.check_role(call.cloud, call.caller, PERMISSION, f"/subscriptions/{call.cloud.subscription}")
    body = call.body()
    text = " ".join(str(body.get("query") or "").split())
    subscriptions = _scope(call, body)
    match = _SHAPE.fullmatch(text)
    if match is None:
        return _resources(call, text, subscriptions, body.get("options") or {})
    roots = _ROOTS.findall(match["roots"])
    if any(root != below for root, below in roots):
        raise _invalid()
    wanted = tuple(re.sub(r"\\(.)", r"\1", root).lower() for root, _ in roots)
    found = _changes(call, match, wanted, subscriptions)
    return Response.json(200, _page(found, len(found)))


def _invalid() -> ArmError:
    return _refusal("InvalidQuery", "Query is invalid.")


def _refusal(code: str, message: str) -> ArmError:
    outer = "Please provide below info when asking for support: the query is not one that this cloud answers."
    return ArmError(400, "BadRequest", outer, details=[{"code": code, "message": message}])


def _scope(call: Call, body: Json) -> frozenset[str]:
    """The subscriptions that are asked of: those named, those below the groups named, or all. Of unknown ones none."""
    named, groups = body.get("subscriptions"), body.get("managementGroups")
    if named and groups:
        raise _refusal("InvalidScope", "Subscriptions and management groups cannot both be given.")
    if groups:
        known = {name.lower(): below for name, below in call.cloud.management_groups.items()}
        found = [each for name in groups for each in known.get(str(name).lower(), ())]
    else:
        found = [str(each).lower() for each in named or call.cloud.subscriptions]
    return frozenset(found) & frozenset(call.cloud.subscriptions)


def _subscription_of(resource_id: str) -> str:
    return resource_id.lower().split("/")[2]


def _page(rows: list[Json], total: int, token: str = "") -> Json:
    return {
        "totalRecords": total,
        "count": len(rows),
        "data": rows,
        "facets": [],
        "resultTruncated": "false",
        **({"$skipToken": token} if token else {}),
    }


# --- resources


def _resources(call: Call, text: str, subscriptions: frozenset[str], options: Json) -> Response:
    """A page of the rows. As with the real service a token continues its own query only, and needs the column `id`."""
    try:
        query = kusto.parse(text, graph_rows.COLUMNS)
    except kusto.NotUnderstood as error:
        raise _invalid() from error
    top, skipped = _number(options.get("$top"), MAX_TOP), _skipped(options.get("$skipToken"), text)
    if not 1 <= top <= MAX_TOP:
        raise _refusal("InvalidTop", f"The value of $top must be from 1 to {MAX_TOP}.")
    found = query.select(list(_candidates(call, query, subscriptions)))
    page = [query.projected(each.row()) for each in found[skipped : skipped + top]]
    end = skipped + len(page)
    more = end < len(found) and "id" in query.columns
    answer = Response.json(200, _page(page, len(found), _token(end, text) if more else ""))
    if (size := len(answer.body)) > MAX_PAYLOAD:
        message = (
            f"Response payload size is {size}, and has exceeded the limit of {MAX_PAYLOAD}. Please consider querying "
            "less data at a time and make paginated call if needed."
        )
        raise _refusal("ResponsePayloadTooLarge", message)
    return answer


def _candidates(call: Call, query: kusto.Query, subscriptions: frozenset[str]) -> Iterator[kusto.Candidate]:
    """What the query may be about."""
    for each in graph_rows.candidates(call, query.types):
        if _subscription_of(each.id) in subscriptions:
            yield each


def _number(given: object, otherwise: int) -> int:
    return given if isinstance(given, int) else otherwise


def _token(end: int, text: str) -> str:
    return base64.b64encode(json.dumps({"end": end, "query": text}).encode()).decode()


def _skipped(token: object, text: str) -> int:
    if not token:
        return 0
    try:
        known = json.loads(base64.b64decode(str(token), validate=True))
        if known["query"] == text:
            return int(known["end"])
    except (ValueError, KeyError, TypeError):
        pass
    raise _refusal("InvalidSkipToken", "The skip token is not one of this query.")


# --- resourcechanges


def _changes(call: Call, match: re.Match[str], roots: tuple[str, ...], subscriptions: frozenset[str]) -> list[Json]:
    """The changes that were asked for, newest first."""
    since, below = max(datetime.fromisoformat(match["since"]), call.now - REMEMBERED), tuple(f"{r}/" for r in roots)
    wanted = [
        change
        for change in call.cloud.changes
        if change.at >= since
        and f"{change.target_id.lower()}/".startswith(below)
        and _subscription_of(change.target_id) in subscriptions
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


TYPES = ()
FUNCTIONS = (Function("POST", "Microsoft.ResourceGraph/resources", _query),)
