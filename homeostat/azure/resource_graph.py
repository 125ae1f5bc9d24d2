"""Azure Resource Graph through the shared pipeline: which resources there are, and who changed one of them.

Its table `resources` has a row for each resource, usually within minutes; a page has up to 1000 of them and 16 MiB. The
table `resourcechanges` has a row for each change of a resource of the last fourteen days, usually within five
minutes. App settings are no resources of its own and never in it. A query draws on a quota of 15 in 5 seconds.
https://learn.microsoft.com/azure/governance/resource-graph/changes/get-resource-changes
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
https://learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from azure.core.rest import AsyncHttpResponse, HttpRequest

from homeostat.ambient import Ambient
from homeostat.azure.blocks import HEALING, Pace
from homeostat.azure.clouds import Cloud
from homeostat.azure.governor import PACE
from homeostat.azure.pipeline import Pipeline
from homeostat.azure.retry import Limits
from homeostat.core import json
from homeostat.core.arm_errors import ArmError, clock_seconds
from homeostat.core.arm_types import root_of
from homeostat.core.attribution import NOBODY, Actor, ActorKind, ForeignWrite, Source
from homeostat.core.claims import tool_of
from homeostat.core.graph import MAX_TOP, Page, RowQuery, quoted
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.paging import odd_answer

log = logging.getLogger(__name__)

API_VERSION: Final = "2021-03-01"
MAX_ROWS: Final = 50
MAX_TEXT: Final = 256
ANSWER_SECONDS: Final = 3
"""A repair waits for the answer: a name is not worth more."""

ONCE: Final = Limits(attempts=1, unknown=1)

QUERY: Final = (
    "resourcechanges"
    " | extend at = todatetime(properties.changeAttributes.timestamp), target = tostring(properties.targetResourceId)"
    " | where at >= datetime({since}) and (target =~ '{root}' or target startswith '{root}/')"
    " | order by at desc | limit {rows} | project properties"
)

_KINDS: Final[Mapping[str, ActorKind]] = {
    "user": ActorKind.USER,
    "application": ActorKind.APPLICATION,
    "serviceprincipal": ActorKind.APPLICATION,
}
_NOTHING: Final = frozenset({"", "null", "unknown"})
"""How a row says that it does not know: null comes as text."""


class ResourceGraph:
    """The ChangeHistory and ResourceTable ports."""

    def __init__(self, pipeline: Pipeline, cloud: Cloud, ambient: Ambient, pace: Pace = HEALING) -> None:
        self._pipeline = pipeline
        self._cloud = cloud
        self._ambient = ambient
        self._pace = pace

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        body: dict[str, Json] = {
            "query": query.text,
            "options": {"$top": top, **({"$skipToken": token} if token else {})},
        }
        if query.management_groups:
            body["managementGroups"] = list(query.management_groups)
        elif query.subscriptions:
            body["subscriptions"] = list(query.subscriptions)
        answer = await self._ask(body)
        try:
            shown = json.parse(answer.content)
        except (ValueError, RecursionError) as error:
            raise odd_answer("the answer is not JSON") from error
        return _page_of(shown, answer.headers)

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return (query,)

    async def _ask(self, body: JsonObject, limits: Limits | None = None) -> AsyncHttpResponse:
        url = f"{self._cloud.arm}/providers/Microsoft.ResourceGraph/resources?api-version={API_VERSION}"
        request = HttpRequest("POST", url, json=body, headers={"Accept": "application/json"})
        options = {PACE: self._pace} | ({"limits": limits} if limits else {})
        return (await self._pipeline.run(request, stream=False, **options)).http_response

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:
        body: JsonObject = {"subscriptions": [root.subscription], "query": query(root, since)}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._ask(body, ONCE)
            return tuple(_writes(json.parse(answer.content), root))[::-1]
        except (ArmError, ValueError, TimeoutError) as error:
            log.warning("%s: Resource Graph does not say who changed it: %s", root.short, str(error) or "no answer")
            return ()


def query(root: ResourceId, since: datetime) -> str:
    """In the Kusto Query Language, whose `=~` and `startswith` do not mind case."""
    at = since.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return QUERY.format(since=at, root=quoted(root.text), rows=MAX_ROWS)


def _page_of(shown: Json, headers: Mapping[str, str]) -> Page:
    rows = json.at(shown, ("data",))
    total = json.at(shown, ("totalRecords",))
    if not isinstance(rows, list) or not isinstance(total, int):
        raise odd_answer("the answer is no page of rows")
    left = headers.get("x-ms-user-quota-remaining", "")
    return Page(
        json.objects_at(shown, "data"),
        total,
        json.text_at(shown, "$skipToken"),
        int(left) if left.isdigit() else None,
        clock_seconds(headers.get("x-ms-user-quota-resets-after", "")) or 0.0,
    )


def _writes(answer: json.Json, root: ResourceId) -> Iterator[ForeignWrite]:
    """The rows that make sense; a slot's are below its app's and yet no change of the app."""
    for row in json.objects_at(answer, "data"):
        found = json.at(row, ("properties",))
        if isinstance(found, Mapping) and (write := _write_of(found)) and _belongs_to(write.resource, root):
            yield write


def _belongs_to(resource: str, root: ResourceId) -> bool:
    try:
        return root_of(ResourceId.parse(resource)) == root
    except InvalidResourceId:
        return False


def _write_of(row: JsonObject) -> ForeignWrite | None:
    try:
        at = datetime.fromisoformat(json.text_at(row, "changeAttributes", "timestamp")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    actor = Actor(
        name=_told(row, "changedBy") or NOBODY,
        kind=_KINDS.get(_told(row, "changedByType").lower(), ActorKind.UNKNOWN),
        tool=tool_of(_told(row, "clientType")),
        at=at,
        operation=_told(row, "operation").lower(),
        correlation_id=_told(row, "correlationId"),
        source=Source.RESOURCE_CHANGES,
    )
    changes = json.at(row, ("changes",))
    is_update = json.text_at(row, "changeType").lower() == "update"
    fields = tuple(str(name)[:MAX_TEXT] for name in changes) if is_update and isinstance(changes, Mapping) else ()
    return ForeignWrite(json.text_at(row, "targetResourceId").lower(), actor, fields)


def _told(row: JsonObject, name: str) -> str:
    text = json.text_at(row, "changeAttributes", name)[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    return "" if text.lower() in _NOTHING else text
